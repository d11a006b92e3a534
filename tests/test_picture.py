"""Stages side by side in a whole run: errors of each as themselves, nothing left running, disks that fill
up."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lipdub import picture, stretches, sync
from lipdub.engine import Engine
from lipdub.errors import MediaError, RenderError
from lipdub.media.encode import SegmentWriter
from tests.support.jobs import Painter, grey, plan_by_hand
from tests.support.media import click_file, movie

SIZE = (160, 96)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return movie(tmp_path / "movie.mp4", size=SIZE, count=60)


@pytest.fixture
def dub(tmp_path: Path) -> Path:
    return click_file(tmp_path / "dub.wav", seconds=2.4, times=(0.2,), rate=48_000)


class OwnError(Exception):
    pass


def broken_decoder(monkeypatch: pytest.MonkeyPatch) -> type[Exception]:
    read = stretches.read_timed

    def broken(*args, **more):
        for number, shown in enumerate(read(*args, **more)):
            if number == 20:
                raise MediaError("the movie broke off.")
            yield shown

    monkeypatch.setattr(stretches, "read_timed", broken)
    return MediaError


def broken_network(monkeypatch: pytest.MonkeyPatch) -> type[Exception]:
    def fail(*_: object):
        raise OwnError("in the network")

    monkeypatch.setattr(Painter, "__call__", fail)
    return OwnError


def broken_encoder(monkeypatch: pytest.MonkeyPatch) -> type[Exception]:
    write = SegmentWriter.write

    def broken(self, frame) -> None:
        if frame.pts > 20 * 512:
            raise OwnError("in the encoder")
        write(self, frame)

    monkeypatch.setattr(SegmentWriter, "write", broken)
    return OwnError


def broken_disk(monkeypatch: pytest.MonkeyPatch) -> type[Exception]:
    def full(*_: object):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lipdub.disk.os.fsync", full)
    return RenderError


@pytest.mark.parametrize("broken", [broken_decoder, broken_network, broken_encoder, broken_disk])
def test_an_error_in_any_stage_surfaces_as_itself_and_leaves_no_thread(
    source: Path, dub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken
):
    plan, before, running = plan_by_hand(source), set(tmp_path.iterdir()), threading.active_count()
    kind = broken(monkeypatch)
    with pytest.raises(kind) as caught:
        sync(source, dub, tmp_path / "out.mp4", plan=plan, inpainter=Painter(grey))
    assert type(caught.value) is kind
    assert threading.active_count() == running
    assert set(tmp_path.iterdir()) == before


def test_a_full_disk_is_one_sentence(
    source: Path, dub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plan = plan_by_hand(source)
    broken_disk(monkeypatch)
    with pytest.raises(RenderError, match="make space and run the same command again to go on") as caught:
        sync(source, dub, tmp_path / "out.mp4", plan=plan, inpainter=Painter(grey))
    assert str(caught.value).count(".") <= 3 and "\n" not in str(caught.value)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 600 kB; only root may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, check=False) if mount else None
    if done is None or done.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("place", ["work", "output"])
def test_a_disk_that_is_full_ends_the_run_and_space_lets_it_go_on(
    source: Path, dub: Path, tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch, place: str
):
    monkeypatch.setattr("lipdub.segments.SEGMENT_SECONDS", 1)
    plan, sha = plan_by_hand(source), "stand-in"
    sync(source, dub, tmp_path / "whole.mp4", plan=plan, engine=Engine(Painter(grey), "x", sha))
    ballast = small_disk / "ballast"
    output = (small_disk if place == "output" else tmp_path) / "out.mp4"
    options = {"work_dir": str(small_disk if place == "work" else tmp_path)}
    # Room for the sound at 16 kHz and the first segments, not for all; or for nothing but the folder.
    left = 110_000 if place == "work" else 30_000
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - left))
    with pytest.raises(RenderError, match="the disk is full") as caught:
        sync(source, dub, output, plan=plan, engine=Engine(Painter(grey), "x", sha), **options)
    assert "\n" not in str(caught.value)
    assert not output.exists()
    ballast.unlink()
    if place == "work":
        subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    result = sync(source, dub, output, plan=plan, engine=Engine(Painter(grey), "x", sha), **options)
    assert result.frames == 60
    assert output.read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_waiting_frames_are_bounded():
    from lipdub.media.probe import VideoInfo
    from tests.support.faces import movie_info

    def waiting(*size: int, pix_fmt: str) -> int:
        info: VideoInfo = movie_info(*size, pix_fmt)
        return picture._waiting(info)

    assert waiting(160, 96, pix_fmt="yuv420p") == picture.QUEUED
    assert waiting(3840, 2160, pix_fmt="yuv420p10le") == 4
    assert waiting(7680, 4320, pix_fmt="yuv444p16le") == 1
