"""Encode pictures as the source was encoded: codec family, pixel format, colour tags, aspect, time base."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import av.error
import numpy as np
from av.codec.codec import find_best_pix_fmt_of_list

from lipdub.errors import RenderError
from lipdub.media.planes import Layout, copy_frame, layout, planar_format, plane_views
from lipdub.media.probe import VideoInfo

ENCODER_THREADS = 8
"""Fixed, since the number of threads changes what some encoders write."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """How one family of codecs is written, visually lossless.

    Attributes:
        name: libavcodec's encoder.
        options: its options.
        carrier: container of the intermediate file: one that keeps the codec's times exactly.
        even: the codec cannot code odd widths or heights where chroma is subsampled.
        containers: suffixes of outputs that carry the codec well; empty for all.
    """

    name: str
    options: Mapping[str, str]
    carrier: str = "mov"
    even: bool = True
    containers: frozenset[str] = frozenset()


_MP4_MOV_MKV = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".ts", ".m2ts", ".mts"})
_H264 = Encoder(
    "libx264", {"crf": "16", "preset": "medium"}, containers=_MP4_MOV_MKV | {".avi", ".flv", ".3gp"}
)
ENCODERS: Mapping[str, Encoder] = {
    "h264": _H264,
    "hevc": Encoder(
        "libx265",
        {"crf": "17", "preset": "fast", "x265-params": f"log-level=error:pools={ENCODER_THREADS}"},
        containers=_MP4_MOV_MKV,
    ),
    "av1": Encoder(
        "libsvtav1",
        {"crf": "18", "preset": "8"},
        carrier="mp4",
        containers=frozenset({".mp4", ".m4v", ".mkv", ".webm"}),
    ),
    "vp9": Encoder(
        "libvpx-vp9",
        {"crf": "16", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
        carrier="mp4",
        even=False,
        containers=frozenset({".mp4", ".mkv", ".webm"}),
    ),
    "vp8": Encoder(
        "libvpx",
        {"crf": "4", "b": "20M", "deadline": "good", "cpu-used": "2"},
        carrier="nut",
        even=False,
        containers=frozenset({".mkv", ".webm"}),
    ),
    "prores": Encoder("prores_ks", {}, containers=frozenset({".mov", ".mkv"})),
    "dnxhd": Encoder("dnxhd", {"profile": "dnxhr_hq"}, containers=frozenset({".mov", ".mkv", ".mxf"})),
    "ffv1": Encoder("ffv1", {"level": "3"}, even=False, containers=frozenset({".mkv", ".mov", ".avi"})),
    "mjpeg": Encoder(
        "mjpeg", {"qmin": "2", "qmax": "3"}, even=False, containers=frozenset({".mov", ".mkv", ".avi"})
    ),
}
# What stands in for a family without an encoder, or one that the output's container does not carry.
FALLBACKS: Mapping[str, str] = {".webm": "vp9"}

PRORES_PROFILES = {
    "Apple ProRes Proxy": "proxy", "Apple ProRes LT": "lt", "Apple ProRes Standard": "standard",
    "Apple ProRes High Quality": "hq", "Apple ProRes 4444": "4444", "Apple ProRes 4444 XQ": "4444xq",
    "Proxy": "proxy", "LT": "lt", "Standard": "standard", "HQ": "hq", "4444": "4444", "XQ": "4444xq",
}  # fmt: skip
DNXHR_PROFILES = {"yuv422p": "dnxhr_hq", "yuv422p10le": "dnxhr_hqx", "yuv444p10le": "dnxhr_444"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """The choice for one output.

    Attributes:
        encoder: a row of `ENCODERS`.
        pix_fmt: of the pictures handed to the encoder.
        width, height: of the coded picture.
        options: for the encoder.
        notes: what could not be kept as it was, a sentence each.
    """

    encoder: Encoder
    pix_fmt: str
    width: int
    height: int
    options: Mapping[str, str]
    notes: tuple[str, ...] = field(default=())


def choose_encoding(info: VideoInfo, suffix: str) -> Encoding:
    """The encoding nearest to the source's that the output's container carries.

    Args:
        info: the source.
        suffix: of the output's name, for example ``.mp4``.
    """
    suffix = suffix.lower()
    encoder, notes = _encoder_for(info, suffix)
    source = planar_format(info.pix_fmt)
    pix_fmt, more = _pixel_format(source, encoder)
    if info.still and not pix_fmt.startswith("yuv420p"):
        pix_fmt, more = "yuv420p", []  # the one format that plays everywhere
    form = layout(pix_fmt)
    width, height, padding = _even_size(info, encoder, form)
    return Encoding(
        encoder, pix_fmt, width, height, _options(info, encoder, pix_fmt), tuple(notes + more + padding)
    )


class PictureWriter:
    """Write frames to an intermediate file with exactly their own times.

    Args:
        path: where to; its suffix should be ``.`` + the encoder's carrier.
        info: the source.
        encoding: what was chosen for it.

    Raises:
        RenderError: the encoder refuses, or the disk is full.
    """

    def __init__(self, path: Path, info: VideoInfo, encoding: Encoding) -> None:
        self._info = info
        self._encoding = encoding
        self._last_pts: int | None = None
        self.moved = 0
        """Frames whose time had to move by a tick, because another frame had the same."""
        scale = str(exact_timescale(info.time_base))
        options = (
            {}
            if encoding.encoder.carrier == "nut"
            else {"video_track_timescale": scale, "movie_timescale": scale}
        )
        try:
            self._container = av.open(f"file:{path}", "w", format=encoding.encoder.carrier, options=options)
            self._stream = self._container.add_stream(encoding.encoder.name, rate=_sane_rate(info.rate))
            self._set_up()
        except (av.error.FFmpegError, OSError, ValueError) as exc:
            raise RenderError(f"{path}: {encoding.encoder.name} cannot write this picture ({exc}).") from exc

    def write(self, frame: av.VideoFrame) -> None:
        """Encode one frame; its pts must not lie before the last one's."""
        frame = self._fitted(frame)
        pts = frame.pts
        if self._last_pts is not None and pts <= self._last_pts:
            pts = self._last_pts + 1
            self.moved += 1
        self._last_pts = frame.pts = pts
        frame.pict_type = 0  # the source's choice of key frames is not the encoder's
        self._mux(frame)

    def close(self) -> None:
        """Write what the encoder still holds, and the file's index."""
        self._mux(None)
        try:
            self._container.close()
        except (av.error.FFmpegError, OSError) as exc:
            raise _write_error(exc) from exc

    def __enter__(self) -> "PictureWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        try:
            self._container.close()
        except (av.error.FFmpegError, OSError, ValueError):
            pass  # the first error is the one that matters

    def _set_up(self) -> None:
        stream, info, encoding = self._stream, self._info, self._encoding
        stream.width, stream.height, stream.pix_fmt = encoding.width, encoding.height, encoding.pix_fmt
        stream.time_base = info.time_base
        context = stream.codec_context
        context.time_base = info.time_base
        context.sample_aspect_ratio = info.geometry.sample_aspect
        context.options = dict(encoding.options)
        context.thread_count = ENCODER_THREADS
        context.color_range = info.colour.range
        context.color_primaries = info.colour.primaries
        context.color_trc = info.colour.transfer
        if not layout(encoding.pix_fmt).rgb:
            context.colorspace = self._matrix()

    def _matrix(self) -> int:
        # An RGB source (matrix 0) that is written as Y'CbCr is converted with BT.709.
        return self._info.colour.matrix or 1

    def _fitted(self, frame: av.VideoFrame) -> av.VideoFrame:
        encoding, pts = self._encoding, frame.pts
        if frame.format.name != encoding.pix_fmt:
            frame = frame.reformat(format=encoding.pix_fmt, dst_colorspace=self._matrix() or None)
        if (frame.width, frame.height) != (encoding.width, encoding.height):
            frame = padded(frame, encoding.width, encoding.height)
        frame.pts, frame.time_base = pts, self._info.time_base
        return frame

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, OSError) as exc:
            raise _write_error(exc) from exc


def padded(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """The frame on a larger canvas, its last column and row repeated."""
    form = layout(frame.format.name)
    result = av.VideoFrame(width, height, frame.format.name)
    for target, source in zip(plane_views(result, form), plane_views(copy_frame(frame), form), strict=True):
        rows, columns = target.shape[0] - source.shape[0], target.shape[1] - source.shape[1]
        target[:] = np.pad(source, ((0, rows), (0, columns)), mode="edge")
    return result


def exact_timescale(time_base: Fraction) -> int:
    """Ticks a second, for MP4 and MOV, in which every multiple of the time base is a whole number.

    At least 10,000, as players expect of them.
    """
    scale = time_base.denominator
    return scale * -(-10_000 // scale)


def _encoder_for(info: VideoInfo, suffix: str) -> tuple[Encoder, list[str]]:
    own = ENCODERS.get(info.codec)
    if own and not info.still and (suffix in own.containers):
        return own, []
    stand_in = ENCODERS[FALLBACKS.get(suffix, "h264")]
    if info.still or stand_in is own:
        return stand_in, []
    why = f"{suffix} files do not carry it well" if own else "there is no encoder for it here"
    return stand_in, [f"the picture was {info.codec} and becomes {stand_in.name.removeprefix('lib')}: {why}."]


def _pixel_format(source: str, encoder: Encoder) -> tuple[str, list[str]]:
    allowed = [f.name for f in av.Codec(encoder.name, "w").video_formats or ()]
    plain = source.replace("yuvj", "yuv")
    for same in (source, plain):
        if same in allowed:
            return same, []
    best, _ = find_best_pix_fmt_of_list(allowed, source)
    if best is None:
        raise RenderError(f"{encoder.name} takes none of the pixel formats near {source}.")
    return best.name, [
        f"the pixel format {source} becomes {best.name}, the nearest that {encoder.name} writes."
    ]


def _even_size(info: VideoInfo, encoder: Encoder, form: Layout) -> tuple[int, int, list[str]]:
    width, height = info.geometry.width, info.geometry.height
    if not encoder.even:
        return width, height, []
    wide, high = width + width % form.sub_x, height + height % form.sub_y
    if (wide, high) == (width, height):
        return width, height, []
    return (
        wide,
        high,
        [f"{width}×{height} becomes {wide}×{high}: {encoder.name} needs even sizes; the edge is repeated."],
    )


def _options(info: VideoInfo, encoder: Encoder, pix_fmt: str) -> dict[str, str]:
    options = dict(encoder.options)
    if encoder.name == "prores_ks":
        default = "4444" if "444" in pix_fmt else "hq"
        options["profile"] = PRORES_PROFILES.get(info.profile or "", default)
    if encoder.name == "dnxhd":
        options["profile"] = DNXHR_PROFILES.get(pix_fmt, "dnxhr_hq")
    return options


def _sane_rate(rate: Fraction) -> Fraction:
    """A rate that encoders accept; only a hint, since every frame has its own time."""
    return rate.limit_denominator(100_000) if 1 <= rate <= 1000 else Fraction(25)


def _write_error(exc: Exception) -> RenderError:
    number = getattr(exc, "errno", None)
    if number == 28:
        return RenderError(
            "the disk is full while writing the picture; make space and run the same command again."
        )
    return RenderError(f"the picture could not be written ({exc}).")
