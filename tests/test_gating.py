from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.faces.crop import from_crop
from lipdub.faces.sighting import SIGHTING
from lipdub.faces.track import Track
from lipdub.gating import BRIEF_SECONDS, FADE_SECONDS, GATES, gate
from lipdub.plan import Left
from lipdub.speech.spans import runs
from tests.support.faces import movie_info

INFO = movie_info(1280, 720)
FRAME = 40
SHOT = np.arange(0, 8000, FRAME)


def _track(pts: np.ndarray = SHOT, box: tuple[float, ...] = (500, 200, 124, 158, 0), **columns) -> Track:
    faces = np.full(len(pts), np.nan, SIGHTING)
    faces["box"], faces["yaw"], faces["pitch"] = box, 0, 0
    faces["sharpness"], faces["covered"], faces["edges"] = 0.3, 0, 1
    for name, values in columns.items():
        faces[name] = values
    return Track(7, 0, pts, faces, np.ones(len(pts), bool))


def _where(first: int, last: int, there: float, elsewhere: float) -> np.ndarray:
    values = np.full(len(SHOT), elsewhere)
    values[first:last] = there
    return values


BAD = {
    "yaw": (62.0, 0.0, "turned too far away (yaw 62°)"),
    "pitch": (-31.0, 0.0, "looks too far up or down (31°)"),
    "covered": (1.0, 0.0, "mouth covered"),
    "sharpness": (0.02, 0.3, "too blurred"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_frames_are_untouched_and_the_fade_is_over_before_them(name: str):
    there, elsewhere, reason = BAD[name]
    opacity, left = gate(_track(**{name: _where(80, 120, there, elsewhere)}), SHOT, INFO)
    assert (opacity[80:120] == 0).all()
    step = FRAME / 1000 / FADE_SECONDS
    np.testing.assert_allclose(opacity[76:80], [1, 1, 2 * step, step], atol=1e-4)
    np.testing.assert_allclose(opacity[120:124], [step, 2 * step, 1, 1], atol=1e-4)
    assert (np.delete(opacity, range(76, 124)) == 1).all()
    assert left == (Left(7, 80 * FRAME, 119 * FRAME, reason),)


@pytest.mark.parametrize("name", BAD)
def test_what_lasts_a_moment_is_noise(name: str):
    there, elsewhere, _ = BAD[name]
    opacity, left = gate(_track(**{name: _where(80, 82, there, elsewhere)}), SHOT, INFO)
    assert (opacity == 1).all()
    assert left == ()


def test_a_mouth_that_moves_too_fast_for_the_camera_is_left():
    edges = np.ones((len(SHOT), 4))
    edges[80:120, 0] = 0.5
    opacity, left = gate(_track(edges=edges, sharpness=_where(80, 120, 0.2, 0.3)), SHOT, INFO)
    assert [(row.first, row.last) for row in left] == [(80 * FRAME, 119 * FRAME)]
    assert left[0].reason == "less sharp than the rest of the shot"
    assert not opacity[80:120].any()
    assert (gate(_track(edges=edges), SHOT, INFO).opacity == 1).all()  # as sharp as ever: a change of light


def test_what_was_not_measured_closes_nothing():
    nothing = dict.fromkeys(("yaw", "pitch", "sharpness", "covered", "edges"), np.nan)
    opacity, left = gate(_track(**nothing), SHOT, INFO)
    assert (opacity == 1).all()
    assert left == ()


def test_a_face_that_shrinks_is_left_when_it_is_too_small():
    height = np.linspace(40, 8, len(SHOT))
    boxes = np.column_stack([np.full((len(SHOT), 2), 300), height * 124 / 158, height, 0 * height])
    opacity, left = gate(_track(box=boxes), SHOT, INFO)
    assert (opacity[height < 18] == 0).all()  # it falls below 16, so it is left from where it opens on
    assert (opacity[height > 18.6] == 1).all()
    assert [row.reason for row in left] == ["smaller than 16 pixels"]


@pytest.mark.parametrize(("x", "y"), [(-62, 200), (1230, 200), (500, 620), (-400, 200)])
def test_a_mouth_that_leaves_the_picture_is_left(x: float, y: float):
    opacity, left = gate(_track(box=(x, y, 124, 158, 0)), SHOT, INFO)
    assert not opacity.any()
    assert left == (Left(7, 0, 7960, "leaves the picture"),)


def test_only_the_mouth_must_be_in_the_picture_wherever_the_box_is_turned():
    assert gate(_track(box=(500, -79, 124, 158, 0)), SHOT, INFO).opacity.all()  # the forehead is outside
    assert not gate(_track(box=(500, -79, 124, 158, 180)), SHOT, INFO).opacity.any()  # now the chin is


@settings(deadline=None, max_examples=30)
@given(x=st.floats(-150, 1300), y=st.floats(-150, 700), roll=st.floats(-180, 180))
def test_the_share_outside_is_what_a_crop_shows(x: float, y: float, roll: float):
    outside = next(g for g in GATES if g.reason == "leaves the picture").measure
    box = np.array([x, y, 124, 158, roll])
    places = np.random.default_rng(0).uniform((0, 0.5), (1, 1), (4000, 2))
    points = from_crop(places, box)
    wanted = 1 - ((points >= 0) & (points < (1280, 720))).all(axis=1).mean()
    assert outside(_track(SHOT[:2], tuple(box)), INFO)[0] == pytest.approx(wanted, abs=0.1)


def test_a_yaw_about_the_bound_does_not_flicker():
    yaw = 49 + np.random.default_rng(0).uniform(-3.5, 3.5, len(SHOT))  # never below where it opens
    opacity, left = gate(_track(yaw=np.where(np.arange(len(SHOT)) < 100, 30, yaw)), SHOT, INFO)
    assert len(left) == 1
    assert (np.diff(opacity[100:]) <= 0).all()


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 10_000), change=st.floats(0.01, 0.5))
def test_opacity_rises_and_falls_no_faster_than_a_fade_and_never_touches_a_bad_frame(
    seed: int, change: float
):
    rng = np.random.default_rng(seed)
    flips = np.cumsum(rng.random(len(SHOT)) < change) % 2 == 1
    opacity, left = gate(_track(yaw=np.where(flips, 70, 0)), SHOT, INFO)
    assert np.abs(np.diff(opacity)).max(initial=0) <= FRAME / 1000 / FADE_SECONDS + 1e-4
    for low, high in runs(flips).tolist():
        if SHOT[high - 1] - SHOT[low] >= 1000 * BRIEF_SECONDS:
            assert not opacity[low:high].any()
    for low, high in runs(opacity > 0).tolist():
        whole = (opacity[low:high] == 1).any()
        assert whole, "an edit that never is whole flickers"
    told = np.concatenate([(row.first <= SHOT) & (row.last >= SHOT) for row in left] or [np.zeros(0, bool)])
    assert told.sum() == (opacity == 0).sum()


def test_a_moment_between_two_gaps_is_left_too_and_said():
    yaw = _where(50, 60, 70, 0) + _where(64, 80, 70, 0)
    opacity, left = gate(_track(yaw=yaw), SHOT, INFO)
    assert not opacity[50:80].any()
    assert [(row.first, row.last) for row in left] == [(50 * FRAME, 79 * FRAME)]


def test_the_worst_value_is_said():
    yaw = _where(50, 60, -55, 0) + _where(55, 57, -16.4, 0)
    assert gate(_track(yaw=yaw), SHOT, INFO).left[0].reason == "turned too far away (yaw 71°)"


def test_a_face_that_goes_within_its_shot_fades():
    opacity, _ = gate(_track(SHOT[:100]), SHOT, INFO)
    np.testing.assert_allclose(opacity[-4:], [1, 1, 2 / 3, 1 / 3], atol=1e-4)
    assert (gate(_track(SHOT[:100]), SHOT[:100], INFO).opacity == 1).all()  # at a cut it does not


def test_in_a_dissolve_an_edit_goes_with_its_shot():
    clear = np.ones(len(SHOT))
    clear[-20:-10], clear[-10:] = np.linspace(0.9, 0, 10), 0
    opacity, left = gate(replace(_track(), clear=clear), SHOT, INFO)
    assert (opacity <= np.round(clear, 4)).all()
    np.testing.assert_allclose(opacity[:-13], clear[:-13], atol=1e-4)
    assert left == (Left(7, int(SHOT[-11]), int(SHOT[-1]), "in a dissolve or a fade"),)


def test_a_shot_that_dissolves_off_the_middle_is_whole_but_for_its_fade():
    clear = np.ones(len(SHOT))
    clear[-12:] = np.linspace(0.95, 0.05, 12)
    opacity, left = gate(replace(_track(), clear=clear), SHOT, INFO)
    np.testing.assert_allclose(opacity, clear, atol=1e-4)
    assert left == ()


def test_bounds_open_below_where_they_close():
    assert all(g.opens < g.closes for g in GATES)
