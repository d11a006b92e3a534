"""The part of the spectrogram that belongs to a frame of the picture."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from lipdub.speech.mel import COLUMNS_PER_SECOND, N_MELS, SILENCE, Floats

WINDOW = 16
"""Columns of a window: a fifth of a second."""

LEAD = Fraction(1, 25)
"""A window begins this many seconds before its frame: one frame of the training videos."""


def window_start(time: Fraction) -> int:
    """First column of the window of a frame shown at `time` seconds: floor(80·max(t − 1/25, 0)), exactly."""
    return int(COLUMNS_PER_SECOND * max(time - LEAD, Fraction(0)))


def mel_windows(mel: Floats, times: Sequence[Fraction]) -> Floats:
    """The windows of frames shown at `times` (seconds), whatever the frame rate.

    Args:
        mel: log-mel spectrogram [80, T].
        times: n presentation times, not necessarily ordered.

    Returns:
        [n, 80, 16]; columns beyond the end of the sound are silence.
    """
    windows = np.full((len(times), N_MELS, WINDOW), SILENCE, np.float32)
    for window, time in zip(windows, times, strict=True):
        start = window_start(time)
        heard = mel[:, start : start + WINDOW]
        window[:, : heard.shape[1]] = heard
    return windows
