"""The active-speaker network at work: which of the faces that are seen says what the movie's sound says."""

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lipdub import weights
from lipdub.errors import MediaError
from lipdub.faces.speaker import PER_SECOND, Pictures
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe import VideoInfo
from lipdub.media.probe_sound import AudioInfo, probe_audio
from lipdub.progress import Progress, fetching, silent
from lipdub.sampling import NETWORK_RATE
from lipdub.speech.mfcc import STEP, WINDOW, mfcc

if TYPE_CHECKING:
    from torch import Tensor

    from lipdub.models.lr_asd import LrAsd

NETWORK = "lr_asd"
LIPS_ALONE = (
    "who speaks is told by the movement of the lips alone, which is less sure: LR-ASD is not on this machine"
    f" (`lipdub fetch-weights {NETWORK}`)."
)
CHUNK = 64
"""Pictures embedded at a time: 2.5 s of a face, about 60 MB of activations."""
MARGIN = 9
"""Pictures to each side of a chunk that its embedding depends on: three blocks, each ±2 and ±1."""
LOOKS = (24, 48)
"""Pictures that the recurrence is shown at once. Shown the whole of a run, its scores drift upward with time
whoever speaks: on a real clip a listener's rose from 0.3 to 4.9 in nine seconds, and in looks of one or two
seconds stays below -0.4 until the person speaks."""
SAMPLES_A_PICTURE = NETWORK_RATE // PER_SECOND


class ActiveSpeaker:
    """Scores faces against a movie's sound (see `lipdub.faces.speaker.Scorer`).

    Args:
        network: LR-ASD.
        pcm: [n] int16, 16 kHz mono, from time 0 of the movie as a player shows it; may be a `numpy.memmap`.
    """

    def __init__(self, network: "LrAsd", pcm: npt.NDArray[np.int16]) -> None:
        self._network, self._pcm = network, pcm

    def __call__(self, pictures: Pictures, start: float) -> npt.NDArray[np.float32]:
        """Scores [n] of one face's pictures, 25 a second, the first `start` seconds into the movie."""
        import torch

        features = sound_features(self._pcm, start, len(pictures))
        with torch.inference_mode():
            audio = self._network.model.audioEncoder(torch.from_numpy(features)[None])
            visual = self._embedded(pictures)
            scores = torch.zeros(len(pictures))
            count = torch.zeros(len(pictures))
            for first, last in looks(len(pictures)):
                scores[first:last] += self._network.score(visual[:, first:last], audio[:, first:last])[0]
                count[first:last] += 1
        return np.asarray((scores / count).numpy(), np.float32)

    def _embedded(self, pictures: Pictures) -> "Tensor":
        """[1, n, 128]; in pieces, since a long run at once would need a gigabyte."""
        import torch

        pieces = []
        for first in range(0, len(pictures), CHUNK):
            low = max(0, first - MARGIN)
            some = torch.from_numpy(pictures[low : first + CHUNK + MARGIN].astype(np.float32))[None]
            embedded = self._network.model.visualEncoder(some)
            pieces.append(embedded[:, first - low : first - low + CHUNK])
        return torch.cat(pieces, dim=1)


def looks(pictures: int) -> list[tuple[int, int]]:
    """First picture, and first one after it, of all looks at a run, which overlap by half.

    Together they see every picture; a run shorter than a look is seen whole by it.
    """
    return [
        (first, min(first + length, pictures))
        for length in LOOKS
        for first in range(0, max(1, pictures - length // 2), length // 2)
    ]


def sound_features(pcm: npt.NDArray[np.int16], start: float, pictures: int) -> npt.NDArray[np.float32]:
    """MFCCs [4·pictures, 13] of the sound from `start` seconds on; silence where there is none."""
    first = round(start * NETWORK_RATE)
    length = pictures * SAMPLES_A_PICTURE + WINDOW - STEP
    sound = np.zeros(length, np.int16)
    read = pcm[max(0, first) : max(0, first + length)]
    offset = max(0, -first)
    sound[offset : offset + len(read)] = read
    return mfcc(sound)


class Original:
    """The movie's own sound, decoded when it is first needed.

    Args:
        movie: the movie.
        path: of the file that will hold the samples, 2 MB a minute.
    """

    def __init__(self, movie: VideoInfo, path: Path) -> None:
        self._path = path
        self._info: AudioInfo | None = None
        with suppress(MediaError):  # it has none
            self._info = probe_audio(movie.path)

    @property
    def is_there(self) -> bool:
        """Whether the movie has sound."""
        return self._info is not None

    @cached_property
    def pcm(self) -> npt.NDArray[np.int16] | None:
        """16 kHz mono int16, mapped from the file; None if there is none that can be decoded.

        Raises:
            RenderError: the disk is full.
        """
        try:
            return None if self._info is None else decode_for_network(self._info, self._path)
        except MediaError:
            return None


class LateSpeaker:
    """An `ActiveSpeaker` that is loaded when the first face is to be scored.

    Args:
        file: of LR-ASD.
        sound: the movie's own.
    """

    def __init__(self, file: Path, sound: Original) -> None:
        self._file, self._sound = file, sound

    def __call__(self, pictures: Pictures, start: float) -> npt.NDArray[np.float32]:
        """Scores [n]; NaN where the sound cannot be decoded (see `lipdub.faces.speaker.Scorer`)."""
        if self._speaker is None:
            return np.full(len(pictures), np.nan, np.float32)
        return self._speaker(pictures, start)

    @cached_property
    def _speaker(self) -> ActiveSpeaker | None:
        from lipdub.models.lr_asd import load_lr_asd

        pcm = self._sound.pcm
        return None if pcm is None else ActiveSpeaker(load_lr_asd(self._file), pcm)


def find_speaker(sound: Original, progress: Progress = silent) -> tuple[LateSpeaker | None, list[str]]:
    """What tells who speaks, fetched if need be, and what is to be said where it cannot be had.

    Args:
        sound: the movie's own.
        progress: told how far the download is.
    """
    if not sound.is_there:
        return None, []
    file = weights.locate_if_possible(NETWORK, progress=fetching(NETWORK, progress))
    return (None, [LIPS_ALONE]) if file is None else (LateSpeaker(file, sound), [])


def speaker_of(pcm: npt.NDArray[np.int16]) -> ActiveSpeaker | None:
    """What tells who says a sound (16 kHz mono) that is at hand; None if the network cannot be had."""
    from lipdub.models.lr_asd import load_lr_asd

    file = weights.locate_if_possible(NETWORK)
    return None if file is None else ActiveSpeaker(load_lr_asd(file), pcm)
