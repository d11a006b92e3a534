from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.faces.sighting import SIGHTING
from lipdub.faces.track import Track
from lipdub.plan import SAME
from lipdub.references import (
    BOUND_DEGREES,
    CELL_DEGREES,
    KEPT_SECONDS,
    choose_references,
    find_candidates,
    pose_references,
)
from tests.support.faces import movie_info

INFO = movie_info(1280, 720)


def _track(count: int = 1000, seed: int = 0, **columns) -> tuple[Track, np.ndarray, np.ndarray]:
    """A track of 40 s with speaking lips, all its frames usable, and their times."""
    rng = np.random.default_rng(seed)
    faces = np.full(count, np.nan, SIGHTING)
    faces["yaw"], faces["pitch"], faces["sharpness"] = 0, 0, 0.3
    faces["aperture"] = rng.uniform(0, 0.2, count)
    for name, values in columns.items():
        faces[name] = values
    pts = np.arange(count) * 40
    return Track(0, 0, pts, faces, np.ones(count, bool)), np.ones(count, bool), pts / 1000


def _turning(count: int = 1000) -> np.ndarray:
    return 35 * np.sin(np.arange(count) / 120)


def test_a_reference_has_its_mouth_at_rest_and_is_sharp():
    rng = np.random.default_rng(1)
    track, usable, seconds = _track(sharpness=rng.uniform(0.1, 0.5, 1000))
    frame = pose_references(track, usable, seconds)[0]
    assert track.faces["aperture"][frame] < np.quantile(track.faces["aperture"], 0.02)
    assert track.faces["sharpness"][frame] > np.quantile(track.faces["sharpness"], 0.2)


def test_a_head_that_is_still_keeps_one_reference():
    rng = np.random.default_rng(1)
    track, usable, seconds = _track(yaw=rng.normal(0, 1.5, 1000), pitch=rng.normal(0, 1.5, 1000))
    talk = [(k, k + 0.6) for k in range(40)]
    assert len(set(pose_references(track, usable, seconds, talk).tolist())) == 1


def test_frames_that_are_bad_or_were_not_seen_are_no_references():
    track, usable, seconds = _track(yaw=_turning())
    usable[::2] = False
    track.seen[1::4] = False
    assert set((pose_references(track, usable, seconds) % 4).tolist()) == {3}


def test_where_no_frame_is_good_one_is_taken_all_the_same():
    track, _, seconds = _track(10)
    chosen = pose_references(track, np.zeros(10, bool), seconds[:10])
    assert len(set(chosen.tolist())) == 1


def test_the_reference_holds_its_head_alike():
    track, usable, seconds = _track(yaw=_turning())
    talk = [(5.0 * k, 5 * k + 4) for k in range(8)]
    chosen = pose_references(track, usable, seconds, talk)
    away = np.abs(track.faces["yaw"] - track.faces["yaw"][chosen])
    one = np.abs(track.faces["yaw"] - track.faces["yaw"][int(np.argmin(track.faces["aperture"]))])
    assert np.mean(away) < 0.5 * np.mean(one)
    assert np.quantile(away, 0.9) < BOUND_DEGREES


def test_references_change_only_in_pauses_while_the_head_stays_near():
    track, usable, seconds = _track(yaw=0.4 * _turning())
    talk = np.array([(5.0 * k, 5 * k + 4) for k in range(8)])
    chosen = pose_references(track, usable, seconds, talk)
    changes = seconds[1:][np.diff(chosen) != 0]
    assert len(changes) >= 2
    for change in changes:
        assert not ((talk[:, 0] < change) & (change < talk[:, 1])).any()


def test_without_a_list_of_speech_a_near_head_changes_nothing():
    track, usable, seconds = _track(yaw=0.25 * _turning())
    assert len(set(pose_references(track, usable, seconds).tolist())) == 1


def test_a_head_that_turns_far_away_for_long_changes_it_within_a_sentence():
    yaw = np.where(np.arange(1000) < 500, 0.0, 40.0)
    track, usable, seconds = _track(yaw=yaw)
    chosen = pose_references(track, usable, seconds, [(0, 40)])
    changes = np.flatnonzero(np.diff(chosen))
    assert len(changes) == 1
    assert changes[0] == pytest.approx(500, abs=5)
    glance = np.where((np.arange(1000) > 500) & (np.arange(1000) < 508), 40.0, 0.0)
    track, usable, seconds = _track(yaw=glance)
    assert len(set(pose_references(track, usable, seconds, [(0, 40)]).tolist())) == 1


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), swing=st.floats(0, 80))
def test_references_are_few_and_kept(seed: int, swing: float):
    rng = np.random.default_rng(seed)
    yaw = swing * np.sin(np.cumsum(rng.normal(0, 0.2, 1000)))
    track, usable, seconds = _track(yaw=yaw, seed=seed)
    talk = np.sort(rng.uniform(0, 40, 20)).reshape(-1, 2)
    chosen = pose_references(track, usable, seconds, talk)
    changes = np.concatenate([[0], seconds[1:][np.diff(chosen) != 0]])
    assert (np.diff(changes) >= KEPT_SECONDS - 1e-6).all()
    assert len(set(chosen.tolist())) <= 40 / KEPT_SECONDS + 1
    assert np.array_equal(chosen, pose_references(track, usable, seconds, talk))


def test_one_candidate_for_each_pose():
    track, usable, _ = _track(yaw=_turning())
    poses = np.column_stack([track.faces["yaw"], track.faces["pitch"]]).astype(float)
    frames, found = find_candidates(track, poses, usable)
    assert len(np.unique(np.floor(found / CELL_DEGREES), axis=0)) == len(frames)
    assert len(frames) == pytest.approx(70 / CELL_DEGREES, abs=2)


def test_kinds_of_references():
    track, usable, _ = _track()
    chosen = {
        kind: choose_references(track, kind, usable, INFO, Random(7))
        for kind in ("same", "first", "random", "pose")
    }
    assert set(chosen["same"].tolist()) == {SAME}
    assert set(chosen["first"].tolist()) == {0}
    assert np.abs(chosen["random"] - np.arange(1000)).min() >= 25
    assert len(set(chosen["pose"].tolist())) == 1
