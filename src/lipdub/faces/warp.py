"""Resample pictures through an affine map, without aliasing where they shrink."""

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.media.geometry import Affine, compose

MAX_OVERSAMPLING = 16
MANY_SAMPLES = 2
"""Above so many samples a pixel, linear interpolation does as well as cubic."""


def warp(
    image: npt.NDArray[np.float32], matrix: Affine, size: tuple[int, int], *, nearest_edge: bool = True
) -> npt.NDArray[np.float32]:
    """Resample an image.

    Where the map shrinks the picture k times in one direction, k samples are taken there for each pixel and
    averaged, which is what area-averaging does, for any affine map. Samples are interpolated cubically, or
    linearly where there are so many that it makes no difference.

    Measured on pictures of 0.6 to 5 times the network's size, there and back: from 0.9 dB worse (at 51 dB) to
    6.7 dB better than OpenCV's own way (areas down, cubic up); linear samples throughout: up to 9.4 dB worse.

    Args:
        image: [H, W] or [H, W, C].
        matrix: 2×3, from a pixel of the result to a place in `image`.
        size: (width, height) of the result.
        nearest_edge: what lies outside is its nearest pixel; otherwise 0.

    Returns:
        [height, width] or [height, width, C], float32.
    """
    width, height = size
    k_x, k_y = _oversampling(matrix)
    # Sample j of pixel i sits at i + (j + 0.5)/k − 0.5.
    samples = np.array([[1 / k_x, 0, (1 / k_x - 1) / 2], [0, 1 / k_y, (1 / k_y - 1) / 2]])
    fine = compose(matrix, samples)
    border = cv2.BORDER_REPLICATE if nearest_edge else cv2.BORDER_CONSTANT
    interpolation = cv2.INTER_CUBIC if max(k_x, k_y) <= MANY_SAMPLES else cv2.INTER_LINEAR
    flags = interpolation | cv2.WARP_INVERSE_MAP
    sampled = cv2.warpAffine(image, fine, (width * k_x, height * k_y), flags=flags, borderMode=border)
    if k_x * k_y > 1:
        sampled = cv2.resize(sampled, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(sampled, dtype=np.float32)


def _oversampling(matrix: Affine) -> tuple[int, int]:
    """Samples a pixel of the result, across and down."""
    shrinkage = np.linalg.norm(matrix[:, :2], axis=0)
    # Up to 5 % of shrinkage needs no averaging, which would only cost sharpness.
    across, down = np.clip(np.ceil(shrinkage - 0.05), 1, MAX_OVERSAMPLING).astype(int).tolist()
    return across, down
