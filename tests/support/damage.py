"""Damage done to files: by chance, and to the very fields of their headers that say how large they are.

Every function takes the bytes of a file and a `random.Random`, and gives other bytes; the same numbers give
the same damage. A function that finds nothing to damage gives the bytes back as they were.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from random import Random

Damage = Callable[[bytes, Random], bytes]

HUGE = (0, 1, 2, 3, 0xFF, 0x7FFF, 0xFFFF, 1_000_000_000, 0x7FFFFFFF, 0xFFFFFFFF)
"""Values that headers lie with."""


def _span(data: bytes, random: Random, longest: int = 4096) -> tuple[int, int]:
    first = random.randrange(len(data))
    return first, min(len(data), first + random.randint(1, longest))


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(1, len(data))]


def cut_tail(data: bytes, random: Random) -> bytes:
    return data[: -random.randint(1, min(2000, len(data) - 1))]


def flip_bit(data: bytes, random: Random) -> bytes:
    return _patched(
        data, place := random.randrange(len(data)), bytes([data[place] ^ 1 << random.randrange(8)])
    )


def flip_early_bit(data: bytes, random: Random) -> bytes:
    place = random.randrange(min(600, len(data)))
    return _patched(data, place, bytes([data[place] ^ 1 << random.randrange(8)]))


def flip_bits(data: bytes, random: Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(random.choice((2, 8, 40, 200))):
        damaged[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def zero_block(data: bytes, random: Random) -> bytes:
    first, last = _span(data, random)
    return data[:first] + bytes(last - first) + data[last:]


def zero_rest(data: bytes, random: Random) -> bytes:
    kept = random.randrange(1, len(data))
    return data[:kept] + bytes(len(data) - kept)


def repeat_block(data: bytes, random: Random) -> bytes:
    first, last = _span(data, random)
    return data[:last] + data[first:last] * random.choice((1, 1, 3, 20)) + data[last:]


def remove_block(data: bytes, random: Random) -> bytes:
    first, last = _span(data, random)
    return data[:first] + data[last:]


def swap_blocks(data: bytes, random: Random) -> bytes:
    a, b, c, d = sorted(random.randrange(len(data)) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def random_block(data: bytes, random: Random) -> bytes:
    first, last = _span(data, random)
    return data[:first] + random.randbytes(last - first) + data[last:]


def random_all(data: bytes, random: Random) -> bytes:
    return random.randbytes(len(data))


def random_prefix(data: bytes, random: Random) -> bytes:
    return random.randbytes(random.randint(1, 300)) + data


BY_CHANCE: Sequence[Damage] = (
    truncate, cut_tail, flip_bit, flip_early_bit, flip_bits, zero_block, zero_rest, repeat_block,
    remove_block, swap_blocks, random_block, random_all, random_prefix,
)  # fmt: skip


def spliced(data: bytes, other: bytes, random: Random) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: random.randrange(1, len(data))] + other[random.randrange(len(other)) :]


def _patched(data: bytes, place: int, new: bytes) -> bytes:
    return data[:place] + new + data[place + len(new) :]


def _places(data: bytes, mark: bytes) -> list[int]:
    places, place = [], data.find(mark)
    while place >= 0:
        places.append(place)
        place = data.find(mark, place + 1)
    return places


def _at(mark: bytes, offset: int, length: int, values: Sequence[int], order: str = "big") -> Damage:
    """Overwrite a whole number that lies `offset` bytes after the end of a mark, anywhere it occurs."""

    def damage(data: bytes, random: Random) -> bytes:
        places = [p + len(mark) + offset for p in _places(data, mark)]
        places = [p for p in places if 0 <= p <= len(data) - length]
        if not places:
            return data
        value = random.choice(values) % 256**length
        return _patched(data, random.choice(places), value.to_bytes(length, order))

    return damage


# ISO/IEC 14496-12; offsets are from the end of the box's name and hold for version 0.
_BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"stts", b"stsz", b"stco", b"stsc", b"mdat",
          b"ctts", b"ftyp", b"elst", b"avcC", b"esds", b"moof", b"traf", b"trun", b"mvhd")  # fmt: skip


def box_size(data: bytes, random: Random) -> bytes:
    return _at(random.choice(_BOXES), -8, 4, HUGE)(data, random)


def box_gone(data: bytes, random: Random) -> bytes:
    return data.replace(random.choice(_BOXES), b"free", 1)


def boxes_nested(data: bytes, random: Random) -> bytes:
    depth = random.choice((20, 1000, 20_000))
    name = random.choice((b"moov", b"trak", b"udta", b"meta"))
    head = b"".join(struct.pack(">I4s", 8 * (depth - n) + len(data), name) for n in range(depth))
    return data[:32] + head + data[32:]


def turned(data: bytes, random: Random) -> bytes:
    """A display matrix of any numbers."""
    return _at(b"tkhd", 40 + 4 * random.randrange(9), 4, (*HUGE, 0x0000B504, 0xFFFF4AFC))(data, random)


# Sizes of boxes; then the fields of mvhd, mdhd (time scale, duration), tkhd (duration, width, height), the
# sample tables, the edit list, the sample descriptions (size; channels, bits, rate), and of fragments.
MP4: Sequence[Damage] = (
    box_size, box_size, box_gone, boxes_nested, turned, _at(b"mvhd", 12, 4, HUGE), _at(b"mvhd", 16, 4, HUGE),
    _at(b"mdhd", 12, 4, HUGE), _at(b"mdhd", 16, 4, HUGE), _at(b"tkhd", 20, 4, HUGE),
    _at(b"tkhd", 76, 4, HUGE), _at(b"tkhd", 80, 4, HUGE), _at(b"stts", 4, 4, HUGE), _at(b"stts", 8, 4, HUGE),
    _at(b"stts", 12, 4, HUGE), _at(b"ctts", 4, 4, HUGE), _at(b"ctts", 12, 4, HUGE), _at(b"stsz", 4, 4, HUGE),
    _at(b"stsz", 8, 4, HUGE), _at(b"stsz", 12, 4, HUGE), _at(b"stsc", 4, 4, HUGE), _at(b"stsc", 12, 4, HUGE),
    _at(b"stco", 4, 4, HUGE), _at(b"stco", 8, 4, HUGE), _at(b"elst", 8, 4, HUGE), _at(b"elst", 12, 4, HUGE),
    _at(b"elst", 4, 4, HUGE), _at(b"avc1", 24, 2, HUGE), _at(b"avc1", 26, 2, HUGE),
    _at(b"hvc1", 24, 2, HUGE), _at(b"vp09", 24, 2, HUGE), _at(b"mp4a", 16, 2, HUGE),
    _at(b"mp4a", 18, 2, HUGE), _at(b"mp4a", 24, 2, HUGE), _at(b"trun", 4, 4, HUGE), _at(b"tfdt", 4, 4, HUGE),
    _at(b"tfhd", 8, 4, HUGE), _at(b"trex", 8, 4, HUGE),
)  # fmt: skip


def _ebml(mark: bytes, values: Sequence[bytes] = ()) -> Damage:
    """Overwrite what is in a short element of Matroska (RFC 9559) or, without values, its size."""

    def damage(data: bytes, random: Random) -> bytes:
        places = [p + len(mark) for p in _places(data, mark) if p + len(mark) < len(data)]
        places = [p for p in places if not values or 0x81 <= data[p] <= 0x88]
        if not places:
            return data
        place = random.choice(places)
        if not values:
            return _patched(
                data,
                place,
                random.choice((b"\xff", b"\x01\xff\xff\xff\xff\xff\xff\xff", b"\x80", b"\x08\xff")),
            )
        length = data[place] & 0x7F
        return _patched(data, place + 1, random.choice(values)[-length:].rjust(length, b"\0"))

    return damage


_NUMBERS = [value.to_bytes(8, "big") for value in (*HUGE, 2**40, 2**62, 2**63 - 1)]
_REALS = [
    struct.pack(">d", value) for value in (0.0, -1.0, 1.0, 1e9, 2.0**31, 1e300, float("inf"), float("nan"))
]

# TimestampScale, Duration, DefaultDuration, size in pixels, channels, rate, bits, the cluster's time, …
MATROSKA: Sequence[Damage] = (
    _ebml(b"\x2a\xd7\xb1", _NUMBERS), _ebml(b"\x2a\xd7\xb1", _NUMBERS), _ebml(b"\x44\x89", _REALS),
    _ebml(b"\x23\xe3\x83", _NUMBERS), _ebml(b"\xb0", _NUMBERS), _ebml(b"\xba", _NUMBERS),
    _ebml(b"\x54\xb0", _NUMBERS), _ebml(b"\x54\xba", _NUMBERS), _ebml(b"\x9f", _NUMBERS),
    _ebml(b"\xb5", _REALS), _ebml(b"\x62\x64", _NUMBERS), _ebml(b"\xe7", _NUMBERS), _ebml(b"\xe7", _NUMBERS),
    _ebml(b"\x56\xaa", _NUMBERS), _ebml(b"\x56\xbb", _NUMBERS), _ebml(b"\xa3"), _ebml(b"\xae"),
    _ebml(b"\x1f\x43\xb6\x75"), _ebml(b"\x16\x54\xae\x6b"), _ebml(b"\x63\xa2"),
)  # fmt: skip

RIFF: Sequence[Damage] = (
    _at(b"RIFF", 0, 4, HUGE, "little"), _at(b"LIST", 0, 4, HUGE, "little"),
    _at(b"data", 0, 4, HUGE, "little"), _at(b"fmt ", 4, 2, HUGE, "little"),
    _at(b"fmt ", 6, 2, HUGE, "little"), _at(b"fmt ", 8, 4, HUGE, "little"),
    _at(b"fmt ", 12, 4, HUGE, "little"), _at(b"fmt ", 16, 2, HUGE, "little"),
    _at(b"fmt ", 18, 2, HUGE, "little"), _at(b"avih", 4, 4, HUGE, "little"),
    _at(b"avih", 20, 4, HUGE, "little"), _at(b"avih", 36, 4, HUGE, "little"),
    _at(b"strh", 24, 4, HUGE, "little"), _at(b"strh", 28, 4, HUGE, "little"),
    _at(b"strh", 32, 4, HUGE, "little"), _at(b"strh", 36, 4, HUGE, "little"),
    _at(b"strf", 8, 4, HUGE, "little"), _at(b"strf", 12, 4, HUGE, "little"),
    _at(b"strf", 18, 2, HUGE, "little"), _at(b"idx1", 0, 4, HUGE, "little"),
    _at(b"VP8X", 8, 3, HUGE, "little"), _at(b"ANMF", 4, 3, HUGE, "little"),
    _at(b"VP8 ", 10, 2, HUGE, "little"),
)  # fmt: skip


def ts_times(data: bytes, random: Random) -> bytes:
    """Another presentation time in the head of a random packet of elementary streams (ISO/IEC 13818-1)."""
    places = [p for p in _places(data, b"\0\0\1\xe0") + _places(data, b"\0\0\1\xc0") if p + 14 < len(data)]
    if not places:
        return data
    return _patched(
        data, random.choice(places) + 9, bytes([0x21 | random.randrange(8) << 1, *random.randbytes(4)])
    )


def ts_packet(data: bytes, random: Random) -> bytes:
    """Packets lost, doubled or out of order."""
    packets = [data[p : p + 188] for p in range(0, len(data), 188)]
    for _ in range(random.randint(1, 8)):
        place = random.randrange(len(packets))
        packets[place : place + 1] = random.choice(([], [packets[place]] * 2, [random.choice(packets)]))
        packets = packets or [data[:188]]
    return b"".join(packets)


def png_head(data: bytes, random: Random) -> bytes:
    """Width, height, depth or colour type, with a checksum that is right."""
    place, length = random.choice(((0, 4), (4, 4), (8, 1), (9, 1)))
    head = bytearray(data[16:29])
    head[place : place + length] = (random.choice(HUGE) % 256**length).to_bytes(length, "big")
    return data[:16] + bytes(head) + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + data[33:]


PICTURES: Sequence[Damage] = (
    _at(b"BM", 0, 4, HUGE, "little"), _at(b"BM", 8, 4, HUGE, "little"), _at(b"BM", 16, 4, HUGE, "little"),
    _at(b"BM", 20, 4, HUGE, "little"), _at(b"BM", 26, 2, HUGE, "little"), _at(b"\xff\xc0", 3, 2, HUGE),
    _at(b"\xff\xc0", 5, 2, HUGE), _at(b"\xff\xc0", 0, 2, HUGE), _at(b"\xff\xc0", 7, 1, HUGE),
    _at(b"GIF89a", 0, 2, HUGE, "little"), _at(b"GIF89a", 2, 2, HUGE, "little"),
    _at(b"\x2c\0\0\0\0", 0, 2, HUGE, "little"), _at(b"\0\1\4\0\1\0\0\0", 0, 4, HUGE, "little"),
    _at(b"\1\1\4\0\1\0\0\0", 0, 4, HUGE, "little"), _at(b"\0\1\3\0\1\0\0\0", 0, 4, HUGE, "little"),
    _at(b"\1\1\3\0\1\0\0\0", 0, 4, HUGE, "little"),
)  # fmt: skip

BY_KIND = {
    ".mp4": MP4, ".mov": MP4, ".m4a": MP4, ".mkv": MATROSKA, ".webm": MATROSKA, ".avi": RIFF, ".wav": RIFF,
    ".ts": (ts_times, ts_packet), ".png": (png_head,), ".apng": (png_head,), ".webp": RIFF, ".bmp": PICTURES,
    ".jpg": PICTURES, ".gif": PICTURES, ".tiff": PICTURES,
}  # fmt: skip
"""What can be done to the headers of a format, by suffix."""


def damaged(data: bytes, suffix: str, random: Random, other: bytes = b"") -> tuple[bytes, str]:
    """Damage of one kind or, now and then, of several.

    Args:
        data: a file.
        suffix: of its name.
        random: what chooses.
        other: a file to splice with.

    Returns:
        The damaged file and the names of what was done.
    """
    names = []
    for _ in range(random.choices((1, 2, 4), (85, 10, 5))[0]):
        if len(data) < 16:
            break
        known = BY_KIND.get(suffix, ())
        if other and random.random() < 0.04:
            data, name = spliced(data, other, random), "spliced"
        elif known and random.random() < 0.55:
            number = random.randrange(len(known))
            data, name = known[number](data, random), f"{suffix[1:]} header {number}"
        else:
            chosen = random.choice(BY_CHANCE)
            data, name = chosen(data, random), chosen.__name__
        names.append(name)
    return data, ", ".join(names)
