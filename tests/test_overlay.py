"""The overlay: what is decided can be seen, and what is not decided is not touched."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lipdub.checks import check_debug_video
from lipdub.debugvideo import write_debug_video
from lipdub.errors import OutputError
from lipdub.faces.crop import to_crop
from lipdub.media.probe import probe_video
from lipdub.options import SyncOptions
from lipdub.overlay import colour_of, draw, painted, reason_of, said_of
from lipdub.plan import DUB, SILENCE, Edit, Left, Plan, Stem, edits_at
from tests.support.media import movie

GREY = np.full((180, 320, 3), 128, np.uint8)
BOX = (100.0, 40.0, 80.0, 100.0, 20.0)


def _plan(
    sound: int = DUB, opacity: float = 1.0, left: tuple[Left, ...] = (), pts: tuple[int, ...] = (7,)
) -> Plan:
    edits = edits_at(pts, BOX, face=2, sound=sound, opacity=opacity)
    stems = (Stem("stems/anna.wav"),)
    return Plan("movie.mp4", (320, 180), Fraction(1, 25), Fraction(0), (), edits, stems, left=left)


def _edit(**more) -> Edit:
    return next(iter(_plan(**more)))


@pytest.mark.parametrize(
    ("sound", "opacity", "words"),
    [(DUB, 1, "2: dub"), (SILENCE, 1, "2: closed lips"), (1, 0.4, "2: anna.wav, 40 %")],
)
def test_an_edit_is_told_in_words(sound: int, opacity: float, words: str):
    assert said_of(_edit(sound=sound, opacity=opacity), _plan()) == words


def test_the_crop_is_drawn_in_the_colour_of_its_person():
    drawn = draw(GREY, _plan(), 7)
    changed = (drawn != GREY).any(axis=-1)
    near = np.abs(drawn.astype(int) - colour_of(2)).max(axis=-1) < 40
    assert near.sum() > 300  # the outline of a box of 80 × 100
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert 83 <= columns[0] <= 90  # the corner of the turned box lies at 85.3
    assert rows[-1] < 165 and (GREY == 128).all()


def test_a_smaller_picture_is_drawn_at_its_scale():
    whole, half = draw(GREY, _plan(), 7), draw(GREY[::2, ::2], _plan(), 7, scale=0.5)
    places = [np.argwhere((d != 128).any(axis=-1)).max(axis=0) for d in (whole, half)]
    np.testing.assert_allclose(places[0] / 2, places[1], atol=3)


def test_frames_without_edits_say_so_and_those_left_alone_say_why():
    left = Left(3, 5, 9, "turned away")
    assert reason_of(left) == "3 left alone: turned away"
    nothing, why = draw(GREY, _plan(), 8), draw(GREY, _plan(left=(left,)), 8)
    assert (nothing != GREY).any() and (nothing[:150] == GREY[:150]).all()
    assert (why != nothing).any()
    assert np.array_equal(draw(GREY, _plan(left=(left,)), 10), nothing)  # it ended with frame 9


def test_the_painted_area_is_tinted():
    mask = painted(_edit(), (320, 180))
    rows, columns = np.nonzero(mask)
    places = to_crop(np.column_stack([columns, rows]) + 0.5, _edit().box)
    assert places[:, 1].min() > 0.5 and mask.max() == 1  # the lower half of the turned crop
    tinted = (draw(GREY, _plan(), 7)[mask > 0.9] != 128).any(axis=-1)
    assert tinted.all() and np.array_equal(painted(_edit(opacity=0.5), (320, 180)), mask / 2)


@pytest.mark.parametrize("pcm", [None, np.zeros(16_000, np.int16)])
def test_a_debug_video_has_the_times_of_its_movie(tmp_path: Path, pcm: np.ndarray | None):
    source = movie(tmp_path / "a.mp4", size=(320, 180), pts=[0, 512, 1024, 3000])
    info = probe_video(source)
    plan = Plan("a.mp4", (320, 180), info.time_base, info.origin, (), edits_at([1024], BOX))
    output = write_debug_video(plan, info, tmp_path / "debug.mp4", pcm=pcm)
    with av.open(str(output)) as made:
        pictures = [(f.time, f.to_ndarray(format="rgb24")) for f in made.decode(video=0)]
        assert len(made.streams.audio) == (pcm is not None)
    times = [float(p * info.time_base) for p in (0, 512, 1024, 3000)]
    np.testing.assert_allclose([t for t, _ in pictures], times, atol=1e-6)
    away = [np.abs(p.astype(int) - colour_of(0)).max(axis=-1) for _, p in pictures]
    near = [int((distance < 60).sum()) for distance in away]
    assert near[2] > max(near[:2] + near[3:]) + 100  # the crop's outline


@pytest.mark.parametrize(
    ("name", "words"), [("debug.gif", r"must end in one of \.mp4"), ("out.mp4", "another use in this job")]
)
def test_a_debug_video_needs_a_name_of_its_own(tmp_path: Path, name: str, words: str):
    options = SyncOptions(debug_video=str(tmp_path / name))
    with pytest.raises(OutputError, match=words):
        check_debug_video(options, (tmp_path / "movie.mp4", tmp_path / "out.mp4"))
