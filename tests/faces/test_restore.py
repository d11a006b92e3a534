"""A restorer is a small interface; the one for ONNX models says what it needs."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from lipdub.engine import Engine, Restoring, restoring
from lipdub.errors import OptionError, WeightsFormatError
from lipdub.faces.paste import paste
from lipdub.faces.restore import Blended, OnnxRestorer, scaled_to
from lipdub.options import SyncOptions
from tests.support.faces import movie_info, smooth_planes
from tests.support.onnx import write_model

FACE = np.random.default_rng(0).uniform(-1, 1, (64, 64, 3)).astype(np.float32)

needs_onnxruntime = pytest.mark.skipif(
    find_spec("onnxruntime") is None, reason="onnxruntime (the extra `restore`) is not installed"
)


class Inverter:
    """A restorer that gives the negative, at twice the size."""

    def __call__(self, face: np.ndarray) -> np.ndarray:
        return -scaled_to(face, 2 * len(face))


class Painter:
    """An inpainter that returns its references."""

    size, batch_size = 64, 4

    def __call__(self, images: np.ndarray, references: np.ndarray, mels: np.ndarray) -> np.ndarray:
        return references


@pytest.mark.parametrize("strength", [0.0, 0.25, 1.0])
def test_strength_goes_from_the_face_to_the_restored_face(strength: float):
    fine = Blended(Inverter(), strength)(FACE)
    assert fine.shape == (128, 128, 3) and fine.dtype == np.float32
    np.testing.assert_allclose(fine, (1 - 2 * strength) * scaled_to(FACE, 128), atol=1e-6)


def test_every_painted_face_goes_through_the_restorer():
    painter = Restoring(Painter(), Inverter())
    faces = np.stack([FACE, FACE[::-1]])
    made = painter(np.zeros_like(faces), faces, np.zeros((2, 80, 16), np.float32))
    assert (painter.size, painter.batch_size, painter.threads) == (64, 4, 0)
    np.testing.assert_array_equal(made, np.stack([Inverter()(face) for face in faces]))


def test_a_restored_face_is_pasted_in_its_own_size():
    """Twice the network's size: its fine detail, which 32 pixels cannot carry, reaches the picture."""
    planes, canvas = smooth_planes(movie_info(128, 96, "gray"), 6.0)
    before = planes[0].astype(int)
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 0.4 - 0.2
    fine = np.repeat(checks[..., None], 3, axis=-1).astype(np.float32)
    paste(planes, canvas, np.array([20.0, 10, 64, 64, 0]), fine, 1.0, None, np.zeros((32, 32, 3), np.float32))
    mouth = slice(52, 62), slice(44, 60)
    difference = planes[0].astype(int)[mouth] - before[mouth]
    assert np.abs(np.diff(difference, axis=1)).mean() > 20


def test_without_a_restorer_or_at_strength_0_the_engine_stays_as_it_is():
    engine = Engine(Painter(), "x", "y", {"seed": 7})
    assert restoring(engine, SyncOptions()) is engine
    assert restoring(engine, SyncOptions(restorer="nowhere.onnx", restorer_strength=0.0)) is engine


def test_without_onnxruntime_the_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(OptionError, match=r"pip install lipdub\[restore\]"):
        OnnxRestorer(write_model(tmp_path / "neg.onnx", 64))


@needs_onnxruntime
@pytest.mark.parametrize("size", [64, 32])
def test_an_onnx_model_restores_a_face(tmp_path: Path, size: int):
    fine = OnnxRestorer(write_model(tmp_path / "neg.onnx", size))(FACE)
    np.testing.assert_allclose(fine, -scaled_to(FACE, size), atol=1e-6)


@needs_onnxruntime
def test_the_engine_takes_the_restorer_that_the_options_name(tmp_path: Path):
    model = write_model(tmp_path / "neg.onnx", 64)
    options = SyncOptions(restorer=str(model), restorer_strength=1.0)
    engine = restoring(Engine(Painter(), "x", "y", {"seed": 7}), options)
    made = engine.inpainter(FACE[None], FACE[None], np.zeros((1, 80, 16), np.float32))
    np.testing.assert_allclose(made[0], -FACE, atol=1e-6)
    assert engine.settings["seed"] == 7 and engine.settings["restorer_strength"] == 1.0
    assert len(str(engine.settings["restorer"])) == 64


@needs_onnxruntime
@pytest.mark.parametrize("kind", ["text", "grey"])
def test_what_is_not_a_restorer_gets_one_sentence(tmp_path: Path, kind: str):
    path = tmp_path / "model.onnx"
    if kind == "text":
        path.write_text("no model")
    else:
        write_model(path, 64, channels=1)
    with pytest.raises(WeightsFormatError, match=r"model\.onnx"):
        OnnxRestorer(path)


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_a_strength_outside_0_to_1_is_refused(strength: float):
    with pytest.raises(OptionError, match="restorer-strength"):
        SyncOptions(restorer_strength=strength)
