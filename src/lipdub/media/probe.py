"""What a movie or a sound file is made of, read once and kept as plain data."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
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
    check_time_base,
)
from lipdub.media.colour_tags import Colour, colour_of, said_of, told_by
from lipdub.media.described import Described, DolbyVision
from lipdub.media.fields import FieldOrder, field_order
from lipdub.media.geometry import Geometry
from lipdub.media.hdr import Hdr, hdr_of
from lipdub.media.timing import FARTHEST, first_time

STILL_FORMATS = ("image2", "_pipe")
"""How libavformat's names of single pictures end: image2, png_pipe, jpeg_pipe, …"""

# A demuxer that takes any file called .txt or .nfo for a movie of a terminal.
_TEXT_FORMAT = "tty"

# Containers without an absolute timeline: their first timestamp is what a player shows as time 0.
FLOATING_FORMATS = frozenset({"mpegts", "mpeg", "rm", "asf", "mp3"})

# Sound files without time stamps: nothing can be missing between their packets.
_GAPLESS_FORMATS = frozenset({"wav", "w64", "flac", "aiff", "au", "aac", "ac3", "eac3", "mp3"})

# Containers whose duration counts from time 0, wherever their streams begin.
_ENDS_ONLY = frozenset({"matroska,webm"})
# What ffmpeg takes so many channels for, where a file does not say which is which.
USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}

# Containers that store decoding times only; libavformat's guess of the others is wrong with B-frames.
_DECODING_TIMES = frozenset({"avi"})


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
    channels: int = 0


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
        interlaced: whether the first frame is interlaced, or the container says so.
        origin: the time, in the container's own clock, that a player shows as 0 seconds.
        still: the file is a single picture.
        streams: all streams of the container.
        end: pts at which the last frame ends, if the container says it of this stream.
        fields: which field of an interlaced picture comes first.
        separate_fields: each frame is one field (a way of HEVC), not two of them woven.
        hdr: the screen that the movie was graded on, and its light.
        dolby: the configuration of Dolby Vision, if there is one.
        hidden_alpha: there is transparency beside the picture (a way of VP8 and VP9), which is not decoded.
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
    end: int | None = None
    fields: FieldOrder = FieldOrder.PROGRESSIVE
    separate_fields: bool = False
    hdr: Hdr = field(default_factory=Hdr)
    dolby: DolbyVision | None = None
    hidden_alpha: bool = False

    @property
    def until(self) -> Fraction | None:
        """The time a player shows at the end of the last frame, in seconds, if the container knows."""
        return None if self.duration is None else self.seconds(self.start) + self.duration

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
        layout: of the channels, as libavutil names it (``5.1``); the usual one if the file does not say.
        tick: seconds between two times that packets can have; 0 where the container has no times.
        start: seconds, as a player shows them, at which the first packet begins.
        frame: samples in a packet; 0 where packets differ or their times are no more than a count of bytes.
        delay: samples of the codec's priming that the container took off the times of packets.
    """

    path: Path
    codec: str
    rate: int
    channels: int
    bits: int
    origin: Fraction
    gapless: bool
    layout: str = ""
    tick: Fraction = Fraction(0)
    start: Fraction = Fraction(0)
    frame: int = 0
    delay: int = 0


@contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a media file for reading; errors of libavformat become `MediaError`."""
    _check_file(path)
    try:
        # Without a pattern type, %03d in the name of a picture would mean other files.
        # Tags may be of any encoding: bytes that are no UTF-8 are kept as they are.
        options = {"pattern_type": "none"} | DECODER_BOUND
        container = av.open(_as_file(path), options=options, metadata_errors="surrogateescape")
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
        MediaError: no such file, not a movie, no picture stream, nothing that decodes, nothing that can be
            shown without the metadata of Dolby Vision.
    """
    path = Path(path)
    with opened(path) as container:
        videos = [s for s in container.streams.video if not _is_cover(s)]
        if not videos:
            raise MediaError(f"{path} has no picture stream; give a movie or an image.")
        stream = videos[0]
        _check_decoder(path, stream)
        check_size(path, stream.width, stream.height)
        told = told_by(stream)
        frame = _first_frame(container, stream, path)
        still = container.format.name.endswith(STILL_FORMATS) or _is_alone(path, stream)
        time_base = 1 / STILL_RATE if still else _time_base(stream)
        check_time_base(path, time_base)
        rate = STILL_RATE if still else believed_rate(stream.average_rate, stream.guessed_rate)
        times = _times(frame, container, stream)
        origin, usual = _origin(container), max(1, round(1 / (rate * time_base)))
        start = 0 if still else first_time(times, round(origin / time_base), usual)
        check_start(path, start * time_base - origin)
        duration = None if still else _duration(container, stream)
        codec = stream.codec_context.codec.canonical_name
        said = Described() if still else said_of(path, stream.index, codec, frame)
        fields = field_order(frame, stream.codec_context.field_order)
        separate = codec == "hevc" and frame.interlaced_frame
        return VideoInfo(
            path=path,
            container=container.format.name,
            index=stream.index,
            codec=codec,
            profile=stream.profile,
            pix_fmt=frame.format.name,
            geometry=_geometry(stream, frame),
            time_base=time_base,
            rate=rate,
            start=start,
            duration=duration,
            frames=None if still else _frame_count(stream, duration, rate),
            colour=colour_of(frame, codec, told, said.location),
            interlaced=fields != FieldOrder.PROGRESSIVE and not separate,
            origin=origin,
            still=still,
            streams=tuple(_stream(s, len(container.chapters())) for s in container.streams),
            end=_end(stream),
            fields=fields,
            separate_fields=separate,
            hdr=hdr_of(frame),
            dolby=said.dolby,
            hidden_alpha=stream.metadata.get("alpha_mode") == "1",
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
        if not any(_decodes(packet) for packet in container.demux(stream)):
            raise MediaError(f"{path} has a sound stream without a single sample in it.")
        context = stream.codec_context
        check_sound(path, context.sample_rate, context.channels)
        origin, tick = _origin(container), _time_base(stream)
        return AudioInfo(
            path=path,
            codec=context.codec.canonical_name,
            rate=context.sample_rate,
            channels=context.channels,
            bits=context.format.bits,
            origin=origin,
            gapless=container.format.name in _GAPLESS_FORMATS,
            layout=_layout(context),
            tick=tick,
            start=stream.start_time * tick - origin if stream.start_time else Fraction(0),
            frame=0
            if container.format.name == "avi"
            else context.frame_size or _packet_samples(path, stream),
            delay=max(0, context.delay or 0),
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
    if stream.type == "data" and codec is None:
        codec = getattr(stream, "name", None)
    kind: str = stream.type
    if kind == "data" and stream.metadata.get("timecode"):
        kind = "timecode"
    elif kind == "data" and getattr(stream, "name", None) == "bin_data" and stream.frames == chapters > 0:
        kind = "chapters"
    channels = stream.channels if isinstance(stream, av.AudioStream) and context else 0
    return Stream(stream.index, kind, codec, _is_cover(stream), channels)


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


def _times(
    first: av.VideoFrame, container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[int | None]:
    yield shown_at(first, container.format.name)
    with suppress(av.error.FFmpegError):  # damage further on is no concern of a probe
        for frame in islice(container.decode(stream), FARTHEST):
            yield shown_at(frame, container.format.name)


def _decodes(packet: "av.Packet[av.AudioStream]") -> bool:
    """Whether a sound packet holds samples; one that is damaged does not, others may."""
    try:
        return bool(packet.decode())
    except av.error.FFmpegError:
        return False


def _time_base(stream: av.stream.Stream) -> Fraction:
    return Fraction(stream.time_base or Fraction(1, 90_000))


def _duration(container: av.container.InputContainer, stream: av.stream.Stream) -> Fraction | None:
    if stream.duration:
        return Fraction(stream.duration * _time_base(stream))
    if not container.duration:
        return None
    late = (stream.start_time or 0) * _time_base(stream) if container.format.name in _ENDS_ONLY else 0
    length = Fraction(container.duration, av.time_base) - late
    return length if length > 0 else None


def _end(stream: av.VideoStream) -> int | None:
    return (stream.start_time or 0) + stream.duration if stream.duration else None


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


def _layout(context: av.AudioCodecContext) -> str:
    unknown = context.layout.name.endswith("channels")
    return USUAL_LAYOUTS.get(context.channels, "") if unknown else context.layout.name


def _packet_samples(path: Path, stream: av.AudioStream) -> int:
    """Samples in a packet of a codec whose packets are alike but may have one of several sizes."""
    if stream.codec_context.codec.canonical_name not in {"opus", "ac3", "eac3"}:
        return 0
    with opened(path) as container:  # the first packet only, which the other reader has gone past
        packets = container.demux(container.streams.audio[0])
        seconds = next((p.duration for p in packets if p.duration), 0) * _time_base(stream)
        return round(seconds * stream.codec_context.sample_rate)


def _origin(container: av.container.InputContainer) -> Fraction:
    """The first time in the container, exactly: libavformat rounds it to microseconds."""
    if container.format.name not in FLOATING_FORMATS or container.start_time is None:
        return Fraction(0)
    rounded = Fraction(container.start_time, av.time_base)
    starts = [s.start_time * _time_base(s) for s in container.streams if s.start_time is not None]
    exact = min(starts, key=lambda start: abs(start - rounded), default=rounded)
    return Fraction(exact) if abs(exact - rounded) * av.time_base < 1 else rounded
