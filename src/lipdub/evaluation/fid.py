"""The Fréchet distance of two sets of features (Heusel et al. 2017): FID, if Inception made them."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def fid(features: npt.ArrayLike, true: npt.ArrayLike) -> float:
    """Fréchet distance of the normal distributions that have the means and covariances of two sets.

    |m₁ − m₂|² + tr C₁ + tr C₂ − 2·tr (C₁C₂)^½. With C = FᵀF, the eigenvalues of C₁C₂ are the squared singular
    values of F₁F₂ᵀ, so the last trace is their sum. No root of a nearly singular matrix is taken, so nothing
    has to be added to its diagonal, and fewer samples than features do no harm to the precision.

    Fewer samples give a larger distance: compare sets of the same size only.

    Args:
        features, true: [n, d] and [m, d], n and m at least 2.

    Returns:
        0 and more.

    Raises:
        ValueError: the sets do not have these shapes, or hold something that is not finite.
    """
    a, b = _checked(features), _checked(true)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"features of {a.shape[1]} and {b.shape[1]} numbers cannot be compared")
    return _distance(a.mean(axis=0) - b.mean(axis=0), _factor(a), _factor(b))


def frechet(mean: Array, covariance: Array, true_mean: Array, true_covariance: Array) -> float:
    """The same from the moments, such as those that are published for a data set.

    Args:
        mean, true_mean: [d].
        covariance, true_covariance: [d, d], symmetric, no eigenvalue below 0 but for rounding.

    Returns:
        0 and more.
    """
    return _distance(mean - true_mean, _root(covariance), _root(true_covariance))


def _distance(shift: Array, factor: Array, true_factor: Array) -> float:
    common = np.linalg.svd(factor @ true_factor.T, compute_uv=False).sum()
    spread = (factor**2).sum() + (true_factor**2).sum() - 2 * common
    return max(float(shift @ shift + spread), 0.0)


def _checked(features: npt.ArrayLike) -> Array:
    values = np.asarray(features, np.float64)
    if values.ndim != 2 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"a set of shape {values.shape} is not [n, d] of finite numbers with n above 1")
    return values


def _factor(values: Array) -> Array:
    """A matrix F [k, d], k at most d, with FᵀF the covariance of values [n, d]."""
    centred = (values - values.mean(axis=0)) / np.sqrt(len(values) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(centred) > centred.shape[1] else centred


def _root(covariance: Array) -> Array:
    """A matrix F [d, d] with FᵀF the covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(np.sqrt(np.maximum(values, 0))[:, None] * vectors.T)
