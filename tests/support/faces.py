"""Faces and pictures made by code: landmarks in a known place, noise in any format, a stand-in finder."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from lipdub.faces.crop import (
    CHIN,
    FOREHEAD,
    LOWER_LIP,
    RIGID_POINTS,
    UPPER_LIP,
    Box,
    Landmarks,
    framing_box,
    from_crop,
)
from lipdub.faces.detect import Face
from lipdub.faces.identity import MOUTH_CORNERS, NOSE_TIP
from lipdub.faces.paste import Canvas
from lipdub.media.colour_tags import Colour
from lipdub.media.geometry import Geometry
from lipdub.media.planes import layout, plane_views
from lipdub.media.probe import VideoInfo
from lipdub.render import canvas_of

FOOTAGE = Path(__file__).parents[3] / "shared" / "footage"
"""Real footage, where it lies beside the checkout; a fresh clone has none."""

MAGENTA = (255, 0, 255)


def landmarks_in(box: Box, aperture: float = 0.05) -> Landmarks:
    """478 landmarks of a face whose training framing is `box`; the lips are `aperture` face heights open."""
    box = np.pad(box, (0, 5 - len(box)))  # upright, if nothing else is said
    places = np.random.default_rng(478).random((478, 2))
    for landmark, place in RIGID_POINTS.items():
        places[landmark] = place
    places[CHIN] = 0.5, 1.0
    places[NOSE_TIP] = 0.5, 0.59
    places[list(MOUTH_CORNERS)] = (0.36, 0.76), (0.64, 0.76)
    height = places[CHIN, 1] - places[FOREHEAD, 1]
    places[UPPER_LIP] = 0.5, 0.76 - aperture * height / 2
    places[LOWER_LIP] = 0.5, 0.76 + aperture * height / 2
    return from_crop(places, box).astype(np.float32)


def face_in(box: Box, aperture: float = 0.05) -> Face:
    """A face whose training framing is `box` [x, y, width, height] or [..., roll]."""
    landmarks = landmarks_in(np.asarray(box, dtype=np.float64), aperture)
    return Face(landmarks, framing_box(landmarks))


def blank_image(width: int, height: int) -> NDArray[np.uint8]:
    """An RGB picture [height, width, 3] without a face."""
    return np.full((height, width, 3), 90, np.uint8)


def draw_face(image: NDArray[np.uint8], box: tuple[int, int, int, int]) -> None:
    """Paint what `BlobLandmarker` takes for a face."""
    x, y, width, height = box
    image[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = MAGENTA


class BlobLandmarker:
    """Stands in for MediaPipe: finds magenta rectangles, but none that is small in the picture it is given.

    Attributes:
        smallest: height of the smallest face it sees, as a share of the picture's short side.
        calls: how often it was asked.
    """

    def __init__(self, smallest: float = 0.2) -> None:
        self.smallest = smallest
        self.calls = 0
        self.detector = None

    def __call__(self, image: NDArray[np.uint8]) -> list[Face]:
        self.calls += 1
        mask = (image == MAGENTA).all(axis=-1).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        boxes = stats[1:, :4].astype(np.float64)
        return [face_in(box) for box in boxes if box[3] >= self.smallest * min(image.shape[:2])]


def movie_info(
    width: int = 64,
    height: int = 48,
    pix_fmt: str = "yuv420p",
    *,
    rotation: int = 0,
    aspect: Fraction = Fraction(1),
    time_base: Fraction = Fraction(1, 1000),
    rate: Fraction = Fraction(25),
    origin: Fraction = Fraction(0),
    path: Path = Path("movie.mp4"),
) -> VideoInfo:
    """What `probe_video` would say of a movie that need not exist."""
    return VideoInfo(
        path=path,
        container="mov,mp4,m4a,3gp,3g2,mj2",
        index=0,
        codec="h264",
        profile=None,
        pix_fmt=pix_fmt,
        geometry=Geometry(width, height, aspect, rotation),
        time_base=time_base,
        rate=rate,
        start=0,
        duration=None,
        frames=None,
        colour=Colour(),
        interlaced=False,
        origin=origin,
        still=False,
        streams=(),
    )


def noise_frame(info: VideoInfo, seed: int = 0, pts: int = 0) -> av.VideoFrame:
    """Random samples over the whole range of the format: most of them are colours that have no RGB."""
    frame = av.VideoFrame(info.geometry.width, info.geometry.height, info.pix_fmt)
    form = layout(info.pix_fmt)
    rng = np.random.default_rng(seed)
    for plane in plane_views(frame, form):
        plane[:] = rng.integers(0, 2**form.bits, plane.shape)
    frame.pts, frame.time_base = pts, info.time_base
    return frame


def noise_planes(info: VideoInfo, seed: int = 0) -> tuple[list[NDArray], Canvas]:
    """Planes of a `noise_frame` in memory of their own, and the canvas that goes with them."""
    views = plane_views(noise_frame(info, seed), layout(info.pix_fmt))
    return [view.copy() for view in views], canvas_of(info)


def smooth_planes(info: VideoInfo, detail: float, seed: int = 0) -> tuple[list[NDArray], Canvas]:
    """Like `noise_planes`, but blurred noise of middling brightness: colours that have an RGB."""
    rng = np.random.default_rng(seed)
    planes, canvas = noise_planes(info)
    for i, plane in enumerate(planes):
        peak = 2**canvas.colour.form.bits
        grey = i == 0 or canvas.colour.form.rgb
        rough = cv2.GaussianBlur(rng.standard_normal(plane.shape), (0, 0), detail / (1 if grey else 2))
        plane[:] = peak * (0.5 + (0.12 if grey else 0.05) * np.clip(rough / rough.std(), -2.5, 2.5))
    return planes, canvas


def psnr(a: NDArray, b: NDArray, peak: float) -> float:
    """Peak signal-to-noise ratio in dB."""
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(peak**2 / error))
