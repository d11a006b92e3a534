"""The encoders that write new pictures, what each of them needs, and the one scale of their quality."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ENCODER_THREADS = 8
"""Fixed, since the number of threads changes what some encoders write."""

X265_PARAMETERS = f"log-level=error:pools={ENCODER_THREADS}:frame-threads=3:info=0"
"""Left to itself, x265 takes as many frame threads as suit the machine, and writes down its processor."""

X265_TELLS_FIELDS = "hrd=1:const-vbv=1:vbv-maxrate=100000:vbv-bufsize=100000"
"""x265 writes the structure of pictures only beside the model of a buffer; this one is never full."""

SVT_PARAMETERS = "lp=4"


@dataclass(frozen=True, slots=True)
class Scale:
    """How the quality of 0 to 100 becomes an encoder's own measure: a straight line between two ends.

    Attributes:
        names: the options that get the value.
        worst, best: values of quality 0 and 100.
        least: the encoder takes nothing lower.
        whole: it takes whole numbers only.
        beneath: an option that gets one less, but not less than `least`.
    """

    names: tuple[str, ...] = ()
    worst: float = 0
    best: float = 0
    least: float = 0
    whole: bool = False
    beneath: str = ""

    def options(self, quality: int) -> dict[str, str]:
        """Options of the encoder for a quality."""
        value = max(self.least, self.worst + (self.best - self.worst) * quality / 100)
        value = round(value) if self.whole else round(value, 2)
        lower = {self.beneath: f"{max(self.least, value - 1):g}"} if self.beneath else {}
        return dict.fromkeys(self.names, f"{value:g}") | lower


# Encoder                 measure         quality 0   80 (default)   100
SCALES: Mapping[str, Scale] = {
    "libx264": Scale(("crf",), 40, 10),  #      40          16         10
    "libx265": Scale(("crf",), 41, 11),  #      41          17         11
    "libsvtav1": Scale(("crf",), 58, 8, whole=True),  # 58  18          8
    "libvpx-vp9": Scale(("crf",), 56, 6, whole=True),  # 56 16          6
    "libvpx": Scale(("crf",), 60, -10, least=4, whole=True),  # 60  4   4
    "mjpeg": Scale(("qmax",), 23, -2, least=2, whole=True, beneath="qmin"),  # 23   3   2
    "h264_nvenc": Scale(("cq",), 43, 13),  #    43          19         13
    "hevc_nvenc": Scale(("cq",), 44, 14),  #    44          20         14
    "av1_nvenc": Scale(("cq",), 54, 14),  #     54          22         14
}
# ProRes and DNxHR have profiles instead of a measure: below the number, the profile. FFV1 is lossless.
PRORES_BY_QUALITY = ((25, "proxy"), (50, "lt"), (75, "standard"), (101, "hq"))
PRORES_444_BY_QUALITY = ((90, "4444"), (101, "4444xq"))
DNXHR_BY_QUALITY = ((34, "dnxhr_lb"), (67, "dnxhr_sq"), (101, "dnxhr_hq"))


@dataclass(frozen=True, slots=True)
class Encoder:
    """How one family of codecs is written.

    MPEG-2 is not among them, though there is an encoder: its clock must be one of eight frame rates, so it
    cannot keep the times of pulled-down or variable material, and H.264 gives more for the same bits.

    Attributes:
        name: libavcodec's encoder.
        options: its options, without those of quality.
        carrier: container of the intermediate file: one that keeps the codec's times exactly.
        even: the codec cannot code odd widths or heights where chroma is subsampled.
        containers: suffixes of outputs that carry the codec well.
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    carrier: str = "mov"
    even: bool = True
    containers: tuple[str, ...] = ()


_MP4_MOV_MKV = (".mp4", ".m4v", ".mov", ".mkv", ".ts", ".m2ts", ".mts")
ENCODERS: Mapping[str, Encoder] = {
    "h264": Encoder("libx264", {"preset": "medium", "forced-idr": "1"}, containers=(*_MP4_MOV_MKV, ".avi")),
    "hevc": Encoder(
        "libx265",
        {"preset": "fast", "forced-idr": "1", "x265-params": X265_PARAMETERS, "dolbyvision": "0"},
        containers=_MP4_MOV_MKV,
    ),
    "av1": Encoder(
        "libsvtav1",
        {"preset": "8", "svtav1-params": SVT_PARAMETERS, "dolbyvision": "0"},
        carrier="mp4",
        containers=(".mp4", ".m4v", ".mkv", ".webm"),
    ),
    "vp9": Encoder(
        "libvpx-vp9",
        {"b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
        carrier="mp4",
        even=False,
        containers=(".mp4", ".mkv", ".webm"),
    ),
    "vp8": Encoder(
        "libvpx",
        {"b": "20M", "deadline": "good", "cpu-used": "2"},
        carrier="nut",
        even=False,
        containers=(".mkv", ".webm"),
    ),
    "prores": Encoder("prores_ks", containers=(".mov", ".mkv")),
    "dnxhd": Encoder("dnxhd", containers=(".mov",)),
    "ffv1": Encoder("ffv1", {"level": "3"}, carrier="mp4", even=False, containers=(".mkv", ".avi")),
    "mjpeg": Encoder("mjpeg", {"strict": "unofficial"}, even=False, containers=(".mov", ".mkv", ".avi")),
}

INTERLACING = frozenset({"libx264", "libx265", "prores_ks", "ffv1"})
"""Encoders that write interlaced pictures as such."""

WITH_ALPHA = frozenset({"prores_ks", "ffv1"})
"""Encoders of which alpha survives: not those that write it beside the picture, where few decoders look."""

TELLING_HDR = frozenset({"libx264", "libx265", "libsvtav1"})
"""Encoders that write HDR metadata into the stream itself."""

WITHOUT_HDR = frozenset({".avi", ".ts", ".m2ts", ".mts"})
"""Outputs that have no place for HDR metadata of their own."""

WITHOUT_PRESENTATION_TIMES = frozenset({".avi"})

NO_ENCODER = "there is no encoder for it here"
WHY_NOT: Mapping[str, str] = {"mpeg2video": "the encoder of it here cannot keep every frame's time"}
"""Why a family is not written, where it is not for want of an encoder."""

FALLBACKS: Mapping[str, str] = {".webm": "vp9"}
"""What stands in for a family without an encoder, or one that the output's container does not carry."""

# libavcodec's names and those of the encoder's options.
PRORES_PROFILES = {
    "Apple ProRes Proxy": "proxy", "Apple ProRes LT": "lt", "Apple ProRes Standard": "standard",
    "Apple ProRes High Quality": "hq", "Apple ProRes 4444": "4444", "Apple ProRes 4444 XQ": "4444xq",
    "Proxy": "proxy", "LT": "lt", "Standard": "standard", "HQ": "hq", "4444": "4444", "XQ": "4444xq",
}  # fmt: skip
DNXHR_PROFILES = {
    "yuv422p": "dnxhr_hq", "yuv422p10le": "dnxhr_hqx", "yuv444p10le": "dnxhr_444", "gbrp10le": "dnxhr_444",
}  # fmt: skip
DNXHR_SMALLEST = (256, 120)

_PLAIN_NAMES = {
    "h264": "H.264", "libx264": "H.264", "hevc": "HEVC", "libx265": "HEVC", "av1": "AV1", "libsvtav1": "AV1",
    "h264_nvenc": "H.264", "hevc_nvenc": "HEVC", "av1_nvenc": "AV1", "dnxhr": "DNxHR",
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


def plain_name(codec: str) -> str:
    """What people call a codec, of libavcodec's name of it or of its encoder."""
    if codec.startswith("pcm_"):
        return "PCM"
    return _PLAIN_NAMES.get(codec, codec)
