"""What is shown after the movie's end, where the sound goes on: its last frames, back and forth."""

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil
from typing import NamedTuple

import av

from lipdub.errors import MediaError
from lipdub.faces.shots import CutDetector
from lipdub.media.frames import read_timed, upright_image
from lipdub.media.marks import Mark, checksum
from lipdub.media.planes import copy_frame, frame_bytes, pts_of
from lipdub.media.probe import VideoInfo

LOOP_SECONDS = 2
"""How far back the picture goes: more looks less like a loop, but few shots stay quiet for longer."""
LOOP_BYTES = 256 << 20
"""Memory for the frames that are shown again."""


class Again(NamedTuple):
    """A frame that is shown again: its place in the loop, when, and for how many ticks."""

    place: int
    pts: int
    length: int


def last_frames(info: VideoInfo, last: Mark) -> list[av.VideoFrame]:
    """The last frames of the movie's last shot.

    Args:
        info: the movie.
        last: its last frame.

    Raises:
        MediaError: the frame is not in the movie any more.
    """
    size = frame_bytes(info.pix_fmt, info.geometry.width, info.geometry.height)
    most = max(1, LOOP_BYTES // size)
    begin = info.seconds(last.pts) - LOOP_SECONDS
    for start in (begin, None):
        frames = deque[av.VideoFrame](maxlen=most)
        for frame, _ in read_timed(info, start):
            if info.seconds(pts_of(frame)) >= begin:
                frames.append(copy_frame(frame))
            if pts_of(frame) >= last.pts:
                break
        if frames and pts_of(frames[-1]) == last.pts and checksum(frames[-1]) == last.check:
            return _last_shot(list(frames), info)
    raise MediaError(f"{info.path} does not end as it did before; add --fresh.")


def back_and_forth(pts: Sequence[int], end: int, until: int, usual: int) -> Iterator[Again]:
    """The frames of a loop, from its last but one backwards, and forwards again, and so on.

    Each is shown for as long as lies between it and the next one to come, so the movement keeps its speed.

    Args:
        pts: of the loop's frames, ascending.
        end: pts at which the last of them ends.
        until: pts at which the picture ends.
        usual: ticks for which the frame is shown again if there is but one.
    """
    place, step, now = len(pts) - 1, -1, end
    while now < until:
        if not 0 <= place + step < len(pts):
            step = -step
        place = max(0, min(place + step, len(pts) - 1))
        following = place + step if 0 <= place + step < len(pts) else place - step
        length = abs(pts[following] - pts[place]) if 0 <= following < len(pts) else usual
        yield Again(place, now, min(length, until - now))
        now += length


def _last_shot(frames: list[av.VideoFrame], info: VideoInfo) -> list[av.VideoFrame]:
    begins, is_cut = 0, CutDetector()
    for place, frame in enumerate(frames):
        if is_cut(upright_image(frame, info)):
            begins = place
    return frames[begins:]


def ticks_until(info: VideoInfo, seconds: Fraction) -> int:
    """The first pts at or after a time, as a player shows it."""
    return ceil((seconds + info.origin) / info.time_base)
