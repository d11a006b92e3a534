"""Encoding on an NVIDIA graphics card.

Not tried on real hardware yet: what is tested is that its absence is noticed and said. Its bits are not
promised to be the same from run to run.
"""

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

import av
import av.error

from lipdub.media.encoders import ENCODERS, Encoder

_OPTIONS = {"preset": "p5", "tune": "hq", "rc": "vbr", "b": "0", "forced-idr": "1"}
NVENC: Mapping[str, Encoder] = {
    family: Encoder(name, _OPTIONS, carrier=ENCODERS[family].carrier, containers=ENCODERS[family].containers)
    for family, name in (("h264", "h264_nvenc"), ("hevc", "hevc_nvenc"), ("av1", "av1_nvenc"))
}
"""Families of codecs that such cards encode."""

# Pixel format of the picture: the same samples as the card takes them, and the families that have it.
FORMATS: Mapping[str, tuple[str, frozenset[str]]] = {
    "yuv420p": ("yuv420p", frozenset({"h264", "hevc", "av1"})),
    "nv12": ("nv12", frozenset({"h264", "hevc", "av1"})),
    "yuv420p10le": ("p010le", frozenset({"hevc", "av1"})),
    "p010le": ("p010le", frozenset({"hevc", "av1"})),
    "yuv444p": ("yuv444p", frozenset({"h264", "hevc"})),
}
_SIZE = (256, 256)


@lru_cache(maxsize=16)
def trouble(encoder: str, pix_fmt: str) -> str | None:
    """Why this machine cannot encode a tiny picture so; None if it can. It is tried once."""
    try:
        context = av.CodecContext.create(encoder, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt = *_SIZE, pix_fmt
        context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
        frame = av.VideoFrame(*_SIZE, pix_fmt)
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        packets = [*context.encode(frame), *context.encode(None)]
    except (av.error.FFmpegError, OSError, ValueError) as exc:
        if isinstance(exc, av.error.PermissionError):  # what libavcodec calls a missing driver
            return "there is no NVIDIA card, or no driver for it: `nvidia-smi` must show both"
        return str(getattr(exc, "strerror", None) or exc).lower()
    return None if packets else "it gives no picture"
