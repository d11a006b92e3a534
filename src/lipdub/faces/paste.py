"""Take a face out of a picture for the network, and put a new mouth back, in the stream's own samples."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import Box, turn
from lipdub.faces.detail import dulled, keeping, kept_detail, lost_share, sharpened, skin_field, texture
from lipdub.faces.mask import Field, Outline, mask_field, spread
from lipdub.faces.seam import membrane
from lipdub.faces.warp import warp
from lipdub.media.colour import ColourModel, Region, Rgb
from lipdub.media.geometry import Affine, Geometry, compose, invert
from lipdub.media.planes import Plane

Crop: TypeAlias = npt.NDArray[np.float32]
"""[S, S, 3] RGB in [−1, 1], S the network's image size."""

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of red, green and blue with which detail is measured (BT.709): near enough for all."""
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


def paste(
    planes: list[Plane],
    canvas: Canvas,
    box: Box,
    generated: Crop,
    opacity: float,
    outline: Outline | None = None,
    seen: Crop | None = None,
) -> None:
    """Replace the mouth, in place.

    What is added is opacity · mask · (new − old). Light and colour are matched at the mask's rim; what is
    finer than resampling carries stays where the skin does, and is made anew at the lips. A network that
    returns its input changes nothing where the face is no larger than its picture; a sample where the mask is
    0 keeps every bit.

    Args:
        planes: of the coded picture; changed.
        canvas: its geometry and colours.
        box: [5], upright pixels and degrees.
        generated: what the network made of the crop, [S, S, 3].
        opacity: 0 (old mouth) to 1 (new mouth).
        outline: landmarks `KEPT` of the face, in fractions of the crop.
        seen: what the network saw, [S, S, 3]; taken from the picture if it is not given or of another size.
    """
    size = generated.shape[0]
    matrix = canvas.crop_to_coded(box, size)
    region = canvas.region(_corners(matrix, size, 0.5), READ_MARGIN)
    if min(region.size) <= 0 or opacity <= 0:
        return
    if seen is None or seen.shape != generated.shape:
        seen = take_crop(planes, canvas, box, size)
    to_crop = invert(_relative(matrix, region))
    mask, skin = mask_field(outline), skin_field(outline)
    half = np.float32(0.5)
    error, shown = (generated - seen) * half, (seen + 1) * half
    error -= membrane(error, shown, mask, skin)
    change = warp(sharpened(error, *dulled(to_crop)), to_crop, region.size)
    kept = kept_detail(error, keeping(error, skin, lost_share(to_crop)))
    shares = spread(np.dstack([mask * np.float32(opacity), 1 - kept]), to_crop, region.size, size)
    if (kept < 1).any():
        old = np.clip(canvas.colour.to_rgb(planes, region), 0, 1)
        detail = old - warp(sharpened(shown, *dulled(to_crop)), to_crop, region.size)
        change += _other_detail(detail, 1 - shares[..., 1], to_crop, size, outline)
    canvas.colour.add(planes, region, shares[..., :1] * change)


def _other_detail(detail: Rgb, kept: Field, to_crop: Affine, size: int, outline: Outline | None) -> Rgb:
    """What is to be added [h, w, 3] so that detail goes where it is not kept, and texture comes instead."""
    made = texture(detail @ LUMA, to_crop, size, outline) * np.sqrt(1 - kept * kept)
    detail *= (kept - 1)[..., None]
    detail += made[..., None]
    return detail


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
