"""A folder with a few tiny movies and dubs, and stand-ins for what does a row."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from lipdub.batch import Job
from lipdub.engine import LANDMARKER, Engine
from lipdub.options import SyncOptions
from lipdub.pipeline import SyncResult
from lipdub.weights import cache_folder
from tests.support.media import click_file, movie

SHARED = Path(__file__).parents[3] / "shared" / "weights"


class Stub:
    """An inpainter that is never called: there are no faces in synthetic movies."""

    size = 128
    batch_size = 4

    def __call__(self, images, references, mels):
        return np.zeros_like(images)


@dataclass
class Recorder:
    """Stands in for `sync`: writes the output, remembers the calls, and fails where it is told to."""

    failing: dict[str, BaseException] = field(default_factory=dict)
    calls: list[tuple[str, SyncOptions, Engine]] = field(default_factory=list)

    def __call__(self, video, audio, output, *, options, engine, progress):
        self.calls.append((output.name, options, engine))
        if output.name in self.failing:
            raise self.failing[output.name]
        assert options.overwrite or not output.exists()
        output.write_bytes(f"{video.name} {audio.name} {options}".encode())
        return SyncResult(output, 12, 0, 0.25, ("a note.",), engine.weights, engine.sha256)

    @property
    def outputs(self) -> list[str]:
        return [name for name, _, _ in self.calls]


@dataclass
class Loader:
    """Stands in for `load_engine` and counts."""

    loaded: list[SyncOptions] = field(default_factory=list)

    def __call__(self, options, progress):
        self.loaded.append(options)
        return Engine(Stub(), options.network_weights, "0" * 64)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`a.mp4`, 12 frames without a face, and `a.wav`, half a second."""
    folder = tmp_path_factory.mktemp("media")
    movie(folder / "a.mp4", size=(96, 64))
    click_file(folder / "a.wav", times=(0.2,), seconds=0.48)
    return folder


@pytest.fixture
def folder(tmp_path: Path, media: Path) -> Path:
    """A folder of the test's own with `a.mp4`, `b.mp4`, `a.wav` and `b.wav`."""
    for name in ("a", "b"):
        shutil.copy(media / "a.mp4", tmp_path / f"{name}.mp4")
        shutil.copy(media / "a.wav", tmp_path / f"{name}.wav")
    return tmp_path


@pytest.fixture
def write(folder: Path):
    """Write the manifest `m.csv`: the header and rows, as text or as bytes."""

    def write(*lines: str, header: str = "video,audio,output", encoding: str = "utf-8") -> Path:
        path = folder / "m.csv"
        path.write_bytes("\r\n".join([header, *lines, ""]).encode(encoding))
        return path

    return write


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def job(folder: Path) -> Job:
    return Job(2, folder / "a.mp4", folder / "a.wav", folder / "out.mp4", SyncOptions())


@pytest.fixture
def landmarker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The face landmarker's weights, or no test."""
    if os.environ.get("LIPDUB_WEIGHTS") or (cache_folder() / f"{LANDMARKER}.task").is_file():
        return
    if not (SHARED / f"{LANDMARKER}.task").is_file():
        pytest.skip(f"{LANDMARKER}.task is neither in LIPDUB_WEIGHTS nor in the cache nor in {SHARED}")
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(SHARED))
