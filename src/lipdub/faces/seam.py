"""Match colour and light at the seam: by what the network misses the light round the mouth is taken off.

Skin where the old and the new picture should agree (the mask's rim, and the skin outside the lips) shows by
how much the network misses the light. That error is continued inward as a smooth membrane, by inverse
distances as in mean-value cloning, on a small grid. What makes it steady in time is what it trusts: a place
counts little where the picture is steep, since a small movement is an error there, and where the error is
unlike that round about, since that is another shape and not another light. Frames are matched one by one, so
that segments stay independent.

Measured on what the published network made of 8 videos, low frequencies, levels of 255
(`benchmarks/compositing.py`): at the rim it is off by 3.7, with the membrane by 1.3; the skin's error
flickers by 0.71 from frame to frame, and then by 0.35. A Laplacian pyramid leaves 2.2 and 0.53, Poisson
cloning 1.5 and 0.57.
"""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.faces.mask import Field

CELLS = 32
"""Cells of the membrane, across and down: light changes slowly over a face."""
LIGHT = 12 / 255
"""An error so far from the light found counts half; published outputs are off by 2 to 6 levels."""
STEEP = 2 / 255
"""A slope of so much a pixel, in the network's picture of 128, makes a place count half."""
SLOPE_SIZE = 128
PASSES = 4
"""So often it is fitted, each time with trust in what lies near the last fit: the errors of another mouth are
no light. Measured with another frame's mouth on 11 clips, 8 levels and 5 % of gamma too bright: one pass
leaves 0.86 levels of that, which flicker by 0.27, four leave 0.28 and 0.13, five 0.26 and 0.13."""
DOUBT = 0.03
"""Share of the trust that says that there is no error: where all is another shape, nothing is matched."""
FALL = 2
"""Power of the distance with which a place counts; 3 fits the rim closer and flickers more."""


def membrane(
    error: npt.NDArray[np.float32], seen: npt.NDArray[np.float32], mask: Field, skin: Field
) -> npt.NDArray[np.float32]:
    """What the network is off by in colour and light.

    Args:
        error: [S, S, 3], new minus old in the crop, RGB in units of the whole range.
        seen: [S, S, 3], the old crop in the same units.
        mask: of the crop.
        skin: how far from the lips a place is, 0 to 1.

    Returns:
        [S, S, 3], smooth; 0 where the error is 0.
    """
    small = cv2.resize(error, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    trust = _trust(seen, mask, skin)
    field = np.zeros_like(small)
    for _ in range(PASSES):
        weight = trust / (1 + (np.abs(small - field).max(axis=-1) / LIGHT) ** 2)
        weighted = np.dstack([small * weight[..., None], weight + np.float32(DOUBT) * trust])
        sums = cv2.filter2D(weighted, -1, _falling(), borderType=cv2.BORDER_CONSTANT)
        field = sums[..., :3] / np.maximum(sums[..., 3:], np.float32(1e-9))
    return np.asarray(cv2.resize(field, error.shape[1::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _trust(seen: npt.NDArray[np.float32], mask: Field, skin: Field) -> npt.NDArray[np.float32]:
    """How much each cell says about light: [`CELLS`, `CELLS`]."""
    inside = _cells(mask)
    place = np.maximum(4 * inside * (1 - inside), inside * _cells(skin))
    image = cv2.resize(seen, (SLOPE_SIZE, SLOPE_SIZE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    slope = np.hypot(cv2.Sobel(grey, -1, 1, 0, scale=1 / 8), cv2.Sobel(grey, -1, 0, 1, scale=1 / 8))
    return np.asarray(place / (1 + (_cells(slope) / STEEP) ** 2), dtype=np.float32)


def _cells(field: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Means over the cells of a field of a multiple of their number."""
    return np.asarray(cv2.resize(field, (CELLS, CELLS), interpolation=cv2.INTER_AREA), dtype=np.float32)


@lru_cache
def _falling() -> npt.NDArray[np.float32]:
    """How much a place counts, by how far away it lies: [2·`CELLS` − 1, 2·`CELLS` − 1]."""
    y, x = np.mgrid[1 - CELLS : CELLS, 1 - CELLS : CELLS]
    return np.asarray((x * x + y * y + 1.0) ** (-FALL / 2), dtype=np.float32)
