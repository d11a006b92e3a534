"""Where the new mouth goes: the lower face inside the line of the jaw, feathered in proportion to the face.

A mask is a function of places in the crop, sampled on a fixed grid: a crop that moves by a part of a pixel
takes its mask along, so that nothing swims.
"""

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import ASPECT
from lipdub.faces.sighting import JAW, KEPT, NOSE_BASE
from lipdub.media.geometry import Affine, compose

Outline: TypeAlias = npt.NDArray[np.floating]
"""[24, 2], the landmarks `KEPT` of a face, in fractions of the crop; NaN where they are not known."""

Field: TypeAlias = npt.NDArray[np.float32]
"""[`GRID`, `GRID`]: values at the centres of so many cells of the crop, row by row from its upper left."""

GRID = 64
"""Cells of a mask, across and down: the narrowest feather is more than three of them."""
MASK_CENTRE = (0.5, 0.75)
"""Of the lower half of the crop, which is what the network paints."""
MASK_HALF_SIZE = (0.48, 0.25)
MASK_ROUNDNESS = 4
"""Exponent of the superellipse that stands for a face that is not known: 2 is an ellipse, infinity a box."""
MASK_CORE = 0.62
"""Up to this radius of it, 1 at the border, the mouth is entirely the new one."""
JAW_FEATHER, EDGE_FEATHER, TOP_FEATHER = 0.06, 0.09, 0.055
"""Heights of the crop over which the mask fades: inward of the jaw, of the crop's border, and below the nose.
Measured: the upper lip begins 0.085 below the nose's base, and the lower lip ends 0.17 above the chin."""
NOSE = (0.5, 0.605)
"""Where the nose's base lies where it is not known."""
NOSE_BOUNDS = ((0.2, 0.5), (0.8, 0.75))
"""Beyond these a nose is not believed."""
CHIN = (0.5, 1.01)
CHIN_BOUNDS = ((0.3, 0.93), (0.7, 1.09))
"""Beyond these a chin is not believed."""
LIPS_MARGIN = 0.02
"""Heights of the crop: the lips' own soft rim."""
LIPS_FADE = 0.35
"""Share of the lips' half size over which their part of the mask fades."""
CHEEKS_TOP, NOSE_WIDTH = 0.51, 0.17
"""Row at which the mask begins at the cheeks, and half the width of its notch for the nose."""


def mouth_mask(
    to_crop: Affine, shape: tuple[int, int], size: int, outline: Outline | None = None
) -> npt.NDArray[np.float32]:
    """How much of each pixel is replaced.

    Args:
        to_crop: the map from pixels of the result to pixels of an S×S crop.
        shape: (width, height) of the result.
        size: S.
        outline: of the face; a rounded box stands for one that is not known.

    Returns:
        [height, width] in [0, 1]; exactly 0 outside the crop's lower half.
    """
    return spread(mask_field(outline), to_crop, shape, size)


def mask_field(outline: Outline | None = None) -> Field:
    """The mask, on its grid; 0 in all cells at the border of the crop's lower half."""
    places = places_of_cells()
    if outline is None or not np.isfinite(outline).all():
        return _superellipse(places)
    jaw = outline[: len(JAW)]
    half_cell = 0.5 / GRID
    edge = np.minimum(places[..., 1] - 0.5, 1 - places[..., 1])
    edge = np.minimum(edge, np.minimum(places[..., 0], 1 - places[..., 0]) * ASPECT) - half_cell
    field = smoothstep(edge / EDGE_FEATHER) * smoothstep(below_nose(places, outline) / TOP_FEATHER)
    inside = np.zeros((GRID, GRID), np.float32)
    rows = slice(GRID // 2, None)
    # The line ends at the mouth's height; from there the face goes straight up, near enough for a mask.
    ends = np.array([[jaw[-1, 0], 0], [jaw[0, 0], 0]])
    line = np.concatenate([jaw, ends]).astype(np.float32)
    face = smoothstep(_depth(places[rows], line) / JAW_FEATHER)
    inside[rows] = np.maximum(face, lips_field(places[rows], outline))
    return np.asarray(field * inside, dtype=np.float32)


def below_nose(places: npt.NDArray[np.float32], outline: Outline) -> npt.NDArray[np.float32]:
    """How far places [..., 2] lie below the upper edge of the mask, in heights of the crop."""
    x, y = nose_of(outline)
    notch = (y - CHEEKS_TOP) * np.exp(-(((places[..., 0] - x) / NOSE_WIDTH) ** 2))
    return np.asarray(places[..., 1] - CHEEKS_TOP - notch, dtype=np.float32)


def nose_of(outline: Outline | None) -> tuple[float, float]:
    """Where the nose's base lies in the crop: at its usual place, where the face is not known."""
    return _believed(outline, KEPT.index(NOSE_BASE), NOSE, NOSE_BOUNDS)


def chin_of(outline: Outline | None) -> tuple[float, float]:
    """Where the chin lies in the crop: at its usual place, where the face is not known."""
    return _believed(outline, len(JAW) // 2, CHIN, CHIN_BOUNDS)


def _believed(
    outline: Outline | None,
    index: int,
    usual: tuple[float, float],
    bounds: tuple[tuple[float, float], tuple[float, float]],
) -> tuple[float, float]:
    if outline is None or not np.isfinite(outline).all():
        return usual
    x, y = np.clip(outline[index], *bounds)
    return float(x), float(y)


def lips_field(places: npt.NDArray[np.float32], outline: Outline) -> npt.NDArray[np.float32]:
    """1 on the lips, and 0 some way around them, at places [..., 2]: an ellipse through their four ends.

    On a turned head the line of the far jaw passes through the lips, which must be replaced as a whole.
    """
    square = np.array([ASPECT, 1])
    left, right, top, bottom = outline[len(JAW) : len(JAW) + 4] * square
    along = (right - left) / max(float(np.linalg.norm(right - left)), 1e-6)
    across = np.array([-along[1], along[0]])
    half = np.array([np.linalg.norm(right - left), abs((bottom - top) @ across)]) / 2 + LIPS_MARGIN
    offset = places * square - (left + right + top + bottom) / 4
    radius = np.hypot(offset @ along / half[0], offset @ across / half[1])
    return smoothstep((1 + LIPS_FADE - radius) / LIPS_FADE)


def spread(field: npt.NDArray[np.float32], to_crop: Affine, shape: tuple[int, int], size: int) -> Field:
    """A field over the crop at the pixels of a picture; 0 outside the crop.

    Args:
        field: [n, n] or [n, n, C], smooth.
        to_crop: the map from pixels of the result to pixels of an S×S crop.
        shape: (width, height) of the result.
        size: S.

    Returns:
        [height, width] or [height, width, C], float32.
    """
    step = len(field) / size
    to_field = compose(np.array([[step, 0, (step - 1) / 2], [0, step, (step - 1) / 2]]), to_crop)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(field, to_field, shape, flags=flags), dtype=np.float32)


def smoothstep(x: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """0 below 0, 1 above 1, and smooth between them."""
    inward = np.clip(x, 0, 1)
    return np.asarray(inward * inward * (3 - 2 * inward), dtype=np.float32)


def places_of_cells() -> npt.NDArray[np.float32]:
    """The centres of the grid's cells, in fractions of the crop: [`GRID`, `GRID`, 2]."""
    centres = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID
    return np.stack(np.meshgrid(centres, centres), axis=-1)


def _superellipse(places: npt.NDArray[np.float32]) -> Field:
    half_size = np.array(MASK_HALF_SIZE, np.float32) - np.float32(0.5 / GRID)
    offset = np.abs((places - np.array(MASK_CENTRE, np.float32)) / half_size)
    radius = (offset**MASK_ROUNDNESS).sum(axis=-1) ** (1 / MASK_ROUNDNESS)
    return smoothstep((1 - radius) / (1 - MASK_CORE))


def _depth(places: npt.NDArray[np.float32], line: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """How deep places [h, w, 2] lie inside a closed line, in heights of the crop; 0 outside."""
    start_x, start_y = line[:, 0] * np.float32(ASPECT), line[:, 1]
    along_x, along_y = np.roll(start_x, -1) - start_x, np.roll(start_y, -1) - start_y
    x = places[..., :1] * np.float32(ASPECT) - start_x
    y = places[..., 1:] - start_y
    length = np.maximum(along_x * along_x + along_y * along_y, np.float32(1e-9))
    share = np.clip((x * along_x + y * along_y) / length, 0, 1)
    depth = np.sqrt(((x - share * along_x) ** 2 + (y - share * along_y) ** 2).min(axis=-1))
    # A ray to the right crosses the line an odd number of times.
    slope = along_x / np.where(along_y == 0, np.float32(1e-9), along_y)
    crossings = ((y < 0) != (y < along_y)) & (x < y * slope)
    return np.asarray(np.where(np.logical_xor.reduce(crossings, axis=-1), depth, 0), dtype=np.float32)
