import cv2
import numpy as np
import pytest

from lipdub.faces.warp import MAX_OVERSAMPLING, warp
from tests.support.faces import psnr

RNG = np.random.default_rng(0)
NOISE = RNG.random((40, 50, 3)).astype(np.float32)


def _smooth(size: int, detail: float = 1.5) -> np.ndarray:
    rough = cv2.GaussianBlur(RNG.standard_normal((size, size)).astype(np.float32), (0, 0), detail)
    return (rough - rough.min()) / (rough.max() - rough.min())


def _scaling(factor: float) -> np.ndarray:
    """From a pixel of the result to the source, `factor` source pixels a pixel, left edges together."""
    return np.array([[factor, 0, factor / 2 - 0.5], [0, factor, factor / 2 - 0.5]])


def test_identity_is_exact():
    result = warp(NOISE, np.eye(2, 3), (50, 40))
    assert result.dtype == np.float32
    assert np.array_equal(result, NOISE)


@pytest.mark.parametrize(
    ("matrix", "size", "expected"),
    [
        ([[0, -1, 49], [1, 0, 0]], (40, 50), np.rot90(NOISE)),
        ([[-1, 0, 49], [0, -1, 39]], (50, 40), np.rot90(NOISE, 2)),
        ([[0, 1, 0], [-1, 0, 39]], (40, 50), np.rot90(NOISE, 3)),
        ([[1, 0, 3], [0, 1, 5]], (20, 20), NOISE[5:25, 3:23]),
    ],
)
def test_quarter_turns_and_whole_steps_are_exact(matrix: list, size: tuple[int, int], expected: np.ndarray):
    assert np.array_equal(warp(NOISE, np.array(matrix, dtype=np.float64), size), expected)


def test_outside_is_the_nearest_pixel_or_nothing():
    moved = np.array([[1, 0, -10], [0, 1, 0.0]])
    assert np.array_equal(warp(NOISE, moved, (10, 40)), np.repeat(NOISE[:, :1], 10, axis=1))
    assert not warp(NOISE, moved, (10, 40), nearest_edge=False)[:, :8].any()


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_shrinking_a_whole_number_of_times_is_area_averaging(factor: int):
    source = RNG.random((240, 240, 3)).astype(np.float32)
    size = (240 // factor, 240 // factor)
    expected = cv2.resize(source, size, interpolation=cv2.INTER_AREA)

    np.testing.assert_allclose(warp(source, _scaling(factor), size), expected, atol=2e-6)


# Measured on blurred noise: 44.9, 43.7, 49.4, 53 dB; cubic samples are a little sharper than areas.
@pytest.mark.parametrize(("factor", "bar"), [(1.2, 43), (1.5, 41), (2.5, 47), (3.75, 50)])
def test_shrinking_is_close_to_area_averaging(factor: float, bar: float):
    source = _smooth(240)
    size = round(240 / factor)
    expected = cv2.resize(source, (size, size), interpolation=cv2.INTER_AREA)

    assert psnr(warp(source, _scaling(240 / size), (size, size)), expected, 1) > bar


@pytest.mark.parametrize("factor", [1.0, 1.2, 2, 2.37, 5])
def test_enlarging_is_cubic_interpolation(factor: float):
    source = _smooth(100)
    size = round(100 * factor)
    expected = cv2.resize(source, (size, size), interpolation=cv2.INTER_CUBIC)

    assert psnr(warp(source, _scaling(100 / size), (size, size)), expected, 1) > 100  # measured 122 and more


@pytest.mark.parametrize("factor", [2, 3, 4, 6.5, 8, 12.3])
@pytest.mark.parametrize("turn", [0.0, 30.0])
def test_a_fine_grating_does_not_alias(factor: float, turn: float):
    """Black and white columns become grey, not other columns; one sample a pixel leaves ±0.5 of them."""
    grating = np.tile(np.float32([0, 1]), (400, 200))
    c, s = factor * np.cos(np.radians(turn)), factor * np.sin(np.radians(turn))
    matrix = np.array([[c, -s, 200.0], [s, c, 30.0]])
    size = int(150 / factor)

    result = warp(grating, matrix, (size, size))

    # Odd numbers of columns in a pixel leave 1/(2·factor) even for exact areas.
    assert np.abs(result - 0.5).max() <= 0.5 / factor + 0.02


def test_shrinkage_is_bounded_in_memory():
    source = RNG.random((64, 64)).astype(np.float32)
    result = warp(source, _scaling(1e6), (8, 8))
    assert result.shape == (8, 8)
    assert MAX_OVERSAMPLING**2 * 8 * 8 < 1e6
