"""Find the faces of a movie, frame by frame: each near where it was, new ones wherever there are any."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from lipdub.faces.crop import Box
from lipdub.faces.detect import SAME_FACE_IOU, Face, FaceLandmarker, Image, distinct, overlap, shifted

AROUND = (2.2, 4.0)
"""A face is looked for in a square this many times as high as its box; where none is seen, in a wider one: of
94 faces in a dim hall, most from the side, the landmarker saw 14 in the first and 21 in the second, not all
the same."""
ROUND_SECONDS = 1.0
"""How long it takes to search all parts of the picture for further faces, one after the other."""
SLOW_ROUND_SECONDS = 3.0
"""The same without YuNet, when a face is known: the landmarker needs many more parts, and longer for each."""
EMPTY_SECONDS = 0.2
"""How soon the whole picture is searched again when there was no face, and after a cut."""
MISSED_SECONDS = 0.4
"""How long a lost face is looked for where it was; tracks bridge a gap of that length."""

OVERVIEW = 320
"""Longest side, in pixels, at which YuNet is shown the whole picture."""
TILE = (640, 384)
"""Size of the parts it is shown besides: multiples of 32, 11 ms each."""
TILE_OVERLAP = 64
"""Pixels by which they overlap: a face at a seam lies whole in one of them."""
TILE_SCALE = 0.75
"""Pictures larger than a part are made smaller: of six real faces of 32 pixels in a 4K picture, all are found
at this scale, and two at a half, which saves 2.4 ms a frame of 1080p."""

Area: TypeAlias = tuple[int, int, int, int]
"""x, y, width, height of a part of the picture."""
Part: TypeAlias = tuple[Area, float]
"""A part of the picture, and how much smaller it is shown."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a `FaceFinder` remembers from one frame to the next.

    Attributes:
        known: faces of the last frame.
        lost: faces that were there before, and until when (seconds) they are looked for.
        next_search: when (seconds) the next part of the picture is searched.
        turn: which part that is.
    """

    known: Sequence[Face] = ()
    lost: Sequence[tuple[Face, float]] = ()
    next_search: float = -np.inf
    turn: int = 0


class FaceFinder:
    """Find faces in the frames of a movie, each near where it was, and search wider when needed.

    A known face costs one look of the landmarker, in a square around its last place. New faces are searched
    for in the whole picture, made small, and in its parts in turn, so that no frame costs much more than
    another; only at a cut are all parts searched at once. What YuNet finds must be a face to the landmarker
    too. Without YuNet the landmarker searches alone, and must see a new face a second time in a closer look;
    it overlooks faces lower than about a tenth of the part it is shown.
    """

    def __init__(self, landmarker: FaceLandmarker) -> None:
        self._landmarker = landmarker
        self.memory = Memory()

    def __call__(self, image: Image, seconds: float, cut: bool) -> list[Face]:
        """Faces in the next frame.

        Args:
            image: [H, W, 3] RGB.
            seconds: time of the frame.
            cut: the frame begins a new shot, so nothing is where it was.
        """
        before = Memory(next_search=self.memory.next_search) if cut else self.memory
        faces = self._follow(image, before.known, [face for face, _ in before.lost])
        missing = _without(before.known, faces)
        parts, due = self._parts(image), cut or seconds >= before.next_search
        wanted = _wanted(parts, before.turn, cut, due, not faces and (due or bool(missing)))
        faces = self._search(image, wanted, faces)
        lost = [(face, until) for face, until in before.lost if until > seconds and _without([face], faces)]
        lost += [(face, seconds + MISSED_SECONDS) for face in _without(missing, faces)]
        turn = (before.turn + (due and not cut)) % len(parts)
        pause = EMPTY_SECONDS if cut else self._pause(len(parts), bool(faces))
        self.memory = Memory(faces, lost, seconds + pause if due else before.next_search, turn)
        return faces

    def _follow(self, image: Image, known: Sequence[Face], lost: Sequence[Face]) -> list[Face]:
        found = [face for old in known for face in self._closest(image, old.box, AROUND)]
        return distinct(found + [face for old in lost for face in self._closest(image, old.box, AROUND[:1])])

    def _search(self, image: Image, parts: Sequence[Part], known: list[Face]) -> list[Face]:
        """The known faces, and those in some parts of the picture."""
        for part in parts:
            if known and len(parts) > 2 and self._landmarker.detector is None:
                break  # at a cut: the other parts have their turn
            for place in self._places(image, part):
                if all(overlap(place, face.box) <= SAME_FACE_IOU for face in known):
                    known = distinct([*known, *self._closest(image, place, AROUND[1:])])
        return known

    def _places(self, image: Image, part: Part) -> Iterator[Box]:
        """Where there may be faces in a part of the picture."""
        (x, y, width, height), scale = part
        if self._landmarker.detector is None:
            yield from (face.box for face in self._in_area(image, part[0]))
            return
        area = image[y : y + height, x : x + width]
        shown = cv2.resize(area, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for box in self._landmarker.detector(np.asarray(shown, np.uint8)):
            yield box / (scale, scale, scale, scale, 1) + (x, y, 0, 0, 0)

    def _closest(self, image: Image, place: Box, arounds: Sequence[float]) -> list[Face]:
        """The face that lies where one is thought to be, or none."""
        for around in arounds:
            candidates = self._in_area(image, _square_around(place, around))
            close = [c for c in candidates if overlap(c.box, place) > SAME_FACE_IOU]
            if close:
                return [max(close, key=lambda c: overlap(c.box, place))]
        return []

    def _in_area(self, image: Image, area: Area) -> list[Face]:
        x, y, width, height = area
        left, top = max(x, 0), max(y, 0)
        shown = image[top : max(y + height, 0), left : max(x + width, 0)]
        if min(shown.shape[:2]) < 8:
            return []
        return [shifted(face, left, top) for face in self._landmarker(shown)]

    def _parts(self, image: Image) -> list[Part]:
        height, width = image.shape[:2]
        whole = (0, 0, width, height)
        if self._landmarker.detector is None:
            return [
                (area, 1.0)
                for area in (whole, *((x, y, side, side) for x, y, side in squares(width, height)))
            ]
        return [(whole, min(1.0, OVERVIEW / max(width, height))), *tiles(width, height)]

    def _pause(self, parts: int, any_face: bool) -> float:
        if not any_face:
            return min(EMPTY_SECONDS, ROUND_SECONDS / parts)
        return (SLOW_ROUND_SECONDS if self._landmarker.detector is None else ROUND_SECONDS) / parts


def _wanted(parts: Sequence[Part], turn: int, cut: bool, due: bool, overview: bool) -> list[Part]:
    """The parts to search now: all at a cut, else the one whose turn it is, and the whole if it may help."""
    if cut:
        return list(parts)
    chosen = {0} if overview else set()
    if due:
        chosen.add(turn % len(parts))
    return [parts[i] for i in sorted(chosen)]


def tiles(width: int, height: int) -> list[Part]:
    """Overlapping parts of a picture for YuNet, in pixels of the picture; none if the overview shows all."""
    if max(width, height) <= OVERVIEW:
        return []
    scale = tile_scale(width, height)
    w, h = (min(round(side / scale), length) for side, length in zip(TILE, (width, height), strict=True))
    between = round(TILE_OVERLAP / scale)
    xs, ys = _spread(width, w, between), _spread(height, h, between)
    return [((x, y, w, h), scale) for y in ys for x in xs]


def tile_scale(width: int, height: int) -> float:
    """How much smaller YuNet is shown the parts of a picture."""
    return 1.0 if width <= TILE[0] and height <= TILE[0] else TILE_SCALE


def _spread(length: int, part: int, between: int) -> list[int]:
    count = 1 if length <= part else 1 + -(-(length - part) // max(part - between, 1))
    return [int(v) for v in np.linspace(0, length - part, count)]


def squares(width: int, height: int) -> list[tuple[int, int, int]]:
    """Overlapping squares (x, y, side) that cover a picture: of its short side, and of half of it."""
    short = min(width, height)
    sides = [side for side in (short, short // 2) if side >= 64]
    return [(x, y, side) for side in sides for y in _steps(height, side) for x in _steps(width, side)]


def _steps(length: int, side: int) -> list[int]:
    count = max(1, -(-2 * (length - side) // side) + 1)
    return [int(v) for v in np.linspace(0, length - side, count)]


def _without(faces: Sequence[Face], others: Sequence[Face]) -> list[Face]:
    """The faces that are none of the others."""
    return [f for f in faces if all(overlap(f.box, other.box) <= SAME_FACE_IOU for other in others)]


def _square_around(box: Box, around: float) -> Area:
    side = around * box[3]
    centre = box[:2] + box[2:4] / 2
    return int(centre[0] - side / 2), int(centre[1] - side / 2), int(side), int(side)
