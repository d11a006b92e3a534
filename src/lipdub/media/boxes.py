"""Boxes of MP4 and MOV: what PyAV does not tell of a track, and a flag that libavformat should not set."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from lipdub.disk import telling
from lipdub.errors import MediaError

_SUBTITLES = frozenset({b"sbtl", b"text", b"subp"})
"""Handlers of tracks of subtitles; a track of chapters is one too, the last."""

_ENABLED = 1
"""Bit of a track's header: a player shows it unless told otherwise."""


class Box(NamedTuple):
    """A box: where it begins, where what is in it begins, where it ends, and its name."""

    begin: int
    content: int
    end: int
    kind: bytes


def walk(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes in a range of a file, one after the other, not those inside them (ISO/IEC 14496-12, 4.2)."""
    while start + 8 <= end:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            long = file.read(8)
            if len(long) < 8:
                return
            (size,), head = struct.unpack(">Q", long), 16
        size = size or end - start
        yield Box(start, start + head, start + size, kind)
        start += max(size, head)


def disable_subtitles(path: Path, wanted: Sequence[bool]) -> None:
    """Clear the mark of tracks that are not shown by default.

    libavformat enables the first track of subtitles if none is marked, so that players would show it.

    Args:
        path: an MP4 or MOV file, which is changed in place.
        wanted: for each of its subtitle streams, in order, whether it is shown by default.

    Raises:
        RenderError: it cannot be written.
    """
    with telling(path), path.open("r+b") as file:
        _disable(file, wanted)


def sample_kinds(path: Path) -> list[str]:
    """The four letters that name what each track holds, in order; empty where there are none.

    Raises:
        MediaError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            tracks = _descend(file, (0, file.seek(0, 2)), (b"moov", b"trak"))
            return [_sample_kind(file, track) for track in tracks]
    except OSError as exc:
        raise MediaError(f"{path} cannot be read ({exc}).") from exc


def _sample_kind(file: BinaryIO, track: tuple[int, int]) -> str:
    for start, _ in _descend(file, track, (b"mdia", b"minf", b"stbl", b"stsd")):
        file.seek(start + 12)  # version, flags, count; size of the first entry
        return file.read(4).decode("latin-1")
    return ""


def _descend(file: BinaryIO, box: tuple[int, int], names: Sequence[bytes]) -> list[tuple[int, int]]:
    """All boxes at the end of a path of names."""
    boxes = [box]
    for name in names:
        boxes = [inner for outer in boxes for inner in _named(file, *outer, name)]
    return boxes


def _disable(file: BinaryIO, wanted: Sequence[bool]) -> None:
    end = file.seek(0, 2)
    tracks = _descend(file, (0, end), (b"moov", b"trak"))
    headers = [next(_named(file, *track, b"tkhd")) for track in tracks if _handler(file, track) in _SUBTITLES]
    for (start, _), shown in zip(headers, wanted, strict=False):
        if not shown:
            file.seek(start + 3)
            flags = file.read(1)[0]
            file.seek(start + 3)
            file.write(bytes([flags & ~_ENABLED]))


def _handler(file: BinaryIO, track: tuple[int, int]) -> bytes:
    for start, _ in _descend(file, track, (b"mdia", b"hdlr")):
        file.seek(start + 8)
        return file.read(4)
    return b""


def _named(file: BinaryIO, start: int, end: int, name: bytes) -> Iterator[tuple[int, int]]:
    """Beginning and end of what is in the boxes of a name."""
    return ((box.content, box.end) for box in walk(file, start, end) if box.kind == name)
