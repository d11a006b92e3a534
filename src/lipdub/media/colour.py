"""From a stream's own samples to RGB and back, for one region of a picture.

Only differences go back: the colour matrix is linear, so adding the matrix times a difference in
RGB changes Y'CbCr by exactly that difference, and samples that have no RGB (out of gamut) keep what
makes them so. A difference of zero changes nothing, bit for bit.

Source of the matrices and ranges: ITU-T H.273, equations 28 to 40 and table 4.
"""

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.media.colour_tags import Colour
from lipdub.media.planes import Layout, Plane

Rgb: TypeAlias = npt.NDArray[np.float32]
"""[H, W, 3], nominally in [0, 1], not clipped."""

# H.273 code: (K_R, K_B)
LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
# Where a chroma sample lies among the luma samples it stands for: (across, down), 0 the first, 1 the last.
LOCATIONS = {
    "left": (0.0, 0.5),
    "center": (0.5, 0.5),
    "topleft": (0.0, 0.0),
    "top": (0.5, 0.0),
    "bottomleft": (0.0, 1.0),
    "bottom": (0.5, 1.0),
}
UNSPECIFIED = 2
BT709, BT601 = 1, 6
LIMITED_RANGE, FULL_RANGE = 1, 2


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of luma samples, aligned to the chroma grid: rows top…bottom, columns left…right."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in luma samples."""
        return self.right - self.left, self.bottom - self.top

    @classmethod
    def around(cls, points: npt.NDArray[np.float64], width: int, height: int, form: Layout) -> "Region":
        """The smallest aligned region of a `width`×`height` picture that holds all points [N, 2]."""
        low, high = np.floor(points.min(axis=0)).astype(int), np.ceil(points.max(axis=0)).astype(int) + 1
        left, top = np.maximum(low, 0) // (form.sub_x, form.sub_y) * (form.sub_x, form.sub_y)
        right = min(-(-int(high[0]) // form.sub_x) * form.sub_x, width)
        bottom = min(-(-int(high[1]) // form.sub_y) * form.sub_y, height)
        return cls(int(left), int(top), max(right, int(left)), max(bottom, int(top)))

    def luma(self) -> tuple[slice, slice]:
        """Index of the region in a luma plane."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def chroma(self, form: Layout) -> tuple[slice, slice]:
        """Index of the region in a chroma plane."""
        return (
            slice(self.top // form.sub_y, -(-self.bottom // form.sub_y)),
            slice(self.left // form.sub_x, -(-self.right // form.sub_x)),
        )


@dataclass(frozen=True, slots=True)
class ColourModel:
    """How one stream turns RGB into its samples.

    Attributes:
        form: the planar layout.
        forward: 3×3 matrix from RGB in [0, 1] to Y in [0, 1], Cb and Cr in [−0.5, 0.5].
        scale: code values for one unit of each component.
        offset: code value of zero of each component.
        location: where the first chroma sample lies, in luma samples (across, down).
    """

    form: Layout
    forward: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    location: tuple[float, float] = (0.0, 0.0)

    def to_rgb(self, planes: list[Plane], region: Region) -> Rgb:
        """RGB of a region, [h, w, 3]; values outside [0, 1] are colours that have no RGB."""
        width, height = region.size
        parts = [planes[0][region.luma()].astype(np.float32)]
        for plane in planes[1:]:
            samples = plane[region.chroma(self.form)].astype(np.float32)
            parts.append(_upsample(samples, width, height, self.form, self.location))
        if self.form.grey:
            values = (parts[0] - self.offset[0]) / self.scale[0]
            return np.repeat(values[..., None], 3, axis=-1).astype(np.float32)
        matrix = np.linalg.inv(self.forward) / self.scale
        shifted = np.column_stack([matrix, -matrix @ self.offset])
        return np.asarray(cv2.transform(np.dstack(parts), shifted), dtype=np.float32)

    def add(self, planes: list[Plane], region: Region, difference: Rgb) -> None:
        """Add a difference in RGB [h, w, 3] to a region of the planes, in place, rounding once."""
        change = np.asarray(cv2.transform(difference, self.forward * self.scale[:, None]), dtype=np.float32)
        _add(planes[0][region.luma()], change[..., 0], self.form.bits)
        for channel, plane in enumerate(planes[1:], start=1):
            target = plane[region.chroma(self.form)]
            thin: npt.NDArray[np.floating] = change[..., channel]
            for axis, step in enumerate((self.form.sub_y, self.form.sub_x)):
                thin = _thinned(thin, axis, step, self.location[1 - axis], target.shape[axis])
            _add(target, thin, self.form.bits)


def colour_model(form: Layout, colour: Colour, height: int) -> ColourModel:
    """The colour model of a stream.

    What is unspecified is taken as players take it: the matrix is BT.709 from 720 lines up and BT.601 below,
    the range is full for grey and limited for colour, chroma lies on the left and half-way between rows.
    """
    peak = 2**form.bits - 1
    if form.rgb:  # planes are G, B, R, full range
        swap = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
        return ColourModel(form, swap, np.full(3, float(peak)), np.zeros(3))
    code = colour.matrix if colour.matrix != UNSPECIFIED else (BT709 if height >= 720 else BT601)
    forward = _luma_chroma(*LUMA_WEIGHTS.get(code, LUMA_WEIGHTS[BT709]))
    step = 2 ** (form.bits - 8)
    middle = 128 * step
    across, down = LOCATIONS.get(colour.location, LOCATIONS["left"])
    location = (across * (form.sub_x - 1), down * (form.sub_y - 1))
    full = colour.range != LIMITED_RANGE if form.grey else colour.range == FULL_RANGE
    if form.full or full:
        return ColourModel(form, forward, np.full(3, float(peak)), np.array([0.0, middle, middle]), location)
    scale, offset = np.array([219.0, 224, 224]) * step, np.array([16.0 * step, middle, middle])
    return ColourModel(form, forward, scale, offset, location)


def _luma_chroma(k_r: float, k_b: float) -> npt.NDArray[np.float64]:
    luma = np.array([k_r, 1 - k_r - k_b, k_b])
    blue = (np.array([0, 0, 1.0]) - luma) / (2 * (1 - k_b))
    red = (np.array([1.0, 0, 0]) - luma) / (2 * (1 - k_r))
    return np.stack([luma, blue, red])


def _add(target: Plane, change: npt.NDArray[np.floating], bits: int) -> None:
    target[:] = np.clip(np.rint(target + change), 0, 2**bits - 1).astype(target.dtype)


def _upsample(
    samples: npt.NDArray[np.float32], width: int, height: int, form: Layout, location: tuple[float, float]
) -> npt.NDArray[np.float32]:
    """Chroma at every luma sample, linear between those that are there."""
    if form.sub_x == form.sub_y == 1:
        return samples
    across, down = location[0] / form.sub_x, location[1] / form.sub_y
    matrix = np.array([[1 / form.sub_x, 0, -across], [0, 1 / form.sub_y, -down]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(samples, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, dtype=np.float32)


def _thinned(
    change: npt.NDArray[np.floating], axis: int, step: int, place: float, length: int
) -> npt.NDArray[np.floating]:
    """A change at chroma's samples along one axis: the mean about each of them.

    Between two luma samples it is the mean of those of its own group; on one of them, a triangle about it.
    """
    if step == 1:
        return change
    missing = [(0, 0), (0, 0)]
    missing[axis] = (0, length * step - change.shape[axis])
    change = np.pad(change, missing, mode="edge")
    if place == (step - 1) / 2:
        groups = (length, step, -1) if axis == 0 else (-1, length, step)
        return np.asarray(change.reshape(groups).mean(axis=axis + 1))
    triangle, one = np.bartlett(2 * step + 1)[1:-1] / step, np.ones(1)
    across, down = (one, triangle) if axis == 0 else (triangle, one)
    smooth = cv2.sepFilter2D(change, -1, across, down, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth[int(place) :: step] if axis == 0 else smooth[:, int(place) :: step])
