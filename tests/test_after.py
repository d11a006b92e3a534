"""After the movie's end: its last frames again, back and forth, without a jump."""

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub import after, segments, sync
from lipdub.after import Again, back_and_forth, last_frames
from lipdub.engine import Engine
from lipdub.errors import InputError, MediaError
from lipdub.media.frames import read_frames
from lipdub.media.marks import Mark, checksum
from lipdub.media.planes import pts_of
from lipdub.media.probe import probe_video
from tests.support.jobs import Painter, grey, plan_by_hand
from tests.support.media import click_file, images, movie

SIZE = (160, 96)


def test_back_and_forth_by_hand():
    found = list(back_and_forth([0, 40, 80, 120], 160, 560, 40))
    assert [again.place for again in found] == [2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    assert [again.pts for again in found] == list(range(160, 560, 40))
    assert {again.length for again in found} == {40}
    assert list(back_and_forth([7], 47, 100, 40)) == [Again(0, 47, 40), Again(0, 87, 13)]


def test_a_movement_of_uneven_steps_keeps_its_speed():
    found = list(back_and_forth([0, 10, 100], 200, 600, 40))
    # Between frames 1 and 0 lie 10 ticks, between 1 and 2 lie 90, in both directions.
    assert [(a.place, a.length) for a in found][:5] == [(1, 10), (0, 10), (1, 90), (2, 90), (1, 10)]


@given(st.lists(st.integers(1, 500), min_size=0, max_size=20), st.integers(1, 5000), st.integers(1, 100))
def test_time_is_filled_without_gap_or_overlap(steps: list[int], length: int, usual: int):
    pts = np.cumsum([3, *steps]).tolist()
    end = pts[-1] + usual
    found = list(back_and_forth(pts, end, end + length, usual))
    assert found[0].pts == end
    assert all(a.pts + a.length == b.pts for a, b in itertools.pairwise(found))
    assert found[-1].pts + found[-1].length == end + length
    places = [len(pts) - 1, *(again.place for again in found)]
    assert all(abs(a - b) == 1 for a, b in itertools.pairwise(places)) or len(pts) == 1


def test_only_the_last_shot_is_shown_again(tmp_path: Path):
    def shots():
        for n, image in enumerate(images(SIZE, 30)):
            yield av.VideoFrame.from_ndarray(image if n < 18 else 255 - image // 2, format="rgb24").reformat(
                format="yuv420p"
            )

    info = probe_video(movie(tmp_path / "a.mkv", codec="ffv1", size=SIZE, count=30, frames=shots()))
    frames = list(read_frames(info))
    loop = last_frames(info, Mark(pts_of(frames[-1]), checksum(frames[-1])))
    assert [pts_of(frame) for frame in loop] == [pts_of(frame) for frame in frames[18:]]
    with pytest.raises(MediaError, match="--fresh"):
        last_frames(info, Mark(pts_of(frames[-1]), 1))


def test_the_loop_is_bounded_in_time_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    info = probe_video(movie(tmp_path / "a.mkv", codec="ffv1", size=SIZE, count=90))
    last = list(read_frames(info))[-1]
    mark = Mark(pts_of(last), checksum(last))
    assert len(last_frames(info, mark)) == 51  # two seconds, and the last one
    monkeypatch.setattr(after, "LOOP_BYTES", 10 * SIZE[0] * SIZE[1] * 3 // 2)
    assert len(last_frames(info, mark)) == 10


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return movie(tmp_path / "movie.mkv", codec="ffv1", size=SIZE, count=20)


def dub_of(folder: Path, seconds: float) -> Path:
    return click_file(folder / f"{seconds}.wav", seconds=seconds, times=(0.2,), rate=48_000)


def pictures(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray().tobytes()) for frame in container.decode(video=0)]


def seconds_of(path: Path, kind: str) -> float:
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(container.streams.get({kind: 0})) if p.size]
        return float(max((p.pts + (p.duration or 0)) * p.time_base for p in packets))


@pytest.mark.parametrize(
    ("length", "dub", "frames"),
    [
        ("video", 0.5, 20), ("video", 0.8, 20), ("video", 3, 20), ("shortest", 0.5, 13),
        ("shortest", 3, 20), ("sound", 0.5, 13), ("sound", 0.8, 20), ("sound", 3, 75),
    ],
)  # fmt: skip
def test_lengths(source: Path, tmp_path: Path, length: str, dub: float, frames: int):
    result = sync(
        source, dub_of(tmp_path, dub), tmp_path / "out.mkv",
        plan=plan_by_hand(source), inpainter=Painter(grey), length=length,
    )  # fmt: skip
    found = pictures(tmp_path / "out.mkv")
    assert len(found) == result.frames == result.changed == frames
    wanted = {"video": 0.8, "shortest": min(0.8, dub), "sound": dub}[length]
    assert seconds_of(tmp_path / "out.mkv", "video") == pytest.approx(wanted, abs=0.0011)
    assert seconds_of(tmp_path / "out.mkv", "audio") == pytest.approx(wanted, abs=0.0011)
    assert [time for time, _ in found] == pytest.approx([n / 25 for n in range(frames)])


def test_the_picture_goes_on_with_the_frames_it_had(source: Path, tmp_path: Path):
    """Where no mouth changes, each frame after the end is one from before, to the last bit."""
    plan = plan_by_hand(source, frames=slice(0, 0))
    sync(
        source, dub_of(tmp_path, 2), tmp_path / "out.mkv", plan=plan, inpainter=Painter(grey), length="sound"
    )
    found = [data for _, data in pictures(tmp_path / "out.mkv")]
    own = [data for _, data in pictures(source)]
    again = list(range(18, -1, -1)) + list(range(1, 20)) + list(range(18, -1, -1))
    assert found == own + [own[place] for place in again[:30]]


def test_mouths_go_on_speaking_after_the_end(source: Path, tmp_path: Path):
    painter = Painter(grey)
    plan = plan_by_hand(source)
    sync(source, dub_of(tmp_path, 2), tmp_path / "out.mkv", plan=plan, inpainter=painter, length="sound")
    assert len(painter.mels) == 50  # each with the sound of its own moment
    assert len({mel.tobytes() for mel in painter.mels[:8]}) > 1


class StoppedError(Exception):
    pass


def test_a_run_stopped_after_the_end_goes_on(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(segments, "SEGMENT_SECONDS", Fraction(3, 10))
    plan, dub = plan_by_hand(source), dub_of(tmp_path, 3)

    def run(name: str, stop: int | None = None) -> int:
        painter = Painter(grey)

        def progress(step) -> None:
            if step.stage == "render" and step.done == stop:
                raise StoppedError

        engine = Engine(painter, "x", "x")
        sync(source, dub, tmp_path / name, plan=plan, engine=engine, length="sound", progress=progress)
        return len(painter.mels)

    assert run("whole.mkv") == 75
    with pytest.raises(StoppedError):
        run("out.mkv", stop=60)
    assert run("out.mkv") < 40
    assert (tmp_path / "out.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_a_sound_that_leaves_nothing_of_the_picture_is_refused(source: Path, tmp_path: Path):
    late = movie(tmp_path / "late.mp4", size=SIZE, pts=[25_600 + 512 * n for n in range(5)])
    with pytest.raises(InputError, match="nothing of the picture is left"):
        sync(
            late, dub_of(tmp_path, 0.5), tmp_path / "out.mp4",
            plan=plan_by_hand(late), inpainter=Painter(grey), length="shortest",
        )  # fmt: skip
