"""Which encoding a new picture gets: codec family, pixel format and size, as near the source's as can be."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import av
from av.codec.codec import find_best_pix_fmt_of_list

from lipdub.errors import OptionError, RenderError
from lipdub.media import nvenc
from lipdub.media.encoders import (
    DNXHR_BY_QUALITY,
    DNXHR_PROFILES,
    DNXHR_SMALLEST,
    ENCODERS,
    FALLBACKS,
    NO_ENCODER,
    PRORES_444_BY_QUALITY,
    PRORES_BY_QUALITY,
    PRORES_PROFILES,
    SCALES,
    WHY_NOT,
    WITH_ALPHA,
    WITHOUT_PRESENTATION_TIMES,
    X265_TELLS_FIELDS,
    Encoder,
    Scale,
    plain_name,
)
from lipdub.media.fields import FieldOrder
from lipdub.media.hdr import svt_parameters, x26x_parameters
from lipdub.media.picture_losses import lost_notes
from lipdub.media.planes import Layout, layout, planar_format
from lipdub.media.probe import VideoInfo
from lipdub.options import DEFAULT_QUALITY

_UNDESCRIBED = frozenset({("libvpx-vp9", "yuv440p")})
"""Pixel formats that an encoder takes but MP4 and WebM have no description of."""
FAMILIES = {"dnxhr": "dnxhd"}
"""Names of codecs among the options that differ from libavcodec's."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """The choice for one output.

    Attributes:
        encoder: a row of `ENCODERS`.
        pix_fmt: of the pictures handed to the encoder.
        width, height: of the coded picture.
        options: for the encoder.
        notes: what could not be kept as it was, a sentence each.
    """

    encoder: Encoder
    pix_fmt: str
    width: int
    height: int
    options: Mapping[str, str]
    notes: tuple[str, ...] = field(default=())


def choose_encoding(
    info: VideoInfo,
    suffix: str,
    *,
    codec: str = "auto",
    quality: int = DEFAULT_QUALITY,
    hwaccel: str = "none",
) -> Encoding:
    """The encoding nearest to the source's that the output's container carries.

    Args:
        info: the source.
        suffix: of the output's name, for example ``.mp4``.
        codec: family asked for; ``auto`` is the source's.
        quality: 0 to 100, see `lipdub.media.encoders.SCALES`.
        hwaccel: ``none``, ``auto`` or ``nvenc``.

    Raises:
        OptionError: the container does not carry that family, the picture is too small for it, or there is no
            such hardware.
    """
    suffix = suffix.lower()
    encoder, notes = _encoder_for(info, suffix) if codec == "auto" else (_asked_for(info, suffix, codec), [])
    pix_fmt, more = _pixel_format(info, encoder)
    if info.still and not pix_fmt.startswith("yuv420p") and "yuv420p" in _formats(encoder):
        pix_fmt, more = "yuv420p", []  # the one format that plays everywhere
    width, height, padding = _even_size(info, encoder, layout(planar_format(pix_fmt)))
    notes += lost_notes(info, encoder, suffix)
    encoder, pix_fmt, why = _accelerated(info, encoder, pix_fmt, hwaccel)
    options = _options(info, encoder, pix_fmt, suffix, quality)
    return Encoding(encoder, pix_fmt, width, height, options, (*notes, *more, *padding, *why))


def _asked_for(info: VideoInfo, suffix: str, codec: str) -> Encoder:
    encoder = ENCODERS[FAMILIES.get(codec, codec)]
    name = plain_name(codec)
    if suffix not in encoder.containers:
        can = ", ".join(encoder.containers)
        raise OptionError(f"--codec {codec}: {suffix} files do not carry {name} well; these do: {can}.")
    size = (info.geometry.width, info.geometry.height)
    if encoder.name == "dnxhd" and (size[0] < DNXHR_SMALLEST[0] or size[1] < DNXHR_SMALLEST[1]):
        least = "×".join(map(str, DNXHR_SMALLEST))
        raise OptionError(f"--codec {codec}: {name} needs {least} pixels at least; {info.path} has fewer.")
    return encoder


def _encoder_for(info: VideoInfo, suffix: str) -> tuple[Encoder, list[str]]:
    own = ENCODERS.get(info.codec)
    carried = own is not None and suffix in own.containers
    if own and carried and not info.still and not _loses_depth(info, own, suffix):
        return own, []
    stand_in = ENCODERS[FALLBACKS.get(suffix, "h264")]
    if info.still:
        return stand_in, []
    if carried or _loses_depth(info, stand_in, suffix):
        stand_in = ENCODERS["av1"]
    if carried:
        why = f"there is no encoder here that writes it with more than 8 bits, and {suffix} files carry both"
    else:
        why = f"{suffix} files do not carry it well" if own else WHY_NOT.get(info.codec, NO_ENCODER)
    names = plain_name(info.codec), plain_name(stand_in.name)
    return stand_in, [f"the picture was {names[0]} and becomes {names[1]}: {why}."]


def _loses_depth(info: VideoInfo, encoder: Encoder, suffix: str) -> bool:
    """Whether this encoder writes 8 bits only of a deeper picture, where AV1 would do better."""
    if suffix not in ENCODERS["av1"].containers or _depth(info.pix_fmt) <= 8:
        return False
    return all(_depth(name) <= 8 for name in _formats(encoder))


def _depth(pix_fmt: str) -> int:
    return av.VideoFormat(pix_fmt, 64, 64).components[0].bits


def _formats(encoder: Encoder) -> list[str]:
    names = [f.name for f in av.Codec(encoder.name, "w").video_formats or ()]
    known = [name for name in names if (encoder.name, name) not in _UNDESCRIBED]
    return [name for name in known if encoder.name in WITH_ALPHA or not _has_alpha(name)]


def _has_alpha(pix_fmt: str) -> bool:
    return any(component.is_alpha for component in av.VideoFormat(pix_fmt, 64, 64).components)


def _pixel_format(info: VideoInfo, encoder: Encoder) -> tuple[str, list[str]]:
    source = info.pix_fmt
    allowed = _formats(encoder)
    planar = planar_format(source)
    for same in (source, planar, planar.replace("yuvj", "yuv")):
        if same in allowed:
            return same, []
    # Left to itself, libav prefers formats without alpha. GIFs have it for parts that do not change.
    alpha = _has_alpha(planar) and info.codec != "gif"
    best, _ = find_best_pix_fmt_of_list([a for a in allowed if alpha and _has_alpha(a)] or allowed, planar)
    if best is None:
        raise RenderError(f"{encoder.name} takes none of the pixel formats near {source}.")
    name = plain_name(encoder.name)
    notes = [f"the pixel format {source} becomes {best.name}, the nearest that the encoder of {name} writes."]
    if alpha and not _has_alpha(best.name):
        notes.append(f"the picture's transparency (alpha) is lost: {name} does not keep it here.")
    return best.name, notes


def _even_size(info: VideoInfo, encoder: Encoder, form: Layout) -> tuple[int, int, list[str]]:
    width, height = info.geometry.width, info.geometry.height
    if not encoder.even:
        return width, height, []
    wide, high = width + width % form.sub_x, height + height % form.sub_y
    if (wide, high) == (width, height):
        return width, height, []
    name = plain_name(encoder.name)
    note = f"{width}×{height} becomes {wide}×{high}: {name} needs even sizes; the edge is repeated."
    return wide, high, [note]


def _accelerated(
    info: VideoInfo, encoder: Encoder, pix_fmt: str, hwaccel: str
) -> tuple[Encoder, str, list[str]]:
    """Encoder and pixel format on the graphics card; or the same as before and why, if it was asked for."""
    family = next(name for name, row in ENCODERS.items() if row == encoder)
    name = plain_name(encoder.name)
    if hwaccel == "none":
        return encoder, pix_fmt, []
    same, families = nvenc.FORMATS.get(pix_fmt, ("", frozenset()))
    if family not in nvenc.NVENC:
        why = f"{name} is not encoded by graphics cards"
    elif family not in families or info.interlaced:
        kind = "interlaced pictures" if info.interlaced else f"the pixel format {pix_fmt}"
        why = f"NVENC does not encode {name} of {kind}"
    elif reason := nvenc.trouble(nvenc.NVENC[family].name, same):
        if hwaccel == "nvenc":
            raise OptionError(
                f"--hwaccel nvenc: no NVIDIA encoder of {name} can be opened here ({reason}); "
                "leave it out, or take auto."
            )
        return encoder, pix_fmt, []
    else:
        return nvenc.NVENC[family], same, []
    return encoder, pix_fmt, [f"{why}: it was encoded in software."] if hwaccel == "nvenc" else []


def _options(info: VideoInfo, encoder: Encoder, pix_fmt: str, suffix: str, quality: int) -> dict[str, str]:
    options = dict(encoder.options) | SCALES.get(encoder.name, Scale()).options(quality)
    if suffix in WITHOUT_PRESENTATION_TIMES:
        options["bf"] = "0"
    if profile := _profile(info, encoder, pix_fmt, quality):
        options["profile"] = profile
    form = layout(planar_format(pix_fmt))
    if info.colour.location and (form.sub_x, form.sub_y) == (2, 2):
        options["chroma_sample_location"] = info.colour.location
    for name, words in _parameters(info, encoder).items():
        options[name] = ":".join([options[name], *words] if name in options else words)
    return options


def _profile(info: VideoInfo, encoder: Encoder, pix_fmt: str, quality: int) -> str | None:
    """The profile of ProRes and DNxHR; at the default quality, ProRes keeps that of the source."""
    if encoder.name == "dnxhd":
        fixed = DNXHR_PROFILES.get(pix_fmt)
        return fixed if fixed and fixed != "dnxhr_hq" else _below(DNXHR_BY_QUALITY, quality)
    if encoder.name != "prores_ks":
        return None
    own = PRORES_PROFILES.get(info.profile or "")
    if own and quality == DEFAULT_QUALITY and ("444" in own) == ("444" in pix_fmt):
        return own
    return _below(PRORES_444_BY_QUALITY if "444" in pix_fmt else PRORES_BY_QUALITY, quality)


def _below(rows: tuple[tuple[int, str], ...], quality: int) -> str:
    return next(name for limit, name in rows if quality < limit)


def _parameters(info: VideoInfo, encoder: Encoder) -> dict[str, list[str]]:
    """What encoders take by ways of their own: HDR metadata, and the fields of HEVC (its ``pic_struct``)."""
    if encoder.name == "libx264":
        words = x26x_parameters(info.hdr, "mastering-display", "cll")
        return {"x264-params": words} if words else {}
    if encoder.name == "libx265":
        words = x26x_parameters(info.hdr, "master-display", "max-cll")
        if info.interlaced:
            words += [f"pic-struct={3 if info.fields == FieldOrder.TOP else 4}", X265_TELLS_FIELDS]
        return {"x265-params": words} if words else {}
    if encoder.name == "libsvtav1":
        return {"svtav1-params": words} if (words := svt_parameters(info.hdr)) else {}
    return {}
