"""An optional face restorer: a network of its own that makes the painted face finer before it is pasted."""

from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.errors import OptionError, WeightsFormatError

Crop = npt.NDArray[np.float32]
"""[S, S, 3] RGB in [−1, 1]."""

THREADS = 4
"""Threads of the restorer, whatever the machine has, so that its last bits do not depend on the machine."""


class Restorer(Protocol):
    """What makes a face finer."""

    def __call__(self, face: Crop, /) -> Crop:
        """The face [S, S, 3], RGB in [−1, 1], finer: [R, R, 3] of any R."""
        ...


class OnnxRestorer:
    """A restorer in an ONNX file: one input [1, 3, N, N], one output [1, 3, R, R], RGB in [−1, 1].

    The crop is given to it scaled to N×N, or as it is where the file leaves N open. It comes in the framing
    of the mouth network, forehead to chin and cheek to cheek, squeezed to a square: a restorer trained on
    another framing does worse.

    Args:
        path: of the file.

    Raises:
        OptionError: onnxruntime is not installed.
        WeightsFormatError: the file is not such a model.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session = _session(path)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape = inputs[0].shape if len(inputs) == 1 and outputs else []
        square = len(shape) == 4 and shape[1] == 3 and shape[2:3] == shape[3:4]
        if not (square or (len(shape) == 4 and not isinstance(shape[2], int))):
            raise WeightsFormatError(
                f"{path} is not a face restorer: it needs one input [1, 3, N, N]; give another model."
            )
        self._input = inputs[0].name
        self._size = shape[2] if isinstance(shape[2], int) else None

    def __call__(self, face: Crop, /) -> Crop:
        """The face, finer (see `Restorer`).

        Raises:
            WeightsFormatError: the model fails, or returns something that is not a picture.
        """
        picture = scaled_to(face, self._size or len(face)).transpose(2, 0, 1)[None]
        try:
            (result, *_) = self._session.run(None, {self._input: np.ascontiguousarray(picture, np.float32)})
        except Exception as exc:  # onnxruntime's errors share no base class
            raise WeightsFormatError(
                f"{self._path} failed on a face ({exc}); give another restorer."
            ) from exc
        if result.ndim != 4 or result.shape[:2] != (1, 3) or result.shape[2] != result.shape[3]:
            raise WeightsFormatError(
                f"{self._path} returns {result.shape} and not a picture [1, 3, R, R]; give another restorer."
            )
        return np.asarray(np.clip(result[0].transpose(1, 2, 0), -1, 1), dtype=np.float32)


class Blended:
    """A restorer of which only a share is used.

    Args:
        restorer: the restorer.
        strength: 0 (the face as it was) to 1 (as restored).
    """

    def __init__(self, restorer: Restorer, strength: float) -> None:
        self._restorer = restorer
        self._strength = strength

    def __call__(self, face: Crop, /) -> Crop:
        """The face [S, S, 3] and its restored self, blended: [R, R, 3]."""
        fine = self._restorer(face)
        plain = scaled_to(face, len(fine))
        return plain + np.float32(self._strength) * (fine - plain)


def scaled_to(face: Crop, size: int) -> Crop:
    """A face at another size."""
    if len(face) == size:
        return face
    how = cv2.INTER_CUBIC if size > len(face) else cv2.INTER_AREA
    return np.asarray(cv2.resize(face, (size, size), interpolation=how), dtype=np.float32)


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as exc:
        raise OptionError("--restorer needs onnxruntime: pip install lipdub[restore].") from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # onnxruntime's errors share no base class
        raise WeightsFormatError(f"{path} is not an ONNX model that can be run ({exc}).") from exc
