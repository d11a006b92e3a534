"""Mel windows of sounds too long to transform at once."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

from lipdub.speech.mel import BLOCK, N_MELS, SILENCE, Floats, Pcm, mel_block
from lipdub.speech.windows import WINDOW, window_start

KEPT_BLOCKS = 8  # 26 s of sound, more than a batch of consecutive frames spans
KEPT_VOICES = 16  # more than speak within a batch; a movie's 600 cues would hold 224 MB of blocks


class MelReader:
    """Gives `mel_windows(log_mel(pcm), times)`, bit for bit, transforming only what `times` need.

    Args:
        pcm: 16 kHz mono, [n]: float32 in [-1, 1], or int16; may be a `numpy.memmap` of hours of sound.
    """

    def __init__(self, pcm: Pcm) -> None:
        self._block = lru_cache(maxsize=KEPT_BLOCKS)(lambda index: mel_block(pcm, index))

    def windows(self, times: Sequence[Fraction]) -> Floats:
        """Mel windows [n, 80, 16] of the frames shown at `times` (n times in seconds)."""
        windows = np.empty((len(times), N_MELS, WINDOW), np.float32)
        for window, time in zip(windows, times, strict=True):
            index, column = divmod(window_start(time), BLOCK)
            here = self._block(index)[:, column : column + WINDOW]
            window[:, : here.shape[1]] = here
            if here.shape[1] < WINDOW:
                window[:, here.shape[1] :] = self._block(index + 1)[:, : WINDOW - here.shape[1]]
        return windows


class Voices:
    """Mel windows of several sounds, by their numbers: the dub is 0, stems follow, below 0 is silence.

    Args:
        sounds: 16 kHz mono of each, on the movie's clock (see `MelReader`).
    """

    def __init__(self, sounds: Sequence[Pcm]) -> None:
        self._reader = lru_cache(maxsize=KEPT_VOICES)(lambda sound: MelReader(sounds[sound]))

    def windows(self, times: Sequence[Fraction], sounds: Sequence[int]) -> Floats:
        """Mel windows [n, 80, 16] of frames shown at `times`, each of the sound of that number (n each)."""
        windows = np.full((len(times), N_MELS, WINDOW), SILENCE, np.float32)
        for sound in {sound for sound in sounds if sound >= 0}:
            rows = [row for row, number in enumerate(sounds) if number == sound]
            windows[rows] = self._reader(sound).windows([times[row] for row in rows])
        return windows
