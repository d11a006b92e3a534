"""Find faces in a picture: MediaPipe's landmarker, on the whole picture or on parts of it."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.errors import WeightsFormatError
from lipdub.faces.crop import Box, Landmarks, framing_box

Image: TypeAlias = npt.NDArray[np.uint8]

MAX_FACES = 8
AROUND = 2.2
"""A known face is looked for in a square this many times as high as its box."""
RESCAN_SECONDS = 1.0
"""How often the whole picture is searched for further faces."""
EMPTY_SECONDS = 0.2
"""How soon it is searched again when there was no face, and after a cut."""
MISSED_SECONDS = 0.4
"""How long a lost face is looked for where it was; tracks bridge a gap of that length."""
SAME_FACE_IOU = 0.3

_STDERR = threading.Lock()
"""Two threads that swap standard error at once could leave it swapped."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face in one picture: landmarks [478, 2] and the box in the training framing [5], in pixels."""

    landmarks: Landmarks
    box: Box


class FaceLandmarker:
    """MediaPipe's face landmarker, one picture at a time and without memory.

    Args:
        model: path of ``face_landmarker.task``.

    Raises:
        WeightsFormatError: the file is not a landmarker.
    """

    def __init__(self, model: Path) -> None:
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)), num_faces=MAX_FACES
        )
        try:
            with _quiet():
                self._landmarker = vision.FaceLandmarker.create_from_options(options)
                # Its threads go on writing log lines until they have begun to work.
                self(np.zeros((64, 64, 3), np.uint8))
        except (RuntimeError, ValueError, OSError) as exc:
            raise WeightsFormatError(
                f"{model} is not MediaPipe's face landmarker; run `lipdub fetch-weights face_landmarker`."
            ) from exc

    def __call__(self, image: Image) -> list[Face]:
        """Faces in an RGB picture [H, W, 3], 0–255."""
        import mediapipe as mp

        picture = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        found = self._landmarker.detect(picture).face_landmarks
        height, width = image.shape[:2]
        return [_face(points, width, height) for points in found]

    def close(self) -> None:
        """Give back what the landmarker holds; must be called before the interpreter ends."""
        self._landmarker.close()

    def __enter__(self) -> "FaceLandmarker":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Memory:
    """What a `FaceFinder` remembers from one frame to the next.

    Attributes:
        known: faces of the last frame.
        lost: faces that were there before, and until when (seconds) they are looked for.
        next_search: when (seconds) the whole picture is searched again.
    """

    known: Sequence[Face] = ()
    lost: Sequence[tuple[Face, float]] = ()
    next_search: float = -np.inf


class FaceFinder:
    """Find faces in the frames of a movie, each near where it was, and search wider when needed.

    The landmarker overlooks a face that is small in the picture it is given, so a known face is looked for in
    a square around its last place, and a new one in the whole picture and, if there is none, in overlapping
    squares of half and of a quarter of it.
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
        faces = self._follow(image, [*before.known, *(face for face, _ in before.lost)])
        missing, next_search = _without(before.known, faces), before.next_search
        if cut or seconds >= next_search or missing:
            faces = distinct(faces + self._search(image, faces))
            next_search = seconds + (RESCAN_SECONDS if faces and not cut else EMPTY_SECONDS)
        lost = [(face, until) for face, until in before.lost if until > seconds and _without([face], faces)]
        lost += [(face, seconds + MISSED_SECONDS) for face in _without(missing, faces)]
        self.memory = Memory(faces, lost, next_search)
        return faces

    def _follow(self, image: Image, faces: Sequence[Face]) -> list[Face]:
        found = []
        for face in faces:
            candidates = self._in_square(image, *_square_around(face.box))
            close = [c for c in candidates if overlap(c.box, face.box) > SAME_FACE_IOU]
            found += sorted(close, key=lambda c: -overlap(c.box, face.box))[:1]
        return distinct(found)

    def _search(self, image: Image, known: Sequence[Face]) -> list[Face]:
        found = self._landmarker(image)
        if found or known:
            return found
        for square in squares(image.shape[1], image.shape[0]):
            found += self._in_square(image, *square)
        return distinct(found)

    def _in_square(self, image: Image, x: int, y: int, side: int) -> list[Face]:
        height, width = image.shape[:2]
        left, top = max(x, 0), max(y, 0)
        part = image[top : np.clip(y + side, 0, height), left : np.clip(x + side, 0, width)]
        if min(part.shape[:2]) < 8:
            return []
        return [shifted(face, left, top) for face in self._landmarker(part)]


def squares(width: int, height: int) -> list[tuple[int, int, int]]:
    """Overlapping squares (x, y, side) that cover a picture: of its short side, and of half of it."""
    short = min(width, height)
    sides = [side for side in (short, short // 2) if side >= 64]
    return [(x, y, side) for side in sides for y in _steps(height, side) for x in _steps(width, side)]


def _steps(length: int, side: int) -> list[int]:
    count = max(1, -(-2 * (length - side) // side) + 1)
    return [int(v) for v in np.linspace(0, length - side, count)]


def shifted(face: Face, x: float, y: float) -> Face:
    """The face, moved by x, y pixels."""
    return Face(face.landmarks + np.array([x, y], dtype=np.float32), face.box + np.array([x, y, 0, 0, 0]))


def scaled(face: Face, factor: float) -> Face:
    """The face in a picture `factor` times as large."""
    return Face(face.landmarks * np.float32(factor), face.box * np.array([factor] * 4 + [1.0]))


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, as they are before they are turned."""
    low = np.maximum(a[:2], b[:2])
    high = np.minimum(a[:2] + a[2:4], b[:2] + b[2:4])
    intersection = float(np.prod(np.maximum(high - low, 0)))
    return intersection / max(float(np.prod(a[2:4]) + np.prod(b[2:4])) - intersection, 1e-9)


def distinct(faces: Sequence[Face]) -> list[Face]:
    """The faces, largest first, each of them once."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: -f.box[3]):
        if face.box[3] > 1 and all(overlap(face.box, other.box) <= SAME_FACE_IOU for other in kept):
            kept.append(face)
    return kept


def _without(faces: Sequence[Face], others: Sequence[Face]) -> list[Face]:
    """The faces that are none of the others."""
    return [f for f in faces if all(overlap(f.box, other.box) <= SAME_FACE_IOU for other in others)]


def _square_around(box: Box) -> tuple[int, int, int]:
    side = AROUND * box[3]
    centre = box[:2] + box[2:4] / 2
    return int(centre[0] - side / 2), int(centre[1] - side / 2), int(side)


def _face(points: Sequence[Any], width: int, height: int) -> Face:
    landmarks = np.array([(p.x, p.y) for p in points], dtype=np.float32) * np.array(
        [width, height], dtype=np.float32
    )
    return Face(landmarks, framing_box(landmarks))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep MediaPipe's C++ log lines, which no option turns off, out of standard error.

    What other threads write there meanwhile is lost too, so this is for short moments.
    """
    with _STDERR:
        try:
            saved = os.dup(2)
        except OSError:  # there is no standard error
            yield
            return
        sink = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(sink, 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.close(sink)
