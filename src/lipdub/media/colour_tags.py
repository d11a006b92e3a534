"""What a stream says of its colours, by itself and by the container around it."""

from dataclasses import dataclass, replace
from pathlib import Path

import av

from lipdub.errors import MediaError
from lipdub.media.described import Described, describe

# Codecs of which more is asked: only they carry Dolby Vision (AVC does so in theory) and place their chroma.
_DESCRIBED = frozenset({"hevc", "av1"})
_WIDE_PRIMARIES = 9
_UNSPECIFIED = 2
PQ, HLG = 16, 18


@dataclass(frozen=True, slots=True)
class Colour:
    """Colour tags as the numbers of ITU-T H.273; 2 (or 0 for `range`) is *unspecified*.

    `location` is where chroma samples lie, by libavcodec's names: ``topleft``, ``center``, …; it is empty
    for ``left`` where that is what a codec says by saying nothing.
    """

    range: int = 0
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2
    location: str = ""


def told_by(stream: av.VideoStream) -> Colour:
    """What the container says of colours; only true before the first frame is decoded."""
    c = stream.codec_context
    return Colour(int(c.color_range), int(c.colorspace), int(c.color_primaries), int(c.color_trc))


def colour_of(frame: av.VideoFrame, codec: str, told: Colour, location: str) -> Colour:
    """Colours as the frame says, and where it says nothing, as the container does.

    With DNxHD it is the other way round: many encoders write BT.709 into each frame, whatever it is.
    """
    full = frame.format.name.startswith("yuvj")
    own = Colour(
        range=2 if full else int(frame.color_range),
        matrix=int(frame.colorspace),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
    )
    first, second = (told, own) if codec == "dnxhd" else (own, told)
    return Colour(
        range=first.range or second.range,
        matrix=_specified(first.matrix, second.matrix),
        primaries=_specified(first.primaries, second.primaries),
        transfer=_specified(first.transfer, second.transfer),
        location=location,
    )


def _specified(first: int, second: int) -> int:
    return first if first != _UNSPECIFIED else second


def said_of(path: Path, index: int, codec: str, frame: av.VideoFrame) -> Described:
    """What ffmpeg says besides, of codecs that carry more than PyAV shows.

    Raises:
        MediaError: it is Dolby Vision whose base layer is no picture.
    """
    wide = int(frame.color_primaries) == _WIDE_PRIMARIES or int(frame.color_trc) in {PQ, HLG}
    if codec not in _DESCRIBED and not wide:
        return Described()
    said = describe(path, index)
    if said.dolby and not said.dolby.showable:
        raise MediaError(
            f"{path} is Dolby Vision of profile {said.dolby.name}, whose picture has no colours without its "
            "metadata, which a new picture cannot keep; convert it to HDR10 (profile 8.1) first."
        )
    return replace(said, location="") if said.location == "left" and codec != "av1" else said
