"""Files that are made to hurt: small ones that unpack into huge ones, and ones that change in the middle.

Every maker takes a folder for undamaged files (see `specimens`) and the path to write, which it writes.
"""

import struct
import zlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support.media import click_file, ffmpeg, movie
from tests.support.specimens import COUNT, specimen

Maker = Callable[[Path, Path], object]


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, rows: int, depth: int = 8) -> bytes:
    """A grey PNG of zeros that says one height and holds `rows` rows."""
    packer = zlib.compressobj(1)
    row = bytes(1 + -(-width * depth // 8))
    data = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    chunks = _png_chunk(b"IHDR", head) + _png_chunk(b"IDAT", data) + _png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def gif(width: int, height: int) -> bytes:
    """A GIF with a large canvas and two frames of one pixel."""
    frame = (
        b"\x21\xf9\x04\x04\x04\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    )
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame * 2 + b";"


def bmp(width: int, height: int) -> bytes:
    """A BMP without most of its rows."""
    return struct.pack(
        "<2sIIIIiiHHIIiiII", b"BM", 1000, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0
    ) + bytes(1000)


def tiff(width: int, height: int) -> bytes:
    """A grey TIFF of one strip that is not all there."""
    tags = ((256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 200),
            (277, 3, 1), (278, 4, height), (279, 4, 1000))  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return (struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)).ljust(200, b"\0") + bytes(
        1000
    )


class _Bits:
    """Bits of an H.264 parameter set, in order."""

    def __init__(self) -> None:
        self.text = ""

    def number(self, value: int, length: int) -> None:
        self.text += f"{value:0{length}b}"

    def golomb(self, value: int) -> None:
        code = f"{value + 1:b}"
        self.text += "0" * (len(code) - 1) + code

    def bytes(self) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def sps(width: int, height: int) -> bytes:
    """An H.264 sequence parameter set of High profile, level 6.2, in Annex B form (ITU-T H.264, 7.3.2.1)."""
    bits = _Bits()
    bits.number(100, 8), bits.number(0, 8), bits.number(62, 8)
    for value in (0, 1, 0, 0):  # id, chroma 4:2:0, luma and chroma depth 8
        bits.golomb(value)
    bits.number(0, 2)
    for value in (0, 2, 1):  # frame numbers of 4 bits, output order is decoding order, one reference
        bits.golomb(value)
    bits.number(0, 1)
    bits.golomb(width // 16 - 1), bits.golomb(height // 16 - 1)
    bits.number(0b1100, 4)  # frames only, direct inference, no cropping, no VUI
    return b"\0\0\0\1\x67" + bits.bytes().replace(b"\0\0\1", b"\0\0\3\1")


def _large_sps(size: int, suffix: str) -> Maker:
    """H.264 whose parameter set says a size that its pictures do not have, at once or in the middle."""

    def make(folder: Path, path: Path) -> None:
        raw = specimen("h264.h264", folder).read_bytes()
        second = raw.index(b"\0\0\1\x67") if suffix == ".h264" else len(raw) // 2
        data = raw + sps(size, size) + raw[raw.index(b"\0\0\1\x68") :] if second else raw
        if suffix == ".h264":
            data = sps(size, size) + raw[raw.index(b"\0\0\1\x68") :]
        path.write_bytes(data)

    return make


def _bytes(data: Callable[[], bytes]) -> Maker:
    return lambda folder, path: path.write_bytes(data())


def _cover(folder: Path, path: Path) -> None:
    """A movie whose cover says 65535×65535 pixels."""
    data = specimen("h264_extras.mp4", folder).read_bytes()
    place = data.index(b"\xff\xc0\0\x11") + 5
    path.write_bytes(data[:place] + b"\xff" * 4 + data[place + 4 :])


def _joined(*parts: Callable[[Path], object], suffix: str) -> Maker:
    """Several files, one after the other: a stream that changes in the middle."""

    def make(folder: Path, path: Path) -> None:
        data = b""
        for number, part in enumerate(parts):
            piece = path.with_name(f"piece{number}{suffix}")
            part(piece)
            data += piece.read_bytes()
            piece.unlink()
        path.write_bytes(data)

    return make


def _clip(**more) -> Callable[[Path], object]:
    """A short movie; times in TS go on from 0 anew."""
    fixed = {"count": COUNT, "time_base": Fraction(1, 90_000), "options": {"preset": "ultrafast"}}
    return lambda path: movie(path, **(fixed | more))


def _with_sound(channels: int, rate: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        sound = click_file(path.with_suffix(".wav"), seconds=0.4, times=(0.2,), channels=channels, rate=rate)
        _clip(sound=sound)(path)
        sound.unlink()

    return make


def _raw_sound(codec: str, **more) -> Callable[[Path], object]:
    return lambda path: click_file(path, seconds=0.4, times=(0.2,), codec=codec, **more)


def _growing(folder: Path, path: Path) -> None:
    """Motion JPEG in Matroska whose pictures become larger, finer in colour, and smaller."""
    pieces = []
    parts = ((160, 96), "yuvj420p"), ((320, 192), "yuvj420p"), ((160, 96), "yuvj444p"), ((48, 32), "yuvj422p")
    for number, (size, form) in enumerate(parts):
        piece = path.with_name(f"piece{number}.mjpeg")
        movie(
            piece, codec="mjpeg", pix_fmt=form, size=size, count=4, format="mjpeg", time_base=Fraction(1, 25)
        )
        pieces.append(piece.read_bytes())
        piece.unlink()
    raw = path.with_name("all.mjpeg")
    raw.write_bytes(b"".join(pieces))
    ffmpeg("-f", "mjpeg", "-i", f"file:{raw}", "-c", "copy", f"file:{path}")
    raw.unlink()


def _far(*pts: int) -> Maker:
    """A movie whose last frames come hours or years after the others."""
    return lambda folder, path: movie(path, pts=[0, 512, 1024, *pts], options={"preset": "ultrafast"})


def _wav_bytes(channels: int, rate: int, data: bytes, bits: int = 16) -> bytes:
    """A WAV file that says what it is told to say."""
    block = channels * bits // 8
    head = struct.pack("<HHIIHH", 1, channels & 0xFFFF, rate, rate * block & 0xFFFFFFFF, block & 0xFFFF, bits)
    size = struct.pack("<I", len(data))
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt \x10\0\0\0" + head + b"data" + size + data


def wav(path: Path, pcm: NDArray[np.int16], rate: int) -> Path:
    """Write samples [n, channels] of any number of channels."""
    path.write_bytes(_wav_bytes(pcm.shape[1], rate, pcm.astype("<i2").tobytes()))
    return path


def _wav(channels: int, rate: int, frames: int = 4000) -> Maker:
    data = bytes(range(256)) * (frames * max(1, channels * 2) // 256)
    return _bytes(lambda: _wav_bytes(channels, rate, data))


def _gap(seconds: int) -> Maker:
    """Sound with packets that come so much later than those before."""

    def make(folder: Path, path: Path) -> None:
        first = specimen("mono.mkv", folder)
        ffmpeg(
            "-i",
            f"file:{first}",
            "-c",
            "copy",
            "-bsf:a",
            f"setts=ts=PTS+gte(N\\,8)*{seconds}/TB_OUT",
            f"file:{path}",
        )

    return make


def _long_picture(folder: Path, path: Path) -> None:
    """A movie of enormous length: every frame is shown for a year."""
    movie(
        path,
        pts=[n * 31_536_000 for n in range(COUNT)],
        time_base=Fraction(1),
        options={"preset": "ultrafast"},
    )


_MPEG2 = _clip(codec="mpeg2video", size=(98, 50), time_base=Fraction(1, 25), options={})
_STEREO_MP3 = _raw_sound("libmp3lame", channels=2)
_STEREO_FLAC = _raw_sound("flac", channels=2, rate=16_000)

MOVIE_BOMBS: Mapping[str, Maker] = {
    "zeros.png": _bytes(lambda: png(60_000, 60_000, 60_000, 1)),
    "short_of_rows.png": _bytes(lambda: png(60_000, 60_000, 4)),
    "canvas.gif": _bytes(lambda: gif(65_535, 65_535)),
    "large_canvas.gif": _bytes(lambda: gif(20_000, 20_000)),
    "rows.bmp": _bytes(lambda: bmp(65_000, 65_000)),
    "large.bmp": _bytes(lambda: bmp(20_000, 20_000)),
    "negative.bmp": _bytes(lambda: bmp(-2, -60_000)),
    "strip.tiff": _bytes(lambda: tiff(60_000, 60_000)),
    "line.png": _bytes(lambda: png(1, 1_000_000, 1_000_000)),
    "dot.png": _bytes(lambda: png(1, 1, 1)),
    "sps.h264": _large_sps(16_384, ".h264"),
    "sps_later.h264": _large_sps(16_384, ".later"),
    "sps_8192.h264": _large_sps(8_192, ".h264"),
    "sps_8192_later.h264": _large_sps(8_192, ".later"),
    "cover.mp4": _cover,
    "larger_later.ts": _joined(_clip(), _clip(size=(320, 192)), suffix=".ts"),
    "smaller_later.ts": _joined(_clip(size=(320, 192)), _clip(), suffix=".ts"),
    "odd_later.ts": _joined(_clip(), _MPEG2, suffix=".ts"),
    "format_later.ts": _joined(_clip(), _clip(pix_fmt="yuv422p10le"), suffix=".ts"),
    "sound_later.ts": _joined(_with_sound(1, 48_000), _with_sound(2, 44_100), suffix=".ts"),
    "growing.mkv": _growing,
    "larger_later.h264": _joined(_clip(format="h264"), _clip(format="h264", size=(320, 192)), suffix=".h264"),
    "day_later.mp4": _far(12_800 * 86_400),
    "year_later.mp4": _far(12_800 * 86_400 * 365, 12_800 * 86_400 * 730),
    "years.mov": _long_picture,
}  # fmt: skip
SOUND_BOMBS: Mapping[str, Maker] = {
    "channels_0.wav": _wav(0, 48_000),
    "channels_40.wav": _wav(40, 48_000),
    "channels_255.wav": _wav(255, 48_000),
    "channels_65535.wav": _wav(65_535, 48_000, frames=4),
    "rate_0.wav": _wav(1, 0),
    "rate_1.wav": _wav(1, 1),
    "rate_100.wav": _wav(1, 100, frames=400_000),
    "rate_3000.wav": _wav(1, 3_000),
    "rate_1M.wav": _wav(1, 1_000_000, frames=400_000),
    "rate_2G.wav": _wav(1, 2**31 - 1),
    "rate_4G.wav": _wav(2, 2**32 - 1),
    "more_channels.aac": _joined(_raw_sound("aac"), _raw_sound("aac", channels=2), suffix=".aac"),
    "fewer_channels.aac": _joined(_raw_sound("aac", layout="5.1"), _raw_sound("aac"), suffix=".aac"),
    "other_rate.aac": _joined(_raw_sound("aac"), _raw_sound("aac", rate=16_000), suffix=".aac"),
    "more_channels.mp3": _joined(_raw_sound("libmp3lame"), _STEREO_MP3, suffix=".mp3"),
    "fewer_channels.ac3": _joined(_raw_sound("ac3", layout="5.1"), _raw_sound("ac3"), suffix=".ac3"),
    "chained.ogg": _joined(_raw_sound("libopus"), _raw_sound("libopus", channels=2), suffix=".ogg"),
    "flac_twice.flac": _joined(_raw_sound("flac"), _STEREO_FLAC, suffix=".flac"),
    "sound_later.ts": MOVIE_BOMBS["sound_later.ts"],
    "hours_later.mkv": _gap(5 * 3600),
    "years_later.mkv": _gap(3 * 31_536_000),
    "before_its_time.mkv": _gap(-5),
}  # fmt: skip
