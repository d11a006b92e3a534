"""What damaged or joined movies do in the middle: frames of another size, times that cannot be."""

import logging
from functools import lru_cache
from pathlib import Path

import av

from lipdub.errors import MediaError
from lipdub.media.bounds import LONGEST_STILL
from lipdub.media.probe import VideoInfo

MOST_ASTRAY = 50
"""Frames in succession that are left out because their times are damaged."""

log = logging.getLogger(__name__)


class Steady:
    """Frames as they come, in the size and format of the movie's first one, with times that can be believed.

    Args:
        info: the probed movie.
    """

    def __init__(self, info: VideoInfo) -> None:
        self._info = info
        self._longest = int(LONGEST_STILL / info.time_base)
        self._last: int | None = None
        self._astray = 0

    def __call__(self, frame: av.VideoFrame, pts: int | None) -> av.VideoFrame | None:
        """The next frame; None, with a warning, if its time is hours after the one before.

        Args:
            frame: as decoded.
            pts: its time, as the container says it.

        Raises:
            MediaError: so many have such times that it is not a few that are damaged.
        """
        if pts is not None and self._last is not None and pts - self._last > self._longest:
            self._leave_out(pts)
            return None
        if frame.duration > self._longest:
            frame.duration = 0  # unknown
        if pts is not None:
            self._last, self._astray = pts, 0
        return as_first(frame, self._info)

    def _leave_out(self, pts: int) -> None:
        assert self._last is not None
        self._astray += 1
        before, after = (float(self._info.seconds(time)) for time in (self._last, pts))
        if self._astray > MOST_ASTRAY:
            raise MediaError(
                f"{self._info.path} shows nothing from {before:.0f} s to {after:.0f} s: its time stamps are"
                " damaged; export the movie again."
            )
        _tell_astray(self._info.path)


def as_first(frame: av.VideoFrame, info: VideoInfo) -> av.VideoFrame:
    """The frame in the size and pixel format of the movie's first one, scaled as a player would.

    A recording that changes from 4:3 to 16:9, two clips joined without encoding them anew, or a damaged
    header give frames that the output, which has one size, cannot hold as they are. A warning says so once.
    """
    width, height = info.geometry.width, info.geometry.height
    if (frame.width, frame.height, frame.format.name) == (width, height, info.pix_fmt):
        return frame
    now = f"{frame.width}×{frame.height} {frame.format.name}"
    _tell_change(info.path, now, f"{width}×{height} {info.pix_fmt}")
    fitted = frame.reformat(width=width, height=height, format=info.pix_fmt, threads=1)
    fitted.pts, fitted.time_base, fitted.duration = frame.pts, frame.time_base, frame.duration
    return fitted


@lru_cache(maxsize=64)
def _tell_astray(path: Path) -> None:
    """Say it once, though a movie is read twice."""
    log.warning("%s has frames whose time stamps are hours astray; they are left out.", path)


@lru_cache(maxsize=64)
def _tell_change(path: Path, now: str, first: str) -> None:
    """Say it once, though a movie is read twice."""
    log.warning("%s has frames of %s beside those of %s; they are scaled to the latter.", path, now, first)
