"""All that is measured of one clip of one system."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.evaluation.embedders import FRAMES, RATE
from lipdub.evaluation.images import flicker, psnr, ssim
from lipdub.evaluation.judges import Embed, Floats, Judges, Sound
from lipdub.evaluation.landmarks import aperture_agreement, apertures, mouth_distance
from lipdub.evaluation.sync import sync_score
from lipdub.evaluation.views import Views, crops_of, lower_halves, nearest_frames
from lipdub.faces.detect import Face
from lipdub.faces.leak import leak

PICTURES_EVERY = 5
"""PSNR, SSIM and LPIPS are taken of each fifth frame: neighbours are much alike."""
PERSON_EVERY = 10
FEATURES_EVERY = 25
"""FID takes a frame a second of usual videos: Inception takes 0.25 s a picture on one core."""
APART = 5
"""Frames by which the sound is shifted, at least, where it does not fit any more."""

Points = npt.NDArray[np.float32]
"""[n, 478, 2], pixels of the view; NaN where no face is seen."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A clip as the metrics see it: [n] views, and the landmarks in them."""

    views: Views
    points: Points


@dataclass(frozen=True, slots=True)
class Speech:
    """What is said, and by whom.

    Attributes:
        sound: 16 kHz mono, from the first frame on.
        seconds: [n], when the frames are shown, from the sound's beginning on.
        aperture: [n], of the lips of the person who really said it; None if that is not known.
        points: [n, 478, 2], of the same person, in views; None if not known.
        own: it is what the source says itself; lips that go with the source's do not betray it then.
    """

    sound: Sound
    seconds: npt.NDArray[np.float64]
    aperture: npt.NDArray[np.float64] | None = None
    points: Points | None = None
    own: bool = False

    def first(self, count: int) -> "Speech":
        """The same for the first frames alone."""
        aperture = None if self.aperture is None else self.aperture[:count]
        points = None if self.points is None else self.points[:count]
        return Speech(self.sound, self.seconds[:count], aperture, points, self.own)


@dataclass(frozen=True, slots=True)
class Measured:
    """One system on one clip.

    Attributes:
        figures: by their names; NaN what could not be measured.
        features: [m, 2048] of Inception; None without it.
    """

    figures: dict[str, float]
    features: Floats | None = None


def see(views: Views, landmarker: Callable[[npt.NDArray[np.uint8]], list[Face]]) -> Seen:
    """Find the face in each view: the largest, if there are several.

    Args:
        views: [n, 224, 224, 3].
        landmarker: what finds faces.
    """
    points = np.full((len(views), 478, 2), np.nan, np.float32)
    for place, view in zip(points, views, strict=True):
        faces = landmarker(view)
        if faces:
            place[:] = max(faces, key=lambda face: float(face.box[3])).landmarks
    return Seen(views, points)


def measure(shown: Seen, source: Seen, speech: Speech, judges: Judges) -> Measured:
    """Measure what a system shows.

    Args:
        shown: by the system; n frames.
        source: the real video, likewise: what the pictures should be like, and whose lips should not leak.
        speech: that drives the lips.
        judges: the networks.
    """
    features = judges.inception(crops_of(shown.views[::FEATURES_EVERY])) if judges.inception else None
    figures = {
        "frames": float(len(shown.views)),
        **_pictures(shown, source, judges),
        **_lips(shown, source, speech),
        "identity": _likeness(shown, source, judges),
        **_sync(shown, speech, judges),
    }
    return Measured(figures, features)


def _pictures(shown: Seen, source: Seen, judges: Judges) -> dict[str, float]:
    crops, true = (crops_of(seen.views[::PICTURES_EVERY]) for seen in (shown, source))
    grey = [[cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in each] for each in (crops, true)]
    found = {
        "psnr": float(np.mean([psnr(a, b) for a, b in zip(*grey, strict=True)])),
        "ssim": float(np.mean([ssim(a, b) for a, b in zip(*grey, strict=True)])),
        "flicker": flicker(lower_halves(shown.views), lower_halves(source.views)),
    }
    if judges.lpips:
        same = np.array_equal(crops, true)
        found["lpips"] = 0.0 if same else float(np.mean(judges.lpips(crops, true)))
    return found


def _lips(shown: Seen, source: Seen, speech: Speech) -> dict[str, float]:
    aperture = apertures(shown.points)
    found = {}
    if not speech.own:
        betrayed = leak(apertures(source.points), aperture)
        found = {"leak": betrayed.correlation, "leak_share": betrayed.share}
    if speech.aperture is not None:
        agreement = aperture_agreement(aperture, speech.aperture)
        found |= {"truth": agreement.correlation, "truth_best": agreement.best, "lag": float(agreement.lag)}
    if speech.points is not None:
        found["lmd"] = mouth_distance(shown.points, speech.points)
    return found


def _likeness(shown: Seen, source: Seen, judges: Judges) -> float:
    """Mean cosine of the embeddings of faces of both in the same frames; NaN where there are none."""
    if judges.embedder is None:
        return float("nan")
    cosines = []
    for i in range(0, len(shown.views), PERSON_EVERY):
        if np.isfinite(shown.points[i]).all() and np.isfinite(source.points[i]).all():
            a, b = (judges.embedder(seen.views[i], seen.points[i]) for seen in (shown, source))
            cosines.append(float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))))
    return float(np.mean(cosines)) if cosines else float("nan")


def _sync(shown: Seen, speech: Speech, judges: Judges) -> dict[str, float]:
    found = {}
    if judges.syncnet:
        pairs = _embedded(judges.syncnet, shown, speech)
        if pairs:
            score = sync_score(*pairs)
            found = {"sync_c": score.confidence, "sync_d": score.distance, "offset": float(score.offset)}
    if judges.expert:
        pairs = _embedded(judges.expert, shown, speech)
        if pairs:
            fits, others = expert_cosines(*pairs)
            found |= {"expert": fits, "expert_gain": fits - others}
    return found


def _embedded(embed: Embed, shown: Seen, speech: Speech) -> tuple[Floats, Floats] | None:
    chosen = nearest_frames(speech.seconds, RATE)
    begin = round(float(speech.seconds[0]) * 16_000)
    sound = speech.sound[begin : begin + round(len(chosen) * 16_000 / RATE)]
    if len(chosen) < FRAMES:
        return None
    video, audio = embed(shown.views[chosen], sound)
    return (video, audio) if len(video) and len(audio) else None


def expert_cosines(video: Floats, audio: Floats) -> tuple[float, float]:
    """Mean cosine of windows and their own sound, and of windows and sounds `APART` frames or more away.

    Args:
        video, audio: [n, d] and [m, d] embeddings of length 1, one a frame.

    Returns:
        Both −1 to 1; the second NaN where the clip is too short.
    """
    count = min(len(video), len(audio))
    cosines = video[:count].astype(np.float64) @ audio[:count].T
    away = np.abs(np.subtract.outer(np.arange(count), np.arange(count))) >= APART
    others = float(cosines[away].mean()) if away.any() else float("nan")
    return float(np.diag(cosines).mean()), others
