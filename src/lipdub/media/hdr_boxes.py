"""Add boxes to the description of the picture in a finished MP4 or MOV file."""

import struct
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from lipdub.disk import telling
from lipdub.errors import RenderError
from lipdub.media.boxes import walk

_ROAD = (b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_STSD_HEAD = 8
"""Bytes of version, flags and count before the first sample entry."""


def describe_picture(path: Path, boxes: bytes) -> None:
    """Add boxes to the first sample entry of the first track, in place.

    PyAV has no way to give a stream such side data; a demuxer reads it from here, and a stream that is made
    from that one as template has it, in the way of whatever container the picture is copied to.

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
    samples = False
    for box in walk(file, 0, file.seek(0, 2)):
        samples = samples or box.kind == b"mdat"
        if box.kind == b"moov" and samples:
            file.seek(box.begin)
            return box.begin, file.read(box.end - box.begin)
    raise RenderError(f"{path} has no index after its samples; please report this.")


def _extended(index: bytes, boxes: bytes) -> bytes:
    """The index with boxes at the end of the first sample entry; all boxes round it grow."""
    grown, file = bytearray(index), BytesIO(index)
    box = next(walk(file, 0, len(index)))
    around = [box]
    for kind in _ROAD:
        box = next(inner for inner in walk(file, box.content, box.end) if inner.kind == kind)
        around.append(box)
    around.append(next(walk(file, box.content + _STSD_HEAD, box.end)))
    for box in around:
        struct.pack_into(">I", grown, box.begin, box.end - box.begin + len(boxes))
    return bytes(grown[: box.end] + boxes + grown[box.end :])
