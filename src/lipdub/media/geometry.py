"""From the picture a viewer sees (upright, square pixels) to the picture in the stream (coded)."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Affine: TypeAlias = npt.NDArray[np.float64]
"""A 2×3 matrix ``[A | b]``; pixel centres are at integer coordinates."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Size, sample aspect and rotation of a coded picture.

    Faces live in *upright* coordinates: turned as a player turns the picture, pixels made
    square by widening or narrowing (never by changing the height).

    Args:
        width: coded width in pixels.
        height: coded height in pixels.
        sample_aspect: width of a coded pixel over its height.
        rotation: degrees, counter-clockwise, that make the coded picture upright: 0, 90, 180, 270.
    """

    width: int
    height: int
    sample_aspect: Fraction = Fraction(1)
    rotation: int = 0

    @property
    def square_size(self) -> tuple[int, int]:
        """(width, height) of the coded picture with square pixels, before it is turned."""
        return max(1, round(self.width * self.sample_aspect)), self.height

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) of the picture as a viewer sees it."""
        width, height = self.square_size
        return (height, width) if self.rotation in {90, 270} else (width, height)

    def to_coded(self) -> Affine:
        """The map from upright coordinates to coded coordinates."""
        width, height = self.square_size
        turn = {
            0: [[1, 0, 0], [0, 1, 0]],
            90: [[0, -1, width - 1], [1, 0, 0]],
            180: [[-1, 0, width - 1], [0, -1, height - 1]],
            270: [[0, 1, 0], [-1, 0, height - 1]],
        }[self.rotation]
        # x is stretched about the picture's left edge, which lies half a pixel left of centre 0.
        scale = self.width / width
        stretch = np.array([[scale, 0, (scale - 1) / 2], [0, 1, 0]])
        return compose(stretch, np.array(turn, dtype=np.float64))


def compose(outer: Affine, inner: Affine) -> Affine:
    """The map that applies `inner` first and `outer` after it."""
    linear = outer[:, :2] @ inner[:, :2]
    offset = outer[:, :2] @ inner[:, 2] + outer[:, 2]
    return np.column_stack([linear, offset])


def invert(matrix: Affine) -> Affine:
    """The inverse of an affine map."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])
