"""Resample pictures through an affine map, without aliasing where they shrink."""

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.media.geometry import Affine, compose

MAX_OVERSAMPLING = 16


def warp(
    image: npt.NDArray[np.float32], matrix: Affine, size: tuple[int, int], *, nearest_edge: bool = True
) -> npt.NDArray[np.float32]:
    """Resample an image.

    Where the map shrinks the picture k times, k×k samples are taken for each pixel and averaged, which
    is what area-averaging does, for any affine map; where it enlarges, cubic interpolation is used.

    Args:
        image: [H, W] or [H, W, C].
        matrix: 2×3, from a pixel of the result to a place in `image`.
        size: (width, height) of the result.
        nearest_edge: what lies outside is its nearest pixel; otherwise 0.

    Returns:
        [height, width] or [height, width, C], float32.
    """
    width, height = size
    k = _oversampling(matrix)
    # Sample j of pixel i sits at i + (j + 0.5)/k − 0.5.
    fine = compose(matrix, np.array([[1 / k, 0, (1 / k - 1) / 2], [0, 1 / k, (1 / k - 1) / 2]]))
    border = cv2.BORDER_REPLICATE if nearest_edge else cv2.BORDER_CONSTANT
    interpolation = cv2.INTER_CUBIC if k == 1 else cv2.INTER_LINEAR
    flags = interpolation | cv2.WARP_INVERSE_MAP
    sampled = cv2.warpAffine(image, fine, (width * k, height * k), flags=flags, borderMode=border)
    if k > 1:
        sampled = cv2.resize(sampled, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(sampled, dtype=np.float32)


def _oversampling(matrix: Affine) -> int:
    shrinkage = float(np.linalg.norm(matrix[:, :2], axis=0).max())
    # Up to 5 % of shrinkage needs no averaging, which would only cost sharpness.
    return int(np.clip(np.ceil(shrinkage - 0.05), 1, MAX_OVERSAMPLING))
