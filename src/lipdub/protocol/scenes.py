"""One pair, looked at and listened to, on which systems are measured."""

import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np

from lipdub.engine import Engine
from lipdub.errors import MediaError
from lipdub.evaluation.judges import Judges, Sound
from lipdub.evaluation.landmarks import apertures
from lipdub.evaluation.measure import Measured, Seen, Speech, measure, see
from lipdub.faces.detect import FaceLandmarker
from lipdub.media.probe_sound import probe_audio
from lipdub.media.soundtrack import Soundtrack, lip_sound
from lipdub.progress import Progress
from lipdub.protocol.generating import Shot, generate
from lipdub.protocol.takes import FEWEST_FRAMES, Take, take_of, views_in, views_of
from lipdub.protocol.truths import Truth, aperture_at, seen_at
from lipdub.sampling import NETWORK_RATE

System: TypeAlias = Path | Engine | None
"""A video that was made by others, a network, or nothing that changes anything."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The face of a video, as it is seen, and the speech it is to have."""

    take: Take
    source: Seen
    speech: Speech

    @classmethod
    def of(
        cls,
        video: Path,
        audio: Path,
        truth: Truth,
        landmarker: FaceLandmarker,
        progress: Progress,
    ) -> Self:
        """Look at a pair, as far as its picture and its sound both go.

        Args:
            video, audio: its files.
            truth: what is known of the person who really speaks; the video itself, if it is his.
            landmarker: what finds faces.
            progress: told how far the video is looked at.

        Raises:
            MediaError: it is no video with a face, no sound, or one of them too short.
        """
        take = take_of(video, landmarker, progress)
        sound = sound_of(audio, float(take.seconds[-1]) + 1)
        take = take.until(len(sound) / NETWORK_RATE)
        if len(take.seconds) < FEWEST_FRAMES:
            raise MediaError(
                f"{video} has fewer than {FEWEST_FRAMES} frames with a face while {audio} lasts;"
                " leave them out."
            )
        source = see(views_of(take), landmarker)
        speech = Speech(sound, take.seconds)
        if isinstance(truth, Path) and truth == video:
            speech = replace(speech, aperture=apertures(source.points), points=source.points, own=True)
        elif isinstance(truth, Path):
            seen = seen_at(truth, take.seconds, landmarker, progress)
            speech = speech if seen is None else replace(speech, aperture=seen[0], points=seen[1])
        elif truth is not None:
            speech = replace(speech, aperture=aperture_at(truth, take.seconds))
        return cls(take, source, speech)

    def measured(self, system: System, shot: Shot, judges: Judges, progress: Progress) -> Measured:
        """Measure one system; raises `MediaError` if what others made is of another video."""
        shown = self.source
        if isinstance(system, Path):
            shown = see(views_in(system, self.take), judges.landmarker)
        elif system is not None:
            views = generate(self.take, self.speech.sound, system.inpainter, shot, progress)
            shown = see(views, judges.landmarker)
        count = len(shown.views)
        source = Seen(self.source.views[:count], self.source.points[:count])
        return measure(shown, source, self.speech.first(count), judges)


def sound_of(audio: Path, end: float) -> Sound:
    """The sound of a file, 16 kHz mono, up to a time in seconds."""
    with tempfile.TemporaryDirectory(prefix="lipdub-") as folder:
        return np.array(lip_sound(Soundtrack(probe_audio(audio)), Path(folder) / "pcm", Fraction(end))[0])
