"""Match colour and light at the seam: what the network is off by at the mask's rim is taken off inside.

The error at the rim is continued inward as a smooth membrane (inverse distances, as in mean-value cloning), in
the resolution of a small grid. Each frame is matched by itself, so that segments stay independent of each
other; what makes it steady is that a large error, which is another shape rather than another light, counts
for little.
"""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.faces.mask import GRID, Field

CELLS = 32
"""Cells of the membrane, across and down: light changes slowly over a face."""
LIGHT = 16 / 255
"""An error of this size counts half."""
FALL = 3
"""Power of the distance with which a place of the rim counts."""


def membrane(error: npt.NDArray[np.float32], mask: Field) -> npt.NDArray[np.float32]:
    """What the network is off by in colour and light.

    Args:
        error: [S, S, 3], new minus old in the crop, RGB in units of the whole range.
        mask: of the crop.

    Returns:
        [S, S, 3], smooth; 0 where the error is 0 all along the rim.
    """
    small = cv2.resize(error, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    size = np.abs(small).max(axis=-1)
    weight = rim_of(mask) / (1 + (size / LIGHT) ** 2)
    sums = cv2.filter2D(np.dstack([small * weight[..., None], weight]), -1, _falling(), borderType=0)
    field = sums[..., :3] / np.maximum(sums[..., 3:], 1e-9)
    return np.asarray(cv2.resize(field, error.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def rim_of(mask: Field) -> npt.NDArray[np.float32]:
    """Where the mask is neither nothing nor everything: [`CELLS`, `CELLS`] in [0, 1]."""
    step = GRID // CELLS
    inside = mask.reshape(CELLS, step, CELLS, step).mean(axis=(1, 3))
    return np.asarray(4 * inside * (1 - inside), dtype=np.float32)


@lru_cache
def _falling() -> npt.NDArray[np.float32]:
    """How much a place of the rim counts, by where it lies: [2·`CELLS` − 1, 2·`CELLS` − 1]."""
    y, x = np.mgrid[1 - CELLS : CELLS, 1 - CELLS : CELLS]
    return np.asarray((x * x + y * y + 1.0) ** (-FALL / 2), dtype=np.float32)
