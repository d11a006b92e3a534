"""Mel-frequency cepstral coefficients as the active-speaker network was trained on them.

The definition is that of the package python_speech_features with its usual values.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from lipdub.sampling import NETWORK_RATE
from lipdub.speech.mel import PRE_EMPHASIS, Floats

WINDOW = NETWORK_RATE * 25 // 1000
STEP = NETWORK_RATE // 100
N_FFT = 512
FILTERS = 26
COEFFICIENTS = 13
LIFTER = 22
SMALLEST = np.finfo(np.float64).eps
"""Stands for a power of zero, whose logarithm there is not."""


def mfcc(samples: NDArray[np.int16]) -> Floats:
    """Coefficients of every whole window of a sound, 100 a second.

    Args:
        samples: [n] int16, 16 kHz mono. Row i is about the 400 samples from 160·i on.

    Returns:
        [1 + (n − 400) // 160, 13] float32, no row if n < 400. Column 0 is the logarithm of the energy.
    """
    if len(samples) < WINDOW:
        return np.empty((0, COEFFICIENTS), np.float32)
    sound = samples.astype(np.float64)
    sound[1:] -= PRE_EMPHASIS * samples[:-1]
    windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::STEP]
    power = np.abs(np.fft.rfft(windows, N_FFT, axis=1)) ** 2 / N_FFT
    bands = np.log(_no_zero(power @ _filterbank().T))
    coefficients = bands @ _cosines().T * _lift()
    coefficients[:, 0] = np.log(_no_zero(power.sum(axis=1)))
    return coefficients.astype(np.float32)


def _no_zero(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(power == 0, SMALLEST, power)


@cache
def _filterbank() -> NDArray[np.float64]:
    """Triangles between whole FFT bins, evenly spaced in mel = 2595·log10(1 + f/700): [26, 257]."""
    top = 2595 * np.log10(1 + NETWORK_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, FILTERS + 2) / 2595) - 1)
    bins = np.floor((N_FFT + 1) * edges / NETWORK_RATE)
    low, middle, high = (bins[i : i + FILTERS, None] for i in range(3))
    at = np.arange(N_FFT // 2 + 1)
    rising, falling = (at - low) / (middle - low), (high - at) / (high - middle)
    return np.asarray(np.maximum(np.minimum(rising, falling), 0))


@cache
def _cosines() -> NDArray[np.float64]:
    """The first rows of the orthonormal DCT-II, [13, 26]."""
    angles = np.pi * np.outer(np.arange(COEFFICIENTS), np.arange(FILTERS) + 0.5) / FILTERS
    rows = np.cos(angles) * np.sqrt(2 / FILTERS)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows)


@cache
def _lift() -> NDArray[np.float64]:
    """Weights of the coefficients, which make the higher ones about as large as the lower, [13]."""
    return np.asarray(1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER))
