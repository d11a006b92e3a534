"""Dissolves and fades: how exactly their ends are found, and how an edit fades with its shot."""

from functools import lru_cache

import cv2
import numpy as np
import pytest

from lipdub.faces.shots import CutDetector, shrunk
from lipdub.faces.transitions import Kind, Transition, TransitionWatch, clearness, distinct

STEP = 40
"""25 frames a second in a time base of milliseconds."""
BLACK = np.zeros((90, 160, 3), np.uint8)


@lru_cache
def _wide(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = cv2.GaussianBlur(rng.standard_normal((90, 260, 3)).astype(np.float32), (0, 0), 6)
    return np.clip(128 + 50 * rough / rough.std(), 0, 255).astype(np.uint8)


def _shot(seed: int, count: int, speed: float = 0.0) -> list[np.ndarray]:
    """A picture of soft blobs that passes by, some pixels a frame."""
    return [_wide(seed)[:, round(speed * i) : round(speed * i) + 160] for i in range(count)]


def _mixed(old: list[np.ndarray], new: list[np.ndarray]) -> list[np.ndarray]:
    """Pictures laid over one another, the second more and more; neither alone."""
    shares = np.arange(1, len(old) + 1) / (len(old) + 1)
    return [cv2.addWeighted(a, 1 - t, b, t, 0) for a, b, t in zip(old, new, shares, strict=True)]


def _dissolve(length: int, speed: float = 0.0, before: int = 30, after: int = 30) -> list[np.ndarray]:
    """One shot dissolves into another over so many mixed frames."""
    a, b = _shot(1, before + length, speed), _shot(2, length + after, speed)
    return a[:before] + _mixed(a[before:], b[:length]) + b[length:]


def _found(frames: list[np.ndarray], times: list[int] | None = None) -> tuple[Transition, ...]:
    is_cut, watch, found = CutDetector(), TransitionWatch(), []
    for pts, frame in zip(times or range(len(frames)), frames, strict=False):
        cut = is_cut(frame)
        found += watch(pts, shrunk(is_cut.state.last), cut)
    return distinct(found + watch.finish())


@pytest.mark.parametrize("speed", [0, 0.1])
@pytest.mark.parametrize("length", [3, 5, 12, 25, 50])
def test_both_ends_of_a_dissolve_are_found(length: int, speed: float):
    (found,) = _found(_dissolve(length, speed))
    assert found.kind == Kind.DISSOLVE
    assert abs(found.first - 29) <= 1 + length * speed
    assert abs(found.last - (30 + length)) <= 1 + length * speed


@pytest.mark.parametrize("length", [5, 12, 50])
def test_fades_are_told_from_dissolves(length: int):
    dark = [BLACK] * length
    fades = _mixed(_shot(1, length), dark), _mixed(dark, _shot(2, length))
    frames = [*_shot(1, 30), *fades[0], *[BLACK] * 6, *fades[1], *_shot(2, 30)]
    out, into = _found(frames)
    assert [out.kind, into.kind] == [Kind.FADE_OUT, Kind.FADE_IN]
    black = 30 + length, 35 + length
    np.testing.assert_allclose([out.first, out.last], [29, black[0]], atol=max(1, length / 12))
    np.testing.assert_allclose(
        [into.first, into.last], [black[1], black[1] + length + 1], atol=max(1, length / 12)
    )


def test_a_movie_that_begins_and_ends_in_black():
    dark = [BLACK] * 12
    begins, ends = _mixed(dark, _shot(1, 12)), _mixed(_shot(1, 12), dark)
    found = _found([BLACK, BLACK, *begins, *_shot(1, 30), *ends, BLACK, BLACK])
    assert [one.kind for one in found] == [Kind.FADE_IN, Kind.FADE_OUT]
    np.testing.assert_allclose([one[:2] for one in found], [(1, 14), (43, 56)], atol=1)


@pytest.mark.parametrize("joint", [[], [BLACK], [BLACK] * 10, _mixed(_shot(1, 1), _shot(2, 1))])
def test_a_cut_has_no_extent_nor_has_one_blended_frame(joint: list[np.ndarray]):
    assert _found([*_shot(1, 30, 0.2), *joint, *_shot(2, 30, 0.2)]) == ()


def test_nothing_but_movement_is_no_transition():
    assert _found(_shot(1, 90, 1.0)) == ()


def test_ends_are_those_of_time_where_the_frame_rate_varies():
    frames = _dissolve(24)
    kept = [i for i in range(len(frames)) if i < 42 or i % 2 == 0]
    (found,) = _found([frames[i] for i in kept], [STEP * i for i in kept])
    np.testing.assert_allclose([found.first, found.last], [29 * STEP, 54 * STEP], atol=STEP)


def test_a_cut_close_by_does_not_blur_the_ends():
    frames = _dissolve(12, after=4) + _shot(3, 4) + _shot(4, 30)
    (found,) = _found(frames)
    np.testing.assert_allclose(found[:2], [29, 42], atol=1)


def test_two_dissolves_one_after_the_other_are_two():
    middle = _shot(2, 44)
    frames = [*_dissolve(12, after=0), *middle[:20], *_mixed(middle[20:32], _shot(3, 12)), *_shot(3, 30)]
    found = _found(frames)
    np.testing.assert_allclose([one[:2] for one in found], [(29, 42), (61, 74)], atol=1)


def test_a_watch_goes_on_from_what_it_remembered():
    frames = _dissolve(12, after=60)
    is_cut, watch, whole = CutDetector(), TransitionWatch(), []
    for pts, frame in enumerate(frames):
        cut = is_cut(frame)
        again = TransitionWatch()
        again.state = watch.state
        found = watch(pts, shrunk(is_cut.state.last), cut)
        assert again(pts, shrunk(is_cut.state.last), cut) == found
        whole += found
    assert tuple(whole + watch.finish()) == _found(frames) != ()


def test_of_transitions_that_overlap_fades_and_the_longest_are_kept():
    fade, long, short = Transition(0, 9, Kind.FADE_OUT), Transition(9, 40, 0), Transition(12, 30, 0)
    over = Transition(2, 8, Kind.DISSOLVE)
    assert distinct([short, over, long, fade, long]) == (fade, long)


def test_a_shot_is_clear_until_a_dissolve_and_gone_in_its_middle():
    clear = clearness(np.arange(20), (0, 10), [Transition(4, 16, Kind.DISSOLVE)])
    out = [1] * 5 + [5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0]
    np.testing.assert_allclose(clear, [*out, *out[9:4:-1], *[1] * 4], atol=1e-9)


@pytest.mark.parametrize("boundaries", [(7,), (13,), (7, 13), (15, 16), ()])
def test_a_shot_that_begins_off_the_middle_still_fades_to_nothing_there(boundaries: tuple[int, ...]):
    clear = clearness(np.arange(20), (0, *boundaries), [Transition(4, 16, Kind.DISSOLVE)])
    low, high = min(10, *boundaries, 10), max(10, *boundaries, 10)
    assert (clear[low : min(high, 15) + 1] <= 1e-9).all()
    assert (clear[:5] == 1).all()
    assert (clear[16 + (high == 16) :] == 1).all()
    assert (np.diff(clear[4 : low + 1]) < 0).all()
    assert (np.diff(clear[high:17]) > 0).all()


def test_between_two_fades_there_is_nothing():
    fades = [Transition(2, 6, Kind.FADE_OUT), Transition(12, 16, Kind.FADE_IN)]
    clear = clearness(np.arange(20), (0,), fades)
    np.testing.assert_allclose(clear, [1, 1, 1, 0.5, *[0] * 11, 0.5, *[1] * 4])


def test_without_transitions_all_is_clear():
    assert (clearness(np.arange(9), (0, 4), ()) == 1).all()
