"""Which streams of the movie go into the output, in which form, and what is to be said of the others."""

from dataclasses import dataclass

from lipdub.media.boxes import sample_kinds
from lipdub.media.containers import MATROSKA, MP4_LIKE, TRANSPORT
from lipdub.media.encoders import ENCODERS, plain_name
from lipdub.media.probe import VideoInfo
from lipdub.media.sound import MOST_CHANNELS, MP4_SOUND, SOUND_CARRIERS
from lipdub.media.tracklist import Stream
from lipdub.media.tracks import COVERS

_ITUNES = frozenset({".mp4", ".m4v"})
"""Containers that carry cover art as an attached picture; MOV drops it without a word."""

ATTACH = "attach"

_TEXT = frozenset({"subrip", "ass", "ssa", "webvtt", "mov_text", "text"})
_STYLED = frozenset({"ass", "ssa"})

_WITH_FILES = frozenset({".mkv"})
"""Containers that files can be attached to; WebM is Matroska without that."""


@dataclass(frozen=True, slots=True)
class SubtitleCarrier:
    """What subtitles a container carries.

    Attributes:
        codecs: copied as they are.
        text: encoder for other text; None if there is none.
    """

    codecs: frozenset[str] = frozenset()
    text: str | None = None


_IN_MKV = _TEXT - {"mov_text"} | {"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "hdmv_text_subtitle"}
_IN_MP4 = SubtitleCarrier(frozenset({"mov_text", "dvd_subtitle"}), "mov_text")
SUBTITLE_CARRIERS = {
    ".mp4": _IN_MP4,
    ".m4v": _IN_MP4,
    ".mov": SubtitleCarrier(frozenset({"mov_text", "eia_608"}), "mov_text"),
    ".mkv": SubtitleCarrier(_IN_MKV, "srt"),
    ".webm": SubtitleCarrier(frozenset({"webvtt"}), "webvtt"),
} | dict.fromkeys(TRANSPORT, SubtitleCarrier(frozenset({"dvb_subtitle"})))

DATA_CARRIERS = dict.fromkeys(TRANSPORT, frozenset({"klv", "timed_id3"}))
"""Data streams that a container carries, by libavcodec's name."""


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
        codec = "copy" if _telemetry(info, stream, suffix.lower()) else _codec_in(stream, suffix.lower())
        if codec:
            kept.append(Carried(stream.index, stream.kind, codec))
            notes += _changed(stream, codec, suffix)
        else:
            notes.append(f"{_described(stream)} cannot be put into {suffix} and is left out.")
    return tuple(kept), notes


def _telemetry(info: VideoInfo, stream: Stream, suffix: str) -> bool:
    """Whether this is a track of an action camera's sensors (GPMF), the one such that MP4 muxers write."""
    if stream.kind != "data" or stream.codec != "bin_data" or suffix not in MP4_LIKE:
        return False
    kinds = sample_kinds(info.path) if info.container.startswith("mov") else []
    return kinds[stream.index : stream.index + 1] == ["gpmd"]


def _changed(stream: Stream, codec: str, suffix: str) -> list[str]:
    """What to say of a stream that is written anew in another codec."""
    names = plain_name(stream.codec or "unknown"), plain_name(codec)
    if stream.kind == "audio" and codec != "copy":
        what = f"the sound track {stream.index} was {names[0]} and becomes {names[1]}"
        return [f"{what}: {suffix} files do not carry it well."]
    if stream.codec in _STYLED and codec != "copy":
        return [
            f"{_described(stream)} becomes {names[1]} in {suffix}: what is said stays, most styles do not."
        ]
    return []


def _codec_in(stream: Stream, suffix: str) -> str | None:
    """The codec of a source's stream in the output; None if it cannot be carried."""
    match stream.kind:
        case "video":
            return _picture_in(stream, suffix)
        case "audio":
            carrier = SOUND_CARRIERS.get(suffix, MP4_SOUND)
            if stream.codec in carrier.codecs | carrier.held:
                return "copy"
            if stream.codec is None or (carrier.fallback != "pcm" and stream.channels > MOST_CHANNELS):
                return None
            return "pcm_s16le" if carrier.fallback == "pcm" else carrier.fallback
        case "subtitle":
            return _subtitle_in(stream, suffix)
        case "data":
            return "copy" if stream.codec in DATA_CARRIERS.get(suffix, ()) else None
        case "attachment":
            return "copy" if suffix in _WITH_FILES else None
    return None


def _subtitle_in(stream: Stream, suffix: str) -> str | None:
    carrier = SUBTITLE_CARRIERS.get(suffix, SubtitleCarrier())
    if stream.codec in carrier.codecs:
        return "copy"
    return carrier.text if stream.codec in _TEXT else None


def _picture_in(stream: Stream, suffix: str) -> str | None:
    if stream.cover and suffix in _WITH_FILES:
        return ATTACH if stream.codec in COVERS else None
    if stream.cover:
        return "copy" if suffix in _ITUNES and stream.codec else None
    encoder = ENCODERS.get(stream.codec or "")
    return "copy" if encoder and suffix in encoder.containers else None


def _written_anew(stream: Stream, suffix: str) -> bool:
    """Whether muxers make this track again from chapters or tags, which are carried over."""
    return stream.kind in {"chapters", "timecode"} and suffix in MP4_LIKE | MATROSKA


def _described(stream: Stream) -> str:
    match stream.kind:
        case "chapters" | "timecode":
            return f"the track of {'chapters' if stream.kind == 'chapters' else 'time codes'} {stream.index}"
        case "video" if stream.cover:
            what = "cover picture"
        case "video":
            what = "second picture track"
        case "attachment":
            return f"the attachment {stream.index}"
        case kind:
            what = {"audio": "sound track", "subtitle": "subtitle track"}.get(kind, f"{kind} stream")
    return f"the {what} {stream.index} ({plain_name(stream.codec or 'unknown')})"


def sound_rate(suffix: str, codec: str, channels: int) -> int | None:
    """Bits a second for a sound track that is encoded anew; None for encoders that lose nothing."""
    carrier = SOUND_CARRIERS.get(suffix, MP4_SOUND)
    return carrier.bit_rate and carrier.bit_rate * channels if codec == carrier.fallback else None
