import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.faces.smoothing import MEDIAN_OF_NORMAL, noise, smooth, steady

SIGMA = 0.06


def _uneven_times(seed: int) -> np.ndarray:
    steps = np.random.default_rng(seed).choice([1 / 60, 1 / 30, 1 / 25, 0.1, 0.35], 120)
    return 5000 + np.cumsum(steps)


@settings(deadline=None)
@given(seed=st.integers(0, 300), slope=st.floats(-1e3, 1e3), offset=st.floats(-1e3, 1e3))
def test_smoothing_follows_straight_lines_to_both_ends(seed: int, slope: float, offset: float):
    seconds = _uneven_times(seed)
    line = np.column_stack([offset + slope * (seconds - 5000), np.full(len(seconds), offset)])

    result = smooth(line, seconds, SIGMA)

    np.testing.assert_allclose(result, line, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_smoothing_takes_the_shortest_of_series(count: int):
    values = np.arange(count, dtype=np.float64)[:, None] * 3
    np.testing.assert_allclose(smooth(values, np.arange(count) / 25, SIGMA), values, atol=1e-9)


@pytest.mark.parametrize("rate", [24000 / 1001, 25, 50, 60, 120])
def test_smoothing_has_no_lag(rate: float):
    seconds = np.arange(201) / rate
    middle = 100 / rate
    bump = np.exp(-0.5 * ((seconds - middle) / 0.15) ** 2)[:, None]

    result = smooth(bump, seconds, SIGMA)[:, 0]

    np.testing.assert_allclose(result, result[::-1], atol=1e-12)
    assert np.argmax(result) == 100
    correlation = np.correlate(result, bump[:, 0], mode="full")
    assert np.argmax(correlation) - 200 == 0
    centre = (result * seconds).sum() / result.sum()
    assert centre == pytest.approx(middle, abs=1e-9)


def test_smoothing_reduces_noise():
    seconds = np.arange(4000) / 25
    noise = np.random.default_rng(1).standard_normal((4000, 4))

    result = smooth(noise, seconds, SIGMA)

    # Theory: a Gaussian of 1.5 frames leaves 1/√(2·√π·1.5) = 0.434 of the noise; measured 0.436.
    assert result.std() == pytest.approx(0.434, abs=0.01)
    # What is seen is shaking from frame to frame: measured 0.142 of what it was.
    assert np.diff(result, axis=0).std() < 0.15 * np.diff(noise, axis=0).std()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 300), degree=st.sampled_from([1, 2]))
def test_smoothing_is_the_weighted_fit_of_numpy(seed: int, degree: int):
    """By reference: `numpy.polyfit` round each time."""
    seconds = np.cumsum(np.random.default_rng(seed).choice([1 / 60, 1 / 30, 1 / 25], 150))
    values = np.random.default_rng(seed + 1).standard_normal((150, 2))
    result = smooth(values, seconds, SIGMA, degree)
    for i in (0, 1, 40, 63, 64, 149):
        near = np.abs(seconds - seconds[i]) <= 3 * SIGMA + 1e-9
        away = seconds[near] - seconds[i]
        weights = np.exp(-0.25 * (away / SIGMA) ** 2)  # polyfit squares them
        wanted = np.polyfit(away, values[near], degree, w=weights)[-1]
        np.testing.assert_allclose(result[i], wanted, atol=1e-8)


@given(seed=st.integers(0, 300))
def test_a_parabola_is_followed_to_both_ends(seed: int):
    seconds = np.cumsum(np.random.default_rng(seed).choice([1 / 60, 1 / 30, 1 / 25], 150))
    curve = np.column_stack([3 - 2 * seconds + 5 * seconds**2])
    np.testing.assert_allclose(smooth(curve, seconds, SIGMA, 2), curve, atol=1e-6)


@pytest.mark.parametrize("degree", [1, 2])
def test_lonely_times_keep_their_values(degree: int):
    values, seconds = np.arange(5.0)[:, None] ** 2, np.array([0, 10, 20, 20, 20.0])
    result = smooth(values, seconds, SIGMA, degree)
    np.testing.assert_allclose(result[:, 0], [0, 1, 29 / 3, 29 / 3, 29 / 3])


def test_noise_is_measured_whatever_moves_and_however_the_frames_are_spaced():
    seconds = np.cumsum(np.random.default_rng(0).choice([1 / 60, 1 / 25, 0.1], 4000))
    values = 100 * seconds[:, None] + np.random.default_rng(1).normal(0, 3, (4000, 2))
    np.testing.assert_allclose(noise(values, seconds), 3, rtol=0.05)
    assert np.array_equal(noise(values[:2], seconds[:2]), [0, 0])
    usual = np.median(np.abs(np.random.default_rng(2).normal(size=10**6)))
    assert usual == pytest.approx(MEDIAN_OF_NORMAL, abs=2e-3)


def _still() -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(3).standard_normal((1000, 8)) * 0.35, np.arange(1000) / 25


def test_a_still_face_is_held_stiller_than_by_five_frames():
    shaking, seconds = _still()
    before, after = (
        np.diff(v, 2, axis=0).std() for v in (smooth(shaking, seconds, 0.06), steady(shaking, seconds))
    )
    assert after < 0.55 * before  # measured 0.45


def test_a_nod_is_followed_closer_than_by_five_frames():
    shaking, seconds = _still()
    nod = 10 * np.sin(2 * np.pi * 2 * seconds)[:, None]
    wrong = [(f - nod).std() for f in (smooth(nod + shaking, seconds, 0.06), steady(nod + shaking, seconds))]
    assert wrong[1] < 0.8 * wrong[0]  # measured 0.69


def test_steadying_knows_no_direction_of_time():
    shaking, seconds = _still()
    walk = np.cumsum(shaking, axis=0)
    np.testing.assert_allclose(steady(walk[::-1], seconds), steady(walk, seconds)[::-1], atol=1e-9)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_steadying_takes_the_shortest_of_series(count: int):
    values = np.arange(count, dtype=np.float64)[:, None] * 3
    np.testing.assert_allclose(steady(values, np.arange(count) / 25), values, atol=1e-9)


@pytest.mark.slow
def test_two_hours_take_seconds():
    """180,000 frames of 53 numbers. Measured: 5 s, and 24 s on a machine busy with twenty other jobs; a
    loop over frames took 22 s for one line."""
    values = np.random.default_rng(0).standard_normal((180_000, 53))
    began = time.monotonic()
    steady(values, np.arange(180_000) / 25)
    assert time.monotonic() - began < 60
