"""What PyAV cannot tell the Matroska muxer: how wide the pixels of the picture are.

libavformat writes it only if it stands in its own stream, where PyAV puts nothing. So the track is given a
name that is too long, and when the file is finished, the room is used for the two numbers; nothing moves.

Source: RFC 8794 (EBML) and RFC 9559 (Matroska).
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lipdub.disk import telling
from lipdub.errors import RenderError

ROOM = "\u00b7" * 12
"""What a name is longer by: 24 bytes."""

_SEGMENT, _TRACKS, _TRACK = 0x18538067, 0x1654AE6B, 0xAE
_NAME, _VIDEO, _WIDTH, _HEIGHT, _UNIT, _VOID, _CRC = 0x536E, 0xE0, 0x54B0, 0x54BA, 0x54B2, 0xEC, 0xBF


@dataclass(frozen=True, slots=True)
class _Element:
    id: int
    data: bytes

    @property
    def coded(self) -> bytes:
        name = self.id.to_bytes((self.id.bit_length() + 7) // 8, "big")
        return name + _size(len(self.data)) + self.data


def write_display_size(path: Path, width: int, height: int) -> None:
    """Write the size in which the picture is shown, in place of the `ROOM` in its track's name.

    Args:
        path: a finished Matroska or WebM file.
        width, height: in square pixels.

    Raises:
        RenderError: it has no track with such a name.
    """
    with telling(path), path.open("rb+") as file:
        _enter(file, 0x1A45DFA3, leave=True)
        _enter(file, _SEGMENT)
        while True:
            element, length = _head(file)
            if element == _TRACKS:
                break
            if not element:
                raise RenderError(f"{path} has no tracks; please report this.")
            file.seek(length, 1)
        place = file.tell()
        old = file.read(length)
        new = _with_display_size(old, width, height)
        if new is None or len(new) != len(old):
            raise RenderError(f"{path} has no room for the aspect of its picture; please report this.")
        file.seek(place)
        file.write(new)


def _with_display_size(tracks: bytes, width: int, height: int) -> bytes | None:
    """The data of the element of all tracks, as long as before; None if no track has room."""
    children, done = [], False
    for child in _children(tracks):
        if not done and child.id == _TRACK and _has_room(child):
            child, done = _changed(child, width, height), True
        children.append(child)
    if not done:
        return None
    body = b"".join(child.coded for child in children if child.id != _CRC)
    checked = any(child.id == _CRC for child in children)
    body += _void(len(tracks) - len(body) - (6 if checked else 0))
    return (_Element(_CRC, zlib.crc32(body).to_bytes(4, "little")).coded if checked else b"") + body


def _has_room(track: _Element) -> bool:
    names = [part.data.decode(errors="replace") for part in _children(track.data) if part.id == _NAME]
    return any(name.endswith(ROOM) for name in names)


def _changed(track: _Element, width: int, height: int) -> _Element:
    parts = []
    for part in _children(track.data):
        if part.id == _NAME:
            name = part.data.decode().removesuffix(ROOM)
            parts += [_Element(_NAME, name.encode())] if name else []
        elif part.id == _VIDEO:
            shown = [e for e in _children(part.data) if e.id not in {_WIDTH, _HEIGHT, _UNIT}]
            shown += [
                _Element(_WIDTH, width.to_bytes(4, "big")),
                _Element(_HEIGHT, height.to_bytes(4, "big")),
            ]
            parts.append(_Element(_VIDEO, b"".join(e.coded for e in shown)))
        else:
            parts.append(part)
    return _Element(track.id, b"".join(part.coded for part in parts))


def _void(length: int) -> bytes:
    """An element that means nothing, `length` bytes long with its head; at least 2."""
    if length < 128:
        return bytes([_VOID, 0x80 | (length - 2)]) + bytes(length - 2)
    return bytes([_VOID, 1]) + (length - 9).to_bytes(7, "big") + bytes(length - 9)


def _children(data: bytes) -> Iterator[_Element]:
    place = 0
    while place < len(data):
        element, place = _number(data, place, marker=True)
        length, place = _number(data, place)
        yield _Element(element, data[place : place + length])
        place += length


def _number(data: bytes, place: int, marker: bool = False) -> tuple[int, int]:
    """A number of variable length, and the place after it."""
    size = 9 - data[place].bit_length()
    value = int.from_bytes(data[place : place + size], "big")
    return value if marker else value & ((1 << 7 * size) - 1), place + size


def _size(length: int) -> bytes:
    size = next(n for n in range(1, 9) if length < (1 << 7 * n) - 1)
    return (length | 1 << 7 * size).to_bytes(size, "big")


def _head(file: BinaryIO) -> tuple[int, int]:
    """The name and the length of the element at this place; 0, 0 at the end."""
    head = file.read(12)
    if len(head) < 2:
        return 0, 0
    element, place = _number(head, 0, marker=True)
    length, place = _number(head, place)
    file.seek(place - len(head), 1)
    return element, length


def _enter(file: BinaryIO, name: int, leave: bool = False) -> None:
    element, length = _head(file)
    if element != name:
        raise RenderError("a Matroska file was written that begins as none does; please report this.")
    if leave:
        file.seek(length, 1)
