"""Packets of several files in the order of their decoding times, written by one thread.

ffmpeg reads each of its inputs in a thread of its own, and libavformat's muxers do not wait longer than 10 s
of movie for a stream that is sparse or has ended: the order of packets in a file then depends on which thread
was faster (eight runs gave eight files). Here one packet of each file waits at a time. The order, and with it
every byte, follows from the inputs alone, and memory does not grow.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import av
import av.container
import av.error
import av.stream
from av.format import Flags as FormatFlags

from lipdub.disk import disk_full, is_full
from lipdub.errors import RenderError

if TYPE_CHECKING:
    Packet: TypeAlias = av.Packet[Any]
else:
    Packet = av.Packet

INTERLEAVING = {"max_interleave_delta": "1000000", "max_delay": "700000", "preload": "500000"}
"""Options of muxers, in microseconds. They wait a second for a sparse stream, since what they are given is in
order already (10 s of ProRes in Ultra HD would be 2 GB); the delays of MPEG-TS are those of ffmpeg's own."""

_DAY = 86_400
_LONG_SUBTITLE = 10
"""Seconds for which a bitmap subtitle stands whose end the source does not know: it says 49 days then."""

_EQUAL_TIMES: Any = FormatFlags.ts_nonstrict.value
"""Flag of formats that accept equal decoding times."""

_TURNS = Fraction(1, 10**9)
"""Unit, in seconds, in which times of different files are compared."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Times in one unit, moved, in another: rounded once, to the nearest, halves away from 0, like libavutil.

    Whole numbers only, since a long movie needs millions.
    """

    slope: int
    offset: int
    divisor: int

    @classmethod
    def between(cls, base: Fraction, goal: Fraction, shift: Fraction = Fraction(0)) -> "Scale":
        """From ticks of `base` seconds to ticks of `goal` seconds, `shift` seconds later."""
        slope, offset = base / goal, shift / goal
        divisor = lcm(slope.denominator, offset.denominator)
        return cls(int(slope * divisor), int(offset * divisor), divisor)

    def __call__(self, time: int) -> int:
        """The time in the other unit."""
        exact = time * self.slope + self.offset
        size = (2 * abs(exact) + self.divisor) // (2 * self.divisor)
        return size if exact >= 0 else -size


class Lane:
    """The way of one stream into the output.

    Args:
        target: stream of the output.
        shift: seconds added to its times.
        end: seconds, after the shift, from which on packets are dropped.
        change: makes another packet of a packet, or None if nothing comes of it.
    """

    def __init__(
        self,
        target: av.stream.Stream,
        shift: Fraction = Fraction(0),
        end: Fraction | None = None,
        change: Callable[[Packet], Packet | None] | None = None,
    ) -> None:
        self.target = target
        self.shift = shift
        self._end = end
        self._change = change
        self._last: int | None = None
        self._goal: Fraction | None = None
        self._times = self._lengths = Scale(1, 0, 1)
        self._longest = 0

    def taken(self, packet: Packet) -> Packet | None:
        """What becomes of a packet; None if it stays behind."""
        if self._end is not None and self.shift + Fraction(packet.time_base) * (packet.pts or 0) >= self._end:
            return None
        return self._change(packet) if self._change else packet

    def place(self, packet: Packet, strict: bool) -> None:
        """Give a packet its stream and times in the output; `strict`: no two may have one decoding time."""
        if self._goal is None:
            base = Fraction(packet.time_base)
            self._goal = Fraction(self.target.time_base or base)
            self._times = Scale.between(base, self._goal, self.shift)
            self._lengths = Scale.between(base, self._goal)
            self._longest = int(_DAY / self._goal)
        pts = None if packet.pts is None else self._times(packet.pts)
        dts = None if packet.dts is None else self._times(packet.dts)
        length = self._lengths(packet.duration or 0)
        packet.duration = length if length < self._longest else int(_LONG_SUBTITLE / self._goal)
        packet.pts, packet.dts = self._in_order(pts, dts, strict)
        packet.time_base = self._goal
        packet.stream = self.target

    def _in_order(self, pts: int | None, dts: int | None, strict: bool) -> tuple[int | None, int | None]:
        """Times that muxers accept: decoding times grow, and nothing is shown before it is decoded."""
        least = None if self._last is None else self._last + strict
        if dts is None:
            dts = pts if least is None else least if pts is None else min(pts, least)
        if dts is None:
            return pts, dts
        if least is not None:
            dts = max(dts, least)
        self._last = dts
        return dts if pts is None else max(pts, dts), dts


Turn: TypeAlias = tuple[int, Packet, Lane]
"""When a packet is due, in parts of `_TURNS`, and its way."""


def copied(
    container: av.container.InputContainer,
    lanes: Mapping[int, Lane],
    damaged: Callable[[Fraction], None] | None = None,
) -> Iterator[Turn]:
    """The packets of those streams of a file that have a lane, by index, as they come.

    Args:
        container: the file.
        lanes: ways into the output, by index of the stream.
        damaged: told the time, in seconds, after which nothing can be read any more; the streams end there.
            If there is none, that is an error of libavformat's.
    """
    for stream in container.streams:
        if stream.index not in lanes:
            stream.discard = av.stream.Discard.all
    scales = {
        index: Scale.between(Fraction(container.streams[index].time_base or 1), _TURNS, lane.shift)
        for index, lane in lanes.items()
    }
    turn = 0
    for packet in _readable(container.demux([container.streams[index] for index in lanes]), damaged):
        time = packet.pts if packet.dts is None else packet.dts
        if time is None and not packet.size:
            continue  # the mark of the end
        lane = lanes[packet.stream_index]
        turn = turn if time is None else scales[packet.stream_index](time)
        taken = lane.taken(packet)
        if taken is not None:
            yield turn, taken, lane


def timed(packets: Iterable[Packet], time_base: Fraction, lane: Lane) -> Iterator[Turn]:
    """Packets that have both their times, in units of `time_base`."""
    scale = Scale.between(time_base, _TURNS, lane.shift)
    for packet in packets:
        yield scale(packet.dts or 0), packet, lane


def encoded(container: av.container.InputContainer, lane: Lane) -> Iterator[Turn]:
    """The sound of a file, encoded while it is asked for."""
    target: Any = lane.target
    for frame in _with_end(container.decode(container.streams.audio[0])):
        for packet in target.encode(frame):
            turn = Scale.between(Fraction(packet.time_base), _TURNS)(packet.dts or 0)
            yield turn, packet, lane


def write(
    output: av.container.OutputContainer, sources: Iterable[Iterator[Turn]], told: Callable[[int], None]
) -> None:
    """Write all packets; at equal times, those of the first source come first.

    Args:
        output: its streams are there, its header is not written.
        sources: packets, each source's in the order of its file.
        told: called with the time of each packet, in whole seconds.

    Raises:
        RenderError: the muxer refuses, or the disk is full.
    """
    try:
        output.start_encoding()
    except (av.error.FFmpegError, OSError, ValueError) as exc:
        raise write_error(exc, _path_of(output)) from exc
    strict = not output.format.flags & _EQUAL_TIMES
    for turn, packet, lane in heapq.merge(*sources, key=_due):
        lane.place(packet, strict)
        try:
            output.mux_one(packet)
        except (av.error.FFmpegError, OSError, ValueError) as exc:
            raise write_error(exc, _path_of(output)) from exc
        told(turn // _TURNS.denominator)


def write_error(exc: Exception, path: Path) -> RenderError:
    """What to say of an error while writing the output."""
    if is_full(exc):
        return disk_full(path.parent)
    return RenderError(f"the output could not be put together ({getattr(exc, 'strerror', None) or exc}).")


def _path_of(output: av.container.OutputContainer) -> Path:
    return Path(output.name.removeprefix("file:"))


def _readable(packets: Iterator[Packet], damaged: Callable[[Fraction], None] | None) -> Iterator[Packet]:
    """Packets up to the first that cannot be read."""
    seconds = Fraction(0)
    try:
        for packet in packets:
            if packet.dts is not None:
                seconds = packet.dts * packet.time_base
            yield packet
    except av.error.FFmpegError:
        if damaged is None:
            raise
        damaged(seconds)


def _due(turn: Turn) -> int:
    return turn[0]


def _with_end(frames: Iterator[av.AudioFrame]) -> Iterator[av.AudioFrame | None]:
    """Frames, and None, which empties an encoder."""
    yield from frames
    yield None
