"""Faces framed as VoxCeleb2 frames them, so that metrics see every system and every movie alike.

There a picture has 224×224 pixels, and the crop that Diff2Lip knows is 158 high and 124 wide, at one place in
it. In this framing SyncNet was trained, and papers measure landmarks.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import Box, turn
from lipdub.faces.warp import warp

Views: TypeAlias = npt.NDArray[np.uint8]
"""[..., 224, 224, 3] RGB."""

SIDE = 224
LEFT, RIGHT, BOTTOM = 50, 174, 158
"""Of the crop in a view; its top is the view's."""
MIDDLE = BOTTOM // 2
"""Row from which the crop is repainted."""
FIXED = np.array([LEFT, 0, RIGHT - LEFT, BOTTOM, 0], np.float64)
"""The crop as a box: the framing of the paper, for movies that are views already."""


def view_of(image: npt.NDArray[np.uint8], box: Box) -> npt.NDArray[np.uint8]:
    """The view in which the crop is this box.

    Args:
        image: [H, W, 3] RGB, upright.
        box: [5], in pixels of it (see `lipdub.faces.crop.Box`).

    Returns:
        [224, 224, 3]; outside of the image is its nearest pixel. An image that is such a view already, with
        the box `FIXED`, is given back as it is.
    """
    if image.shape[:2] == (SIDE, SIDE) and np.array_equal(box, FIXED):
        return image
    scale = turn(box[4]) * box[3] / BOTTOM
    centre = box[:2] + box[2:4] / 2
    in_view = np.array([(LEFT + RIGHT) / 2, BOTTOM / 2])
    matrix = np.column_stack([scale, centre - 0.5 - scale @ (in_view - 0.5)])
    view = warp(image.astype(np.float32), matrix, (SIDE, SIDE))
    return np.clip(np.rint(view), 0, 255).astype(np.uint8)


def crops_of(views: Views) -> Views:
    """The crops [..., 158, 124, 3] in views."""
    return views[..., :BOTTOM, LEFT:RIGHT, :]


def lower_halves(views: Views) -> Views:
    """The halves of the crops [..., 79, 124, 3] that are repainted."""
    return views[..., MIDDLE:BOTTOM, LEFT:RIGHT, :]


def nearest_frames(seconds: npt.NDArray[np.float64], rate: float) -> npt.NDArray[np.intp]:
    """Of each moment k/rate from the first frame to the last, the frame that is nearest in time.

    Args:
        seconds: [n], of the frames, ascending, n at least 1.
        rate: a second.

    Returns:
        [m].
    """
    count = int(np.floor((seconds[-1] - seconds[0]) * rate + 1e-6)) + 1
    return nearest(seconds, seconds[0] + np.arange(count) / rate)


def nearest(times: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Of each wanted moment [m], which of the ascending times [n] is nearest: [m]."""
    middles = (times[1:] + times[:-1]) / 2
    return np.asarray(np.searchsorted(middles, wanted), np.intp)
