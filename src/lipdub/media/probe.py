"""What a movie or a sound file is made of, read once and kept as plain data."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import av.container
import av.error
import av.stream

from lipdub.errors import MediaError
from lipdub.media.bounds import (
    DECODER_BOUND,
    MAX_PIXELS,
    STILL_RATE,
    believed_rate,
    check_size,
    check_sound,
    check_start,
)
from lipdub.media.geometry import Geometry

STILL_FORMATS = ("image2", "_pipe")
"""How libavformat's names of single pictures end: image2, png_pipe, jpeg_pipe, …"""

# A demuxer that takes any file called .txt or .nfo for a movie of a terminal.
_TEXT_FORMAT = "tty"

# Containers without an absolute timeline: their first timestamp is what a player shows as time 0.
FLOATING_FORMATS = frozenset({"mpegts", "mpeg", "rm", "asf", "mp3"})

# Sound files without time stamps: nothing can be missing between their packets.
_GAPLESS_FORMATS = frozenset({"wav", "w64", "flac", "aiff", "au", "aac", "ac3", "eac3", "mp3"})

# Containers that store decoding times only; libavformat's guess of the others is wrong with B-frames.
_DECODING_TIMES = frozenset({"avi"})


@dataclass(frozen=True, slots=True)
class Colour:
    """Colour tags as the numbers of ITU-T H.273; 2 (or 0 for `range`) is *unspecified*."""

    range: int = 0
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a container, as much as is needed to carry it over.

    Two kinds are not libavformat's own: ``chapters`` and ``timecode`` are tracks in MP4 and MOV that it shows
    as data as well as in chapters and tags, and that muxers write anew from those.
    """

    index: int
    kind: str
    codec: str | None
    cover: bool = False


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """The first picture stream of a movie and what surrounds it.

    Attributes:
        path: the file.
        container: libavformat's name of the format, for example ``mov,mp4,m4a,3gp,3g2,mj2``.
        index: index of the picture stream in the container.
        codec, profile, pix_fmt: as libavcodec names them.
        geometry: coded size, sample aspect, rotation.
        time_base: unit of presentation times (pts), in seconds.
        rate: average frame rate in frames per second.
        start: pts of the first frame.
        duration: seconds from the first frame to the end of the last, if the container knows.
        frames: number of frames, estimated if the container does not say; None if unknown.
        colour: colour tags.
        interlaced: whether the first frame is interlaced.
        origin: the time, in the container's own clock, that a player shows as 0 seconds.
        still: the file is a single picture.
        streams: all streams of the container.
    """

    path: Path
    container: str
    index: int
    codec: str
    profile: str | None
    pix_fmt: str
    geometry: Geometry
    time_base: Fraction
    rate: Fraction
    start: int
    duration: Fraction | None
    frames: int | None
    colour: Colour
    interlaced: bool
    origin: Fraction
    still: bool
    streams: tuple[Stream, ...]

    def seconds(self, pts: int) -> Fraction:
        """The time a player shows for a frame with this pts, in seconds, exactly."""
        return pts * self.time_base - self.origin


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The first sound stream of a file.

    Attributes:
        path: the file.
        codec: as libavcodec names it.
        rate: samples a second.
        channels: their number.
        bits: of a decoded sample.
        origin: the time, in the container's own clock, that a player shows as 0 seconds.
        gapless: no sound can be missing in the middle of the file.
    """

    path: Path
    codec: str
    rate: int
    channels: int
    bits: int
    origin: Fraction
    gapless: bool


@contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a media file for reading; errors of libavformat become `MediaError`."""
    _check_file(path)
    try:
        # Without a pattern type, %03d in the name of a picture would mean other files.
        options = {"pattern_type": "none"} | DECODER_BOUND
        container = av.open(_as_file(path), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as exc:
        raise MediaError(f"{path} is not a movie or sound file that can be read ({reason_of(exc)}).") from exc
    try:
        if container.format.name == _TEXT_FORMAT:
            raise MediaError(f"{path} is not a movie or sound file but text.")
        for stream in container.streams.video:
            if stream.codec_context is not None:
                stream.codec_context.options = dict(DECODER_BOUND)
        yield container
    except av.error.FFmpegError as exc:
        raise MediaError(f"{path} is damaged and cannot be decoded further ({reason_of(exc)}).") from exc
    finally:
        container.close()


def probe_video(path: str | os.PathLike[str]) -> VideoInfo:
    """Read what the movie's picture is; the first frame is decoded to be sure that it can be.

    Raises:
        MediaError: no such file, not a movie, no picture stream, nothing that decodes.
    """
    path = Path(path)
    with opened(path) as container:
        videos = [s for s in container.streams.video if not _is_cover(s)]
        if not videos:
            raise MediaError(f"{path} has no picture stream; give a movie or an image.")
        stream = videos[0]
        _check_decoder(path, stream)
        check_size(path, stream.width, stream.height)
        frame = _first_frame(container, stream, path)
        still = container.format.name.endswith(STILL_FORMATS) or _is_alone(path, stream)
        time_base = 1 / STILL_RATE if still else _time_base(stream)
        rate = STILL_RATE if still else believed_rate(stream.average_rate, stream.guessed_rate)
        duration = None if still else _duration(container, stream)
        origin = _origin(container)
        shown = shown_at(frame, container.format.name)
        start = 0 if still else round(origin / time_base) if shown is None else shown
        check_start(path, start * time_base - origin)
        return VideoInfo(
            path=path,
            container=container.format.name,
            index=stream.index,
            codec=stream.codec_context.codec.canonical_name,
            profile=stream.profile,
            pix_fmt=frame.format.name,
            geometry=_geometry(stream, frame),
            time_base=time_base,
            rate=rate,
            start=start,
            duration=duration,
            frames=None if still else _frame_count(stream, duration, rate),
            colour=_colour(frame),
            interlaced=frame.interlaced_frame,
            origin=origin,
            still=still,
            streams=tuple(_stream(s, len(container.chapters())) for s in container.streams),
        )


def probe_audio(path: str | os.PathLike[str]) -> AudioInfo:
    """Read what the sound is.

    Raises:
        MediaError: no such file, not a sound or movie file, no sound stream, no samples in it.
    """
    path = Path(path)
    with opened(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path} has no sound stream; give a sound file or a movie with sound.")
        stream = container.streams.audio[0]
        _check_decoder(path, stream)
        if next(iter(container.decode(stream)), None) is None:
            raise MediaError(f"{path} has a sound stream without a single sample in it.")
        context = stream.codec_context
        check_sound(path, context.sample_rate, context.channels)
        return AudioInfo(
            path=path,
            codec=context.codec.canonical_name,
            rate=context.sample_rate,
            channels=context.channels,
            bits=context.format.bits,
            origin=_origin(container),
            gapless=container.format.name in _GAPLESS_FORMATS,
        )


def shown_at(frame: av.VideoFrame, container: str) -> int | None:
    """The presentation time of a decoded frame, if the container (libavformat's name) tells."""
    if container in _DECODING_TIMES:
        return frame.dts  # of the packet that set the frame free: what players go by
    return frame.pts


def _check_file(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as exc:
        raise MediaError(
            f"{os.fsencode(path)!r} is no name in UTF-8, which ffmpeg needs; rename it."
        ) from exc
    try:
        if not path.exists():
            raise MediaError(f"{path}: there is no such file; check the path.")
        if path.is_dir():
            raise MediaError(f"{path} is a folder, not a media file.")
        if not path.is_file():  # to open a pipe would wait for ever, and it can be read only once
            raise MediaError(f"{path} is a pipe or a device; give a file.")
        if path.stat().st_size == 0:
            raise MediaError(f"{path} is empty; was the copy interrupted?")
    except (OSError, ValueError) as exc:  # a name that is too long, a folder that may not be entered, …
        raise MediaError(f"{path} cannot be looked at ({reason_of(exc)}); check the path.") from exc


def _as_file(path: Path) -> str:
    # "file:" keeps libavformat from reading a protocol, a pattern or an option into a hostile name.
    return f"file:{path}"


def reason_of(exc: Exception) -> str:
    """What libav or the operating system says, without numbers and names of functions."""
    if isinstance(exc, MemoryError):  # what libav says of tables that no file has room for
        return "its header asks for more memory than there is"
    strerror = getattr(exc, "strerror", None)
    return str(strerror or exc).lower()


def _check_decoder(path: Path, stream: av.stream.Stream) -> None:
    if stream.codec_context is None:
        what = "a picture" if stream.type == "video" else "sound"
        raise MediaError(
            f"{path} holds {what} in a codec that cannot be decoded here, or its header is damaged."
        )


def _is_cover(stream: av.stream.Stream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _is_alone(path: Path, stream: av.VideoStream) -> bool:
    """Whether the file is one picture without sound, like most GIF, AVIF and HEIC files."""
    if stream.container.streams.audio or stream.frames > 1:
        return False
    with opened(path) as container:  # the first packets only; what was decoded so far may have read further
        packets = container.demux(container.streams[stream.index])
        return len(list(islice((p for p in packets if p.size), 2))) == 1


def _stream(stream: av.stream.Stream, chapters: int) -> Stream:
    context = getattr(stream, "codec_context", None)
    codec = context.codec.canonical_name if context and _is_whole(stream) else None
    kind: str = stream.type
    if kind == "data" and stream.metadata.get("timecode"):
        kind = "timecode"
    elif kind == "data" and getattr(stream, "name", None) == "bin_data" and stream.frames == chapters > 0:
        kind = "chapters"
    return Stream(stream.index, kind, codec, _is_cover(stream))


def _is_whole(stream: av.stream.Stream) -> bool:
    """Whether a stream says what every muxer must know of it."""
    if isinstance(stream, av.VideoStream):
        return stream.width > 0 and stream.height > 0
    if isinstance(stream, av.AudioStream):
        return stream.sample_rate > 0 and stream.channels > 0
    return True


def _first_frame(container: av.container.InputContainer, stream: av.VideoStream, path: Path) -> av.VideoFrame:
    try:
        frame = next(iter(container.decode(stream)), None)
    except av.error.FFmpegError as exc:
        raise MediaError(
            f"{path} holds a picture that cannot be decoded: it is damaged, or larger than"
            f" {MAX_PIXELS:,} pixels (8192×4352)."
        ) from exc
    if frame is None:
        raise MediaError(f"{path} has a picture stream without a single frame in it.")
    return frame


def _time_base(stream: av.stream.Stream) -> Fraction:
    return Fraction(stream.time_base or Fraction(1, 90_000))


def _duration(container: av.container.InputContainer, stream: av.stream.Stream) -> Fraction | None:
    if stream.duration:
        return Fraction(stream.duration * _time_base(stream))
    if container.duration:
        return Fraction(container.duration, av.time_base)
    return None


def _frame_count(stream: av.VideoStream, duration: Fraction | None, rate: Fraction) -> int | None:
    if stream.frames:
        return int(stream.frames)
    return round(duration * rate) if duration else None


def _geometry(stream: av.VideoStream, frame: av.VideoFrame) -> Geometry:
    aspect = stream.sample_aspect_ratio
    return Geometry(
        frame.width,
        frame.height,
        Fraction(aspect) if aspect else Fraction(1),
        round(frame.rotation / 90) * 90 % 360,
    )


def _colour(frame: av.VideoFrame) -> Colour:
    full = frame.format.name.startswith("yuvj")
    return Colour(
        range=2 if full else int(frame.color_range),
        matrix=int(frame.colorspace),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
    )


def _origin(container: av.container.InputContainer) -> Fraction:
    if container.format.name in FLOATING_FORMATS and container.start_time is not None:
        return Fraction(container.start_time, av.time_base)
    return Fraction(0)
