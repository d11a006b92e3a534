"""The streams of a container, as much of each as is needed to carry it over."""

from dataclasses import dataclass

import av
import av.stream


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


def listed(stream: av.stream.Stream, chapters: int) -> Stream:
    """What is to be known of a stream.

    Args:
        stream: of an open container.
        chapters: of that container, whose track MP4 shows as data.
    """
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
    return Stream(stream.index, kind, codec, is_cover(stream), channels)


def _is_whole(stream: av.stream.Stream) -> bool:
    """Whether a stream says what every muxer must know of it."""
    if isinstance(stream, av.VideoStream):
        return stream.width > 0 and stream.height > 0
    if isinstance(stream, av.AudioStream):
        return stream.sample_rate > 0 and stream.channels > 0
    return True


def is_cover(stream: av.stream.Stream) -> bool:
    """Whether a picture stream is cover art."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)
