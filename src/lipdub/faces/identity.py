"""Who a face is: an embedding that is near to that of the same person, and far from that of others.

The embedding is SFace's (Zhong et al., 2021), as OpenCV runs it. It is optional: without it, faces are not
known again after a cut.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.errors import WeightsFormatError
from lipdub.faces.crop import LEFT_EYE, RIGHT_EYE, Landmarks

Embedding: TypeAlias = npt.NDArray[np.float32]
"""[128]; the cosine between two of them says how alike two faces are. Its length grows with how clearly a
face is seen, so that the sum of several counts the clear ones most."""

DIMENSIONS = 128
NOSE_TIP, MOUTH_CORNERS = 1, (61, 291)
SMALLEST = 24
"""Height of a face, in pixels, below which it is not embedded: it would be magnified more than four times."""
FROM_THE_SIDE = 0.35
"""How far the tip of the nose may lie beside the middle of the eyes, in distances of the eyes: about 40
degrees. Beyond it the five points no longer lie where the network expects them."""


class Embedder(Protocol):
    """What tells faces apart."""

    def __call__(self, image: npt.NDArray[np.uint8], landmarks: Landmarks, /) -> Embedding:
        """The embedding of a face in an RGB picture [H, W, 3]."""
        ...


class SFace:
    """SFace, on the CPU.

    Args:
        model: path of its ONNX file.

    Raises:
        WeightsFormatError: the file is not SFace.
    """

    def __init__(self, model: Path) -> None:
        try:
            with _quiet():
                self._network = cv2.FaceRecognizerSF.create(str(model), "")
            size = self._network.feature(np.zeros((112, 112, 3), np.uint8)).size
        except cv2.error as exc:
            raise WeightsFormatError(f"{model} is not SFace; run `lipdub fetch-weights sface`.") from exc
        if size != DIMENSIONS:
            raise WeightsFormatError(
                f"{model} is another network than SFace; run `lipdub fetch-weights sface`."
            )

    def __call__(self, image: npt.NDArray[np.uint8], landmarks: Landmarks, /) -> Embedding:
        """The embedding [128] of a face in an RGB picture [H, W, 3], whose landmarks [478, 2] are known."""
        row = np.zeros((1, 15), np.float32)  # as OpenCV's detector gives a face: a box, five points, a score
        row[0, 4:14] = five_points(landmarks).ravel() - 0.5  # its pixels have their centre at whole numbers
        aligned = self._network.alignCrop(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), row)
        return np.array(self._network.feature(aligned)[0], np.float32)


def five_points(landmarks: Landmarks) -> npt.NDArray[np.float32]:
    """The points by which SFace turns a face upright: eyes, tip of the nose, corners of the mouth; [5, 2]."""
    eyes = [landmarks[list(eye)].mean(axis=0) for eye in (LEFT_EYE, RIGHT_EYE)]
    return np.array([*eyes, landmarks[NOSE_TIP], *landmarks[list(MOUTH_CORNERS)]], np.float32)


def clearness(landmarks: Landmarks, height: float) -> float:
    """How well a face shows who it is: 0 (too small, or from the side) to 1 (frontal, 112 pixels or more)."""
    left, right, nose = five_points(landmarks)[:3].astype(np.float64)
    across = right - left
    distance = max(float(np.linalg.norm(across)), 1e-6)
    aside = abs(float((nose - (left + right) / 2) @ across)) / distance**2
    if height < SMALLEST:
        return 0.0
    return max(0.0, 1 - aside / FROM_THE_SIDE) * min(1.0, height / 112)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV from warning that its newer engine has no targets to choose from."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
