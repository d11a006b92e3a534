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
    containers=_MP4_MOV_MKV | {".avi"},
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
    "dnxhd": Encoder("dnxhd", {"profile": "dnxhr_hq"}, containers=frozenset({".mov", ".mkv"})),
    "ffv1": Encoder(
        "ffv1", {"level": "3"}, carrier="mp4", even=False, containers=frozenset({".mkv", ".avi"})
    ),
    "mjpeg": Encoder(
        "mjpeg", {"qmin": "2", "qmax": "3"}, even=False, containers=frozenset({".mov", ".mkv", ".avi"})
    ),
}
INTERLACING = frozenset({"libx264", "prores_ks"})
"""Encoders that write interlaced pictures as such."""

# Encoders of which alpha survives: not those that write it beside the picture, where few decoders look.
_WITH_ALPHA = frozenset({"prores_ks", "ffv1"})

_PLAIN_NAMES = {
    "h264": "H.264", "libx264": "H.264", "hevc": "HEVC", "libx265": "HEVC", "av1": "AV1", "libsvtav1": "AV1",
    "vp9": "VP9", "libvpx-vp9": "VP9", "vp8": "VP8", "libvpx": "VP8", "prores": "ProRes",
    "prores_ks": "ProRes", "dnxhd": "DNxHD", "ffv1": "FFV1", "mjpeg": "Motion JPEG", "mpeg4": "MPEG-4 Visual",
    "mpeg2video": "MPEG-2", "mpeg1video": "MPEG-1", "qtrle": "QuickTime Animation", "cfhd": "CineForm",
    "gif": "GIF", "png": "PNG", "theora": "Theora", "wmv3": "WMV", "vc1": "VC-1", "rawvideo": "uncompressed",
    "aac": "AAC", "mp3": "MP3", "mp2": "MP2", "ac3": "AC-3", "eac3": "E-AC-3", "dts": "DTS", "flac": "FLAC",
    "alac": "ALAC", "opus": "Opus", "libopus": "Opus", "vorbis": "Vorbis", "truehd": "TrueHD",
    "subrip": "SubRip", "ass": "ASS", "ssa": "SSA", "webvtt": "WebVTT", "mov_text": "timed text",
    "srt": "SubRip", "hdmv_pgs_subtitle": "PGS", "dvd_subtitle": "VobSub", "dvb_subtitle": "DVB",
    "eia_608": "CEA-608",
}  # fmt: skip

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
    pix_fmt, more = _pixel_format(info, encoder)
    if info.still and not pix_fmt.startswith("yuv420p"):
        pix_fmt, more = "yuv420p", []  # the one format that plays everywhere
    width, height, padding = _even_size(info, encoder, layout(planar_format(pix_fmt)))
    options = _options(info, encoder, pix_fmt, suffix)
    if info.interlaced and encoder.name not in INTERLACING:
        notes.append(
            f"the picture is interlaced; {plain_name(encoder.name)} is written here as if it were not."
        )
    return Encoding(encoder, pix_fmt, width, height, options, tuple(notes + more + padding))


def plain_name(codec: str) -> str:
    """What people call a codec, of libavcodec's name of it or of its encoder."""
    if codec.startswith("pcm_"):
        return "PCM"
    return _PLAIN_NAMES.get(codec, codec)


def _encoder_for(info: VideoInfo, suffix: str) -> tuple[Encoder, list[str]]:
    own = ENCODERS.get(info.codec)
    carried = own is not None and suffix in own.containers
    if own and carried and not info.still and not _loses_depth(info, own, suffix):
        return own, []
    stand_in = ENCODERS[FALLBACKS.get(suffix, "h264")]
    if info.still:
        return stand_in, []
    if carried or _loses_depth(info, stand_in, suffix):
        stand_in = ENCODERS["av1"]
    if carried:
        why = f"there is no encoder here that writes it with more than 8 bits, and {suffix} files carry both"
    else:
        why = f"{suffix} files do not carry it well" if own else "there is no encoder for it here"
    names = plain_name(info.codec), plain_name(stand_in.name)
    return stand_in, [f"the picture was {names[0]} and becomes {names[1]}: {why}."]


def _loses_depth(info: VideoInfo, encoder: Encoder, suffix: str) -> bool:
    """Whether this encoder writes 8 bits only of a deeper picture, where AV1 would do better."""
    if suffix not in ENCODERS["av1"].containers or _depth(info.pix_fmt) <= 8:
        return False
    return all(_depth(name) <= 8 for name in _formats(encoder))


def _depth(pix_fmt: str) -> int:
    return av.VideoFormat(pix_fmt, 64, 64).components[0].bits


def _formats(encoder: Encoder) -> list[str]:
    names = [f.name for f in av.Codec(encoder.name, "w").video_formats or ()]
    return [name for name in names if encoder.name in _WITH_ALPHA or not _has_alpha(name)]


def _has_alpha(pix_fmt: str) -> bool:
    return any(component.is_alpha for component in av.VideoFormat(pix_fmt, 64, 64).components)


def _pixel_format(info: VideoInfo, encoder: Encoder) -> tuple[str, list[str]]:
    source = info.pix_fmt
    allowed = _formats(encoder)
    planar = planar_format(source)
    for same in (source, planar, planar.replace("yuvj", "yuv")):
        if same in allowed:
            return same, []
    # Left to itself, libav prefers formats without alpha. GIFs have it for parts that do not change.
    alpha = _has_alpha(planar) and info.codec != "gif"
    best, _ = find_best_pix_fmt_of_list([a for a in allowed if alpha and _has_alpha(a)] or allowed, planar)
    if best is None:
        raise RenderError(f"{encoder.name} takes none of the pixel formats near {source}.")
    name = plain_name(encoder.name)
    notes = [f"the pixel format {source} becomes {best.name}, the nearest that the encoder of {name} writes."]
    if alpha and not _has_alpha(best.name):
        notes.append(f"the picture's transparency (alpha) is lost: {name} does not keep it here.")
    return best.name, notes


def _even_size(info: VideoInfo, encoder: Encoder, form: Layout) -> tuple[int, int, list[str]]:
    width, height = info.geometry.width, info.geometry.height
    if not encoder.even:
        return width, height, []
    wide, high = width + width % form.sub_x, height + height % form.sub_y
    if (wide, high) == (width, height):
        return width, height, []
    name = plain_name(encoder.name)
    note = f"{width}×{height} becomes {wide}×{high}: {name} needs even sizes; the edge is repeated."
    return wide, high, [note]


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
