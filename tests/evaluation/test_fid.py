import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from lipdub.evaluation.fid import fid, frechet

RNG = np.random.default_rng(5)


def features(n: int, d: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, d)) @ generator.normal(size=(d, d)) + generator.normal(size=d)


def by_scipy(a: np.ndarray, b: np.ndarray) -> float:
    c, e = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    shift = a.mean(axis=0) - b.mean(axis=0)
    return float(shift @ shift + np.trace(c + e - 2 * sqrtm(c @ e).real))


@settings(deadline=None)
@given(st.integers(2, 12), st.integers(0, 10**6))
def test_agrees_with_the_root_of_the_matrix(d: int, seed: int):
    a, b = features(60, d, seed), features(45, d, seed + 1)
    assert fid(a, b) == pytest.approx(by_scipy(a, b), rel=1e-6)
    assert fid(a, b) == pytest.approx(fid(b, a))


def test_agrees_with_the_root_of_the_matrix_where_samples_are_fewer_than_features():
    a, b = features(8, 24, 1), features(10, 24, 2)
    assert fid(a, b) == pytest.approx(by_scipy(a, b), rel=1e-3)  # scipy's root of a singular matrix is rough


def test_of_distributions_along_the_same_axes_it_is_known_in_closed_form():
    deviations = RNG.uniform(0.5, 3, (2, 7))
    means = RNG.normal(size=(2, 7))
    wanted = ((means[0] - means[1]) ** 2 + (deviations[0] - deviations[1]) ** 2).sum()
    covariances = [np.diag(d**2) for d in deviations]
    assert frechet(means[0], covariances[0], means[1], covariances[1]) == pytest.approx(wanted)


def test_the_moments_and_the_samples_give_the_same():
    a, b = features(50, 6, 3), features(40, 6, 4)
    moments = [m for s in (a, b) for m in (s.mean(axis=0), np.cov(s, rowvar=False))]
    assert frechet(*moments) == pytest.approx(fid(a, b))


def test_variance_that_rounding_took_below_0_is_none():
    zero = np.zeros(2)
    assert frechet(zero, np.diag([1, -1e-4]), zero, np.diag([1, 1e-4])) == pytest.approx(1e-4)


@pytest.mark.parametrize("shape", [(200, 16), (5, 64), (2, 3)])
def test_a_set_against_itself_and_against_its_shifted_copy(shape: tuple[int, int]):
    a = features(*shape, 7)
    size = (a.std(axis=0) ** 2).sum()
    shift = RNG.normal(size=shape[1])
    assert fid(a, a) == pytest.approx(0, abs=1e-10 * size)
    assert fid(a, a[::-1]) == pytest.approx(0, abs=1e-10 * size)
    assert fid(a, a + shift) == pytest.approx(shift @ shift, rel=1e-8)


@settings(deadline=None)
@given(st.floats(0.1, 10))
def test_of_a_scaled_copy_it_is_the_spread_times_what_was_added(scale: float):
    a = features(20, 5, 8)
    a -= a.mean(axis=0)
    wanted = (1 - scale) ** 2 * np.trace(np.cov(a, rowvar=False))
    assert fid(a, scale * a) == pytest.approx(wanted, abs=1e-9)


def test_single_precision_and_features_of_no_spread_are_taken():
    a, b = np.zeros((4, 3), np.float32), np.ones((5, 3), np.float32)
    assert fid(a, b) == pytest.approx(3)


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        (np.zeros((1, 3)), np.zeros((4, 3)), "n above 1"),
        (np.zeros(3), np.zeros((4, 3)), "not \\[n, d\\]"),
        (np.full((4, 3), np.nan), np.zeros((4, 3)), "finite"),
        (np.zeros((4, 2)), np.zeros((4, 3)), "2 and 3"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(a: np.ndarray, b: np.ndarray, why: str):
    with pytest.raises(ValueError, match=why):
        fid(a, b)
