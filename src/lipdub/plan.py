"""The plan as data: for every frame that will change, which face, where, with which reference, how much.

`planning` makes it, `planfile` writes and reads it, `render` carries it out and decides nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lipdub.errors import PlanError
from lipdub.faces.crop import Box
from lipdub.media.probe import VideoInfo

SAME = -1
"""Reference index of a frame that is its own reference."""
DECIMALS = 4
"""Boxes and opacities are rounded when a plan is made, so that they are the same in memory and in a file."""

EDIT = np.dtype(
    [("pts", "i8"), ("face", "i4"), ("x", "f8"), ("y", "f8"), ("width", "f8"), ("height", "f8"),
     ("reference", "i4"), ("opacity", "f8")]
)  # fmt: skip


class Edit(NamedTuple):
    """One face in one frame that will change.

    Attributes:
        pts: presentation time of the frame, in the stream's time base.
        face: number of the track.
        x, y, width, height: the crop, in pixels of the upright picture.
        reference: index into the plan's references, or `SAME`.
        opacity: 0 (untouched) to 1.
    """

    pts: int
    face: int
    x: float
    y: float
    width: float
    height: float
    reference: int
    opacity: float

    @property
    def box(self) -> Box:
        """x, y, width, height as an array [4]."""
        return np.array([self.x, self.y, self.width, self.height])


@dataclass(frozen=True, slots=True)
class Reference:
    """A face shown to the network as what the person looks like.

    Attributes:
        box: x, y, width, height in the upright picture.
        pts: of the movie's frame it is in; None if it is in a picture of its own.
        picture: path of that picture.
    """

    box: tuple[float, float, float, float]
    pts: int | None = None
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What will change in one movie.

    Attributes:
        movie: name of the file the plan was made for.
        size: width and height of its coded picture.
        time_base: unit of pts, in seconds.
        origin: seconds, in the container's clock, that a player shows as 0.
        references: faces that edits refer to.
        edits: structured array of `EDIT`, ascending in pts.
        notes: what a user should know, a sentence each.
        key: of the movie's content (see `lipdub.outputs.content_key`); empty in a plan for any movie of
            this size and time base.
    """

    movie: str
    size: tuple[int, int]
    time_base: Fraction
    origin: Fraction
    references: tuple[Reference, ...]
    edits: npt.NDArray[np.void]
    notes: tuple[str, ...] = ()
    key: str = ""

    def __iter__(self) -> Iterator[Edit]:
        return (Edit(*row) for row in self.edits.tolist())

    def at(self, pts: int) -> list[Edit]:
        """The edits of one frame."""
        low, high = np.searchsorted(self.edits["pts"], [pts, pts + 1])
        return [Edit(*row) for row in self.edits[low:high].tolist()]

    def mel_time(self, pts: int) -> Fraction:
        """Where the sound of a frame lies in the dub, in seconds: the frame's own time."""
        return pts * self.time_base - self.origin

    def check(self, info: VideoInfo, key: str) -> None:
        """Make sure that the plan belongs to this movie.

        Args:
            info: the movie.
            key: of its content.

        Raises:
            PlanError: it was made for another one.
        """
        found = (info.geometry.width, info.geometry.height), info.time_base
        found_origin = self.origin == info.origin
        if found != (self.size, self.time_base) or not found_origin or (self.key and self.key != key):
            raise PlanError(f"the plan was made for {self.movie}, and {info.path} is another movie.")
