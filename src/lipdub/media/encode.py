"""Write pictures to a file with exactly their own times, colour tags and aspect."""

import os
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
import cv2
import numpy as np
from av.codec.context import Flags
from av.video.frame import PictureType

from lipdub.disk import disk_full, is_full
from lipdub.errors import RenderError
from lipdub.media.bounds import LONGEST_STILL
from lipdub.media.colour import BT709, LIMITED_RANGE
from lipdub.media.encoders import ENCODER_THREADS, INTERLACING
from lipdub.media.encoding import Encoding
from lipdub.media.fields import SILENT_ABOUT_FIELDS, as_in, with_fields
from lipdub.media.frames import usual_length
from lipdub.media.hdr import boxes_of
from lipdub.media.hdr_boxes import describe_picture
from lipdub.media.planes import as_planar, copy_frame, layout, planar_format, plane_views
from lipdub.media.priority import leave_real_time
from lipdub.media.probe import VideoInfo
from lipdub.media.reading import reason_of

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes errors only; it has no option for that

_CPU_AVX_512F = 13
"""OpenCV's number of it, for which its Python module has no name."""

LONGEST_DELAY = 16 * LONGEST_STILL
"""Seconds from the decoding to the showing of a frame that no encoder reaches: it holds back 16 at most."""


@dataclass(frozen=True, slots=True)
class Coded:
    """What a writer wrote.

    Attributes:
        pts: presentation times in the order in which the frames are decoded, in the movie's time base.
        length: ticks for which the last frame is shown.
    """

    pts: tuple[int, ...]
    length: int


class SegmentWriter:
    """Write frames to a file that stands for itself, with exactly their own times.

    Args:
        path: where to.
        info: the source.
        encoding: what was chosen for it.

    Raises:
        RenderError: the encoder refuses, or the disk is full.
    """

    def __init__(self, path: Path, info: VideoInfo, encoding: Encoding) -> None:
        self._path = path
        self._info = info
        self._encoding = encoding
        self._waiting: av.VideoFrame | None = None
        self._pts: list[int] = []
        self._length = 0
        self._open = True
        scale = str(exact_timescale(info.time_base))
        options = (
            {}
            if encoding.encoder.carrier == "nut"
            else {"video_track_timescale": scale, "movie_timescale": scale}
        )
        try:
            self._container = av.open(f"file:{path}", "w", format=encoding.encoder.carrier, options=options)
            stream = self._container.add_stream(encoding.encoder.name, rate=_sane_rate(info.rate))
            self._stream = cast("av.VideoStream", stream)
            self._set_up()
        except (av.error.FFmpegError, OSError, ValueError) as exc:
            if is_full(exc):
                raise disk_full(path.parent) from exc
            name = encoding.encoder.name
            raise RenderError(
                f"{info.path}: {name} cannot write pictures like these ({reason_of(exc)})."
            ) from exc

    def write(self, frame: av.VideoFrame) -> None:
        """Encode one frame; its pts must lie after the last one's."""
        self._length = frame.duration or usual_length(self._info)
        frame = self._fitted(frame)
        frame.pict_type = PictureType.NONE  # the source's choice of key frames is not the encoder's
        if self._waiting is not None:
            self._encode(self._waiting)
        self._waiting = frame

    def finish(self, *, last: bool) -> Coded:
        """Write what still waits, in here and in the encoder, and the file's index.

        Args:
            last: no frame of the picture follows. A key frame is the last to be decoded as it is the last
                to be shown, so that the picture can end exactly (see `lipdub.media.timing`).
        """
        if self._waiting is not None:
            if last:
                self._waiting.pict_type = PictureType.I
            self._encode(self._waiting)
            self._encode(None)
        self._open = False
        try:
            self._container.close()
        except (av.error.FFmpegError, OSError) as exc:
            raise self._error(exc) from exc
        if self._waiting is not None and self._info.hdr and self._encoding.encoder.carrier != "nut":
            describe_picture(self._path, boxes_of(self._info.hdr))
        return Coded(tuple(self._pts), self._length)

    def __enter__(self) -> "SegmentWriter":
        return self

    def __exit__(self, *exc: object) -> None:
        if self._open:
            self._open = False
            with suppress(av.error.FFmpegError, OSError, ValueError):  # the first error is what matters
                self._container.close()

    def _set_up(self) -> None:
        stream, info, encoding = self._stream, self._info, self._encoding
        stream.width, stream.height, stream.pix_fmt = encoding.width, encoding.height, encoding.pix_fmt
        stream.time_base = info.time_base
        context = stream.codec_context
        context.time_base = info.time_base
        context.sample_aspect_ratio = info.geometry.sample_aspect
        context.options = _repeatable(encoding)
        context.thread_count = ENCODER_THREADS
        context.flags |= Flags.bitexact
        if info.interlaced:
            context.field_order = int(info.fields)
        if info.interlaced and encoding.encoder.name in INTERLACING:
            context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        context.color_range = self._range
        context.color_primaries = info.colour.primaries
        context.color_trc = info.colour.transfer
        context.colorspace = self._matrix
        if encoding.encoder.name == "libsvtav1":
            context.open(strict=False)
            leave_real_time()

    @property
    def _from_rgb(self) -> bool:
        """The source is RGB and becomes Y'CbCr: BT.709 in limited range, which every player knows."""
        ends, begins = (planar_format(name) for name in (self._encoding.pix_fmt, self._info.pix_fmt))
        return layout(begins).rgb and not layout(ends).rgb

    @property
    def _matrix(self) -> int:
        return BT709 if self._from_rgb else self._info.colour.matrix

    @property
    def _range(self) -> int:
        return LIMITED_RANGE if self._from_rgb else self._info.colour.range

    def _fitted(self, frame: av.VideoFrame) -> av.VideoFrame:
        encoding, pts = self._encoding, frame.pts
        if (frame.width, frame.height) != (encoding.width, encoding.height):
            frame = padded(frame, encoding.width, encoding.height)
        if frame.format.name != encoding.pix_fmt:
            frame = frame.reformat(
                format=encoding.pix_fmt,
                dst_colorspace=self._matrix or None,
                dst_color_range=self._range or None,
                threads=1,
            )
        if self._info.interlaced and self._info.codec in SILENT_ABOUT_FIELDS and not frame.interlaced_frame:
            frame = with_fields(frame, self._info.fields)
        frame.color_primaries, frame.color_trc = self._info.colour.primaries, self._info.colour.transfer
        frame.colorspace, frame.color_range = self._matrix, self._range
        frame.pts, frame.time_base = pts, self._info.time_base
        return frame

    def _encode(self, frame: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._mend_dts(packet)
                self._pts.append(packet.pts or 0)
                self._container.mux(packet)
        except (av.error.FFmpegError, OSError) as exc:
            raise self._error(exc) from exc

    def _mend_dts(self, packet: "av.Packet[av.VideoStream]") -> None:
        """Give a decoding time to the packets of a movie of one or two frames: x265 leaves theirs unset."""
        reach = LONGEST_DELAY / self._info.time_base
        if packet.pts is not None and not 0 <= packet.pts - (packet.dts or 0) <= reach:
            packet.dts = packet.pts

    def _error(self, exc: Exception) -> RenderError:
        if is_full(exc):
            return disk_full(self._path.parent)
        return RenderError(f"the new picture of {self._info.path} could not be written ({reason_of(exc)}).")


def _repeatable(encoding: Encoding) -> dict[str, str]:
    """The options of the encoder, with what makes it write the same bytes each time.

    x264's AVX-512 code takes memory into account that nothing was written to: of 14 runs over the same 40
    frames of 160×96 pixels, 6 gave other bytes than the rest. Without it, and in larger pictures, none did.
    """
    options = dict(encoding.options)
    if encoding.encoder.name == "libx264" and cv2.checkHardwareSupport(_CPU_AVX_512F):
        words = [options["x264-params"]] if "x264-params" in options else []
        options["x264-params"] = ":".join([*words, "asm=AVX2,FMA3,BMI2"])
    return options


def padded(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """The frame on a larger canvas, its last column and row repeated."""
    frame = as_planar(frame)
    form = layout(frame.format.name)
    result = av.VideoFrame(width, height, frame.format.name)
    for target, source in zip(plane_views(result, form), plane_views(copy_frame(frame), form), strict=True):
        rows, columns = target.shape[0] - source.shape[0], target.shape[1] - source.shape[1]
        target[:] = np.pad(source, ((0, rows), (0, columns)), mode="edge")
    result.color_range, result.colorspace = frame.color_range, frame.colorspace
    return as_in(result, frame)


def exact_timescale(time_base: Fraction) -> int:
    """Ticks a second, for MP4 and MOV, in which every multiple of the time base is a whole number.

    At least 10,000, as players expect of them.
    """
    scale = time_base.denominator
    return scale * -(-10_000 // scale)


def _sane_rate(rate: Fraction) -> Fraction:
    """A rate that encoders accept; only a hint, since every frame has its own time."""
    return rate.limit_denominator(100_000) if 1 <= rate <= 1000 else Fraction(25)
