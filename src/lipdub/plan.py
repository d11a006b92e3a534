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
from lipdub.faces.sighting import KEPT
from lipdub.media.probe import VideoInfo

SAME = -1
"""Reference index of a frame that is its own reference."""
UNTOUCHED, SILENCE, DUB = -2, -1, 0
"""What a face says, beside the plan's stems, which count from 1; no edit says the first."""
DECIMALS = 4
"""Boxes and opacities are rounded when a plan is made, so that they are the same in memory and in a file."""

EDIT = np.dtype(
    [("pts", "i8"), ("face", "i4"), ("x", "f8"), ("y", "f8"), ("width", "f8"), ("height", "f8"),
     ("roll", "f8"), ("reference", "i4"), ("sound", "i4"), ("opacity", "f8"),
     ("outline", "f2", (len(KEPT), 2))]
)  # fmt: skip

BOX = ("x", "y", "width", "height", "roll")


class Edit(NamedTuple):
    """One face in one frame that will change.

    Attributes:
        pts: presentation time of the frame, in the stream's time base.
        face: number of the person.
        x, y, width, height: the crop, in pixels of the upright picture, before it is turned.
        roll: degrees, clockwise, by which it is turned about its centre.
        reference: index into the plan's references, or `SAME`.
        sound: what the face says: `SILENCE`, `DUB`, or the number of a stem.
        opacity: 0 (untouched) to 1.
        outline: [24, 2], the jaw, the mouth and the nose (see `lipdub.faces.sighting.KEPT`), in fractions of
            the crop; NaN where they are not known.
    """

    pts: int
    face: int
    x: float
    y: float
    width: float
    height: float
    roll: float
    reference: int
    sound: int
    opacity: float
    outline: npt.NDArray[np.float16]

    @property
    def box(self) -> Box:
        """x, y, width, height, roll as an array [5]."""
        return np.array([self.x, self.y, self.width, self.height, self.roll])


def edits_at(pts: npt.ArrayLike, box: npt.ArrayLike, **columns: npt.ArrayLike) -> npt.NDArray[np.void]:
    """Rows of `EDIT`.

    Args:
        pts: [n].
        box: [5] or [n, 5].
        columns: values of other columns, one or [n]; by default face 0 is its own reference, says the dub,
            and is replaced entirely, in a face of unknown outline.
    """
    rows = np.zeros(np.size(pts), EDIT)
    places = np.broadcast_to(np.asarray(box, dtype=np.float64), (len(rows), 5))
    for name, values in zip(BOX, places.T, strict=True):
        rows[name] = np.round(values, DECIMALS)
    for name, value in ({"pts": pts, "reference": SAME, "opacity": 1, "outline": np.nan} | columns).items():
        rows[name] = np.round(np.asarray(value), DECIMALS)
    return rows


@dataclass(frozen=True, slots=True)
class Reference:
    """A face shown to the network as what the person looks like.

    Attributes:
        box: x, y, width, height, roll in the upright picture.
        pts: of the movie's frame it is in; None if it is in a picture of its own.
        picture: path of that picture.
    """

    box: tuple[float, float, float, float, float]
    pts: int | None = None
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class Stem:
    """What one person says, in a file of its own.

    Attributes:
        path: of the file.
        start: seconds of the dub's clock at which the file begins; the movie's, but for ``--audio-offset``.
    """

    path: str
    start: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Left:
    """A face that is seen and left alone, and why.

    Attributes:
        face: number of the person.
        first, last: pts of the first and the last frame of which this is said.
        reason: a few words.
    """

    face: int
    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody seen in the movie.

    Attributes:
        face: the number by which the plan, the cue sheet and ``--faces`` know the person.
        seconds: how long the person is on screen.
        pts: of a frame that shows the face well.
        box: where it is in that frame.
    """

    face: int
    seconds: float
    pts: int
    box: tuple[float, float, float, float, float]


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
        stems: sounds that edits refer to, beside the dub.
        people: everybody who was seen.
        left: who is left alone where, and why.
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
    stems: tuple[Stem, ...] = ()
    people: tuple[Person, ...] = ()
    left: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()
    key: str = ""

    def __iter__(self) -> Iterator[Edit]:
        return _edits(self.edits)

    def at(self, pts: int) -> list[Edit]:
        """The edits of one frame."""
        low, high = np.searchsorted(self.edits["pts"], [pts, pts + 1])
        return list(_edits(self.edits[low:high]))

    def left_at(self, pts: int) -> list[Left]:
        """Who is left alone in one frame, and why."""
        return [left for left in self.left if left.first <= pts <= left.last]

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


def _edits(rows: npt.NDArray[np.void]) -> Iterator[Edit]:
    *numbers, _ = Edit._fields
    values = (rows[name].tolist() for name in numbers)
    return map(Edit, *values, rows["outline"])
