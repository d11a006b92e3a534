"""Whole jobs for tests: plans made by hand, stand-ins for the network, the landmarker's file."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lipdub import weights
from lipdub.media.frames import read_frames
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.plan import Plan, edits_at

Faces = NDArray[np.float32]

SHARED = Path(__file__).parents[3] / "shared"
SCENES, SPEECH = SHARED / "footage" / "scenes", SHARED / "footage" / "speech"

BOX = (30.0, 10.0, 49.0, 62.0, 0.0)
"""Of a face that is not there, in the made movies of 160×96."""


class Painter:
    """An inpainter of image size 64 that does what a function says, and remembers the mel windows."""

    size = 64
    batch_size = 4

    def __init__(
        self, paint: Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
    ) -> None:
        self._paint = paint
        self.mels: list[NDArray[np.float32]] = []

    def __call__(self, images: Faces, references: Faces, mels: Faces) -> Faces:
        assert len(images) == len(references) == len(mels) <= self.batch_size
        self.mels += list(mels)
        return self._paint(images, references)


def grey(images: Faces, references: Faces) -> Faces:
    """A plain grey lower half."""
    painted = images.copy()
    painted[:, images.shape[1] // 2 :] = 0
    return painted


def striped(images: Faces, references: Faces) -> Faces:
    """Stripes, which nobody takes for the light on a face."""
    painted, half = images.copy(), images.shape[1] // 2
    painted[:, half:] = np.sign(np.sin(np.arange(half) * np.pi / 4 + 0.1))[:, None, None]
    return painted


def plan_by_hand(path: Path, *, frames: slice = slice(None), box: tuple[float, ...] = BOX) -> Plan:
    """A plan that changes some frames of a movie, at one place."""
    info: VideoInfo = probe_video(path)
    pts = [frame.pts for frame in read_frames(info)][frames]
    edits = edits_at(pts, box)
    size = info.geometry.width, info.geometry.height
    return Plan(path.name, size, info.time_base, info.origin, (), edits)


def need_landmarker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the test unless the face landmarker's file is on this machine."""
    if "LIPDUB_WEIGHTS" not in os.environ and (SHARED / "weights" / "face_landmarker.task").exists():
        monkeypatch.setenv("LIPDUB_WEIGHTS", str(SHARED / "weights"))
    if weights.status("face_landmarker").state == "missing":
        pytest.skip("the face landmarker is not on this machine: run `lipdub fetch-weights face_landmarker`")


def need_footage(name: str) -> Path:
    """A clip of the real footage; the test is skipped where it does not lie beside the checkout."""
    path = SCENES / name
    if not path.exists():
        pytest.skip(f"{path} is not there: real footage is not part of the repository")
    return path
