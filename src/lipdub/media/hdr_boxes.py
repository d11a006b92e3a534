"""Add boxes to the description of the picture in a finished MP4 or MOV file."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lipdub.disk import telling
from lipdub.errors import RenderError

_ROAD = (b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_STSD_HEAD = 8
"""Bytes of version, flags and count before the first sample entry."""


def describe_picture(path: Path, boxes: bytes) -> None:
    """Add boxes to the first sample entry of the first track, in place.

    PyAV has no way to give a stream such side data; ffmpeg reads it from here and writes it in the way of
    whatever container it copies the picture to.

    Args:
        path: a file whose index (``moov``) comes after its samples, as libavformat writes it.
        boxes: whole boxes.

    Raises:
        RenderError: the file is not like that, or cannot be written.
    """
    with telling(path), path.open("r+b") as file:
        place, index = _index(file, path)
        file.seek(place)
        rest = file.read()[len(index) :]
        file.seek(place)
        file.write(_extended(index, boxes) + rest)


def _index(file: BinaryIO, path: Path) -> tuple[int, bytes]:
    """Place and bytes of the last box that is an index, which all samples must come before."""
    place, samples = 0, False
    while head := file.read(16):
        size, kind = struct.unpack(">I4s", head[:8])
        if size == 1:
            (size,) = struct.unpack(">Q", head[8:])
        samples = samples or kind == b"mdat"
        if kind == b"moov" and samples:
            file.seek(place)
            return place, file.read(size)
        place += max(size, 8)
        file.seek(place)
    raise RenderError(f"{path} has no index after its samples; please report this.")


def _extended(index: bytes, boxes: bytes) -> bytes:
    """The index with boxes at the end of the first sample entry; all boxes round it grow."""
    grown = bytearray(index)
    begin, end = 8, len(index)
    around = [0]
    for kind in _ROAD:
        begin, end = next((at, until) for at, until, name in _boxes(index, begin, end) if name == kind)
        around.append(begin)
        begin += 8
    begin, end, _ = next(_boxes(index, begin + _STSD_HEAD, end))
    around.append(begin)
    for place in around:
        (size,) = struct.unpack_from(">I", grown, place)
        struct.pack_into(">I", grown, place, size + len(boxes))
    return bytes(grown[:end] + boxes + grown[end:])


def _boxes(data: bytes, begin: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    """Begin, end and name of each box in a range of an index."""
    while begin + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, begin)
        yield begin, begin + size, kind
        begin += max(size, 8)
