"""Take a face out of a picture for the network, and put a new mouth back, in the stream's own samples."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import Box, turn
from lipdub.faces.warp import warp
from lipdub.media.colour import ColourModel, Region
from lipdub.media.geometry import Affine, Geometry, compose, invert
from lipdub.media.planes import Plane

Crop: TypeAlias = npt.NDArray[np.float32]
"""[S, S, 3] RGB in [−1, 1], S the network's image size."""

# The pasted shape, in fractions of the crop: a rounded rectangle in the lower half, which is what the network
# paints (rows from H/2). It is 1 around the mouth and fades to exactly 0 at its border.
MASK_CENTRE = (0.5, 0.75)
MASK_HALF_SIZE = (0.48, 0.25)
MASK_ROUNDNESS = 4
"""Exponent of the superellipse: 2 is an ellipse, infinity a rectangle."""
MASK_CORE = 0.62
"""Up to this radius, 1 at the border, the mouth is entirely the new one."""
READ_MARGIN = 4
"""Extra pixels read around a crop or a mouth, so that interpolation at the border has neighbours."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """What is the same for all frames of a stream: its geometry and its colour model."""

    geometry: Geometry
    colour: ColourModel

    def crop_to_coded(self, box: Box, size: int) -> Affine:
        """The map from pixels of an S×S crop to pixels of the coded picture."""
        scale = turn(box[4]) * box[2:4] / size
        centre = box[:2] + box[2:4] / 2 - 0.5
        from_crop = np.column_stack([scale, centre - scale @ np.full(2, (size - 1) / 2)])
        return compose(self.geometry.to_coded(), from_crop)

    def region(self, corners: npt.NDArray[np.float64], margin: int) -> Region:
        """The region of the coded picture that holds the corners [4, 2] and a margin."""
        spread = np.concatenate([corners - margin, corners + margin])
        spread = np.clip(spread, 0, [self.geometry.width - 1, self.geometry.height - 1])
        return Region.around(spread, self.geometry.width, self.geometry.height, self.colour.form)


def take_crop(planes: list[Plane], canvas: Canvas, box: Box, size: int) -> Crop:
    """The face as the network sees it.

    Args:
        planes: of the coded picture.
        canvas: its geometry and colours.
        box: [5], upright pixels and degrees.
        size: S, the network's image size.

    Returns:
        [S, S, 3] RGB in [−1, 1]; colours without RGB are clipped, outside the picture is its nearest pixel.
    """
    matrix = canvas.crop_to_coded(box, size)
    region = canvas.region(_corners(matrix, size, 0.0), READ_MARGIN)
    rgb = np.clip(canvas.colour.to_rgb(planes, region), 0, 1)
    crop = np.asarray(rgb * 2 - 1, dtype=np.float32)
    return warp(crop, _relative(matrix, region), (size, size))


def paste(planes: list[Plane], canvas: Canvas, box: Box, generated: Crop, opacity: float) -> None:
    """Replace the mouth, in place.

    What is added is opacity · mask · (new − old), with *old* being what the network could see, so that a
    network that returns its input at the picture's own resolution changes nothing, and a sample where the
    mask is 0 keeps every bit.

    Args:
        planes: of the coded picture; changed.
        canvas: its geometry and colours.
        box: [5], upright pixels and degrees.
        generated: what the network made of the crop.
        opacity: 0 (old mouth) to 1 (new mouth).
    """
    size = generated.shape[0]
    matrix = canvas.crop_to_coded(box, size)
    region = canvas.region(_corners(matrix, size, 0.5), READ_MARGIN)
    if min(region.size) <= 0 or opacity <= 0:
        return
    to_crop = invert(_relative(matrix, region))
    new = warp(np.asarray((generated + 1) / 2, dtype=np.float32), to_crop, region.size)
    old = np.clip(canvas.colour.to_rgb(planes, region), 0, 1)
    mask = mouth_mask(to_crop, region.size, size) * opacity
    canvas.colour.add(planes, region, mask[..., None] * (new - old))


def mouth_mask(to_crop: Affine, shape: tuple[int, int], size: int) -> npt.NDArray[np.float32]:
    """How much of each pixel is replaced.

    Args:
        to_crop: the map from pixels of the result to pixels of an S×S crop.
        shape: (width, height) of the result.
        size: S.

    Returns:
        [height, width] in [0, 1]; exactly 0 outside the crop's lower half.
    """
    x, y = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]))
    place = np.stack([x, y], axis=-1) @ to_crop[:, :2].T + to_crop[:, 2]
    offset = np.abs(((place + 0.5) / size - MASK_CENTRE) / MASK_HALF_SIZE)
    radius = (offset**MASK_ROUNDNESS).sum(axis=-1) ** (1 / MASK_ROUNDNESS)
    inward = np.clip((1 - radius) / (1 - MASK_CORE), 0, 1)
    return np.asarray(inward * inward * (3 - 2 * inward), dtype=np.float32)


def _corners(matrix: Affine, size: int, top: float) -> npt.NDArray[np.float64]:
    """Where the corners of the crop, from the row `top`·S down, lie in the picture: [4, 2]."""
    low, high, first = -0.5, size - 0.5, size * top - 0.5
    corners = np.array([[low, first], [high, first], [low, high], [high, high]])
    return np.asarray(corners @ matrix[:, :2].T + matrix[:, 2])


def _relative(matrix: Affine, region: Region) -> Affine:
    """The same map, to coordinates inside a region."""
    moved = matrix.copy()
    moved[:, 2] -= (region.left, region.top)
    return moved
