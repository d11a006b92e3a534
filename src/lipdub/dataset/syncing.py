"""Whether the sound of a video comes early or late: found by how well picture and sound agree at each shift.

What agreement is, a judge knows: the lips and the loudness of the sound alone (`LipJudge`), or a network that
was trained for it. The judgement is the same for all: a shift is believed where it stands out clearly.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from lipdub.dataset.cutting import SAMPLES, Clip
from lipdub.dataset.options import FARTHEST_SHIFT
from lipdub.dataset.pictures import Picture, Shown
from lipdub.evaluation.embedders import FRAMES, SyncEmbedder
from lipdub.faces.crop import Box
from lipdub.speech.mel import COLUMNS_PER_SECOND, SILENCE, log_mel

REACH = FARTHEST_SHIFT
SHIFTS = np.arange(-REACH, REACH + 1)
NEAR = 3
"""Frames to each side of the best shift that belong to its peak: mouths move no faster."""
IN_SYNC = 1
"""Frames that nobody sees, and no judge can tell."""
LEAST = 0.5
"""Share of a clip that must have sound at a shift for its agreement there to count."""

Curve = npt.NDArray[np.float64]
"""[31]: how well picture and sound agree if the sound is taken −15 … 15 frames later; NaN if not known."""
Pcm = npt.NDArray[np.int16]


class Belief(NamedTuple):
    """When a shift is believed.

    Attributes:
        evidence: by how much agreement at it must exceed that at any other shift, beside the nearest ones.
        agreement: how large it must be.
        frames: how much must have been compared; of clips of 30 frames, two in five were wrong.
        relative: the evidence is in units of how far agreement at it lies above the median of all.
        height: how far it must lie above the median, as a share of that: a network that does not know such
            faces has small peaks anywhere, which stand out all the same.
    """

    evidence: float
    agreement: float = -np.inf
    frames: int = 0
    relative: bool = False
    height: float = 0.0


class Verdict(NamedTuple):
    """What is thought of a clip's sync.

    Attributes:
        shift: frames by which the sound comes later than it should.
        evidence: for it (see `Belief`).
        clear: whether that is enough to believe it.
    """

    shift: int
    evidence: float
    clear: bool


class Judge(Protocol):
    """What knows how well picture and sound agree."""

    name: str
    belief: "Belief"
    """When a shift is believed."""
    sees: bool
    """Whether it wants pictures."""

    def picture(self, shown: Shown, box: Box, /) -> Picture:
        """What it wants to see of a face."""
        ...

    def curve(self, clip: Clip, pictures: Sequence[Picture], sound: Pcm, /) -> Curve:
        """The agreement of a clip, and of the sound of its video, at each shift."""
        ...


class LipJudge:
    """Compares how far the lips are open with how loud the sound is, and the changes of both.

    Needs no network. On clips of three seconds it is right where it is sure; `benchmarks/prepare.py` says how
    often it is.
    """

    name = "lips"
    belief = Belief(0.4, 1.0, frames=50)
    sees = False

    def picture(self, shown: Shown, box: Box, /) -> Picture:
        """Nothing is wanted: a picture of no size."""
        return np.empty((0, 0, 3), np.uint8)

    def curve(self, clip: Clip, pictures: Sequence[Picture], sound: Pcm, /) -> Curve:
        """See `Judge`; −2 to 2."""
        aperture = np.asarray(clip.track.faces["aperture"][clip.rows], np.float64)
        first = clip.sample() - REACH * SAMPLES
        return lip_curve(aperture, loudness(sound, first, len(aperture) + 2 * REACH))


class NetworkJudge:
    """Compares embeddings of picture and sound, as a network makes them.

    Args:
        network: what makes them.
    """

    belief = Belief(0.5, relative=True, height=0.15)
    """An expert trained on one speaker, on 50 held-out clips of his, of 3 s, shifted by up to 12 frames:
    peaks of a third of the median distance, 96 % believed and right, 4 % wrong. On 30 clips of people it
    never saw: peaks of 2 to 4 %, one believed; without a least height, one in three would be, and wrong."""
    sees = True

    def __init__(self, network: SyncEmbedder) -> None:
        self._network = network
        self.name = network.name

    def picture(self, shown: Shown, box: Box, /) -> Picture:
        """What the network sees of a face."""
        return shown.crop(self._network.place(box), self._network.size)

    def curve(self, clip: Clip, pictures: Sequence[Picture], sound: Pcm, /) -> Curve:
        """See `Judge`; minus the mean distance."""
        faces = self._network.faces(np.stack(pictures))
        before = min(REACH, clip.sample() // SAMPLES)
        low = clip.sample() - before * SAMPLES
        heard = sound[low : low + (before + len(pictures) + REACH) * SAMPLES]
        frames = len(heard) // SAMPLES
        table = np.full((len(faces) + 2 * REACH, faces.shape[1]), np.nan)
        if frames >= FRAMES:
            sounds = self._network.sounds(np.array(heard[: frames * SAMPLES]))[: len(table) - REACH + before]
            table[REACH - before : REACH - before + len(sounds)] = sounds
        return distance_curve(faces, table)


def distance_curve(faces: npt.NDArray[np.floating], sounds: npt.NDArray[np.floating]) -> Curve:
    """How well embeddings agree at each shift: minus their mean distance.

    Args:
        faces: [m, d], of each window of the picture.
        sounds: [m + 30, d], from 15 windows before the first; NaN where there is no sound.
    """
    curve = np.full(len(SHIFTS), np.nan)
    for i in range(len(SHIFTS)):
        apart = np.linalg.norm(faces - sounds[i : i + len(faces)], axis=1)
        known = np.isfinite(apart)
        if known.mean() >= LEAST:
            curve[i] = -apart[known].mean()
    return curve


def lip_curve(aperture: npt.NDArray[np.float64], level: npt.NDArray[np.float64]) -> Curve:
    """How well an aperture and a loudness agree.

    At each shift it is the correlation of both plus that of their changes, times the share of the frames
    that have sound: the less there is to compare, the likelier a good agreement is by chance.

    Args:
        aperture: [n], of the lips.
        level: [n + 30], loudness from 15 frames before the first; NaN where there is no sound.
    """
    curve = np.full(len(SHIFTS), np.nan)
    for i in range(len(SHIFTS)):
        heard = level[i : i + len(aperture)]
        known = np.isfinite(heard) & np.isfinite(aperture)
        if known.mean() >= LEAST and known.sum() > 2:
            agreement = _correlation(aperture, heard) + _correlation(
                np.gradient(aperture), np.gradient(heard)
            )
            curve[i] = agreement * known.mean()
    return curve


def loudness(sound: Pcm, first: int, frames: int) -> npt.NDArray[np.float64]:
    """The mean log-mel level of a sound at some frames, smoothed over 25 ms.

    Args:
        sound: 16 kHz.
        first: sample that belongs to frame 0; may lie before the sound.
        frames: how many.

    Returns:
        [frames], −4 to 4; NaN where there is no sound.
    """
    samples = first + SAMPLES * np.arange(frames)
    inside = (samples >= 0) & (samples < len(sound))
    level = np.full(frames, np.nan)
    if inside.any():
        low = max(0, first)
        mel = log_mel(sound[low : first + SAMPLES * frames])
        smooth = np.convolve(np.pad(mel.mean(axis=0), 2, mode="edge"), _BELL, mode="valid")
        columns = (samples[inside] - low) * COLUMNS_PER_SECOND / 16_000
        level[inside] = np.interp(columns, np.arange(len(smooth)), smooth, right=SILENCE)
    return level


_BELL = np.exp(-0.5 * (np.arange(-2, 3) / 2.0) ** 2)
_BELL /= _BELL.sum()


def together(curves: Sequence[Curve], frames: Sequence[int]) -> Curve:
    """The agreement of several clips of one video, each counting by its length."""
    table, weights = np.array(curves), np.array(frames, np.float64)[:, None]
    known = np.isfinite(table)
    total = np.where(known, table * weights, 0).sum(axis=0)
    counted = (known * weights).sum(axis=0)
    return np.where(counted >= LEAST * weights.sum(), total / np.maximum(counted, 1), np.nan)


def verdict(curve: Curve, frames: int, belief: Belief) -> Verdict | None:
    """What a curve says, of a clip or of a whole video; None if it says nothing.

    Args:
        curve: how well picture and sound agree.
        frames: of the clip or of all clips.
        belief: when a shift is believed.
    """
    known = np.isfinite(curve)
    if not known.any():
        return None
    best = int(np.nanargmax(curve))
    others = curve[known & (np.abs(SHIFTS - SHIFTS[best]) > NEAR)]
    if not len(others):
        return None
    usual = float(np.nanmedian(curve))
    evidence, above = float(curve[best] - others.max()), float(curve[best] - usual)
    evidence /= max(above, 1e-9) if belief.relative else 1
    high = curve[best] >= belief.agreement and above >= belief.height * abs(usual)
    clear = evidence >= belief.evidence and high and frames >= belief.frames
    shift = int(SHIFTS[best])
    return Verdict(0 if abs(shift) <= IN_SYNC else shift, evidence, bool(clear))


def confidence(curve: Curve, shift: int) -> float | None:
    """How far agreement at a shift lies above the median of all; None if it is not known."""
    value = curve[shift + REACH] - np.nanmedian(curve) if np.isfinite(curve).any() else np.nan
    return round(float(value), 3) if np.isfinite(value) else None


def _correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Of the places where both are known; 0 if one of them is constant."""
    known = np.isfinite(a) & np.isfinite(b)
    if not known.any():
        return 0.0
    a, b = a[known] - a[known].mean(), b[known] - b[known].mean()
    return float((a * b).sum() / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9))
