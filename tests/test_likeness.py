"""Which frames of a person can be references, and when a face is in the middle of a sentence."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.faces.sighting import SIGHTING
from lipdub.faces.track import Track
from lipdub.likeness import (
    BETTER_DEGREES,
    CELL_DEGREES,
    KEPT_SECONDS,
    OTHER_SHOT_DEGREES,
    PAUSE_SECONDS,
    SEEN_HEIGHT,
    Appearance,
    Portraits,
    View,
    choose_portraits,
    find_portraits,
    in_sentences,
)
from lipdub.plan import DUB, SILENCE, UNTOUCHED

COUNT = 1000
SECONDS = np.arange(COUNT) * 0.04
TURNING = 35 * np.sin(np.arange(COUNT) / 120)


def view(number: int = 0, shot: int = 0, count: int = COUNT, seed: int = 0, **columns) -> View:
    """A track of speaking lips, all its frames good."""
    rng = np.random.default_rng(seed)
    faces = np.full(count, np.nan, SIGHTING)
    faces["box"] = 100, 100, 157, 200, 0
    faces["yaw"], faces["pitch"], faces["sharpness"] = 0, 0, 0.3
    faces["aperture"] = rng.uniform(0, 0.2, count)
    for name, values in columns.items():
        faces[name] = values
    pts = np.arange(count) * 40 + 100_000 * shot
    return View(Track(number, shot, pts, faces, np.ones(count, bool)), np.ones(count, bool))


def portraits(*rows: tuple[int, float, float], height: float = 200) -> Portraits:
    """Portraits of some shot, yaw and aperture."""
    shots, yaws, apertures = (np.array(column) for column in zip(*rows, strict=True))
    count = len(rows)
    poses = np.column_stack([yaws, np.zeros(count)]).astype(float)
    return Portraits(shots, np.arange(count), shots, poses, np.full(count, height), apertures.astype(float))


def appearance(yaw: object = 0.0, speaks: object = True, shot: int = 0, height: float = 200) -> Appearance:
    poses = np.column_stack([np.broadcast_to(yaw, COUNT), np.zeros(COUNT)]).astype(float)
    speaks_ = np.broadcast_to(np.asarray(speaks), COUNT)
    return Appearance(shot, height, SECONDS, poses, np.ones(COUNT, bool), speaks_)


def test_a_portrait_has_its_mouth_at_rest_and_is_sharp():
    rng = np.random.default_rng(1)
    seen = view(sharpness=rng.uniform(0.1, 0.5, COUNT))
    (frame,) = find_portraits([seen]).frames
    assert seen.track.faces["aperture"][frame] < np.quantile(seen.track.faces["aperture"], 0.02)
    assert seen.track.faces["sharpness"][frame] > np.quantile(seen.track.faces["sharpness"], 0.2)


def test_what_is_open_for_one_shot_may_be_shut_for_another():
    """Where somebody only shouts, there are no portraits if the lips are seen shut elsewhere."""
    shouts, talks = view(0, 0, aperture=np.linspace(0.25, 0.4, COUNT)), view(1, 1)
    assert len(find_portraits([shouts]).frames) == 1
    assert find_portraits([shouts, talks]).shots.tolist() == [1]


def test_frames_that_are_bad_or_were_not_seen_are_no_portraits():
    seen = view(yaw=TURNING)
    seen.good[::2] = False
    seen.track.seen[1::4] = False
    assert set((find_portraits([seen]).frames % 4).tolist()) == {3}


def test_where_no_frame_is_good_one_is_taken_all_the_same():
    bad = view(count=10)
    bad.good[:] = False
    assert len(find_portraits([bad]).frames) == 1
    assert find_portraits([bad, view(1, 1)]).tracks.tolist() == [1]


def test_one_portrait_for_each_pose_in_each_shot():
    once = find_portraits([view(yaw=TURNING)])
    assert len(np.unique(np.floor(once.poses / CELL_DEGREES), axis=0)) == len(once.frames)
    assert len(once.frames) == pytest.approx(70 / CELL_DEGREES, abs=2)
    again = find_portraits([view(yaw=TURNING), view(1, 1, yaw=TURNING)])
    assert set(again.shots.tolist()) == {0, 1}
    assert np.array_equal(again.tracks, again.shots)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000))
def test_the_nearest_of_equal_mouths_is_chosen(seed: int):
    rng = np.random.default_rng(seed)
    found = portraits(*((0, yaw, 0.0) for yaw in rng.uniform(-50, 50, 12)))
    yaw = rng.uniform(-50, 50)
    (chosen,) = set(choose_portraits(found, appearance(yaw)).tolist())
    assert abs(found.poses[chosen, 0] - yaw) == np.abs(found.poses[:, 0] - yaw).min()


def test_of_one_pose_the_mouth_that_is_more_at_rest_is_chosen():
    found = portraits((0, 10, 0.08), (0, 10, 0.0), (0, 11, 0.05))
    assert set(choose_portraits(found, appearance(10)).tolist()) == {1}
    # A head that is held a little otherwise is better than an open mouth.
    assert set(choose_portraits(found, appearance(14)).tolist()) == {1}


def test_another_shot_is_asked_where_its_portrait_is_clearly_better():
    nearer, farther = OTHER_SHOT_DEGREES - 1, OTHER_SHOT_DEGREES + 1
    assert set(choose_portraits(portraits((0, nearer, 0), (7, 0, 0)), appearance()).tolist()) == {0}
    assert set(choose_portraits(portraits((0, farther, 0), (7, 0, 0)), appearance()).tolist()) == {1}
    assert set(choose_portraits(portraits((0, 0, 0.15), (7, 0, 0)), appearance()).tolist()) == {1}


def test_a_smaller_face_of_another_shot_is_not_asked():
    small = portraits((0, 30, 0), (7, 0, 0))._replace(heights=np.array([200, 0.7 * SEEN_HEIGHT]))
    assert set(choose_portraits(small, appearance()).tolist()) == {0}
    # Unless the face is small itself, or nothing else is there.
    assert set(choose_portraits(small, appearance(height=100)).tolist()) == {1}
    alone = portraits((7, 0, 0), height=50)
    assert set(choose_portraits(alone, appearance()).tolist()) == {0}


def test_the_pose_while_the_face_speaks_counts():
    speaks = SECONDS > 30
    yaw = np.where(speaks, 20, -20)
    found = portraits((0, -20, 0), (0, 20, 0))
    assert set(choose_portraits(found, appearance(yaw, speaks)).tolist()) == {1}
    assert set(choose_portraits(found, appearance(yaw, False)).tolist()) == {0}


def test_a_pause_brings_another_portrait_where_the_head_has_turned():
    speaks = (SECONDS < 18) | (SECONDS > 20)
    found = portraits((0, 0, 0), (0, 20, 0))
    turned = choose_portraits(found, appearance(np.where(SECONDS < 19, 0, 20), speaks))
    assert SECONDS[np.flatnonzero(np.diff(turned))] == pytest.approx([19], abs=0.1)
    little = choose_portraits(found, appearance(np.where(SECONDS < 19, 0, 10 + BETTER_DEGREES / 3), speaks))
    assert set(little.tolist()) == {0}


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), swing=st.floats(0, 80))
def test_portraits_are_few_and_kept(seed: int, swing: float):
    rng = np.random.default_rng(seed)
    yaw = swing * np.sin(np.cumsum(rng.normal(0, 0.2, COUNT)))
    speaks = in_sentences(np.zeros(COUNT), SECONDS, {DUB: np.sort(rng.uniform(0, 40, 20)).reshape(-1, 2)})
    found = find_portraits([view(yaw=yaw, seed=seed)])
    chosen = choose_portraits(found, appearance(yaw, speaks))
    changes = np.concatenate([[0], SECONDS[1:][np.diff(chosen) != 0]])
    assert (np.diff(changes) >= KEPT_SECONDS - 1e-6).all()
    assert not (np.diff(chosen) != 0)[speaks[1:] & speaks[:-1]].any()


def test_what_a_face_does_not_say_is_no_sentence_of_it():
    sounds = np.zeros(COUNT, np.int32)
    sounds[100:300], sounds[300:400], sounds[400:500] = UNTOUCHED, SILENCE, 1
    speaks = in_sentences(sounds, SECONDS, {DUB: [(0, 2), (2.1, 3), (24, 26)]})
    # The stem, of whose speech nothing is known, is one sentence.
    sentences = [(0, 3), (16, 20), (24, 26)]
    clear = np.abs(SECONDS[:, None] - np.ravel(sentences)).min(axis=1) > 0.05  # floats decide at the ends
    expected = np.any([(low < SECONDS) & (high > SECONDS) for low, high in sentences], axis=0)
    assert np.array_equal(speaks[clear], expected[clear])


def test_a_face_that_is_left_alone_for_a_moment_goes_on_with_its_sentence():
    for gap, whole in ((6, True), (9, False)):  # 0.24 and 0.36 s
        sounds = np.zeros(COUNT, np.int32)
        sounds[500 : 500 + gap] = UNTOUCHED
        sounds[700:] = 1
        speaks = in_sentences(sounds, SECONDS, {DUB: [(0, 27.9)], 1: [(28, 40)]})
        assert speaks[[499, 500 + gap, 699, 700]].all()
        assert speaks.all() == whole


def test_without_talk_all_is_one_sentence():
    assert in_sentences(np.zeros(COUNT, np.int32), SECONDS).all()
    assert in_sentences(np.zeros(0, np.int32), np.zeros(0)).shape == (0,)


@settings(deadline=None, max_examples=100)
@given(times=st.lists(st.floats(0, 40), max_size=24), step=st.sampled_from([0.02, 0.04, 0.1]))
def test_short_pauses_are_part_of_a_sentence(times: list[float], step: float):
    talk = np.sort(np.array(times[: len(times) // 2 * 2])).reshape(-1, 2)
    seconds = np.arange(0, 40, step)
    speaks = in_sentences(np.zeros(len(seconds), np.int32), seconds, {DUB: talk})
    for (_, end), (begin, _) in itertools.pairwise(talk):
        if begin - end < PAUSE_SECONDS - 1e-6:
            assert speaks[(seconds >= end) & (seconds < begin)].all()
    for begin, end in talk:
        assert speaks[(seconds >= begin) & (seconds < end)].all()
    for i in np.flatnonzero(speaks):  # nothing else is
        assert ((talk[:, 0] - PAUSE_SECONDS <= seconds[i]) & (seconds[i] < talk[:, 1] + PAUSE_SECONDS)).any()
