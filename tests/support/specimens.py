"""Small, sound movies and sounds in every container and codec that is read: what damage is done to.

    path = specimen("h264.mp4", folder)      made when it is first asked for

Names are ``picture.suffix`` of `MOVIES` or names of `SOUNDS`. The bytes follow from the name: muxers write
neither the day nor random numbers.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import av

from tests.support.media import click_file, ffmpeg, images, movie, still

COUNT = 10
SECONDS = 0.4

_X264 = {"preset": "ultrafast"}
_X265 = {"preset": "ultrafast", "x265-params": "log-level=error:pools=2"}


def _made(codec: str, pix_fmt: str = "yuv420p", sound: bool = True, **more):
    def make(path: Path) -> None:
        movie(path, codec=codec, pix_fmt=pix_fmt, count=COUNT, sound=sound, **more)

    return make


def _fragmented(path: Path) -> None:
    whole = movie(path.with_suffix(".whole.mp4"), count=COUNT, options=_X264, sound=True)
    ffmpeg("-i", f"file:{whole}", "-c", "copy", "-movflags", "frag_keyframe+empty_moov", f"file:{path}")
    whole.unlink()


def _animated(codec: str, pix_fmt: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with av.open(f"file:{path}", "w") as container:
            stream = container.add_stream(codec, rate=Fraction(25))
            stream.width, stream.height, stream.pix_fmt = 160, 96, pix_fmt
            for number, image in enumerate(images(count=COUNT)):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    return make


def _webp(path: Path) -> None:
    picture = still(path.with_suffix(".png"))
    ffmpeg("-i", f"file:{picture}", "-c:v", "libwebp", f"file:{path}")
    picture.unlink()


def _extras(path: Path) -> None:
    """Second sound, subtitles, chapters, a cover."""
    from tests.support.media import Extras

    everything = Extras(title="A", chapters=2, subtitle=True, second_sound=True, cover=path.suffix == ".mp4")
    movie(path, count=COUNT, options=_X264, sound=True, extras=everything)


MOVIES: Mapping[str, Callable[[Path], object]] = {
    "h264.mp4": _made("libx264", options=_X264),
    "h264_variable.mp4": _made("libx264", pts=[0, 512, 700, 1500, 3000, 3500, 4100, 4608, 5000, 5600]),
    "h264_turned.mov": _made("libx264", options=_X264, rotation=90),
    "h264_fragmented.mp4": _fragmented,
    "h264_extras.mp4": _extras,
    "h264_extras.mkv": _extras,
    "h264_10bit.mkv": _made("libx264", "yuv420p10le", options=_X264),
    "h264_422.mkv": _made("libx264", "yuv422p", options=_X264),
    "h264.ts": _made("libx264", options=_X264, time_base=Fraction(1, 90_000)),
    "h264.avi": _made("libx264", options=_X264 | {"bf": "0"}),
    "h264.h264": _made("libx264", sound=False, options=_X264 | {"bf": "0"}, format="h264"),
    "hevc.mp4": _made("libx265", options=_X265),
    "hevc.mkv": _made("libx265", options=_X265),
    "vp9.webm": _made("libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
    "vp9.mp4": _made("libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
    "av1.mkv": _made("libsvtav1", options={"preset": "12"}),
    "av1.mp4": _made("libsvtav1", options={"preset": "12"}),
    "mpeg2.ts": _made("mpeg2video", time_base=Fraction(1, 25)),
    "mpeg4.avi": _made("mpeg4", time_base=Fraction(1, 25)),
    "mpeg4.mp4": _made("mpeg4", time_base=Fraction(1, 25)),
    "mjpeg.avi": _made("mjpeg", "yuvj420p", time_base=Fraction(1, 25)),
    "mjpeg.mov": _made("mjpeg", "yuvj420p", time_base=Fraction(1, 25)),
    "prores.mov": _made("prores_ks", "yuv422p10le"),
    "ffv1.mkv": _made("ffv1"),
    "ffv1_rgb.mkv": _made("ffv1", "bgr0"),
    "animated.gif": _animated("gif", "rgb8"),
    "animated.webp": _animated("libwebp_anim", "yuv420p"),
    "animated.apng": _animated("apng", "rgb24"),
    "picture.png": still,
    "picture.jpg": still,
    "picture.bmp": still,
    "picture.tiff": still,
    "picture.webp": _webp,
}
"""How each movie is made."""


def _sound(**more) -> Callable[[Path], object]:
    return lambda path: click_file(path, **({"seconds": SECONDS, "times": (0.2,)} | more))


SOUNDS: Mapping[str, Callable[[Path], object]] = {
    "mono.wav": _sound(),
    "stereo.wav": _sound(channels=2, rate=44_100),
    "surround.wav": _sound(layout="5.1"),
    "deep.wav": _sound(codec="pcm_s24le"),
    "mono.flac": _sound(),
    "stereo.mp3": _sound(channels=2, rate=44_100),
    "mono.m4a": _sound(),
    "stereo.opus": _sound(channels=2),
    "mono.ogg": _sound(codec="libopus"),
    "mono.mkv": _sound(codec="aac"),
    "mono.ac3": _sound(codec="ac3"),
    "mono.aiff": _sound(codec="pcm_s16be"),
}
"""How each sound is made."""

STILLS = frozenset(name for name in MOVIES if name.startswith("picture."))


def specimen(name: str, folder: Path) -> Path:
    """The undamaged file of this name in a folder, made if it is not there."""
    path = folder / name
    if not path.exists():
        rough = folder / f"rough_{name}"
        (MOVIES | SOUNDS)[name](rough)
        _without_chance(rough, path)
    return path


def _without_chance(rough: Path, path: Path) -> None:
    """Matroska and Ogg number their tracks at random unless they are told not to."""
    if path.suffix in {".mkv", ".webm", ".ogg", ".opus"}:
        ffmpeg("-i", f"file:{rough}", "-map", "0", "-c", "copy", "-fflags", "+bitexact", f"file:{path}")
        rough.unlink()
    else:
        rough.rename(path)
