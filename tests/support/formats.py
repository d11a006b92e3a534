"""Movies of unusual formats: HDR, interlaced, Dolby Vision; and what ffmpeg, another reader, says of them."""

import re
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from lipdub.media.encoding import Encoding, choose_encoding
from lipdub.media.fields import FieldOrder, with_fields
from lipdub.media.frames import read_frames
from lipdub.media.hdr import Hdr, Light, Mastering, boxes_of
from lipdub.media.hdr_boxes import describe_picture
from lipdub.media.planes import layout, plane_views
from lipdub.media.probe import VideoInfo
from tests.support.media import SIZE, Tags, images, movie
from tests.support.picture import PictureWriter

SDR, FULL = Tags(1, 1, 1, 1), Tags(2, 1, 1, 1)
NTSC, PAL = Tags(1, 6, 6, 6), Tags(1, 5, 5, 6)
PQ, HLG, WIDE = Tags(1, 9, 9, 16), Tags(1, 9, 9, 18), Tags(1, 9, 9, 14)

SCREEN = Hdr(
    Mastering(
        red=(Fraction(34_000, 50_000), Fraction(16_000, 50_000)),
        green=(Fraction(13_250, 50_000), Fraction(34_500, 50_000)),
        blue=(Fraction(7_500, 50_000), Fraction(3_000, 50_000)),
        white=(Fraction(15_635, 50_000), Fraction(16_450, 50_000)),
        darkest=Fraction(1, 10_000),
        brightest=Fraction(1000),
    ),
    Light(1000, 400),
)
"""A screen of P3 colours and 1000 cd/m²."""
IN_WORDS = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
IN_DECIMALS = "G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000,0.0001)"

HDR_OPTIONS = {
    "libx264": {"x264-params": f"mastering-display={IN_WORDS}:cll=1000,400"},
    "libx265": {"x265-params": f"log-level=error:master-display={IN_WORDS}:max-cll=1000,400"},
    "libsvtav1": {"preset": "10", "svtav1-params": f"mastering-display={IN_DECIMALS}:content-light=1000,400"},
}
QUIET = {
    "libx265": {"x265-params": "log-level=error"},
    "libsvtav1": {"preset": "10"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "dnxhd": {"profile": "dnxhr_hq"},
}


def hdr_movie(path: Path, codec: str, pix_fmt: str = "yuv420p10le", tags: Tags = PQ, count: int = 4) -> Path:
    """A movie with HDR metadata in the stream where the encoder writes it there, else in the container."""
    bare = (
        path
        if codec in HDR_OPTIONS
        else path.with_name(f"{path.stem}.bare{'.mov' if codec == 'prores_ks' else '.mp4'}")
    )
    options = HDR_OPTIONS.get(codec, QUIET.get(codec, {}))
    movie(bare, codec=codec, pix_fmt=pix_fmt, tags=tags, count=count, options=options)
    if bare != path:
        describe_picture(bare, boxes_of(SCREEN))
        copied(bare, path)
    return path


def dolby_movie(path: Path, profile: int, base: int, *, codec: str = "libx265") -> Path:
    """A movie whose container says that it is Dolby Vision (there is no other trace of it)."""
    movie(path, codec=codec, pix_fmt="yuv420p10le", tags=PQ, count=4, options=QUIET[codec])
    enhancement = int(profile == 7)
    flags = profile << 9 | 6 << 3 | 1 << 2 | enhancement << 1 | 1
    record = struct.pack(">BBHB", 1, 0, flags, base << 4) + bytes(19)
    kind = b"dvcC" if profile <= 7 else b"dvvC"
    describe_picture(path, struct.pack(">I4s", 8 + len(record), kind) + record)
    return path


def interlaced_movie(
    path: Path,
    codec: str,
    pix_fmt: str,
    order: FieldOrder,
    *,
    options: dict[str, str] | None = None,
    size: tuple[int, int] = SIZE,
    count: int = 6,
    declared: bool = True,
) -> Path:
    """A movie of frames that are two fields each, of different moments.

    Args:
        path, codec, pix_fmt, options, size, count: as for `movie`.
        order: of the fields.
        declared: the container says so, too.
    """
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        context = stream.codec_context
        context.time_base = stream.time_base = Fraction(1, 25)
        context.options = dict(options or {})
        context.flags |= av.codec.context.Flags.interlaced_dct | av.codec.context.Flags.interlaced_me
        if declared:
            context.field_order = int(order)
        for number, frame in enumerate(_woven(pix_fmt, size, count)):
            frame = with_fields(frame, order)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _woven(pix_fmt: str, size: tuple[int, int], count: int):
    pictures = iter(images(size, 2 * count, noise=False))
    for first, second in zip(pictures, pictures, strict=True):
        image = first.copy()
        image[1::2] = second[1::2]
        yield av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)


def copied(path: Path, target: Path, streams: str = "0") -> Path:
    """The same streams in another container."""
    asked(path, "-map", streams, "-c", "copy", "-y", f"file:{target}")
    return target


def asked(path: Path, *arguments: str, level: str = "verbose") -> str:
    """What ffmpeg says while it does something with a file."""
    binary = imageio_ffmpeg.get_ffmpeg_exe()
    command = [binary, "-hide_banner", "-nostdin", "-v", level, "-i", f"file:{path}", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    words = done.stderr.decode(errors="replace")
    assert done.returncode == 0, words
    return words


def shown_info(path: Path) -> str:
    """What ffmpeg's filter *showinfo* says of each frame of the picture."""
    return asked(path, "-map", "0:v:0", "-vf", "showinfo", "-f", "null", "-")


def described_format(path: Path) -> str:
    """ffmpeg's words about pixel format, range, matrix, primaries, transfer, fields and chroma's place."""
    line = next(line for line in shown_info(path).splitlines() if "Stream #0:" in line and "Video:" in line)
    found = re.search(r"Video: .*?, ([a-z0-9]+(?:\([^)]*\))?), \d+x\d+", line)
    assert found, line
    return found[1]


def fields_shown(path: Path) -> set[str]:
    """Which fields come first, by *showinfo*: T, B, or P for whole pictures."""
    return set(re.findall(r" i:([TBP]) ", shown_info(path)))


def planes_of(info: VideoInfo) -> list[list[np.ndarray]]:
    """All colour planes of all frames."""
    form = layout(info.pix_fmt)
    return [[np.array(plane) for plane in plane_views(frame, form)] for frame in read_frames(info)]


def rewritten(info: VideoInfo, suffix: str, folder: Path, frames=None, **choices) -> tuple[Path, Encoding]:
    """Encode a movie's picture anew: the intermediate file, and the choice. `choices` are of the encoding."""
    encoding = choose_encoding(info, suffix, **choices)
    path = folder / f"picture.{encoding.encoder.carrier}"
    with PictureWriter(path, info, encoding) as writer:
        for frame in frames or read_frames(info):
            writer.write(frame)
    return path, encoding


def packets_of(path: Path) -> tuple[bytes, list[bytes]]:
    """What a decoder needs beforehand (extradata), and the packets of the picture."""
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        return stream.codec_context.extradata or b"", [bytes(p) for p in container.demux(stream) if p.size]
