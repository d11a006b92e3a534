"""The pictures of clips: each face in the network's framing with a margin, as compressed files."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.dataset.cutting import Clip
from lipdub.dataset.options import PrepareOptions
from lipdub.faces.crop import Box
from lipdub.faces.paste import Canvas, take_crop
from lipdub.media.colour import colour_model
from lipdub.media.frames import read_frames
from lipdub.media.planes import Plane, as_planar, layout, planar_format, plane_views, pts_of
from lipdub.media.probe import VideoInfo

Picture: TypeAlias = npt.NDArray[np.uint8]
"""[S, S, 3] RGB."""

Made = TypeVar("Made")

QUALITY = 95
"""Of JPEG, 4:4:4. On 38 stored pictures: 44.7 dB, a quarter of PNG's bytes (`benchmarks/prepare.py`)."""
_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip


class Shown(NamedTuple):
    """A decoded frame that faces are taken from."""

    planes: list[Plane]
    canvas: Canvas

    def crop(self, box: Box, size: int) -> Picture:
        """What is in a box [5] of the upright picture, squeezed to [size, size, 3] RGB."""
        crop = take_crop(self.planes, self.canvas, box, size)
        return np.asarray(np.rint(np.clip((crop + 1) * 127.5, 0, 255)), np.uint8)


@dataclass(slots=True)
class Taken(Generic[Made]):
    """What was made of the pictures of one clip.

    Attributes:
        clip: whose they are.
        made: [n], of each frame.
    """

    clip: Clip
    made: list[Made] = field(default_factory=list)

    @property
    def next(self) -> int | None:
        """Pts of the frame that is wanted next; None if all are there."""
        done = len(self.made)
        return int(self.clip.track.pts[self.clip.rows[done]]) if done < len(self.clip.rows) else None


def take_pictures(
    info: VideoInfo, clips: Sequence[Clip], make: Callable[[Shown, Box], Made]
) -> Iterator[Taken[Made]]:
    """Read a movie once more and make something of each picture of its clips.

    Each clip is given when it is complete, whatever their order here; one of which a frame is not there any
    more is not given.

    Args:
        info: the movie.
        clips: its clips.
        make: gets a frame, and where the face is in it.

    Raises:
        MediaError: the movie cannot be decoded.
    """
    form = layout(planar_format(info.pix_fmt))
    canvas = Canvas(info.geometry, colour_model(form, info.colour, info.geometry.height))
    waiting, active = deque(sorted(clips, key=lambda clip: int(clip.pts[0]))), list[Taken[Made]]()
    for frame in read_frames(info, info.seconds(int(waiting[0].pts[0]))) if waiting else ():
        now = pts_of(frame)
        while waiting and waiting[0].pts[0] <= now:
            active.append(Taken(waiting.popleft()))
        wanted = [taken for taken in active if taken.next == now]
        if wanted:
            planar = as_planar(frame)
            shown = Shown(plane_views(planar, form), canvas)
            for taken in wanted:
                _take(taken, shown, make)
        yield from (taken for taken in active if taken.next is None)
        active = [taken for taken in active if taken.next is not None and taken.next > now]
        if not waiting and not active:
            return


def stored(options: PrepareOptions) -> Callable[[Shown, Box], bytes]:
    """What makes the files of a shard's pictures: the crop with its margin, compressed."""
    size = int(options.stored)
    return lambda shown, box: compressed(shown.crop(enlarged(box, options.margin), size), options.pictures)


def _take(taken: Taken[Made], shown: Shown, make: Callable[[Shown, Box], Made]) -> None:
    """Make something of the frame that is wanted next, as often as it is wanted."""
    here = taken.next
    made = make(shown, taken.clip.track.boxes[taken.clip.rows[len(taken.made)]])
    while taken.next == here:
        taken.made.append(made)


def enlarged(box: Box, margin: Fraction | float) -> Box:
    """A box [5] with `margin` of its width and height more on every side."""
    grown = box[2:4] * float(margin)
    return np.concatenate([box[:2] - grown, box[2:4] + 2 * grown, box[4:]])


def compressed(picture: Picture, suffix: str) -> bytes:
    """A picture [H, W, 3] RGB as a JPEG or PNG file."""
    done, file = cv2.imencode(f".{suffix}", picture[..., ::-1], _JPEG if suffix == "jpg" else [])
    assert done
    return file.tobytes()
