"""Which streams of the movie go into the output, in which form, and what is to be said of the others."""

from dataclasses import dataclass

from lipdub.media.encoding import ENCODERS, plain_name
from lipdub.media.probe import Stream, VideoInfo
from lipdub.media.sound import MP4_SOUND, SOUND_CARRIERS

_ITUNES = frozenset({".mp4", ".m4v"})
"""Containers that carry cover art as an attached picture; MOV drops it without a word."""

COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}
"""File name and media type of cover art that is attached to a Matroska file, by its codec."""

ATTACH = "attach"

_TEXT = frozenset({"subrip", "ass", "ssa", "webvtt", "mov_text", "text"})
MP4_LIKE = frozenset({".mp4", ".m4v", ".mov"})
_MATROSKA = frozenset({".mkv"})


@dataclass(frozen=True, slots=True)
class Carried:
    """A stream of the source that goes into the output: its index, and its codec there.

    The codec is ``copy``, an encoder, or `ATTACH` for cover art that becomes an attached file.
    """

    index: int
    kind: str
    codec: str = "copy"


def choose_streams(
    info: VideoInfo, suffix: str, keep_original_audio: bool
) -> tuple[tuple[Carried, ...], list[str]]:
    """Which streams of the source go into the output, and what cannot, a sentence each.

    The first sound track is the one the dub replaces; it is kept, after the dub, if asked for.
    """
    if info.still:
        return (), []
    kept: list[Carried] = []
    notes: list[str] = []
    replaced = next((s.index for s in info.streams if s.kind == "audio"), None)
    for stream in info.streams:
        if stream.index == info.index or (stream.index == replaced and not keep_original_audio):
            continue
        if _written_anew(stream, suffix.lower()):
            continue
        codec = _codec_in(stream, suffix.lower())
        if codec:
            kept.append(Carried(stream.index, stream.kind, codec))
            if stream.kind == "audio" and codec != "copy":
                names = plain_name(stream.codec or "unknown"), plain_name(codec)
                notes.append(
                    f"the sound track {stream.index} was {names[0]} and becomes {names[1]}:"
                    f" {suffix} files do not carry it well."
                )
        else:
            notes.append(f"{_described(stream)} cannot be put into {suffix} and is left out.")
    return tuple(kept), notes


def _codec_in(stream: Stream, suffix: str) -> str | None:
    """The codec of a source's stream in the output; None if it cannot be carried."""
    mp4 = suffix in MP4_LIKE
    match stream.kind:
        case "video":
            return _picture_in(stream, suffix)
        case "audio":
            carrier = SOUND_CARRIERS.get(suffix, MP4_SOUND)
            if stream.codec in carrier.codecs | carrier.held:
                return "copy"
            if stream.codec is None:
                return None
            return "pcm_s16le" if carrier.fallback == "pcm" else carrier.fallback
        case "subtitle":
            if suffix in _MATROSKA:
                return "srt" if stream.codec == "mov_text" else "copy"
            return "mov_text" if mp4 and stream.codec in _TEXT else None
        case "attachment":
            return "copy" if suffix in _MATROSKA else None
    return None


def _picture_in(stream: Stream, suffix: str) -> str | None:
    if stream.cover and suffix in _MATROSKA:
        return ATTACH if stream.codec in COVERS else None
    if stream.cover:
        return "copy" if suffix in _ITUNES and stream.codec else None
    encoder = ENCODERS.get(stream.codec or "")
    return "copy" if encoder and suffix in encoder.containers else None


def _written_anew(stream: Stream, suffix: str) -> bool:
    """Whether ffmpeg makes this track again from chapters or tags, which are carried over."""
    return stream.kind in {"chapters", "timecode"} and suffix in MP4_LIKE | _MATROSKA | {".webm"}


def _described(stream: Stream) -> str:
    match stream.kind:
        case "chapters" | "timecode":
            return f"the track of {'chapters' if stream.kind == 'chapters' else 'time codes'} {stream.index}"
        case "video" if stream.cover:
            what = "cover picture"
        case "video":
            what = "second picture track"
        case kind:
            what = {"audio": "sound track", "subtitle": "subtitle track"}.get(kind, f"{kind} stream")
    return f"the {what} {stream.index} ({plain_name(stream.codec or 'unknown')})"
