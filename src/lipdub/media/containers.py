"""The containers an output may be, by the suffix of its name, and what all of them differ in."""

from fractions import Fraction

FORMATS = {
    ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm",
    ".avi": "avi", ".ts": "mpegts", ".m2ts": "mpegts", ".mts": "mpegts",
}  # fmt: skip
"""Suffixes an output may have, and libavformat's name of the format."""

MP4_LIKE = frozenset({".mp4", ".m4v", ".mov"})
"""Containers of boxes: they have edit lists, and a clock for each track."""

MATROSKA = frozenset({".mkv", ".webm"})
TRANSPORT = frozenset({".ts", ".m2ts", ".mts"})

TICKS = dict.fromkeys(MATROSKA, Fraction(1, 1000)) | dict.fromkeys(TRANSPORT, Fraction(1, 90_000))
"""Seconds between two times that packets can have, where they are fixed; AVI has no times."""

STORED = {
    ".mkv": "Matroska stores milliseconds",
    ".webm": "WebM stores milliseconds",
} | dict.fromkeys(TRANSPORT, "transport streams store ticks of 1/90000 s")
"""The same in words."""
