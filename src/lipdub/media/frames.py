"""Decode pictures, in the order in which they are shown, with their exact times."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import av
import av.container
import av.error
import numpy as np
import numpy.typing as npt

from lipdub.errors import MediaError
from lipdub.media.clocks import shown_at
from lipdub.media.planes import copy_frame, pts_of
from lipdub.media.probe import VideoInfo
from lipdub.media.reading import opened
from lipdub.media.steady import Steady
from lipdub.media.timing import FARTHEST, ExactTimes

Image: TypeAlias = npt.NDArray[np.uint8]

ANALYSIS_LONG_SIDE = 4096
"""Faces are looked for in a picture of at most this many pixels on its long side."""

STEPS_BACK = (0, 1, 4, 16)
"""Seconds before the time looked for at which the search for a key frame begins, one after the other."""

DECODER_THREADS = 4
"""Each holds frames of its own; on a machine of many cores libav would start one a core."""

log = logging.getLogger(__name__)


def read_frames(
    info: VideoInfo,
    start: Fraction | None = None,
    end: Fraction | None = None,
    still_length: Fraction | None = None,
) -> Iterator[av.VideoFrame]:
    """Decode the movie's frames in presentation order, each with a time of its own.

    A frame without a presentation time gets the time at which the frame before it ends; one whose time does
    not lie after that of the frame before it moves by a tick (see `ExactTimes`). A frame that cannot be
    decoded ends the movie with a warning, as it does in a player, unless it is the first one.

    Args:
        info: the probed movie.
        start: seconds as a player shows them; frames before it are left out.
        end: seconds; frames at or after it are left out.
        still_length: seconds for which a still picture is shown.

    Raises:
        MediaError: nothing can be decoded.
    """
    for frame, _ in read_timed(info, start, end, still_length):
        yield frame


def read_timed(
    info: VideoInfo,
    start: Fraction | None = None,
    end: Fraction | None = None,
    still_length: Fraction | None = None,
) -> Iterator[tuple[av.VideoFrame, bool]]:
    """Like `read_frames`; tells with each frame whether its time is another one than the movie says."""
    frames = _still_frames(info, still_length or 1 / info.rate) if info.still else _movie_frames(info, start)
    for frame, moved in frames:
        seconds = info.seconds(pts_of(frame))
        if end is not None and seconds >= end:
            return
        if start is None or seconds >= start:
            yield frame, moved


def read_frame_at(info: VideoInfo, pts: int) -> av.VideoFrame:
    """Decode the one frame with this pts, or the last one before it.

    Raises:
        MediaError: there is no such frame.
    """
    frame = None
    frames = _still_frames(info, 1 / info.rate) if info.still else _movie_frames(info, info.seconds(pts))
    for candidate, _ in frames:
        if pts_of(candidate) > pts and frame is not None:
            break
        frame = candidate
        if info.still or pts_of(candidate) >= pts:
            break
    if frame is None:
        raise MediaError(f"{info.path} has no frame at {float(info.seconds(pts)):.3f} s.")
    return frame


def upright_image(frame: av.VideoFrame, info: VideoInfo) -> Image:
    """The frame as a viewer sees it, for looking at: [H, W, 3] RGB, 0–255.

    Turned upright, pixels square, and no longer than `ANALYSIS_LONG_SIDE`.
    """
    width, height = info.geometry.square_size
    scale = min(1.0, ANALYSIS_LONG_SIDE / max(width, height))
    image = frame.to_ndarray(
        format="rgb24",
        width=max(1, round(width * scale)),
        height=max(1, round(height * scale)),
        interpolation="AREA",
    )
    return np.ascontiguousarray(np.rot90(image, info.geometry.rotation // 90))


def _still_frames(info: VideoInfo, length: Fraction) -> Iterator[tuple[av.VideoFrame, bool]]:
    with opened(info.path) as container:
        picture = next(iter(container.decode(_stream(container, info))))
    for pts in range(max(1, -(-length // info.time_base))):
        frame = copy_frame(picture)
        frame.pts, frame.time_base, frame.duration = pts, info.time_base, 1
        yield frame, False


def _movie_frames(info: VideoInfo, start: Fraction | None) -> Iterator[tuple[av.VideoFrame, bool]]:
    """All frames, or those from some frame at or before `start` on."""
    if start is not None:
        with opened(info.path) as container:
            found = _searched(container, info, start)
            if found is not None:
                yield from _timed(found, info)
                return
    with opened(info.path) as container:
        frames = _decoded(container, info)
        first = next(frames, None)
        if first is None:
            raise MediaError(f"{info.path}: no frame could be decoded.")
        yield from _timed(chain([first], frames), info)


def _timed(frames: Iterator[av.VideoFrame], info: VideoInfo) -> Iterator[tuple[av.VideoFrame, bool]]:
    steady, clock = Steady(info), ExactTimes(info.start, usual_length(info))
    for frame in frames:
        time = shown_at(frame, info.container)
        kept = steady(frame, time)
        if kept is not None:
            kept.pts, moved = clock(time, kept.duration)
            yield kept, moved


def usual_length(info: VideoInfo) -> int:
    """Ticks that a frame usually lasts."""
    return max(1, round(1 / (info.rate * info.time_base)))


def _stream(container: av.container.InputContainer, info: VideoInfo) -> av.VideoStream:
    stream = container.streams[info.index]
    assert isinstance(stream, av.VideoStream)
    return stream


def _decoded(container: av.container.InputContainer, info: VideoInfo) -> Iterator[av.VideoFrame]:
    stream = _stream(container, info)
    if not stream.codec_context.is_open:
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = DECODER_THREADS
    count = damaged = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
            if damaged == 1:
                _tell_damage(info.path, count)
            continue
        for frame in frames:
            count += 1
            yield frame


@lru_cache(maxsize=64)
def _tell_damage(path: Path, count: int) -> None:
    """Say it once, though a movie is read twice."""
    log.warning("%s is damaged after %d frames; what cannot be decoded is left out.", path, count)


def _searched(
    container: av.container.InputContainer, info: VideoInfo, start: Fraction
) -> Iterator[av.VideoFrame] | None:
    """Frames from the last key frame at or before `start` on; None if they must be read from the beginning.

    Containers are searched by decoding times or not precisely at all, so a search may land too late. It aims
    earlier by as much as frames may be out of order: then times that had to move are the same as for a reader
    who came from the beginning.
    """
    target = int((start + info.origin) / info.time_base)
    for back in STEPS_BACK:
        place = target - round(back / info.time_base) - FARTHEST * usual_length(info)
        if place <= info.start:
            return None
        try:
            container.seek(place, stream=container.streams[info.index], backward=True)
        except av.error.FFmpegError:
            return None
        frames = _decoded(container, info)
        first = next(frames, None)
        time = shown_at(first, info.container) if first else None
        if first is not None and time is not None and time <= target:
            return chain([first], frames)
    return None
