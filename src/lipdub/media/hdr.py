"""What an HDR movie says about the screen it was graded on, and how each encoder and container says it again.

Mastering display colour volume is that of SMPTE ST 2086, content light level that of CTA-861.3. Decoders hand
both on with each frame, wherever they stood: in the stream itself (SEI, metadata OBU) or in the container.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias, cast

import av
from av.sidedata.sidedata import SideData

Point: TypeAlias = tuple[Fraction, Fraction]
"""CIE 1931 chromaticity (x, y)."""

CHROMATICITY_STEPS = 50_000
LUMINANCE_STEPS = 10_000
"""Parts of one (of chromaticity, of cd/m²) in which H.264, HEVC and MP4 count."""

# struct AVMasteringDisplayMetadata of libavutil: ten rationals and two flags.
_MASTERING = struct.Struct("=22i")
# struct AVContentLightMetadata of libavutil.
_LIGHT = struct.Struct("=2I")


@dataclass(frozen=True, slots=True)
class Mastering:
    """The screen a movie was graded on.

    Attributes:
        red, green, blue, white: its primaries and its white.
        darkest, brightest: its luminance in cd/m².
    """

    red: Point
    green: Point
    blue: Point
    white: Point
    darkest: Fraction
    brightest: Fraction


@dataclass(frozen=True, slots=True)
class Light:
    """Light of the whole movie in cd/m²: of its brightest pixel, of its brightest picture on average."""

    brightest_pixel: int
    brightest_picture: int


@dataclass(frozen=True, slots=True)
class Hdr:
    """HDR metadata of a stream; `dynamic` says that there is also some that changes from scene to scene."""

    mastering: Mastering | None = None
    light: Light | None = None
    dynamic: bool = False

    def __bool__(self) -> bool:
        return self.mastering is not None or self.light is not None


def hdr_of(frame: av.VideoFrame) -> Hdr:
    """HDR metadata that came with a decoded frame."""
    try:
        sides = cast("Iterable[SideData]", frame.side_data)  # a mapping that iterates over its values
    except ValueError:  # PyAV refuses all of it where it has no name for one kind, such as a photo's EXIF
        return Hdr()
    data = {side.type.name: bytes(side) for side in sides}
    return Hdr(
        mastering=_mastering(data.get("MASTERING_DISPLAY_METADATA", b"")),
        light=_light(data.get("CONTENT_LIGHT_LEVEL", b"")),
        dynamic="DYNAMIC_HDR_PLUS" in data,
    )


def _mastering(data: bytes) -> Mastering | None:
    if len(data) < _MASTERING.size:
        return None
    *numbers, has_primaries, has_luminance = _MASTERING.unpack_from(data)
    if not (has_primaries and has_luminance) or not all(numbers[1::2]):
        return None
    values = [Fraction(n, d) for n, d in zip(numbers[::2], numbers[1::2], strict=True)]
    red, green, blue, white = zip(values[:8:2], values[1:8:2], strict=True)
    return Mastering(red, green, blue, white, darkest=values[8], brightest=values[9])


def _light(data: bytes) -> Light | None:
    if len(data) < _LIGHT.size:
        return None
    pixel, picture = _LIGHT.unpack_from(data)
    return Light(pixel, picture) if pixel or picture else None


def x26x_parameters(hdr: Hdr, mastering: str, light: str) -> list[str]:
    """Parameters of x264 or x265, each of which has names of its own for the two."""
    words = []
    if hdr.mastering:
        m = hdr.mastering
        points = (f"{name}({x},{y})" for name, (x, y) in _counted(m))
        luminance = ",".join(str(_steps(value, LUMINANCE_STEPS)) for value in (m.brightest, m.darkest))
        words.append(f"{mastering}={''.join(points)}L({luminance})")
    if hdr.light:
        words.append(f"{light}={hdr.light.brightest_pixel},{hdr.light.brightest_picture}")
    return words


def svt_parameters(hdr: Hdr) -> list[str]:
    """Parameters of SVT-AV1, which counts in binary fractions: `repr` of a float holds them exactly."""
    words = []
    if hdr.mastering:
        m = hdr.mastering
        named = zip(("G", "B", "R", "WP"), (m.green, m.blue, m.red, m.white), strict=True)
        points = (f"{name}({_decimal(x)},{_decimal(y)})" for name, (x, y) in named)
        luminance = f"L({_decimal(m.brightest)},{_decimal(m.darkest)})"
        words.append(f"mastering-display={''.join(points)}{luminance}")
    if hdr.light:
        words.append(f"content-light={hdr.light.brightest_pixel},{hdr.light.brightest_picture}")
    return words


def boxes_of(hdr: Hdr) -> bytes:
    """The boxes ``mdcv`` and ``clli`` of MP4 and MOV (ISO/IEC 14496-12, 12.1.6 and 12.1.7)."""
    boxes = b""
    if hdr.mastering:
        m = hdr.mastering
        points = [n for _, point in _counted(m) for n in point]
        luminance = [_steps(value, LUMINANCE_STEPS) for value in (m.brightest, m.darkest)]
        boxes += struct.pack(">I4s8H2I", 32, b"mdcv", *points, *luminance)
    if hdr.light:
        levels = (min(n, 0xFFFF) for n in (hdr.light.brightest_pixel, hdr.light.brightest_picture))
        boxes += struct.pack(">I4s2H", 12, b"clli", *levels)
    return boxes


def _counted(m: Mastering) -> list[tuple[str, tuple[int, int]]]:
    """Chromaticities in the order in which all of them are written: green, blue, red, white."""
    points = {"G": m.green, "B": m.blue, "R": m.red, "WP": m.white}
    return [
        (name, (_steps(x, CHROMATICITY_STEPS), _steps(y, CHROMATICITY_STEPS)))
        for name, (x, y) in points.items()
    ]


def _steps(value: Fraction, steps: int) -> int:
    return max(0, round(value * steps))


def _decimal(value: Fraction) -> str:
    return f"{float(value):.17g}"
