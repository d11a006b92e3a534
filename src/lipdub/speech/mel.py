"""The log-mel spectrogram the network was trained on.

It is computed in blocks of columns whose borders are fixed in time, so that a column comes out the same,
bit for bit, whether the whole sound is transformed or only the part around it.
"""

import mmap
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lipdub.sampling import NETWORK_RATE

Floats = NDArray[np.float32]
Pcm = NDArray[np.float32] | NDArray[np.int16]

N_FFT = 800
HOP = 200
N_MELS = 80
F_MIN, F_MAX = 55, 7600
PRE_EMPHASIS = 0.97
FLOOR_DB, REFERENCE_DB = -100, 20
LIMIT = 4.0
SILENCE = -LIMIT
"""What a column holds where there is no sound."""

COLUMNS_PER_SECOND, _rest = divmod(NETWORK_RATE, HOP)
assert (COLUMNS_PER_SECOND, _rest) == (80, 0)
assert 10 ** (FLOOR_DB / 20) == 1e-5

BLOCK = 256
"""Columns transformed at a time: 3.2 s."""


def column_count(samples: int) -> int:
    """Columns of a sound of so many samples: one for every hop, the first centred on sample 0."""
    return 1 + samples // HOP


def log_mel(pcm: Pcm) -> Floats:
    """Log-mel spectrogram of a sound.

    Args:
        pcm: 16 kHz mono, [n]: float32 in [-1, 1], or int16. n may be 0.

    Returns:
        [80, 1 + n // 200] float32 in [-4, 4], 80 columns a second; -4 is silence, 4 is loud.
    """
    columns = column_count(len(pcm))
    blocks = [mel_block(pcm, index) for index in range(-(-columns // BLOCK))]
    return np.concatenate(blocks, axis=1)[:, :columns]


def mel_block(pcm: Pcm, index: int) -> Floats:
    """Columns index·256 … index·256 + 255 of the spectrogram, [80, 256].

    Reads no more of `pcm` than these need. Columns beyond the last of the sound are silence.
    """
    return mel_columns(pcm, index * BLOCK, BLOCK)


def mel_columns(pcm: Pcm, first: int, count: int) -> Floats:
    """Columns first … first + count − 1 of the spectrogram, [80, count].

    Reads no more of `pcm` than these need. Columns beyond the last of the sound are silence. How many are
    taken at a time may change the last bit of the decibels, which are rounded to float32 afterwards.
    """
    sound = _emphasised(pcm, first * HOP - N_FFT // 2, (count - 1) * HOP + N_FFT)
    frames = np.lib.stride_tricks.sliding_window_view(sound, N_FFT)[::HOP]
    amplitude = np.abs(np.fft.rfft(frames * _window(), axis=1))
    mel = _filterbank() @ amplitude.T
    decibel = 20 * np.log10(np.maximum(10 ** (FLOOR_DB / 20), mel)) - REFERENCE_DB
    scaled = 2 * LIMIT * (decibel - FLOOR_DB) / -FLOOR_DB - LIMIT
    columns: Floats = np.clip(scaled, -LIMIT, LIMIT).astype(np.float32)
    columns[:, max(0, column_count(len(pcm)) - first) :] = SILENCE
    return columns


def _emphasised(pcm: Pcm, start: int, length: int) -> NDArray[np.float64]:
    """y[i] = x[i] − 0.97·x[i−1] for `length` samples from `start`, zeros around the sound."""
    read = unit_samples(pcm[max(0, start - 1) : max(0, start + length)])
    sound = np.zeros(length + 1)
    offset = max(0, 1 - start)
    sound[offset : offset + len(read)] = read
    emphasised: NDArray[np.float64] = sound[1:] - PRE_EMPHASIS * sound[:-1]
    # Emphasis comes before padding: the zero after the last sample is a zero, not −0.97 of that sample.
    emphasised[max(0, len(pcm) - start) :] = 0
    return emphasised


def unit_samples(pcm: Pcm) -> NDArray[np.float64]:
    """Samples in [-1, 1] of int16 or float32 ones; raises `TypeError` for other types or several channels."""
    if pcm.ndim != 1 or pcm.dtype not in (np.int16, np.float32):
        raise TypeError(
            f"sound must be one-dimensional int16 or float32, not {pcm.ndim}-dimensional {pcm.dtype}"
        )
    return pcm.astype(np.float64) / (32768 if pcm.dtype == np.int16 else 1)


def let_go(pcm: Pcm) -> None:
    """Let the system take back the memory of a mapped file: of two hours of sound, that is 230 MB."""
    base: object = pcm
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


@cache
def _window() -> NDArray[np.float64]:
    """Periodic Hann window, [800]."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)


@cache
def _filterbank() -> NDArray[np.float64]:
    """Slaney's mel filters, [80, 401]."""
    import librosa  # slow to import

    bank = librosa.filters.mel(sr=NETWORK_RATE, n_fft=N_FFT, n_mels=N_MELS, fmin=F_MIN, fmax=F_MAX)
    return np.asarray(bank, np.float64)
