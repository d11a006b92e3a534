"""Streams of an output: copied, attached, or with an encoder of their own."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
import av.stream
from av.codec.context import Flags

from lipdub.errors import RenderError
from lipdub.media.muxing import Packet
from lipdub.media.probe_sound import USUAL_LAYOUTS
from lipdub.media.reading import decodes, opened

Output = av.container.OutputContainer

COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}
"""File name and media type of cover art that is attached to a Matroska file, by its codec."""

KEEPING_TAGS = frozenset({".mp4", ".m4v", ".mov", ".mkv"})
"""Outputs that keep the four letters by which MP4 and MOV name a codec; ProRes has its profile in them."""


def add_copy(target: Output, template: Any, suffix: str) -> Any:
    """A stream whose packets are copied.

    Args:
        target: the output.
        template: stream of a source.
        suffix: of the output's name.

    Raises:
        RenderError: the container does not take it.
    """
    try:
        stream = target.add_stream_from_template(template, opaque=True)
    except (av.error.FFmpegError, ValueError) as exc:
        raise RenderError(f"{suffix} does not take stream {template.index} of the source ({exc}).") from exc
    context, old = stream.codec_context, template.codec_context
    if context is not None and stream.type == "video":
        tag = _tag_for(old, suffix)
        if tag:
            context.codec_tag = tag
        if template.average_rate:
            context.framerate = template.average_rate
        if template.sample_aspect_ratio:
            context.sample_aspect_ratio = template.sample_aspect_ratio
    return stream


def _tag_for(context: Any, suffix: str) -> str | None:
    """The four letters that name the codec in the output, if they are not left to the muxer."""
    if suffix == ".avi" and context.name == "h264" and (context.extradata or b"")[:1] == b"\x01":
        return "avc1"  # the parts of a picture begin with their lengths, as in MP4
    if suffix not in KEEPING_TAGS:
        return None
    try:
        tag = str(context.codec_tag)
    except UnicodeDecodeError:
        return None
    return tag if tag.isprintable() and tag.strip() else None


def add_attachment(target: Output, source: Any, data: bytes, usual: tuple[str, str]) -> None:
    """A file attached to a Matroska output.

    Args:
        target: the output.
        source: the stream that it is in the source.
        data: the file.
        usual: its name and media type, where the source does not tell.
    """
    tags = source.metadata
    stream = target.add_attachment(tags.get("filename", usual[0]), tags.get("mimetype", usual[1]), data)
    stream.metadata.update({key: text for key, text in tags.items() if key not in {"filename", "mimetype"}})


def pcm_for(codec: str, bits: int) -> str:
    """The uncompressed samples to hand to an encoder, so that nothing is lost before it."""
    if codec in {"flac", "alac"}:
        return "pcm_s16le" if bits <= 16 else "pcm_s32le"
    if codec.startswith("pcm_s16"):
        return "pcm_s16le"
    return "pcm_s32le" if codec.startswith("pcm_s") else "pcm_f32le"


def rate_for(codec: str, rate: int) -> int:
    """The sample rate that an encoder takes, nearest to this one from above."""
    allowed = sorted(av.Codec(codec, "w").audio_rates or [rate])
    return next((r for r in allowed if r >= rate), allowed[-1])


def add_sound(target: Output, codec: str, source: Any, bit_rate: int | None) -> Any:
    """A sound stream with an encoder, in one thread, which leaves no name behind.

    Args:
        target: the output.
        codec: libavcodec's encoder.
        source: sound stream with its rate, channels and sample format.
        bit_rate: bits a second, for encoders that lose.

    Raises:
        RenderError: the container or the encoder does not take it.
    """
    try:
        if "channels" in source.layout.name:  # WAV with one or two channels does not say which
            source.codec_context.layout = USUAL_LAYOUTS.get(source.layout.nb_channels, source.layout)
        stream: Any = target.add_stream(codec, rate=source.rate, layout=source.layout)
        stream.format = _format_for(codec, source.format.bytes)
        if bit_rate:
            stream.bit_rate = bit_rate
        context = stream.codec_context
        context.thread_count = 1
        context.flags |= Flags.bitexact
    except (av.error.FFmpegError, ValueError) as exc:
        raise RenderError(f"the sound cannot be written as {codec} ({exc}).") from exc
    return stream


def _format_for(codec: str, size: int) -> Any:
    """The encoder's sample format of that many bytes, if it has one."""
    formats = av.Codec(codec, "w").audio_formats or []
    return next((f for f in formats if f.bytes == size), formats[0])


def add_text(target: Output, codec: str, source: Any) -> tuple[Any, Callable[[Packet], Packet | None]]:
    """A subtitle stream in another format of text; and what makes its packets of the source's.

    Raises:
        RenderError: the container or the encoder does not take it.
    """
    old = source.codec_context
    try:
        old.open(strict=False)
        stream: Any = target.add_stream(codec)
        stream.codec_context.subtitle_header = old.subtitle_header
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
    except (av.error.FFmpegError, ValueError) as exc:
        raise RenderError(f"subtitles cannot be written as {codec} ({exc}).") from exc

    def written_anew(packet: Packet) -> Packet | None:
        try:
            shown = old.decode2(packet)
        except av.error.FFmpegError:
            return None  # a damaged line; those around it are good
        if not shown or not len(shown):
            return None  # MP4 has empty ones between the others
        made = stream.codec_context.encode_subtitle(shown)
        made.pts = made.dts = packet.pts
        made.duration, made.time_base = packet.duration, packet.time_base
        return made  # type: ignore[no-any-return]

    return stream, written_anew


def first_packet(path: Path, index: int) -> bytes:
    """The bytes of a cover picture."""
    with opened(path) as container:
        packets = container.demux(container.streams[index])
        return next((bytes(packet) for packet in packets if packet.size), b"")


def holds_sound(path: Path, index: int, copied: bool) -> bool:
    """Whether a sound stream of a file has a packet; or, if it is not to be copied, one that decodes.

    A damaged index lists streams of which nothing can be found, and muxers make nothing of those.
    """
    with opened(path) as container:
        packets = container.demux(container.streams[index])
        return any(packet.size if copied else decodes(packet) for packet in packets)
