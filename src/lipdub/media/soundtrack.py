"""The sounds of a job: what is heard, what the lips follow, and when."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipdub.errors import OptionError
from lipdub.media.hearing import decode_for_network, sound_samples
from lipdub.media.mix import measure_mix, mixed
from lipdub.media.probe_sound import AudioInfo
from lipdub.progress import Progress, Step, silent
from lipdub.sampling import NETWORK_RATE

OTHER_LENGTH = Fraction(1, 10)
"""Seconds by which a dialogue stem and its mix may differ without a word."""


@dataclass(frozen=True, slots=True)
class Soundtrack:
    """The sound files of a job.

    Attributes:
        dub: what is heard.
        speech: dialogue alone, on the dub's clock, which the lips follow instead.
        background: music and effects, on the movie's clock, that are heard with the dub.
        offset: seconds by which dub and speech are heard later than they lie in their files.
    """

    dub: AudioInfo
    speech: AudioInfo | None = None
    background: AudioInfo | None = None
    offset: Fraction = Fraction(0)

    @property
    def heard(self) -> AudioInfo:
        """What the output's sound is made of: the dub, or the mix of dub and background."""
        return mixed(self.dub, self.background)


@dataclass(frozen=True, slots=True)
class Hearing:
    """The sound as the network and the notes need it.

    Attributes:
        pcm: what the lips follow, 16 kHz mono, [n] int16, on the movie's clock: sample 0 is its time 0.
        lips: the same on the clock of the dub's file, of which `pcm` may lack the beginning.
        end: seconds of the movie's clock at which the sound ends.
        clips: dub and background together go beyond full scale.
        notes: what a user should know, a sentence each.
    """

    pcm: npt.NDArray[np.int16]
    lips: npt.NDArray[np.int16]
    end: Fraction
    clips: bool = False
    notes: tuple[str, ...] = ()


def hear(track: Soundtrack, path: Path, progress: Progress = silent) -> Hearing:
    """Decode what the lips follow, and find out how long and how loud the whole sound is.

    Args:
        track: the sounds.
        path: of the file that will hold the samples; they are mapped into memory.
        progress: told the seconds of a mix while it is measured.

    Raises:
        MediaError: no sample can be decoded.
        OptionError: the offset leaves nothing of the dub.
        RenderError: the disk is full, or ffmpeg cannot be started.
    """
    pcm, lips = lip_sound(track, path)
    notes: list[str] = []
    own = Fraction(len(lips), NETWORK_RATE)
    if track.speech is not None:
        whole = Fraction(sound_samples(track.dub), track.dub.rate)
        notes += _difference(own - whole)
        own = whole
    end = own + track.offset
    if end <= 0:
        raise OptionError(f"--audio-offset {float(track.offset):g} moves the whole dub before the movie.")
    if track.background is None:
        return Hearing(pcm, lips, end, notes=tuple(notes))
    level = measure_mix(
        track.dub, track.background, track.offset, lambda done: progress(Step("mix", done, None, "s"))
    )
    return Hearing(pcm, lips, max(end, level.seconds), level.clips, (*notes, *level.notes))


def lip_sound(
    track: Soundtrack, path: Path, end: Fraction | None = None
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Decode what the lips follow: on the movie's clock, and on that of the dub's file (see `Hearing`).

    Args:
        track: the sounds.
        path: of the file that will hold the samples.
        end: seconds of the movie after which no sound is needed.
    """
    shift = round(track.offset * NETWORK_RATE)
    until = None if end is None else max(end - track.offset, Fraction(0))
    samples = decode_for_network(track.speech or track.dub, path, until, lead=max(0, shift))
    return samples[max(0, -shift) :], samples[max(0, shift) :]


def _difference(longer: Fraction) -> list[str]:
    if abs(longer) <= OTHER_LENGTH:
        return []
    word = "longer" if longer > 0 else "shorter"
    return [
        f"the --speech file is {float(abs(longer)):.2f} s {word} than the dub; is it of the same version?"
    ]
