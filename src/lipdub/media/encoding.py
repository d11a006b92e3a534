"""Which encoding a new picture gets: codec family, pixel format and size, as near the source's as can be."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import av
from av.codec.codec import find_best_pix_fmt_of_list

from lipdub.errors import RenderError
from lipdub.media.planes import Layout, layout, planar_format
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
    "libx264",
    {"crf": "16", "preset": "medium", "forced-idr": "1"},
    containers=_MP4_MOV_MKV | {".avi", ".flv", ".3gp"},
)
ENCODERS: Mapping[str, Encoder] = {
    "h264": _H264,
    "hevc": Encoder(
        "libx265",
        {
            "crf": "17",
            "preset": "fast",
            "forced-idr": "1",
            "x265-params": f"log-level=error:pools={ENCODER_THREADS}",
        },
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
    "ffv1": Encoder(
        "ffv1", {"level": "3"}, carrier="mp4", even=False, containers=frozenset({".mkv", ".avi"})
    ),
    "mjpeg": Encoder(
        "mjpeg", {"qmin": "2", "qmax": "3"}, even=False, containers=frozenset({".mov", ".mkv", ".avi"})
    ),
}
INTERLACING = frozenset({"libx264", "prores_ks"})
"""Encoders that write interlaced pictures as such."""

_WITHOUT_PRESENTATION_TIMES = frozenset({".avi"})

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
    pix_fmt, more = _pixel_format(info.pix_fmt, encoder)
    if info.still and not pix_fmt.startswith("yuv420p"):
        pix_fmt, more = "yuv420p", []  # the one format that plays everywhere
    width, height, padding = _even_size(info, encoder, layout(planar_format(pix_fmt)))
    options = _options(info, encoder, pix_fmt, suffix)
    if info.interlaced and encoder.name not in INTERLACING:
        notes.append(f"the picture is interlaced; {encoder.name} writes it as if it were not.")
    return Encoding(encoder, pix_fmt, width, height, options, tuple(notes + more + padding))


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
    planar = planar_format(source)
    for same in (source, planar, planar.replace("yuvj", "yuv")):
        if same in allowed:
            return same, []
    best, _ = find_best_pix_fmt_of_list(allowed, planar)
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


def _options(info: VideoInfo, encoder: Encoder, pix_fmt: str, suffix: str) -> dict[str, str]:
    options = dict(encoder.options)
    if suffix in _WITHOUT_PRESENTATION_TIMES:
        options["bf"] = "0"
    if encoder.name == "prores_ks":
        default = "4444" if "444" in pix_fmt else "hq"
        options["profile"] = PRORES_PROFILES.get(info.profile or "", default)
    if encoder.name == "dnxhd":
        options["profile"] = DNXHR_PROFILES.get(pix_fmt, "dnxhr_hq")
    return options
