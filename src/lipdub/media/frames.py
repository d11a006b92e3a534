"""Decode pictures, in the order in which they are shown, with their exact times."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import TypeAlias

import av
import av.container
import av.error
import numpy as np
import numpy.typing as npt

from lipdub.errors import MediaError
from lipdub.media.planes import copy_frame
from lipdub.media.probe import VideoInfo, opened

Image: TypeAlias = npt.NDArray[np.uint8]

ANALYSIS_LONG_SIDE = 1920
"""Faces are looked for in a picture of at most this many pixels on its long side."""

log = logging.getLogger(__name__)


def read_frames(
    info: VideoInfo,
    start: Fraction | None = None,
    end: Fraction | None = None,
    still_length: Fraction | None = None,
) -> Iterator[av.VideoFrame]:
    """Decode the movie's frames in presentation order.

    A frame without a presentation time gets the time at which the frame before it ends. A frame
    that cannot be decoded ends the movie with a warning, as it does in a player, unless it is the
    first one.

    Args:
        info: the probed movie.
        start: seconds as a player shows them; frames before it are left out.
        end: seconds; frames at or after it are left out.
        still_length: seconds for which a still picture is shown.

    Raises:
        MediaError: nothing can be decoded.
    """
    frames = _still_frames(info, still_length or 1 / info.rate) if info.still else _movie_frames(info, start)
    for frame in frames:
        seconds = info.seconds(frame.pts)
        if end is not None and seconds >= end:
            return
        if start is None or seconds >= start:
            yield frame


def read_frame_at(info: VideoInfo, pts: int) -> av.VideoFrame:
    """Decode the one frame with this pts, or the last one before it.

    Raises:
        MediaError: there is no such frame.
    """
    frame = None
    for candidate in read_frames(info, start=None) if info.still else _movie_frames(info, info.seconds(pts)):
        if candidate.pts > pts and frame is not None:
            break
        frame = candidate
        if info.still or candidate.pts >= pts:
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


def _still_frames(info: VideoInfo, length: Fraction) -> Iterator[av.VideoFrame]:
    with opened(info.path) as container:
        picture = next(iter(container.decode(container.streams[info.index])))
    for pts in range(max(1, -(-length // info.time_base))):
        frame = copy_frame(picture)
        frame.pts, frame.time_base = pts, info.time_base
        yield frame


def _movie_frames(info: VideoInfo, start: Fraction | None) -> Iterator[av.VideoFrame]:
    with opened(info.path) as container:
        stream = container.streams[info.index]
        stream.thread_type = "AUTO"
        if start is not None:
            _seek(container, info, start)
        expected = info.start
        for frame in _decoded(container, stream, info):
            if frame.pts is None:
                frame.pts = expected
            expected = frame.pts + (frame.duration or max(1, round(1 / (info.rate * info.time_base))))
            yield frame


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream, info: VideoInfo
) -> Iterator[av.VideoFrame]:
    count = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            log.warning("%s: a damaged packet after %d frames was left out.", info.path, count)
            continue
        for frame in frames:
            count += 1
            yield frame
    if not count:
        raise MediaError(f"{info.path}: no frame could be decoded.")


def _seek(container: av.container.InputContainer, info: VideoInfo, start: Fraction) -> None:
    target = int((start + info.origin) / info.time_base)
    try:
        container.seek(max(target, info.start), stream=container.streams[info.index], backward=True)
    except av.error.FFmpegError:
        log.info("%s cannot be searched; reading from its beginning.", info.path)
