"""Who says what: the rules by example, and what must hold whatever the numbers are."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.faces.sighting import SIGHTING
from lipdub.faces.track import Track
from lipdub.plan import DUB, SILENCE, UNTOUCHED
from lipdub.turns import NOBODY, Seen, claims, cut_out, inside, seen, spans, turns_in_shot, who_says
from tests.support.faces import movie_info

RATE = 25


def face(
    *speaks: tuple[float, float], shot: int = 0, start: float = 0, end: float = 10, high: float = 3, **more
):
    """A face on screen from `start` to `end` that speaks in some stretches."""
    seconds = np.arange(round(start * RATE), round(end * RATE)) / RATE
    return Seen(shot, seconds, np.where(inside(seconds, np.array(speaks).reshape(-1, 2)), high, -2.0), **more)


def said(words: np.ndarray, what: int, start: float = 0) -> list[tuple[float, float]]:
    """Where a face says something, in seconds."""
    seconds = start + np.arange(len(words)) / RATE
    return [(round(a, 2), round(b, 2)) for a, b in spans(words == what, seconds).tolist()]


def speech(*stretches: tuple[float, float]) -> np.ndarray:
    return np.array(stretches, float).reshape(-1, 2)


def close(found: list[tuple[float, float]], *expected: tuple[float, float], within: float = 0.17) -> bool:
    """Smoothing moves the ends of turns a little."""
    return len(found) == len(expected) and np.allclose(found, np.reshape(expected, (-1, 2)), atol=within)


def test_two_people_in_turn_each_say_their_own_part_of_the_dub():
    a, b = who_says([face((1, 4)), face((5, 8))], dub=speech((1, 4), (5, 8)))
    assert close(said(a, DUB), (1, 4)) and close(said(b, DUB), (5, 8))


def test_without_a_dub_the_whole_turn_says_it():
    (words,) = who_says([face((2, 5))])
    assert close(said(words, DUB), (2, 5)) and not said(words, SILENCE)


def test_lips_close_where_only_the_old_speaker_speaks():
    (words,) = who_says([face((1, 9))], dub=speech((2, 4)))
    assert said(words, DUB) == [(2, 4)]
    assert close(said(words, SILENCE), (1, 2), (4, 9))
    (kept,) = who_says([face((1, 9))], dub=speech((2, 4)), keep_unspoken=True)
    assert said(kept, DUB) == [(2, 4)] and not said(kept, SILENCE)


def test_a_longer_dub_goes_on_up_to_the_next_persons_turn():
    a, b = who_says([face((1, 3)), face((7, 9))], dub=speech((1, 8)))
    assert close(said(a, DUB), (1, 7)) and close(said(b, DUB), (7, 8))
    assert close(said(b, SILENCE), (8, 9))


@pytest.mark.parametrize(("dub", "expected"), [((4.52, 6), True), ((6.5, 7), False)], ids=str)
def test_a_dub_that_lies_next_to_a_turn_belongs_to_it(dub: tuple[float, float], expected: bool):
    (words,) = who_says([face((1, 4))], dub=speech(dub))
    assert said(words, DUB) == ([dub] if expected else [])


def test_a_dub_that_begins_before_the_turn_is_at_most_a_second_early():
    (words,) = who_says([face((5, 8))], dub=speech((2, 7)))
    assert close(said(words, DUB), (4, 7))


def test_a_voice_that_is_not_on_screen_touches_nobody():
    original, dub = speech((1, 3), (3.2, 9)), speech((1, 9))
    (words,) = who_says([face((1, 3))], original, dub)
    assert close(said(words, DUB), (1, 3.2), within=0.25)
    (listener,) = who_says([face()], speech((1, 9)), dub)
    assert set(listener) == {UNTOUCHED}


def test_of_two_who_seem_to_speak_one_does_unless_both_are_sure():
    a, b = who_says([face((1, 5), high=1.2), face((1, 5), high=0.8)], dub=speech((1, 5)))
    assert close(said(a, DUB), (1, 5)) and set(b) == {UNTOUCHED}
    a, b = who_says([face((1, 5), high=4), face((1, 5), high=3)], dub=speech((1, 5)))
    assert close(said(a, DUB), (1, 5)) and close(said(b, DUB), (1, 5))


def test_people_of_other_shots_do_not_count():
    a, b = who_says(
        [face((1, 4.9), end=5), face((6, 9), shot=1, start=5)], dub=speech((1, 7)), original=speech((1, 9))
    )
    assert close(said(a, DUB), (1, 5)) and close(said(b, DUB, start=5), (5, 7), within=1.05)


def test_short_pauses_are_bridged_and_short_blips_are_not_speech():
    (words,) = who_says([face((1, 2.9), (3.1, 5), (8, 8.1))])
    assert close(said(words, DUB), (1, 5))


def test_frames_whose_score_is_not_known_go_with_their_neighbours():
    one = face((1, 4))
    one.score[40:70] = np.nan
    (words,) = who_says([one])
    assert close(said(words, DUB), (1, 4))


def test_where_nothing_is_known_the_largest_face_says_the_dub():
    faces = [face(), face(area=5.0), face(shot=1, start=10, end=12)]
    for one in faces:
        one.score[:] = np.nan
    small, large, alone = who_says(faces, dub=speech((2, 4), (10.4, 12)))
    assert set(small) == {UNTOUCHED}
    assert said(large, DUB) == [(2, 4)] and not said(large, SILENCE)
    assert said(alone, DUB, start=10) == [(10.4, 12)]
    assert [set(words) for words in who_says(faces)] == [{UNTOUCHED}, {DUB}, {DUB}]


def test_no_faces_and_no_dub_are_no_error():
    assert who_says([]) == []
    (words,) = who_says([face((1, 4))], dub=speech(), original=speech())
    assert close(said(words, SILENCE), (1, 4))


def test_few_frames_between_edits_are_not_left_alone():
    (words,) = who_says([face((1, 3), (3.6, 6))], dub=speech((1, 3), (3.6, 5)), keep_unspoken=True)
    assert not [hole for hole in said(words, UNTOUCHED) if hole[1] - hole[0] < 0.25]


def track_of(seconds: np.ndarray, aperture: np.ndarray, speaking: float, box: float = 100) -> Track:
    faces = np.zeros(len(seconds), SIGHTING)
    faces["box"], faces["aperture"], faces["speaking"] = (0, 0, box, box, 0), aperture, speaking
    return Track(0, 0, np.round(seconds * 1000).astype(np.int64) + 500, faces, np.ones(len(seconds), bool))


def test_lips_tell_where_the_network_did_not():
    seconds = np.arange(0, 10, 1 / RATE)
    info = movie_info(64, 64, "yuv420p", time_base=Fraction(1, 1000), origin=Fraction(1, 2))
    moving = np.where(seconds < 5, 0.05 * (1 + np.sin(30 * seconds)), 0.01)
    tracks = [track_of(seconds, moving, np.nan), track_of(seconds, moving, 2.5, box=200)]
    lips, network = seen(tracks, info, speech((0, 10)))
    np.testing.assert_allclose(lips.seconds, seconds, atol=1e-3)
    assert (lips.score[seconds < 4.5] > 0).all() and (lips.score[seconds > 6] < 0).all()
    assert (network.score == 2.5).all() and network.area == 4 * lips.area
    assert np.isnan(seen(tracks, info, None)[0].score).all()


STRETCHES = st.lists(st.floats(0, 10).map(lambda x: round(x, 2)), max_size=8, unique=True).map(
    lambda xs: np.array(sorted(xs)[: len(xs) // 2 * 2], float).reshape(-1, 2)
)
FACES = st.lists(
    st.lists(st.sampled_from([-3.0, -0.2, 0.2, 1.0, 4.0, np.nan]), min_size=1, max_size=12), max_size=3
).map(lambda all_: [Seen(0, np.arange(20 * len(s)) / RATE, np.repeat(s, 20)) for s in all_])


@settings(max_examples=100, deadline=None)
@given(FACES, st.none() | STRETCHES, STRETCHES, st.booleans())
def test_whatever_the_numbers(faces: list[Seen], original: np.ndarray | None, dub: np.ndarray, keep: bool):
    """One word a frame; the dub is said only where it speaks or in short holes; keeping leaves no silence."""
    found = who_says(faces, original, dub, keep_unspoken=keep)
    assert [len(words) for words in found] == [len(one.seconds) for one in faces]
    for words, one in zip(found, faces, strict=True):
        assert set(words) <= {DUB, SILENCE, UNTOUCHED} - ({SILENCE} if keep else set())
        for first, last in spans((words == DUB) & ~inside(one.seconds, dub), one.seconds).tolist():
            assert last - first < 0.4 + 2 / RATE
    again = who_says(faces, original, dub, keep_unspoken=keep)
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))


@settings(max_examples=100, deadline=None)
@given(FACES, STRETCHES)
def test_who_is_not_on_screen_speaks_only_while_nobody_on_screen_does(
    faces: list[Seen], original: np.ndarray
):
    if not faces:
        return
    turns = turns_in_shot(faces, range(len(faces)), original)
    unseen = [turn for turn in turns if turn.who == NOBODY]
    for turn in unseen:
        assert all(t.last <= turn.first or t.first >= turn.last for t in turns if t.who != NOBODY)
    for turn in claims(turns, original):
        assert not any(t.first < turn.last - 1e-9 and t.last > turn.first + 1e-9 for t in turns)


@given(STRETCHES, STRETCHES)
def test_what_is_cut_out_is_gone_and_the_rest_stays(stretches: np.ndarray, removed: np.ndarray):
    times = np.arange(0, 10, 0.013) + 0.0007
    expected = inside(times, stretches) & ~inside(times, removed)
    np.testing.assert_array_equal(inside(times, cut_out(stretches, removed)), expected)
