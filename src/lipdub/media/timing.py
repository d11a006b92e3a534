"""Times of frames and packets, as integers: those that are missing, doubled or needed for decoding."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm

from lipdub.media.containers import STORED, TICKS

FARTHEST = 16
"""Frames by which no codec lets the orders of decoding and of showing differ."""

MOST_SLOTS = 1000
"""Frames a second of an AVI, at most; those that are not there take 24 bytes each."""


def first_time(times: Iterable[int | None], begin: int, usual: int) -> int:
    """The time of the first frame; if it has none, counted back from the first frame that has one.

    Args:
        times: of the first frames, in the order of showing, as the container has them.
        begin: ticks of what a player shows as time 0; a time that is counted back does not lie before it.
        usual: ticks that a frame lasts.
    """
    for number, time in enumerate(times):
        if time is not None:
            return max(begin, time - number * usual) if number else time
    return begin


class ExactTimes:
    """Give every frame a time of its own, from what the container says of each, in the order of showing.

    A missing time is the end of the frame before it. A time that does not lie after that of the frame
    before it, as it should, moves to one tick after it. If it lies further back than frames can be
    out of order, the clock of the source was set anew (two transport streams in one file): the frame
    follows the one before it, and so do all later ones, as they do in a player.

    Args:
        start: pts of the first frame if it has none.
        usual: ticks that a frame lasts unless it says so itself.
    """

    def __init__(self, start: int, usual: int) -> None:
        self._usual = usual
        self._expected = start
        self._last: int | None = None
        self._shift = 0

    def __call__(self, pts: int | None, duration: int | None) -> tuple[int, bool]:
        """The time of the next frame, in ticks, and whether it is another one than the container says."""
        time = self._expected if pts is None else pts + self._shift
        moved = self._last is not None and time <= self._last
        if self._last is not None and moved:
            if self._last - time > FARTHEST * self._usual:
                self._shift += self._expected - time
                time = self._expected
            else:
                time = self._last + 1
        self._last = time
        self._expected = time + (duration if duration and duration > 0 else self._usual)
        return time, moved


def last_length(pts: int, duration: int | None, usual: int, end: int | None) -> int:
    """Ticks for which the last frame is shown.

    In MP4 a frame has the duration of its place in the order of decoding, which with B-frames is another
    frame's; the end of the stream, where it is plausible, tells more.

    Args:
        pts: of the last frame.
        duration: what the container says of that frame, or None.
        usual: ticks that a frame lasts.
        end: pts at which the container says the stream ends, or None.
    """
    own = duration if duration and duration > 0 else usual
    plausible = end is not None and end > pts and end - pts <= own + max(own, usual)
    return end - pts if end is not None and plausible else own


@dataclass(frozen=True, slots=True)
class Order:
    """In which order packets are decoded and shown: what the decoding times of all depend on.

    Attributes:
        depth: places by which a packet may be decoded later than shown, at most (the reordering delay).
        head: the first pts in the order of decoding, `FARTHEST` of them, or all.
        tail: the last pts in the order of showing, ascending: `FARTHEST` + 2 of them, or all.
        first: pts of the packet that is shown first.
        last: pts of the packet that is decoded last.
        step: ticks of which all pts are multiples; 0 if all are 0.
        closest: ticks between the two frames that lie closest together; 0 if there is only one.
    """

    depth: int
    head: tuple[int, ...]
    tail: tuple[int, ...]
    first: int
    last: int
    step: int
    closest: int


def order_of(pts: Sequence[int]) -> Order:
    """The order of the packets of one segment.

    Args:
        pts: at least one, all different, in the order of decoding.

    Raises:
        ValueError: they are not all different.
    """
    shown = sorted(pts)
    if any(a == b for a, b in pairwise(shown)):
        raise ValueError("two frames share a time")
    return Order(
        depth=reorder_depth(pts),
        head=tuple(pts[:FARTHEST]),
        tail=tuple(shown[-FARTHEST - 2 :]),
        first=shown[0],
        last=pts[-1],
        step=gcd(*pts),
        closest=min((b - a for a, b in pairwise(shown)), default=0),
    )


def whole_order(orders: Iterable[Order]) -> Order:
    """The order of the packets of several segments, one after the other.

    Raises:
        ValueError: there is no segment, or one begins before the one before it ends.
    """
    whole: Order | None = None
    for order in orders:
        whole = _joined(whole, order) if whole else order
    if whole is None:
        raise ValueError("a stream without packets has no order")
    return whole


def _joined(one: Order, other: Order) -> Order:
    between = other.first - one.tail[-1]
    if between <= 0:
        raise ValueError("a segment begins before the one before it ends")
    return Order(
        depth=max(one.depth, other.depth),
        head=(*one.head, *other.head)[:FARTHEST],
        tail=(*one.tail, *other.tail)[-FARTHEST - 2 :],
        first=one.first,
        last=other.last,
        step=gcd(one.step, other.step),
        closest=min([between, *(gap for gap in (one.closest, other.closest) if gap)]),
    )


def reorder_depth(pts: Sequence[int]) -> int:
    """Places by which a packet is decoded later than shown, at most; `pts` are in decoding order."""
    shown = {time: place for place, time in enumerate(sorted(pts))}
    return max((place - shown[time] for place, time in enumerate(pts)), default=0)


class DecodingTimes:
    """Decoding times (dts) of a whole stream, given out segment by segment.

    They increase strictly, lie nowhere after the time of showing, and do not depend on where the stream
    is cut into segments: packet i is decoded when frame i − depth is shown. The first ones lie evenly
    before the first frame. MP4 stores the differences of decoding times only, and a player takes their
    sum for the length of the picture; so the last one is chosen such that it is that: it lies as far
    before the last frame as the first one before the first frame. (If the packet that is decoded last is
    not the one that is shown last, both need the duration of the last frame.)

    Args:
        order: of the whole stream.
        usual: ticks that a frame usually lasts.
    """

    def __init__(self, order: Order, usual: int) -> None:
        self._order = order
        self.delay = _delay(order, usual)
        """Ticks by which the first packet is decoded before the first frame is shown."""
        self._times: deque[int] = deque()
        self._begun = False

    def of(self, pts: Sequence[int]) -> list[int]:
        """The dts of the next segment's packets, whose pts are given in decoding order."""
        shown = sorted(pts)
        if shown and not self._begun:
            self._begun = True
            self._times.extend(_lead(self._order, self.delay))
        self._times.extend(shown)
        dts = [self._times.popleft() for _ in pts]
        if pts and pts[-1] == self._order.last:
            dts[-1] = self._order.tail[-1] - self.delay
        return dts


def _lead(order: Order, delay: int) -> list[int]:
    """The first decoding times, before the first frame is shown: evenly, but none of them too late.

    libavformat takes the least wait from decoding to showing, of all packets decoded before time 0, for the
    wait of the first one, and would show a movie that begins late too early. So none waits for less than
    `delay`.
    """
    depth, head = order.depth, order.head[: order.depth]
    lead = [order.first - delay + n * delay // depth for n in range(depth)]
    for n in range(len(head) - 1, 0, -1):
        lead[n] = min([lead[n], head[n] - delay, *(time - 1 for time in lead[n + 1 : n + 2])])
    for n in range(1, depth):
        lead[n] = max(lead[n], lead[n - 1] + 1)
    return lead


def _delay(order: Order, usual: int) -> int:
    """As long as `depth` usual frames, if the last packet can be decoded that much before the last frame.

    It must come after the packet before it, which is decoded when tail[−2 − depth] is shown, and not after
    its own time.
    """
    depth, tail = order.depth, order.tail
    if len(tail) < depth + 2:
        return tail[-1] - order.first if depth else 0
    least = max(depth, tail[-1] - order.last)
    most = tail[-1] - tail[-2 - depth] - 1
    return max(least, min(depth * usual, most))


def common_step(times: Iterable[Fraction]) -> Fraction:
    """The largest time of which all of these are multiples; 0 if all are 0."""
    step = Fraction(0)
    for time in times:
        scale = lcm(step.denominator, time.denominator)
        step = Fraction(gcd(int(step * scale), int(time * scale)), scale)
    return step


def is_chosen(rate: Fraction) -> bool:
    """Whether this looks like a rate that somebody chose, not like the mean of a variable one."""
    return 1 in {rate.denominator, (rate * 1001 / 1000).denominator}


def avi_rate(rate: Fraction, step: Fraction, closest: Fraction) -> Fraction:
    """The frame rate of an AVI, which has a rate instead of times: frame n is shown at n / rate.

    Args:
        rate: mean frame rate of the source.
        step: seconds of which all times are multiples (see `common_step`).
        closest: seconds between the two frames that lie closest together.

    Returns:
        The source's rate if that is constant but for rounding to milliseconds. Otherwise that of which all
        times are multiples, if it is not too high; frames that are not there leave gaps.
    """
    if is_chosen(rate) and closest + Fraction(1, 1000) >= 1 / rate:
        return rate
    return min(1 / step, Fraction(MOST_SLOTS)) if step else rate


def rounding_note(suffix: str, step: Fraction, slots: Fraction | None = None) -> str | None:
    """What to say of a container that cannot express the times of the frames; None if it can.

    Args:
        suffix: of the output's name.
        step: seconds of which all times in the output are multiples.
        slots: the rate of an AVI.
    """
    suffix = suffix.lower()
    if suffix == ".avi" and slots:
        lost, what = step * slots, f"AVI has a frame rate (here {float(slots):g}) instead of times"
    elif suffix in TICKS:
        lost, what = step / TICKS[suffix], STORED[suffix]
    else:
        return None
    return None if lost.denominator == 1 else f"{what}: the time of each frame is rounded, once."
