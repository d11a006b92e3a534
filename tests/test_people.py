"""Who is who: tracks of known people, put together without knowing it."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.choosing import candidates
from lipdub.errors import OptionError
from lipdub.faces.sighting import JAW, KEPT, NOSE_BASE, SIGHTING
from lipdub.faces.track import Track
from lipdub.people import LOST_SECONDS, SAME_PERSON, People, find_people, person_like, showing

TICK, FRAME = Fraction(1, 1000), Fraction(1, 25)
STEP = 40


def track_of(
    number: int, first: int, count: int = 25, shot: int = 0, x: float = 0, height: float = 80
) -> Track:
    faces = np.full(count, np.nan, SIGHTING)
    faces["box"] = x, 0, height * 0.8, height, 0
    faces["points"] = 0
    faces["points"][:, len(JAW) - 1, 0] = 1
    faces["points"][:, KEPT.index(NOSE_BASE), 0] = 0.5
    pts = (first + np.arange(count)) * STEP
    return Track(number, shot, pts, faces, np.ones(count, np.bool_))


def person(number: int, away: float = 0.0, towards: int = 100) -> np.ndarray:
    """An embedding of somebody, `away` of the way to somebody else."""
    vector = np.zeros(128)
    vector[number], vector[towards] = 1 - away, away
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def found(tracks: list[Track], who: dict[int, np.ndarray], same: float = SAME_PERSON) -> People:
    return find_people(tracks, who, TICK, FRAME, same)


def test_people_are_known_again_and_numbered_by_their_time_on_screen():
    tracks = [track_of(0, 0), track_of(1, 0, x=300), track_of(2, 30, 50, 1), track_of(3, 90, 30, 2)]
    people = found(tracks, {0: person(5), 1: person(6), 2: person(6, 0.3, 101), 3: person(5, 0.3, 102)})
    assert people.numbers == {0: 2, 1: 1, 2: 1, 3: 2}
    assert [p.face for p in people.persons] == [1, 2]
    assert [p.seconds for p in people.persons] == [3.0, 2.2]
    assert all(np.linalg.norm(who) == pytest.approx(1) for who in people.who.values())


def test_two_faces_in_one_picture_are_two_people_however_alike():
    twins = [track_of(0, 0), track_of(1, 24, x=300), track_of(2, 60, 10, 1)]
    people = found(twins, dict.fromkeys(range(3), person(5)))
    assert people.numbers[0] != people.numbers[1]
    assert len(people.persons) == 2


def test_without_embeddings_a_face_is_known_only_in_its_place():
    back = int(LOST_SECONDS * 25) - 1
    tracks = [
        track_of(0, 0),
        track_of(1, 24 + back, 24),  # in its place, shortly after
        track_of(2, 150, 23),  # long after
        track_of(3, 180, 22, x=200),  # elsewhere
        track_of(4, 205, 21, 1, x=200),  # in another shot
    ]
    assert found(tracks, {}).numbers == {0: 1, 1: 1, 2: 2, 3: 3, 4: 4}
    assert not found(tracks, {}).who


def test_a_face_from_the_side_belongs_to_the_known_one_in_its_place():
    people = found([track_of(0, 0), track_of(1, 30, 10)], {0: person(5)})
    assert people.numbers == {0: 1, 1: 1}


def test_nobody_at_all():
    assert found([], {}) == People((), {}, {})


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 300), st.integers(1, 60), st.floats(0, 0.45)), max_size=12
    ),
    st.randoms(use_true_random=False),
)
def test_whatever_the_tracks(rows: list[tuple[int, int, int, float]], random):
    tracks = [track_of(i, first, count, i) for i, (_, first, count, _) in enumerate(rows)]
    who = {i: person(name, away, 100 + i) for i, (name, _, _, away) in enumerate(rows)}
    people = found(tracks, who)
    assert sorted(people.numbers) == list(range(len(tracks)))
    assert sorted(set(people.numbers.values())) == [p.face for p in people.persons]
    times = [p.seconds for p in people.persons]
    assert times == sorted(times, reverse=True)
    for a in tracks:
        for b in tracks:
            together = a.id != b.id and a.pts[0] <= b.pts[-1] and b.pts[0] <= a.pts[-1]
            same = people.numbers[a.id] == people.numbers[b.id]
            assert not (same and (together or rows[a.id][0] != rows[b.id][0]))
    random.shuffle(tracks)
    assert found(tracks, who).numbers == people.numbers


def test_a_person_is_shown_in_the_frame_that_shows_it_best():
    track = track_of(0, 0)
    faces = track.faces.copy()
    faces["points"][:, KEPT.index(NOSE_BASE), 0] = 0.8
    faces["points"][[3, 7, 9, 11], KEPT.index(NOSE_BASE), 0] = 0.5
    faces["box"][7, 2:4] = 96, 120
    faces["sharpness"], faces["covered"] = 1, 0
    faces["sharpness"][9], faces["covered"][11] = 0.1, 0.9
    scores = showing(faces)
    assert scores.argmax() == 7
    assert scores[3] > max(scores[9], scores[0], scores[11]) and scores[9] > 0
    (shown,) = found([replace(track, faces=faces)], {}).persons
    assert (shown.pts, shown.box) == (7 * STEP, (0, 0, 96, 120, 0))
    unseen = replace(track, faces=faces, seen=np.arange(25) == 3)
    assert found([unseen], {}).persons[0].pts == 3 * STEP


def test_the_person_in_a_picture():
    people = found([track_of(0, 0, 30), track_of(1, 40)], {0: person(5), 1: person(6)})
    assert person_like(7 * person(6, 0.2), people, "her.jpg") == 2
    with pytest.raises(OptionError, match=r"nobody in the movie is like it; face 1 is most, by 0\.24"):
        person_like(person(9, 0.2, 5), people, "her.jpg")
    with pytest.raises(OptionError, match="seen clearly enough"):
        person_like(person(5), found([track_of(0, 0)], {}), "her.jpg")


def test_whose_lips_may_change():
    tracks = [track_of(0, 0, height=80), track_of(1, 0, x=300, height=90), track_of(2, 40, shot=1)]
    numbers = {0: 1, 1: 2, 2: 1}

    def ids(faces: str, pictured: int | None = None) -> list[int]:
        return [track.id for track in candidates(tracks, numbers, faces, pictured)]

    assert ids("auto") == ids("all") == [0, 1, 2]
    assert ids("largest") == [1, 2]
    assert ids("1") == [0, 2] and ids("2") == [1] and ids(" 2, 1") == [0, 1, 2]
    assert ids("her.jpg", 2) == [1]
    with pytest.raises(OptionError, match="no face 7; in what was looked at there is 1, 2"):
        ids("1,7")
    with pytest.raises(OptionError, match="there is nobody"):
        candidates([], {}, "1")
    assert candidates([], {}, "auto") == []
