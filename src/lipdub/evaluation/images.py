"""How near pictures are to others: PSNR, SSIM, and how restless they are against them."""

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Picture: TypeAlias = npt.NDArray[np.generic]
"""[H, W] or [H, W, C], 0 to 255, of any type of number."""
Mask: TypeAlias = npt.NDArray[np.bool_]
"""[H, W], true where it counts."""

PEAK = 255.0
"""The largest value of a picture."""
WINDOW = 11
"""Side of the window in pixels, as Wang et al. choose it, as all of the next three."""
SIGMA = 1.5
"""Of the window's Gaussian, in pixels."""
K1, K2 = 0.01, 0.03
"""They keep the fractions steady where the mean or the variance is about 0."""


def psnr(picture: Picture, true: Picture, mask: Mask | None = None) -> float:
    """Peak signal-to-noise ratio, 10·log10(255² / mean squared error), over all pixels and channels.

    Args:
        picture, true: of one shape.
        mask: pixels that count; all without it.

    Returns:
        dB; infinite where the pictures are equal, NaN where the mask is empty.

    Raises:
        ValueError: the shapes differ.
    """
    difference = _float(picture, true) - _float(true, picture)
    squares = (difference if mask is None else difference[mask]) ** 2
    if not squares.size:
        return float("nan")
    error = float(squares.mean())
    return float("inf") if error == 0 else float(10 * np.log10(PEAK**2 / error))


def ssim(picture: Picture, true: Picture, mask: Mask | None = None) -> float:
    """Structural similarity: the mean of `ssim_map` (Wang, Bovik, Sheikh and Simoncelli 2004).

    Args:
        picture, true: of one shape, at least 11×11.
        mask: the centres of the windows that count; all without it.

    Returns:
        −1 to 1, 1 where the pictures are equal; NaN where the mask is empty.

    Raises:
        ValueError: the shapes differ, or are smaller than the window.
    """
    near = ssim_map(picture, true)
    edge = WINDOW // 2
    chosen = near if mask is None else near[mask[edge:-edge, edge:-edge]]
    return float(chosen.mean()) if chosen.size else float("nan")


def ssim_map(picture: Picture, true: Picture) -> npt.NDArray[np.float64]:
    """Structural similarity of each window that lies wholly in the picture.

    (2·μ₁μ₂ + c₁)(2·σ₁₂ + c₂) / ((μ₁² + μ₂² + c₁)(σ₁² + σ₂² + c₂)), the moments weighted by a Gaussian; each
    channel by itself.

    Args:
        picture, true: of one shape, at least 11×11.

    Returns:
        [H − 10, W − 10] or [H − 10, W − 10, C]: by the centres of the windows.

    Raises:
        ValueError: the shapes differ, or are smaller than the window.
    """
    a, b = _float(picture, true), _float(true, picture)
    if min(a.shape[:2]) < WINDOW:
        raise ValueError(f"pictures of {a.shape[1]}x{a.shape[0]} are smaller than the window of {WINDOW}")
    mean_a, mean_b = _smooth(a), _smooth(b)
    variance_a, variance_b = _smooth(a * a) - mean_a**2, _smooth(b * b) - mean_b**2
    covariance = _smooth(a * b) - mean_a * mean_b
    c1, c2 = (K1 * PEAK) ** 2, (K2 * PEAK) ** 2
    light = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return np.asarray(light * (2 * covariance + c2) / (variance_a + variance_b + c2))


def flicker(frames: Picture, source: Picture, mask: Mask | None = None) -> float:
    """How much frames change from one to the next, over how much the source does.

    The mean absolute difference of successive frames over that of the source: 1 is as lively as the source,
    less is frozen or smeared, more is restless. A dub moves its lips at other times than the source, so it is
    means over clips that are to be compared, and means over the whole lower face that say most.

    Args:
        frames, source: [n, H, W] or [n, H, W, C], of one shape.
        mask: [H, W] for all frames or [n, H, W] for each; of two frames, pixels in both their masks count.

    Returns:
        0 and more; NaN where the source does not change, the mask is empty, or there are fewer than 2 frames.

    Raises:
        ValueError: the shapes differ.
    """
    if frames.shape != source.shape:
        raise ValueError(f"frames of shape {frames.shape} cannot be compared with {source.shape}")
    masks = np.broadcast_to(True if mask is None else mask, frames.shape[:3])
    changed = was = 0.0
    for i in range(1, len(frames)):
        both = masks[i - 1] & masks[i]
        changed += _change(frames[i - 1], frames[i], both)
        was += _change(source[i - 1], source[i], both)
    return changed / was if was > 0 else float("nan")


def _change(before: Picture, after: Picture, mask: Mask) -> float:
    return float(np.abs(after[mask].astype(np.float64) - before[mask].astype(np.float64)).sum())


def _float(picture: Picture, other: Picture) -> npt.NDArray[np.float64]:
    """The picture in float64, if it can be compared with the other one."""
    if picture.shape != other.shape:
        raise ValueError(f"pictures of shapes {picture.shape} and {other.shape} cannot be compared")
    return picture.astype(np.float64)


def _smooth(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weighted means over the windows that lie wholly in the picture."""
    edge = WINDOW // 2
    weights = np.exp(-(np.arange(-edge, edge + 1) ** 2) / (2 * SIGMA**2))
    weights /= weights.sum()
    smoothed = cv2.sepFilter2D(values, cv2.CV_64F, weights, weights)
    return np.asarray(smoothed, np.float64).reshape(values.shape)[edge:-edge, edge:-edge]
