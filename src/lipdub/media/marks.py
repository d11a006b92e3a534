"""Go on in the middle of a movie, at a frame that was seen before."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from lipdub.errors import MediaError
from lipdub.media.frames import read_timed
from lipdub.media.planes import as_planar, layout, plane_views, pts_of
from lipdub.media.probe import VideoInfo


@dataclass(frozen=True, slots=True)
class Mark:
    """A frame by which a place in a movie is known: its pts, and the checksum of its samples."""

    pts: int
    check: int


def checksum(frame: av.VideoFrame) -> int:
    """CRC-32 of the samples that are shown."""
    frame = as_planar(frame)
    value = 0
    for plane in plane_views(frame, layout(frame.format.name)):
        value = zlib.crc32(np.ascontiguousarray(plane).data, value)
    return value


def read_after(
    info: VideoInfo, mark: Mark, still_length: Fraction | None = None
) -> Iterator[tuple[av.VideoFrame, bool]]:
    """The frames after a known one, as `read_timed` gives them when it reads from the beginning.

    A search in a movie can land anywhere, and decoders can begin with frames that lack what they refer to.
    So the known frame is looked for, and must be the same to the last bit; if it is not, the movie is
    decoded from its beginning.

    Raises:
        MediaError: the frame is not in the movie.
    """
    for start in (info.seconds(mark.pts), None):
        frames = read_timed(info, start, still_length=still_length)
        for frame, _ in frames:
            if pts_of(frame) >= mark.pts:
                break
        else:
            continue
        if pts_of(frame) == mark.pts and checksum(frame) == mark.check:
            return frames
    at = float(info.seconds(mark.pts))
    raise MediaError(f"{info.path} does not show the frame at {at:.3f} s that it showed before; add --fresh.")
