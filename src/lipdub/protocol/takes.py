"""A video as an evaluation uses it: one face, where it is in each frame, and when that is shown."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from lipdub.errors import MediaError
from lipdub.evaluation.views import FIXED, SIDE, Views, nearest, view_of
from lipdub.faces.analyse import analyse
from lipdub.faces.crop import Box, from_crop, to_crop
from lipdub.faces.detect import FaceLandmarker
from lipdub.faces.track import Track
from lipdub.media.frames import Image, read_frames, upright_image
from lipdub.media.planes import pts_of
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.progress import Progress, silent

MOST_SECONDS = Fraction(60)
"""No more of a video is measured: all its views are in memory, 4 MB a second at 25 fps."""
NEARLY = 0.99
"""Of the time that its last frame is shown, what still belongs to a video; the rest is rounding."""
FEWEST_FRAMES = 10
"""A clip of fewer tells nothing."""


@dataclass(frozen=True, slots=True)
class Take:
    """The frames of a video in which its largest face is seen.

    Attributes:
        info: the video.
        track: of the face, with its frames.
        boxes: [n, 5], the crop in each frame, in pixels of the upright picture.
        outlines: [n, 24, 2], landmarks kept of the face, in fractions of the crop.
        seconds: [n], when the frames are shown.
    """

    info: VideoInfo
    track: Track
    boxes: Box
    outlines: npt.NDArray[np.float64]
    seconds: npt.NDArray[np.float64]

    @property
    def pts(self) -> npt.NDArray[np.int64]:
        """[n], of the frames."""
        return self.track.pts[: len(self.seconds)]

    def until(self, seconds: float) -> "Take":
        """The same, up to a time."""
        count = int(np.searchsorted(self.seconds, seconds))
        return replace(
            self, boxes=self.boxes[:count], outlines=self.outlines[:count], seconds=self.seconds[:count]
        )


def take_of(path: Path, landmarker: FaceLandmarker, progress: Progress = silent) -> Take:
    """Find the face of a video that fills most of it.

    Videos of 224×224 pixels are taken to be framed as VoxCeleb2 is, and their crop is the paper's; of others
    it is measured, as `lipdub sync` does.

    Raises:
        MediaError: it is no video, or shows no face.
    """
    info = probe_video(path)
    if info.still:
        raise MediaError(f"{path} is a picture; an evaluation needs videos.")
    tracks = analyse(info, landmarker, end=MOST_SECONDS, progress=progress).tracks
    if not tracks:
        raise MediaError(f"{path} shows no face; leave it out of the list.")
    track = max(tracks, key=lambda track: track.weight)
    boxes, outlines = track.boxes, np.asarray(track.faces["points"], np.float64)
    if info.geometry.upright_size == (SIDE, SIDE):
        outlines = np.stack([to_crop(from_crop(o, b), FIXED) for o, b in zip(outlines, boxes, strict=True)])
        boxes = np.tile(FIXED, (len(boxes), 1))
    seconds = np.array([float(info.seconds(pts)) for pts in track.pts.tolist()])
    return Take(info, track, boxes, outlines, seconds)


def frames_of(take: Take) -> Iterator[av.VideoFrame]:
    """The frames of a take, decoded."""
    wanted = set(take.pts.tolist())
    for frame in read_frames(take.info, end=MOST_SECONDS):
        if pts_of(frame) in wanted:
            yield frame


def views_of(take: Take) -> Views:
    """The face in all frames of a take: [n, 224, 224, 3]."""
    pairs = zip(frames_of(take), take.boxes, strict=True)
    return np.stack([viewed(frame, take.info, box) for frame, box in pairs])


def viewed(frame: av.VideoFrame, info: VideoInfo, box: Box) -> Image:
    """The view [224, 224, 3] of a box of the upright picture of a frame."""
    image = upright_image(frame, info)
    scale = image.shape[0] / info.geometry.upright_size[1]
    return view_of(image, box * [scale, scale, scale, scale, 1])


def views_in(path: Path, take: Take) -> Views:
    """The face of a take in another video of the same picture, at the same times.

    Returns:
        [m, 224, 224, 3], m at most n, where the other video ends earlier.

    Raises:
        MediaError: it is no video, of another shape, or too short.
    """
    info = probe_video(path)
    own, other = (each.geometry.upright_size for each in (take.info, info))
    if abs(other[0] * own[1] - other[1] * own[0]) > max(own) + max(other):
        raise MediaError(
            f"{path} has {other[0]}x{other[1]} pixels, and is no other version of {take.info.path},"
            f" which has {own[0]}x{own[1]}."
        )
    scale = other[1] / own[1]
    times = np.array([float(info.seconds(pts_of(f))) for f in read_frames(info, end=MOST_SECONDS)])
    shown = take.seconds[take.seconds < times[-1] + NEARLY / float(info.rate)]
    if len(shown) < FEWEST_FRAMES:
        raise MediaError(f"{path} ends too early to be measured beside {take.info.path}.")
    boxes = take.boxes[: len(shown)] * [scale, scale, scale, scale, 1]
    chosen = nearest(times, shown)
    views = np.empty((len(shown), SIDE, SIDE, 3), np.uint8)
    for number, frame in enumerate(read_frames(info, end=MOST_SECONDS)):  # again: too many to be kept
        for i in np.flatnonzero(chosen == number):
            views[i] = viewed(frame, info, boxes[i])
    return views
