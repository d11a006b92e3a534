"""What the picture of a mouth tells: how sharp it is, and whether something is in front of it."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import Box, turn
from lipdub.faces.warp import warp

Image = npt.NDArray[np.uint8]

LARGEST, SMALLEST = 128, 16
"""Faces are looked at in their own size, up to the network's."""
ROWS, COLUMNS = 16, 10
"""The crop is seen as so many cells; the lowest ten rows of them, from the eyes down, are looked at."""
LOOKED_AT = 10
CHEEKS = slice(0, 3), slice(2, 8)
MOUTH = slice(3, 9), slice(2, 8)
SKIN_SHAPE = (3, 3, 3)
"""Three by three places on and round the mouth, and L, a, b of their colour beside that of the cheeks."""
BLUR = 1.5
"""Sigma, in pixels of the looked-at size, of the blur that a picture is compared with. Of 0.8, 1.5 and 3,
it is the one that tells most blurred mouths from sharp ones."""
OTHER_COLOUR = 10.0
"""A place shows something else where its colour is so far from the usual one; lightness counts for 0.7 of it.
`benchmarks/gates.py` says what that finds and what it does not."""
LIGHTNESS = 0.5
"""Weight of the square of a difference of lightness: light moves over a face more than its colour does."""


LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class Mouth(NamedTuple):
    """What is kept of the picture of a mouth.

    Attributes:
        sharpness: 0 (as if blurred already) to 1; it does not change with contrast.
        skin: `SKIN_SHAPE` colours.
    """

    sharpness: float
    skin: npt.NDArray[np.float32]


def look_at_mouth(image: Image, box: Box) -> Mouth:
    """Measure the picture of a mouth.

    Args:
        image: [H, W, 3] RGB.
        box: [5], the face's crop in that picture.
    """
    part = _lower_face(image, box)
    return Mouth(sharpness(part @ LUMA), _skin(part))


def sharpness(grey: npt.NDArray[np.float32]) -> float:
    """How much of its gradients a picture [h, w] loses when it is blurred, in the direction that loses less.

    A picture that is blurred already has little to lose (after Crété-Roffet et al., 2007).
    """
    mouth = grey[len(grey) * 2 // LOOKED_AT :, grey.shape[1] // 10 : grey.shape[1] - grey.shape[1] // 10]
    blurred = cv2.GaussianBlur(mouth, (0, 0), BLUR)
    left = [
        float(np.abs(np.diff(blurred, axis=axis)).sum() / max(np.abs(np.diff(mouth, axis=axis)).sum(), 1e-6))
        for axis in (0, 1)
    ]
    return 1 - min(max(left), 1.0)


def covered(skin: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Which share of the mouth shows something other than it usually does.

    Args:
        skin: [n, *SKIN_SHAPE], colours through a track; NaN where they are not known.

    Returns:
        [n], 0 to 1; NaN where `skin` is.
    """
    flat = np.asarray(skin, dtype=np.float64).reshape(len(skin), -1, 3)
    known = ~np.isnan(flat).any(axis=(1, 2))
    share = np.full(len(flat), np.nan)
    if known.any():
        away = (flat[known] - np.median(flat[known], axis=0)) ** 2 @ np.array([LIGHTNESS, 1, 1])
        share[known] = (away > OTHER_COLOUR**2).mean(axis=1)
    return share


def _lower_face(image: Image, box: Box) -> npt.NDArray[np.float32]:
    """The crop from the eyes down, [S · 10/16, S, 3] RGB in 0–1."""
    size = int(np.clip(round(box[3] / ROWS) * ROWS, SMALLEST, LARGEST))
    top, height = size * (ROWS - LOOKED_AT) // ROWS, size * LOOKED_AT // ROWS
    near, place, shrunk = _near(image, box, size)
    scale = turn(box[4]) * box[2:4] / size / shrunk
    centre = (box[:2] + box[2:4] / 2 - place) / shrunk - 0.5
    corner = centre + scale @ (np.array([0, top]) - (size - 1) / 2)
    part = warp(np.asarray(near / 255, np.float32), np.column_stack([scale, corner]), (size, height))
    return np.asarray(np.clip(part, 0, 1), dtype=np.float32)


def _near(
    image: Image, box: Box, size: int
) -> tuple[Image, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The part of a picture round a box that is looked at, shrunk as far as no detail of `size` is lost.

    Returns:
        The part, where its corner lies, and how many pixels one of its pixels is wide and high.
    """
    corners = (np.array([[0, 0.3], [1, 0.3], [0, 1], [1, 1]]) - 0.5) * box[2:4] @ turn(box[4]).T
    corners += box[:2] + box[2:4] / 2
    limit = np.array(image.shape[1::-1])
    low = np.clip(np.floor(corners.min(axis=0)) - 2, 0, limit - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 2, low + 1, limit).astype(int)
    near = image[low[1] : high[1], low[0] : high[0]]
    width, height = np.maximum(np.ceil((high - low) * min(1.0, size / box[3])), 1).astype(int).tolist()
    shrunk = cv2.resize(near, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.uint8), low.astype(np.float64), (high - low) / np.array([width, height])


def _skin(part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    colours = cv2.cvtColor(part, cv2.COLOR_RGB2LAB)
    cells = cv2.resize(colours, (COLUMNS, LOOKED_AT), interpolation=cv2.INTER_AREA)
    mouth = cells[MOUTH] - np.median(cells[CHEEKS].reshape(-1, 3), axis=0)
    return np.asarray(mouth.reshape(3, 2, 3, 2, 3).mean(axis=(1, 3)), dtype=np.float32)
