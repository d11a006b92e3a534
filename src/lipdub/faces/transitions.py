"""From which frame to which two pictures are mixed: dissolves, fades to black and out of it.

`lipdub.faces.shots` tells that a shot ends; here the extent of a gradual end is measured, from the frames on
both sides of it. Measured on made dissolves in `benchmarks/dissolves.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import zip_longest
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.faces.shots import FLAT, SMALL, Grey

Values: TypeAlias = npt.NDArray[np.float64]

REACH = 75
"""Frames looked at to each side of a cut, or of where a picture went plain or came out of it: three seconds
of film; `lipdub.faces.shots` finds dissolves up to two and a half."""
BEGINNINGS = (4, 10, 25, 60)
"""Frames to each side with which a measurement begins: with few alone, slow dissolves drown in movement."""
BESIDE = 0.3
"""How far beyond both ends, in lengths of the transition, it is looked whether it goes on."""
ROUNDS = 12
"""How often a measurement may be repeated with a wider view, so that one that never settles ends."""
JUMP = 0.55
"""A step of the mixture by more than this, from one frame to the next, is a cut."""
FEWEST = 2
"""Mixed frames of a transition: one alone is a blend at a cut, or noise of the compression."""
LEAST_CHANGE = 0.02
"""Mean change (0–1) between two pictures below which no mixture of them can be measured."""
TRUE_MIXTURE = 0.42
"""Frames that differ by more than this from a mixture are none, as a share of what its ends differ: five made
dissolves that were hard to measure differ by 0.27 to 0.36, and one by 0.47. With 0.48, and an uneven pace
counted once only, a jump in a real interview is taken for one."""
UNEVEN = 2.0
"""How much more an uneven pace counts than what is in no mixture: on edits of `benchmarks/shots.py`, seed 1,
1 takes up to 21 frames too many for half a second, 3 misses up to 35 at the end of two seconds, 2 to 9."""
USUAL = 9
"""Frames whose median change is the usual one."""
SUDDEN = 3.0
"""A cut that changes the picture this many times more than usual ends the view."""


class Kind(IntEnum):
    """What a transition mixes."""

    DISSOLVE = 0
    FADE_OUT = 1
    FADE_IN = 2


class Transition(NamedTuple):
    """Where two pictures are mixed.

    Attributes:
        first: pts of the last frame that shows the old picture alone.
        last: pts of the first frame that shows the new one alone.
        kind: a `Kind`; the new picture of a fade out, and the old one of a fade in, are plain.
    """

    first: int
    last: int
    kind: int


@dataclass(frozen=True, slots=True)
class Recent:
    """The last frames that a `TransitionWatch` saw.

    Attributes:
        pts: [n].
        pictures: [n, 18, 32], small and grey, 0–1.
        cuts: [n], whether a shot begins there.
        plain: [n], whether the picture shows nothing.
    """

    pts: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    pictures: npt.NDArray[np.float16] = field(default_factory=lambda: np.empty((0, *SMALL[::-1]), np.float16))
    cuts: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    plain: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))


class TransitionWatch:
    """Measure the transitions at cuts, and where the picture turns plain or ceases to be, as frames go by."""

    def __init__(self) -> None:
        self.state = Recent()

    def __call__(self, pts: int, small: Grey, cut: bool) -> list[Transition]:
        """Take the next frame, [18, 32]; returns what was `REACH` frames ago, if that was a transition."""
        old, kept = self.state, slice(-2 * REACH - 1, None)
        self.state = Recent(
            np.append(old.pts, pts)[kept],
            np.concatenate([old.pictures, small[None].astype(np.float16)])[kept],
            np.append(old.cuts, cut)[kept],
            np.append(old.plain, small.std() < FLAT)[kept],
        )
        return list(_found(self.state, len(self.state.pts) - 1 - REACH))

    def finish(self) -> list[Transition]:
        """The transitions near the end, after which no frame comes."""
        count = len(self.state.pts)
        return [one for at in range(count - REACH, count) for one in _found(self.state, at)]


def _found(recent: Recent, at: int) -> Iterator[Transition]:
    """The transition at one of the frames, if there is one."""
    turns = np.diff(recent.plain, prepend=recent.plain[:1])
    if at < 1 or not (recent.cuts[at] or turns[at]):
        return
    pictures = recent.pictures.astype(np.float32)
    low, high = _view(pictures, recent.cuts, turns, at)
    ends = extent(pictures, recent.pts.astype(np.float64), at, low, high)
    if ends is not None:
        faded = Kind.FADE_OUT if recent.plain[at] else Kind.FADE_IN
        first, last = recent.pts[list(ends)].tolist()
        yield Transition(first, last, int(faded if turns[at] else Kind.DISSOLVE))


def _view(
    pictures: Grey, cuts: npt.NDArray[np.bool_], turns: npt.NDArray[np.bool_], at: int
) -> tuple[int, int]:
    """The first and last frame between the sudden cuts, or turns to plain or back, on both sides of one."""
    change = np.abs(np.diff(pictures, axis=0, prepend=pictures[:1])).mean(axis=(1, 2))
    around = np.lib.stride_tricks.sliding_window_view(np.pad(change, USUAL // 2, mode="edge"), USUAL)
    walls = turns | (cuts & (change > SUDDEN * np.median(around, axis=1)))
    before, after = np.flatnonzero(walls[:at]), np.flatnonzero(walls[at + 1 :])
    low = max(at - REACH, int(before[-1]) if len(before) else 0)
    high = min(at + REACH, at + int(after[0]) if len(after) else len(cuts) - 1)
    return low, high


def extent(pictures: Grey, times: Values, at: int, low: int, high: int) -> tuple[int, int] | None:
    """Measure a transition.

    Args:
        pictures: [n, h, w], small and grey, 0–1.
        times: [n], when they are shown.
        at: a frame in the transition, or the first one after it.
        low, high: the first and last frame that may be looked at.

    Returns:
        The last frame that shows the old picture alone, and the first that shows the new one alone; None if
        no frames lie between that are mixtures of both.
    """
    tried = {ends for reach in BEGINNINGS for ends in _followed(pictures, times, at, low, high, reach)}
    scored = [
        ((last - first) * (TRUE_MIXTURE - unmixed(pictures[first : last + 1], times[first : last + 1])), ends)
        for ends in sorted(tried)
        for first, last in [ends]
    ]
    score, best = max(scored, default=(0.0, None))
    return best if score > 0 else None


def _followed(
    pictures: Grey, times: Values, at: int, low: int, high: int, reach: int
) -> Iterator[tuple[int, int]]:
    """Follow a transition to both its ends, seeing first so many frames to each side of one in it."""
    first, last = max(low, at - reach), min(high, at - 1 + reach)
    seen = first, last
    for _ in range(ROUNDS):
        if last - first < 2:
            return
        share = shares(pictures[seen[0] : seen[1] + 1], pictures[first], pictures[last])
        begin, end = rise(share, times[seen[0] : seen[1] + 1])
        first, last = seen[0] + begin, seen[0] + end
        yield first, last
        beside = max(BEGINNINGS[0], round(BESIDE * (last - first)))
        wider = max(low, first - beside), min(high, last + beside)
        if wider == seen:
            return
        seen = wider


def shares(pictures: Grey, old: Grey, new: Grey) -> Values:
    """How much of the way from one picture [h, w] to another each of [n, h, w] has gone."""
    way = new - old
    gone = ((pictures - old) * way).sum(axis=(1, 2))
    return np.asarray(gone / max(float((way**2).sum()), 1e-9), np.float64)


def rise(share: Values, times: Values) -> tuple[int, int]:
    """Between which two of the frames [n] shares rise evenly from one level to another, by least squares."""
    begin, end = np.triu_indices(len(share), 1)
    line = np.clip((times - times[begin, None]) / (times[end] - times[begin])[:, None], 0, 1)
    line -= line.mean(axis=1, keepdims=True)
    explained = (line @ (share - share.mean())) ** 2 / (line**2).sum(axis=1)
    best = int(np.argmax(explained))
    return int(begin[best]), int(end[best])


def unmixed(pictures: Grey, times: Values) -> float:
    """By how much pictures [n, h, w] differ from an even mixture of the first and the last.

    It is a share of what these two differ; infinite if there are no mixtures at all.
    """
    old, way = pictures[0], pictures[-1] - pictures[0]
    share = shares(pictures, old, pictures[-1])
    few = len(pictures) < FEWEST + 2
    if few or np.abs(way).mean() < LEAST_CHANGE or np.diff(share).max() > JUMP:
        return float("inf")
    even = (times - times[0]) / (times[-1] - times[0])
    rest = pictures[1:-1] - old - share[1:-1, None, None] * way
    differs = np.sqrt((rest**2).mean(axis=(1, 2)) / (way**2).mean()).mean()
    return float(np.hypot(differs, UNEVEN * np.sqrt(((share - even) ** 2).mean())))


def distinct(transitions: Iterable[Transition]) -> tuple[Transition, ...]:
    """The transitions, ascending, without those that overlap a fade or a longer one."""
    kept: list[Transition] = []
    for own in sorted(transitions, key=lambda t: (t.kind == Kind.DISSOLVE, t.first - t.last)):
        if all(own.first >= other.last or own.last <= other.first for other in kept):
            kept.append(own)
    return tuple(sorted(kept))


def clearness(
    pts: npt.NDArray[np.int64], shots: Sequence[int], transitions: Sequence[Transition]
) -> npt.NDArray[np.float64]:
    """How clearly each frame shows its own shot alone: 1, and 0 where that is half of the picture or less.

    Between, it falls twice as fast as the share of the shot does. Where a shot is said to begin before the
    middle of a dissolve or after it, it reaches 0 there already.

    Args:
        pts: [n], of all frames, ascending.
        shots: pts of the first frame of each shot.
        transitions: ascending, none overlapping another.
    """
    clear = np.ones(len(pts))
    for own, following in zip_longest(transitions, transitions[1:]):
        times, values = _line(own, following, np.asarray(shots, np.int64))
        low, high = np.searchsorted(pts, [own.first, times[-1]])
        clear[low:high] = np.interp(pts[low:high], times, values)
    return clear


def _line(
    own: Transition, following: Transition | None, shots: npt.NDArray[np.int64]
) -> tuple[list[float], list[float]]:
    """Times of a transition, and how clear the picture is then; between them it lies on a straight line."""
    first, middle, last = float(own.first), (own.first + own.last) / 2, float(own.last)
    if own.kind == Kind.FADE_IN:
        return [first, middle, last], [0, 0, 1]
    if own.kind == Kind.FADE_OUT:
        back = following is not None and following.kind == Kind.FADE_IN
        return [first, middle, float(following.first) if following and back else last], [1, 0, 0]
    inside = [middle, *shots[(shots > first) & (shots <= last)].tolist()]
    return [first, min(inside), max(inside), last], [1, 0, 0, 1]
