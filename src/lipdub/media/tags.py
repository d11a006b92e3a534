"""Tags of movies and of their tracks, as different containers name them."""

from collections.abc import Mapping

TITLES = frozenset({"title", "name"})
"""Keys of a track's title; MOV and MP4 read it as ``name`` and write it from ``title``."""

_OF_FORMATS = frozenset({"major_brand", "minor_version", "compatible_brands", "handler_name", "vendor_id"})
"""What MP4 and MOV say of themselves, not of the movie."""

_STALE = frozenset(
    {
        "encoder",
        "alpha_mode",
        "bps",
        "number_of_bytes",
        "_statistics_writing_app",
        "_statistics_writing_date_utc",
    }
)
"""Tags of a stream that are not true of one that was encoded anew, without a language."""

_OTHER_CODES = {
    "deu": "ger", "fre": "fra", "nld": "dut", "ell": "gre", "isl": "ice", "zho": "chi", "swe": "sve",
    "ron": "rum", "fas": "per", "ces": "cze", "slk": "slo", "mkd": "mac", "msa": "may", "sqi": "alb",
    "hye": "arm", "eus": "baq", "kat": "geo", "bod": "tib", "cym": "wel", "mya": "bur",
}  # fmt: skip
"""ISO 639-2 has two codes for some languages; on the right those that QuickTime's own list has."""


def carried_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags without those that belong to the container."""
    return {key: text for key, text in tags.items() if key.lower() not in _OF_FORMATS}


def track_tags(tags: Mapping[str, str], suffix: str) -> dict[str, str]:
    """A track's tags, in the words of another container."""
    result = carried_tags(tags)
    name = result.pop("name", None)
    if name is not None:
        result.setdefault("title", name)
    if suffix == ".mov" and result.get("language") in _OTHER_CODES:
        result["language"] = _OTHER_CODES[result["language"]]
    return result


def true_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a track that are still true of one that was encoded anew."""
    return {key: text for key, text in tags.items() if key.lower().split("-")[0] not in _STALE}


def same_language(one: str | None, other: str | None) -> bool:
    """Whether nothing is lost where `other` stands for `one`."""
    codes = {_OTHER_CODES.get(code, code) for code in (one or "und", other or "und")}
    return len(codes) == 1 or one in {None, "und"}
