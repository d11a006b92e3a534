"""Times of a container and its streams, exactly, from what libavformat tells of them."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice

import av
import av.container
import av.error
import av.stream

from lipdub.media.timing import FARTHEST

# Containers without an absolute timeline: their first timestamp is what a player shows as time 0.
FLOATING_FORMATS = frozenset({"mpegts", "mpeg", "rm", "asf", "mp3"})

# Containers whose duration counts from time 0, wherever their streams begin.
_ENDS_ONLY = frozenset({"matroska,webm"})

# Containers that store decoding times only; libavformat's guess of the others is wrong with B-frames.
_DECODING_TIMES = frozenset({"avi"})


def time_base_of(stream: av.stream.Stream) -> Fraction:
    """Seconds of a tick; what MPEG has where nothing is said."""
    return Fraction(stream.time_base or Fraction(1, 90_000))


def duration_of(container: av.container.InputContainer, stream: av.stream.Stream) -> Fraction | None:
    """Seconds that a stream lasts, by its own word or by its container's; None if neither says."""
    if stream.duration:
        return Fraction(stream.duration * time_base_of(stream))
    if not container.duration:
        return None
    late = (stream.start_time or 0) * time_base_of(stream) if container.format.name in _ENDS_ONLY else 0
    length = Fraction(container.duration, av.time_base) - late
    return length if length > 0 else None


def end_of(stream: av.VideoStream) -> int | None:
    """The pts at which the last frame ends, if the stream says it itself."""
    return (stream.start_time or 0) + stream.duration if stream.duration else None


def origin_of(container: av.container.InputContainer) -> Fraction:
    """The first time in the container, exactly: libavformat rounds it to microseconds."""
    if container.format.name not in FLOATING_FORMATS or container.start_time is None:
        return Fraction(0)
    rounded = Fraction(container.start_time, av.time_base)
    starts = [s.start_time * time_base_of(s) for s in container.streams if s.start_time is not None]
    exact = min(starts, key=lambda start: abs(start - rounded), default=rounded)
    return Fraction(exact) if abs(exact - rounded) * av.time_base < 1 else rounded


def first_times(
    first: av.VideoFrame, container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[int | None]:
    """Presentation times of the first frames, of which the very first is decoded already."""
    yield shown_at(first, container.format.name)
    with suppress(av.error.FFmpegError):  # damage further on is no concern of a probe
        for frame in islice(container.decode(stream), FARTHEST):
            yield shown_at(frame, container.format.name)


def shown_at(frame: av.VideoFrame, container: str) -> int | None:
    """The presentation time of a decoded frame, if the container (libavformat's name) tells."""
    if container in _DECODING_TIMES:
        return frame.dts  # of the packet that set the frame free: what players go by
    return frame.pts
