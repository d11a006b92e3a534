"""Small clips with a drawn face, and stand-ins for all networks."""

from contextlib import nullcontext
from pathlib import Path

import av
import numpy as np
import pytest

from lipdub.evaluation.judges import Judges
from lipdub.protocol.networks import Bench
from tests.support.faces import BlobLandmarker, draw_face
from tests.support.media import click_file, movie

COUNT = 14
ACROSS = 320, 240
BOX = 120, 50, 63, 80
"""Of the drawn face where the picture is not a view."""


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``view.mkv`` (224×224, framed as VoxCeleb2 is), ``wide.mkv`` (a face in the middle), ``none.mkv`` (no
    face), ``sound.wav`` and ``short.wav``.
    """
    folder = tmp_path_factory.mktemp("clips")
    for name, size, box in (
        ("view", (224, 224), (50, 1, 124, 156)),
        ("wide", ACROSS, BOX),
        ("none", ACROSS, None),
    ):
        frames = _frames(size, box)
        movie(folder / f"{name}.mkv", codec="ffv1", pix_fmt="bgr0", size=size, count=COUNT, frames=frames)
    click_file(folder / "sound.wav", seconds=1.0, times=(0.3,), rate=16_000)
    click_file(folder / "short.wav", seconds=0.2, times=(0.1,), rate=16_000)
    return folder


def _frames(size: tuple[int, int], box: tuple[int, int, int, int] | None):
    random = np.random.default_rng(0)
    for _ in range(COUNT):
        image = random.integers(60, 120, (size[1], size[0], 3)).astype(np.uint8)
        if box:
            draw_face(image, box)
        yield av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="bgr0")


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> BlobLandmarker:
    """No network is loaded; the landmarker that stands in for MediaPipe's."""
    landmarker = BlobLandmarker()
    bench = Bench(Judges(landmarker), {"landmarker": "blobs"}, ("nothing else is measured.",))
    monkeypatch.setattr("lipdub.protocol.evaluate.load_landmarker", lambda progress: nullcontext(landmarker))
    monkeypatch.setattr("lipdub.protocol.evaluate.load_bench", lambda *arguments: bench)
    return landmarker
