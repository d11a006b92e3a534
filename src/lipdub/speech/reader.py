"""Mel windows of sounds too long to transform at once."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

from lipdub.speech.mel import BLOCK, N_MELS, Floats, Pcm, mel_block
from lipdub.speech.windows import WINDOW, window_start

KEPT_BLOCKS = 8  # 26 s of sound, more than a batch of consecutive frames spans


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
