"""Segments as one picture stream, with times computed over all of it; no frame is encoded anew."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from lipdub.errors import RenderError
from lipdub.media.reading import opened
from lipdub.media.timing import DecodingTimes, Order, whole_order


@dataclass(frozen=True, slots=True)
class Segment:
    """A file as `SegmentWriter` makes it, and the order of its packets."""

    path: Path
    order: Order


@dataclass(frozen=True, slots=True)
class Joined:
    """A picture in segments.

    Attributes:
        segments: in order, all with one encoding; at least one.
        time_base: unit of their times, in seconds.
        usual: ticks that a frame usually lasts.
        length: ticks for which the last frame is shown.
    """

    segments: Sequence[Segment]
    time_base: Fraction
    usual: int
    length: int

    @property
    def order(self) -> Order:
        """The order of all packets.

        Raises:
            RenderError: the segments do not follow each other in time.
        """
        try:
            return whole_order(segment.order for segment in self.segments)
        except ValueError as exc:
            raise RenderError(f"the segments do not follow each other ({exc}); add --fresh.") from exc

    def packets(self) -> Iterator["av.Packet[Any]"]:
        """All packets, in the order of decoding, with both their times and their durations in `time_base`.

        Raises:
            RenderError: a segment is not what its order says.
        """
        order = self.order
        times = DecodingTimes(order, self.usual)
        ends = [segment.order.first for segment in self.segments[1:]]
        for segment, end in zip(self.segments, [*ends, order.tail[-1] + self.length], strict=True):
            pts = [_in_ticks(packet, self.time_base) for packet in _packets(segment.path)]
            following = dict(zip(sorted(pts), [*sorted(pts)[1:], end], strict=True))
            for packet, shown, decoded in zip(_packets(segment.path), pts, times.of(pts), strict=True):
                # MP4 takes the length of the picture from the packet that is decoded last.
                packet.duration = self.length if shown == order.last else following[shown] - shown
                packet.time_base = self.time_base
                packet.pts, packet.dts = shown, decoded
                yield packet


def _packets(path: Path) -> Iterator["av.Packet[Any]"]:
    """The packets of a segment; read twice rather than kept, since those of ProRes fill a gigabyte."""
    with opened(path) as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                yield packet


def _in_ticks(packet: "av.Packet[Any]", time_base: Fraction) -> int:
    ticks = Fraction(packet.pts or 0) * Fraction(packet.time_base or 0) / time_base
    if packet.pts is None or ticks.denominator != 1:
        raise RenderError("a segment has a time that the movie cannot have; please report this.")
    return int(ticks)
