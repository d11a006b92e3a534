"""The coefficients agree with a slow implementation that follows the definition step by step."""

import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.fft

from lipdub.speech.mfcc import mfcc


def mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def slow_mfcc(samples: np.ndarray) -> np.ndarray:
    emphasised = [float(samples[0])]
    emphasised += [float(b) - 0.97 * float(a) for a, b in pairwise(samples)]
    bins = [math.floor(513 * 700 * (10 ** (mel(8000) * i / 27 / 2595) - 1) / 16000 + 1e-9) for i in range(28)]
    rows = []
    for start in range(0, len(samples) - 399, 160):
        power = np.abs(scipy.fft.fft(emphasised[start : start + 400], 512)[:257]) ** 2 / 512
        logs = []
        for low, middle, high in zip(bins, bins[1:], bins[2:], strict=False):
            band = sum(power[k] * (k - low) / (middle - low) for k in range(low, middle))
            band += sum(power[k] * (high - k) / (high - middle) for k in range(middle, high))
            logs.append(math.log(band or np.finfo(float).eps))
        row = scipy.fft.dct(np.array(logs), type=2, norm="ortho")[:13]
        row *= [1 + 11 * math.sin(math.pi * n / 22) for n in range(13)]
        row[0] = math.log(power.sum() or np.finfo(float).eps)
        rows.append(row)
    return np.array(rows)


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 3000, count).astype(np.int16)


@pytest.mark.parametrize("count", [400, 559, 560, 1600])
def test_agrees_with_the_definition(count: int):
    expected = slow_mfcc(noise(count))
    found = mfcc(noise(count))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_silence_is_finite_and_a_short_sound_has_no_row():
    silent = mfcc(np.zeros(720, np.int16))
    np.testing.assert_allclose(silent, slow_mfcc(np.zeros(720, np.int16)), rtol=1e-5, atol=1e-4)
    assert mfcc(np.zeros(399, np.int16)).shape == (0, 13)


def test_windows_do_not_depend_on_what_follows():
    whole, part = mfcc(noise(4000)), mfcc(noise(4000)[:2000])
    np.testing.assert_array_equal(whole[: len(part)], part)


def test_ten_times_louder_adds_to_the_energy_only():
    quiet = (noise(800) // 10).astype(np.int16)
    difference = mfcc((quiet * 10).astype(np.int16)) - mfcc(quiet)
    np.testing.assert_allclose(difference[:, 0], 2 * math.log(10), rtol=1e-5)
    np.testing.assert_allclose(difference[:, 1:], 0, atol=1e-4)
