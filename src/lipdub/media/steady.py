"""What a damaged or joined movie does in the middle: frames of another size, times that cannot be."""

import logging
from functools import lru_cache
from pathlib import Path

import av

from lipdub.media.probe import VideoInfo

log = logging.getLogger(__name__)


def as_first(frame: av.VideoFrame, info: VideoInfo) -> av.VideoFrame:
    """The frame in the size and pixel format of the movie's first one, scaled as a player would.

    A recording that changes from 4:3 to 16:9, two clips joined without encoding them anew, or a damaged header
    give frames that the output, which has one size, cannot hold as they are. A warning says so once.
    """
    width, height = info.geometry.width, info.geometry.height
    if (frame.width, frame.height, frame.format.name) == (width, height, info.pix_fmt):
        return frame
    _tell_change(
        info.path, f"{frame.width}×{frame.height} {frame.format.name}", f"{width}×{height} {info.pix_fmt}"
    )
    fitted = frame.reformat(width=width, height=height, format=info.pix_fmt, threads=1)
    fitted.pts, fitted.time_base, fitted.duration = frame.pts, frame.time_base, frame.duration
    return fitted


@lru_cache(maxsize=64)
def _tell_change(path: Path, now: str, first: str) -> None:
    """Say it once, though a movie is read twice."""
    log.warning("%s has frames of %s beside those of %s; they are scaled to the latter.", path, now, first)
