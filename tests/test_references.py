"""Which frame the network is shown as a reference, through a movie with several people and shots."""

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.casting import make_cast
from lipdub.faces.analyse import Analysis
from lipdub.faces.track import Track
from lipdub.likeness import PAUSE_SECONDS, View
from lipdub.plan import DUB, SAME, UNTOUCHED, Plan
from lipdub.planning import make_plan
from lipdub.references import Change, choose_references, random_references
from tests.support.faces import movie_info
from tests.test_likeness import TURNING, view
from tests.test_people import STEP, person, track_of

INFO = movie_info(1280, 720)


def change(seen: View, who: int = 1) -> Change:
    """A face that says the dub in all its frames."""
    count = len(seen.track.pts)
    return Change(seen.track, who, np.zeros(count, np.int32), np.ones(count))


def chosen(views: dict[int, list[View]], talk: object = None) -> dict[int, np.ndarray]:
    """The poses of all these faces, all of which change."""
    changes = [change(seen, who) for who, own in views.items() for seen in own]
    return choose_references(changes, "pose", INFO, 7, views, None if talk is None else {DUB: talk})


def spoken(talk: np.ndarray) -> list[list[float]]:
    """Sentences, put together one by one."""
    sentences: list[list[float]] = []
    for begin, end in talk.tolist():
        if sentences and begin - sentences[-1][1] < PAUSE_SECONDS:
            sentences[-1][1] = end
        else:
            sentences.append([begin, end])
    return sentences


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), swing=st.floats(0, 80), parts=st.integers(1, 3))
def test_references_never_change_in_a_sentence_and_are_frames_of_the_same_person(
    seed: int, swing: float, parts: int
):
    """Two people in two shots; a face may be lost and found again in a shot."""
    rng = np.random.default_rng(seed)
    views: dict[int, list[View]] = {1: [], 2: []}
    for number in range(4 * parts):
        yaw = swing * np.sin(np.cumsum(rng.normal(0, 0.2, 500)))
        seen = view(number, count=500, seed=seed + number, yaw=yaw)
        shot, part = number // 2 % 2, number // 4
        seen.track.pts[:] += (parts * shot + part) * 20_500  # half a second is lost between two parts
        track = Track(number, shot, seen.track.pts, seen.track.faces, seen.track.seen)
        views[1 + number % 2].append(View(track, seen.good))
    talk = np.sort(rng.uniform(0, 40 * parts, 40 * parts)).reshape(-1, 2)
    found = chosen(views, talk)
    for own in views.values():
        ids = {seen.track.id for seen in own}
        for shot in (0, 1):
            tracks = sorted((v.track for v in own if v.track.shot == shot), key=lambda t: int(t.pts[0]))
            rows = np.concatenate([found[track.id] for track in tracks])
            seconds = np.concatenate([track.pts for track in tracks]) / 1000
            assert set(rows[:, 0].tolist()) <= ids
            for begin, end in spoken(talk):
                inside = (seconds >= begin) & (seconds < end)
                assert len(np.unique(rows[inside], axis=0)) <= 1


def test_a_head_that_is_still_keeps_one_reference():
    rng = np.random.default_rng(1)
    still = view(yaw=rng.normal(0, 1.5, 1000), pitch=rng.normal(0, 1.5, 1000))
    talk = [(k, k + 0.6) for k in range(40)]
    assert len(np.unique(chosen({1: [still]}, talk)[0], axis=0)) == 1


def test_the_reference_holds_its_head_alike():
    seen = view(yaw=TURNING)
    frames = chosen({1: [seen]}, [(5.0 * k, 5 * k + 4) for k in range(8)])[0][:, 1]
    yaw, aperture = seen.track.faces["yaw"], seen.track.faces["aperture"]
    away, one = np.abs(yaw - yaw[frames]), np.abs(yaw - yaw[int(np.argmin(aperture))])
    assert np.mean(away) < 0.5 * np.mean(one)
    assert len(set(frames.tolist())) >= 3


def test_where_nothing_is_known_of_speech_a_shot_has_one_reference():
    found = chosen({1: [view(0, 0, yaw=TURNING), view(1, 1, yaw=40)]})
    assert [len(np.unique(rows, axis=0)) for rows in found.values()] == [1, 1]


def test_a_cut_brings_a_new_reference_also_within_a_sentence():
    found = chosen({1: [view(0, 0, yaw=-20), view(1, 1, yaw=20)]}, [(0, 1000)])
    assert [set(rows[:, 0].tolist()) for rows in found.values()] == [{0}, {1}]


def test_a_better_mouth_is_fetched_from_another_shot_and_only_of_the_same_person():
    shouts, rests = view(0, 0, aperture=0.2), view(1, 1, aperture=0.0)
    assert set(chosen({1: [shouts, rests]})[0][:, 0].tolist()) == {1}
    assert set(chosen({1: [shouts], 2: [rests]})[0][:, 0].tolist()) == {0}


def test_kinds_of_references():
    seen = view()
    kinds = {
        kind: choose_references([change(seen)], kind, INFO, 7, {1: [seen]})[0]
        for kind in ("same", "first", "random", "pose")
    }
    assert set(kinds["same"].ravel().tolist()) == {SAME}
    assert set(kinds["first"][:, 1].tolist()) == {0}
    assert np.array_equal(kinds["random"][:, 1], random_references(seen.track.pts, INFO.time_base, Random(7)))
    assert len(np.unique(kinds["pose"], axis=0)) == 1
    assert set(kinds["pose"][:, 0].tolist()) == {0}


def planned(numbers: tuple[int, int]) -> Plan:
    """A face in two shots; only in the first, where it says nothing, its mouth is shut."""
    silent, speaks = track_of(4, 0, 50, height=158), track_of(9, 50, 50, 1, height=158)
    silent.faces["aperture"], speaks.faces["aperture"] = 0.0, 0.2
    who = {4: person(numbers[0]), 9: person(numbers[1])}
    analysis = Analysis(np.arange(100) * STEP, (0, 50 * STEP), (silent, speaks), who)
    cast = make_cast(
        analysis, [silent, speaks], INFO, "all", speaking={4: np.full(50, UNTOUCHED), 9: np.full(50, DUB)}
    )
    return make_plan(analysis, INFO, "pose", cast=cast)


def test_shots_in_which_a_person_says_nothing_lend_references():
    plan = planned((1, 1))
    assert set(plan.edits["pts"].tolist()) == set(range(50 * STEP, 100 * STEP, STEP))
    (reference,) = plan.references
    assert reference.pts is not None and reference.pts < 50 * STEP
    (other,) = planned((1, 2)).references
    assert other.pts is not None and other.pts >= 50 * STEP


def test_two_shots_that_have_the_same_reference_share_it():
    tracks = [
        track_of(4, 0, 50, height=158),
        track_of(9, 50, 50, 1, height=158),
        track_of(10, 100, 50, 2, height=158),
    ]
    for track, aperture in zip(tracks, (0.2, 0.2, 0.0), strict=True):
        track.faces["aperture"] = aperture
    who = {track.id: person(1) for track in tracks}
    plan = make_plan(
        Analysis(np.arange(150) * STEP, (0, 50 * STEP, 100 * STEP), tuple(tracks), who), INFO, "pose"
    )
    assert len(plan.references) == 1
    assert set(plan.edits["reference"].tolist()) == {0}
