"""The camera's way as a function of time, and what it sees."""

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lipdub.demo import clip
from lipdub.demo.clip import RATE, SIZE, View, enlarged, picture, pictures, to_portrait, view_at, write_clip
from lipdub.demo.portrait import SIDE
from lipdub.errors import RenderError
from lipdub.media.geometry import invert
from lipdub.media.probe import probe_video

LENGTHS = st.floats(5, 20)
SHARES = st.floats(0, 1)
FACE = np.array([[179.0, 60.0], [269.0, 60.0], [179.0, 174.0], [269.0, 174.0]])
"""Corners of the portrait's face, forehead to chin, found by MediaPipe."""


def applied(matrix: NDArray, points: NDArray) -> NDArray:
    return points @ matrix[:, :2].T + matrix[:, 2]


@given(SHARES, LENGTHS)
def test_the_portrait_fills_every_picture(share: float, length: float):
    corners = np.array([[0, 0], [SIZE - 1, 0], [0, SIZE - 1], [SIZE - 1, SIZE - 1]], dtype=float)
    seen = applied(to_portrait(view_at(share * length, length)), corners)
    assert seen.min() >= 0
    assert seen.max() <= SIDE - 1


@given(SHARES, LENGTHS)
def test_the_face_is_whole_in_every_picture_and_larger_than_what_the_network_paints(
    share: float, length: float
):
    seen = applied(invert(to_portrait(view_at(share * length, length))), FACE)
    assert seen.min() > 0.05 * SIZE
    assert seen.max() < 0.95 * SIZE
    assert 128 < np.linalg.norm(seen[2] - seen[0]) < SIZE / 2


@given(SHARES, LENGTHS)
def test_it_moves_slowly_and_without_a_jerk(share: float, length: float):
    """Each place moves by at most 1.5 pixels a frame, and that changes by at most 0.08 in a frame."""
    now = share * (length - 2 / RATE)
    places = [applied(invert(to_portrait(view_at(now + n / RATE, length))), FACE) for n in range(3)]
    first, second = places[1] - places[0], places[2] - places[1]
    assert np.abs(first).max() < 1.5
    assert np.abs(second - first).max() < 0.08


def test_all_that_can_move_does_move():
    views = [view_at(t, 6.0) for t in np.linspace(0, 6, 50)]
    spans = {name: np.ptp([getattr(view, name) for view in views]) for name in ("x", "y", "side", "roll")}
    assert min(spans["x"], spans["y"]) > 3
    assert spans["side"] > 100
    assert np.degrees(spans["roll"]) > 2


def test_the_map_has_the_view_in_its_middle_and_its_scale():
    view = View(100.0, 150.0, 320.0, 0.3)
    matrix = to_portrait(view, 640)
    np.testing.assert_allclose(applied(matrix, np.array([319.5, 319.5])), [100, 150])
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(0.25)
    right = applied(matrix, np.array([320.5, 319.5])) - [100, 150]
    np.testing.assert_allclose(right, [0.5 * np.cos(0.3), 0.5 * np.sin(0.3)])


@pytest.mark.parametrize("shift", [0.0, 0.03, 0.11, 0.27, 0.5])
def test_a_place_is_seen_where_the_map_says_to_hundredths_of_a_pixel(dotted: NDArray[np.uint8], shift: float):
    view = View(256.0 + shift, 250.0 - shift, 400.0, 0.02)
    seen = picture(enlarged(dotted), view)[..., 0].astype(np.float64)
    for dot in ([160.0, 224.0], [288.0, 288.0], [352.0, 160.0]):
        x, y = applied(invert(to_portrait(view)), np.array(dot))
        left, top = round(x) - 20, round(y) - 20
        part = seen[top : top + 41, left : left + 41]
        rows, columns = np.mgrid[top : top + 41, left : left + 41]
        found = np.array([(part * columns).sum(), (part * rows).sum()]) / part.sum()
        np.testing.assert_allclose(found, [x, y], atol=0.03)


def test_a_view_of_the_whole_portrait_is_the_portrait():
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 200, (16, 16, 3)).astype(np.uint8)
    portrait = coarse.repeat(32, axis=0).repeat(32, axis=1)
    middle = (SIDE - 1) / 2
    seen = picture(enlarged(portrait), View(middle, middle, float(SIDE), 0.0), SIDE)
    flat = np.ix_(np.arange(16, SIDE, 32), np.arange(16, SIDE, 32))  # away from edges, which are interpolated
    assert np.abs(seen[flat].astype(int) - portrait[flat]).max() <= 1
    assert np.abs(seen.astype(int) - portrait).mean() < 1


def test_the_file_has_every_picture_at_its_time(tmp_path, dotted: NDArray[np.uint8]):
    told = []
    write_clip(dotted, tmp_path / "clip.mp4", 5, 128, told.append)
    info = probe_video(tmp_path / "clip.mp4")
    assert (info.codec, info.pix_fmt, info.rate, info.frames) == ("h264", "yuv420p", RATE, 5)
    assert (info.colour.matrix, info.colour.range) == (1, 1)
    assert [step.done for step in told] == [1, 2, 3, 4, 5]
    with av.open(str(tmp_path / "clip.mp4")) as movie:
        frames = list(movie.decode(video=0))
    assert [frame.pts * frame.time_base * RATE for frame in frames] == [0, 1, 2, 3, 4]
    for frame, image in zip(frames, pictures(dotted, 5, 128), strict=True):
        decoded = frame.to_ndarray(format="rgb24").astype(int)
        assert np.abs(decoded - image).mean() < 2


def test_colours_are_those_of_the_portrait(tmp_path):
    portrait = np.empty((SIDE, SIDE, 3), np.uint8)
    portrait[:] = (210, 90, 40)
    write_clip(portrait, tmp_path / "clip.mp4", 2, 64)
    with av.open(str(tmp_path / "clip.mp4")) as movie:
        decoded = next(movie.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(decoded.astype(int) - portrait[0, 0]).max() <= 3


def test_the_same_clip_is_the_same_file(tmp_path, dotted: NDArray[np.uint8]):
    """So a demo that was stopped goes on: unfinished work is found by the content of the movie."""
    for name in ("a.mp4", "b.mp4"):
        write_clip(dotted, tmp_path / name, 12, 128)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_folder_that_is_gone_is_told(tmp_path, dotted: NDArray[np.uint8]):
    with pytest.raises(RenderError, match=r"the clip to dub cannot be written"):
        write_clip(dotted, tmp_path / "gone" / "clip.mp4", 2, 64)


def test_a_full_disk_is_told(tmp_path, dotted: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(clip, "_write", full)
    with pytest.raises(RenderError, match="the disk is full"):
        write_clip(dotted, tmp_path / "clip.mp4", 2, 64)
