"""What of a movie's chapters, tags and flags is not in the output, found by reading both."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.stream import Disposition

from lipdub.media.reading import opened
from lipdub.media.tags import TITLES, carried_tags, same_language

_NOT_OURS = frozenset(
    {"encoder", "creation_time", "language", "duration", "timecode", "name", "title", "software"}
)
"""Tags that muxers write themselves, or that are compared on their own."""


def losses(source: Path, output: Path, suffix: str, pairs: Sequence[tuple[int, int]]) -> list[str]:
    """What the container did not take, a sentence each.

    Args:
        source: the movie.
        output: what was made of it.
        suffix: of the output's name.
        pairs: index of each stream in both.

    Raises:
        MediaError: one of them cannot be read.
    """
    with opened(source) as old, opened(output) as new:
        notes = _chapters(old.chapters(), new.chapters(), suffix)
        gone = _missing(carried_tags(old.metadata), carried_tags(new.metadata))
        gone += [] if _title(old.metadata) in {None, _title(new.metadata)} else ["title"]
        if gone:
            notes.append(f"{suffix} does not keep these tags of the movie: {', '.join(sorted(gone))}.")
        there = [(one, other) for one, other in pairs if one < len(old.streams) and other < len(new.streams)]
        both = [(old.streams[one], new.streams[other]) for one, other in there]
        if not any(s.type == "data" and _stamp(s) for s in old.streams):  # of which is said already
            notes += _time_codes(both, suffix)
        for what, kept in _COMPARED.items():
            lost = [str(one.index) for one, other in both if not kept(one, other)]
            if lost:
                notes.append(f"{suffix} does not keep the {what} of the movie's tracks {', '.join(lost)}.")
        return notes


def _chapters(old: Sequence[Any], new: Sequence[Any], suffix: str) -> list[str]:
    if len(old) != len(new):
        return [f"{suffix} does not keep the movie's {len(old)} chapters."]
    late = max((abs(_start(a) - _start(b)) for a, b in zip(old, new, strict=True)), default=Fraction(0))
    return [f"chapters moved by up to {float(late):.4f} s in {suffix}."] if late > Fraction(1, 2000) else []


def _time_codes(both: Sequence[tuple[Any, Any]], suffix: str) -> list[str]:
    lost = [_stamp(one) for one, other in both if _stamp(one) not in {None, _stamp(other)}]
    return [f"{suffix} does not keep the time code {stamp}." for stamp in lost]


def _stamp(stream: Any) -> str | None:
    return next((text for key, text in stream.metadata.items() if key.lower() == "timecode"), None)


def _start(chapter: Any) -> Fraction:
    return Fraction(chapter["start"] * chapter["time_base"])


def _missing(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    there = {key.lower(): text for key, text in new.items()}
    return [key for key, text in old.items() if _ours(key) and there.get(key.lower()) != text]


def _ours(key: str) -> bool:
    return key.lower() not in _NOT_OURS and not key.lower().startswith("_statistics")


def _title(tags: Mapping[str, str]) -> str | None:
    return next((text for key, text in tags.items() if key.lower() in TITLES), None)


def _flags(stream: Any) -> int:
    """Flags that say what a track is for; which of them is the default is another matter.

    MP4 has one mark for sound for the hard of hearing and for captions.
    """
    flags = stream.disposition & ~Disposition.default
    return int(flags & ~Disposition.captions if flags & Disposition.hearing_impaired else flags)


_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "language": lambda old, new: same_language(old.language, new.language),
    "title": lambda old, new: _title(old.metadata) in {None, _title(new.metadata)},
    "flags": lambda old, new: not _flags(old) & ~_flags(new),
}
