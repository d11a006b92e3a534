"""What a new picture cannot keep of the old one's description, a sentence each."""

from lipdub.media.encoders import INTERLACING, TELLING_HDR, WITHOUT_HDR, Encoder, plain_name
from lipdub.media.probe import VideoInfo

WITHOUT_FIELDS = frozenset({".webm", ".avi", ".ts", ".m2ts", ".mts"})
"""Outputs that say nothing of fields where the stream itself does not."""

BT2020 = frozenset({9, 10})
"""H.273's numbers of its matrices."""


def lost_notes(info: VideoInfo, encoder: Encoder, suffix: str) -> list[str]:
    """What is lost of interlacing, HDR metadata, Dolby Vision and transparency.

    The metadata of Dolby Vision and HDR10+ describes scenes of the old picture, sample by sample in part, and
    does not stay true: only the base layer, and what holds for the whole movie, is kept.

    Args:
        info: the source.
        encoder: of the new picture.
        suffix: of the output's name.
    """
    kept_worse = [*_fields(info, encoder, suffix), *_hdr(info, encoder, suffix)]
    return [*kept_worse, *_matrix(info, encoder), *_dolby(info), *_alpha(info)]


def _fields(info: VideoInfo, encoder: Encoder, suffix: str) -> list[str]:
    name = plain_name(encoder.name)
    if info.separate_fields:
        return ["each field of the picture is coded by itself; they stay so, but are not flagged as fields."]
    if info.interlaced and encoder.name not in INTERLACING:
        where = (
            "only the file around it says" if suffix not in WITHOUT_FIELDS else f"{suffix} files do not say"
        )
        return [f"the picture is interlaced; {name} is written here as if it were not: {where} that it is."]
    return []


def _hdr(info: VideoInfo, encoder: Encoder, suffix: str) -> list[str]:
    notes = []
    if info.hdr and suffix in WITHOUT_HDR and encoder.name not in TELLING_HDR:
        name = plain_name(encoder.name)
        notes.append(f"the HDR metadata is lost: neither {name} nor {suffix} files have a place for it here.")
    if info.hdr.dynamic:
        notes.append("HDR10+ metadata, which changes from scene to scene, is not carried over.")
    return notes


def _matrix(info: VideoInfo, encoder: Encoder) -> list[str]:
    if encoder.name != "dnxhd" or info.colour.matrix not in BT2020:
        return []
    return ["each frame of DNxHR calls itself BT.709 (the encoder knows no other); the file says BT.2020."]


def _alpha(info: VideoInfo) -> list[str]:
    if not info.hidden_alpha:
        return []
    name = plain_name(info.codec)
    return [f"the transparency (alpha) that lies beside the picture, as {name} has it, is lost."]


_BASE_LAYERS = {1: "HDR10", 2: "SDR", 4: "HLG", 6: "HDR10"}


def _dolby(info: VideoInfo) -> list[str]:
    if info.dolby is None:
        return []
    base = _BASE_LAYERS.get(info.dolby.base, "")
    layer = f"its base layer ({base})" if base else "its base layer"
    more = " and its enhancement layer" if info.dolby.enhancement else ""
    return [
        f"the picture is Dolby Vision (profile {info.dolby.name}): {layer} is kept; "
        f"the metadata of each scene{more}, made for the old picture, is not."
    ]
