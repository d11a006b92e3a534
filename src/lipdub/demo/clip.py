"""A moving clip from a still portrait: where a slow camera looks, and what it sees there.

The camera starts with the whole figure and goes up to the face; it sways and tilts a little all the while, so
that following a face, cropping it and pasting it back have something to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import cos, exp, log, pi, radians, sin
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
import numpy.typing as npt

from lipdub.disk import disk_full, is_full
from lipdub.errors import RenderError
from lipdub.media.colour import BT709, LIMITED_RANGE
from lipdub.media.geometry import Affine, compose
from lipdub.progress import Progress, Step, silent

RATE = 25
SIZE = 640
"""Width and height of the clip: the face is 170 to 230 pixels high, not far from what the network paints."""


@dataclass(frozen=True, slots=True)
class View:
    """What the camera sees: a square around `x`, `y`, of `side` portrait pixels, tilted by `roll` radians."""

    x: float
    y: float
    side: float
    roll: float


# Of the portrait, 512 pixels square, whose face is 114 pixels high and has its middle at (224, 117).
FIRST = View(238.0, 236.0, 440.0, 0.0)
LAST = View(226.0, 169.0, 320.0, 0.0)
# Amplitude and period in seconds. A hand moves a camera on a tripod like this; no period is a multiple of
# another, so that it never looks like a machine.
SWAY_X = 3.0, 4.7
SWAY_Y = 2.0, 3.1
TILT = radians(1.2), 5.3
FINER = 4
"""The portrait is enlarged so many times, once, and the camera looks at that: OpenCV places samples on a grid
of 1/32 pixel, which is then 1/128 of the portrait's, and a slow movement does not go in steps."""
OPTIONS = {"preset": "medium", "crf": "10"}
"""Nothing is lost that an eye could see, in a profile that every player knows (lossless is another one)."""


def view_at(seconds: float, length: float) -> View:
    """What the camera sees at a time of a clip.

    Args:
        seconds: 0 to `length`.
        length: of the clip, in seconds.
    """
    way = (1 - cos(pi * seconds / length)) / 2  # it sets out and arrives at rest
    return View(
        x=FIRST.x + way * (LAST.x - FIRST.x) + _swing(seconds, *SWAY_X),
        y=FIRST.y + way * (LAST.y - FIRST.y) + _swing(seconds, *SWAY_Y),
        side=FIRST.side * exp(way * log(LAST.side / FIRST.side)),  # evenly to the eye
        roll=_swing(seconds, *TILT),
    )


def to_portrait(view: View, size: int = SIZE) -> Affine:
    """The map from a pixel of the clip, which is `size` pixels wide, to its place in the portrait."""
    scale, middle = view.side / size, (size - 1) / 2
    a, b = scale * cos(view.roll), scale * sin(view.roll)
    return np.array([[a, -b, view.x - (a - b) * middle], [b, a, view.y - (a + b) * middle]])


def enlarged(portrait: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The portrait `FINER` times as large, [4H, 4W, 3]: what `picture` looks at."""
    height, width = portrait.shape[:2]
    fine = cv2.resize(portrait, (width * FINER, height * FINER), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine, np.uint8)


def picture(fine: npt.NDArray[np.uint8], view: View, size: int = SIZE) -> npt.NDArray[np.uint8]:
    """What the camera sees, [size, size, 3].

    No average is taken where it shrinks the enlarged portrait: that has nothing finer than its own pixels.
    """
    offset = (FINER - 1) / 2  # pixel centres are at integers: a pixel's first part lies left of its centre
    to_fine = compose(np.array([[FINER, 0, offset], [0, FINER, offset]]), to_portrait(view, size))
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(fine, to_fine, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.uint8)


def pictures(
    portrait: npt.NDArray[np.uint8], count: int, size: int = SIZE
) -> Iterator[npt.NDArray[np.uint8]]:
    """The `count` pictures of the clip, [size, size, 3] each."""
    fine, length = enlarged(portrait), count / RATE
    return (picture(fine, view_at(number / RATE, length), size) for number in range(count))


def write_clip(
    portrait: npt.NDArray[np.uint8], path: Path, count: int, size: int = SIZE, progress: Progress = silent
) -> None:
    """Write the clip: H.264 in MP4, BT.709, 25 frames a second, without sound.

    Args:
        portrait: RGB.
        path: where to; an MP4.
        count: of frames.
        size: width and height.
        progress: told after every frame.

    Raises:
        RenderError: it cannot be written, or the disk is full.
    """
    try:
        _write(pictures(portrait, count, size), path, count, size, progress)
    except (av.error.FFmpegError, OSError) as exc:
        if is_full(exc):
            raise disk_full(path.parent) from exc
        raise RenderError(f"{path}: the clip to dub cannot be written ({exc.strerror}).") from exc


def _write(
    images: Iterator[npt.NDArray[np.uint8]], path: Path, count: int, size: int, progress: Progress
) -> None:
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options=OPTIONS)
        stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
        context = stream.codec_context
        context.color_range, context.colorspace = LIMITED_RANGE, BT709
        context.color_primaries, context.color_trc = BT709, BT709
        context.thread_count = 1  # the same bytes on one machine: a demo that was stopped goes on
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED_RANGE
            )
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
            progress(Step("film", number + 1, count))
        container.mux(stream.encode(None))


def _swing(seconds: float, amplitude: float, period: float) -> float:
    return amplitude * sin(2 * pi * seconds / period)
