"""Which field of an interlaced picture comes first: PyAV shows and sets it through filters only."""

from enum import IntEnum
from fractions import Fraction

import av
import av.error
import av.filter


class FieldOrder(IntEnum):
    """Which field is shown first, by the numbers of libavcodec; the order in the stream is the same."""

    PROGRESSIVE = 1
    TOP = 2
    BOTTOM = 3


SILENT_ABOUT_FIELDS = frozenset(
    {"hevc", "vp9", "av1", "vp8", "rawvideo", "v210", "huffyuv", "utvideo", "magicyuv"}
)
"""Codecs whose decoded frames do not say that they are interlaced: their container, or nobody, does."""

_ANY_TIME_BASE = Fraction(1, 1000)

# libavcodec's other orders, in which the field shown first is not the first in the stream.
_SWAPPED = {4: FieldOrder.BOTTOM, 5: FieldOrder.TOP}


def field_order(frame: av.VideoFrame, said: int) -> FieldOrder:
    """The order of a frame's fields.

    Args:
        frame: what it says itself is believed.
        said: what the container says, as libavcodec's number, where the frame says nothing.
    """
    if frame.interlaced_frame:
        return FieldOrder.TOP if top_first(frame) else FieldOrder.BOTTOM
    if said in {FieldOrder.TOP, FieldOrder.BOTTOM}:
        return FieldOrder(said)
    return _SWAPPED.get(said, FieldOrder.PROGRESSIVE)


def top_first(frame: av.VideoFrame) -> bool:
    """Whether the frame says that its top field comes first."""
    return _filtered(frame, "select", r"expr=eq(interlace_type\,TOPFIRST)") is not None


def with_fields(frame: av.VideoFrame, order: FieldOrder) -> av.VideoFrame:
    """The same picture, in the same memory, that says it is of two fields in this order."""
    mode = {FieldOrder.TOP: "tff", FieldOrder.BOTTOM: "bff", FieldOrder.PROGRESSIVE: "prog"}[order]
    result = _filtered(frame, "setfield", f"mode={mode}")
    assert result is not None
    result.pts, result.duration = frame.pts, frame.duration
    if frame.time_base:
        result.time_base = frame.time_base
    return result


def as_in(frame: av.VideoFrame, source: av.VideoFrame) -> av.VideoFrame:
    """The frame, which was made of `source`, with the same fields."""
    if not source.interlaced_frame or frame.interlaced_frame:
        return frame
    return with_fields(frame, field_order(source, FieldOrder.PROGRESSIVE))


def _filtered(frame: av.VideoFrame, name: str, arguments: str) -> av.VideoFrame | None:
    graph = av.filter.Graph()
    begin = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or _ANY_TIME_BASE,
    )
    middle, end = graph.add(name, arguments), graph.add("buffersink")
    begin.link_to(middle)
    middle.link_to(end)
    graph.configure()
    begin.push(frame)
    begin.push(None)
    try:
        result = end.pull()
    except (av.error.BlockingIOError, av.error.EOFError):
        return None
    assert isinstance(result, av.VideoFrame)
    return result
