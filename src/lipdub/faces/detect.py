"""Faces in one picture: by MediaPipe's landmarker, and by YuNet, which finds small ones but no shape."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.errors import WeightsFormatError
from lipdub.faces.crop import Box, Landmarks, framing_box

Image: TypeAlias = npt.NDArray[np.uint8]

MAX_FACES = 8
SAME_FACE_IOU = 0.3
SURE = 0.6
"""Score from which YuNet's finds are looked at; the landmarker must see a face there as well."""
ALIGNED = 32
"""YuNet pads pictures to a multiple of this many pixels."""

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
        detector: what finds faces that are small in a picture, if it is there.

    Raises:
        WeightsFormatError: the file is not a landmarker.
    """

    def __init__(self, model: Path, detector: "FaceDetector | None" = None) -> None:
        from mediapipe.tasks.python import BaseOptions, vision

        self.detector = detector
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


class FaceDetector:
    """YuNet (Wu et al. 2023): where faces are, down to some ten pixels high, in a few milliseconds.

    Its result does not depend on the number of threads.

    Args:
        model: path of ``face_detection_yunet_2023mar.onnx``.

    Raises:
        WeightsFormatError: the file is not this detector.
    """

    def __init__(self, model: Path) -> None:
        try:
            with _quiet():  # OpenCV 5 warns of a setting it makes itself
                self._detector = cv2.FaceDetectorYN.create(str(model), "", (ALIGNED, ALIGNED), SURE)
                self(np.zeros((ALIGNED, ALIGNED, 3), np.uint8))
        except cv2.error as exc:
            raise WeightsFormatError(
                f"{model} is not the YuNet face detector; run `lipdub fetch-weights yunet`."
            ) from exc

    def __call__(self, image: Image) -> npt.NDArray[np.float64]:
        """Upright boxes [n, 5] of the faces in an RGB picture [H, W, 3]: x, y, width, height, a roll of 0."""
        height, width = image.shape[:2]
        self._detector.setInputSize((width, height))
        _, found = self._detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        boxes = np.empty((0, 4)) if found is None else found[:, :4].astype(np.float64)
        return np.pad(boxes, ((0, 0), (0, 1)))


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
