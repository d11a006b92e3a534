"""The overlay as a movie: what was decided, frame by frame, with the sound that drives the lips."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import av.container
import av.error
import cv2
import numpy as np
import numpy.typing as npt

from lipdub.errors import OutputError, RenderError
from lipdub.media.frames import Image, read_frames, upright_image
from lipdub.media.planes import pts_of
from lipdub.media.probe import VideoInfo
from lipdub.outputs import publish, workspace
from lipdub.overlay import draw
from lipdub.plan import Plan
from lipdub.progress import Progress, Step, silent

LONG_SIDE = 1280
"""It is for looking at decisions: larger pictures only take longer."""
OPTIONS = {"preset": "veryfast", "crf": "23"}
SOUND_RATE, SOUND_STEP = 16_000, 1024


def write_debug_video(
    plan: Plan,
    info: VideoInfo,
    output: Path,
    *,
    start: Fraction | None = None,
    end: Fraction | None = None,
    pcm: npt.NDArray[np.int16] | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write the movie with the plan drawn over it; the times of the frames are the movie's.

    Args:
        plan: what changes.
        info: the movie.
        output: an MP4, MOV or MKV.
        start, end: seconds; only frames from start up to end are drawn.
        pcm: 16 kHz mono, the sound that drives the lips, heard with it.
        overwrite: replace a file of that name.
        progress: told after every frame.

    Returns:
        Its path; another one if that name was taken meanwhile.

    Raises:
        MediaError: nothing can be decoded.
        OutputError: it cannot be written.
        RenderError: it cannot be encoded, or the disk is full.
    """
    with workspace(output) as work:
        finished = work / f"debug{output.suffix}"
        try:
            _write(finished, _drawn(plan, info, start, end, progress), info, pcm)
        except av.error.FFmpegError as exc:
            raise RenderError(f"{output}: the debug video cannot be encoded ({exc.strerror}).") from exc
        return publish(finished, output, overwrite)


def _drawn(
    plan: Plan,
    info: VideoInfo,
    start: Fraction | None,
    end: Fraction | None,
    progress: Progress,
) -> Iterator[tuple[int, Image]]:
    for number, frame in enumerate(read_frames(info, start, end), start=1):
        image, scale = _small(upright_image(frame, info), info)
        yield pts_of(frame), draw(image, plan, pts_of(frame), scale)
        progress(Step("debug video", number, info.frames))


def _small(image: Image, info: VideoInfo) -> tuple[Image, float]:
    """The picture with even sides of at most `LONG_SIDE`, and its scale against the upright picture."""
    scale = min(1.0, LONG_SIDE / max(image.shape[:2]))
    width, height = (max(2, round(side * scale / 2) * 2) for side in image.shape[1::-1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), height / info.geometry.upright_size[1]


def _write(
    path: Path, pictures: Iterator[tuple[int, Image]], info: VideoInfo, pcm: npt.NDArray[np.int16] | None
) -> None:
    first = next(pictures, None)
    if first is None:
        raise OutputError(f"{info.path} has no frame there: no debug video was made.")
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=info.rate, options=OPTIONS)
        video.width, video.height, video.pix_fmt = first[1].shape[1], first[1].shape[0], "yuv420p"
        video.codec_context.time_base = info.time_base
        sound = _Sound(container, pcm) if pcm is not None else None
        for pts, image in chain([first], pictures):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = pts - round(info.origin / info.time_base), info.time_base
            container.mux(video.encode(frame))
            if sound:
                sound.up_to(info.seconds(pts))
        container.mux(video.encode(None))
        if sound:
            sound.finish()


class _Sound:
    """Sound that is written as far as the picture has come."""

    def __init__(self, container: av.container.OutputContainer, pcm: npt.NDArray[np.int16]) -> None:
        self._container, self._pcm, self._done = container, pcm, 0
        self._stream = container.add_stream("aac", rate=SOUND_RATE, layout="mono")

    def up_to(self, seconds: Fraction) -> None:
        """Write the samples before a time."""
        until = min(int(seconds * SOUND_RATE), len(self._pcm))
        while self._done < until:
            samples = np.array(self._pcm[self._done : self._done + SOUND_STEP]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.pts, frame.time_base = self._done, Fraction(1, SOUND_RATE)
            frame.sample_rate = SOUND_RATE
            self._container.mux(self._stream.encode(frame))
            self._done += samples.shape[1]

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))
