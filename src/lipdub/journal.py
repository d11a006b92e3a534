"""Finished segments: files written whole, and an append-only journal that says which.

A line of the journal is one entry with a checksum of its own; a line that is torn or altered does not count,
and neither does a segment whose file is not what its entry says. What does not count is made again.
"""

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from lipdub.cache import sha256_of
from lipdub.disk import sync_folder, telling
from lipdub.media.timing import Order

JOURNAL = "journal.jsonl"
SEGMENTS = "segments"
MOST_SEGMENTS = 1_000_000
"""Of a picture: more than a month of it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A segment that is done.

    Attributes:
        segment: its number in the picture.
        key: of everything that decides its pixels (see `lipdub.segments`).
        file: name of its file; empty where no frame begins in these seconds.
        size, sha256: of the file.
        frames, changed, edits, moved: numbers of its frames, of those with a new mouth, of faces changed,
            and of frames whose time had to move by a tick.
        order: in which its packets are decoded and shown, in the movie's time base; None if it has none.
        end: seconds, as a player shows them, at which the last of its frames ends.
        length: ticks for which its last frame is shown.
        check: checksum of the samples of its last frame as decoded, by which a search for it is trusted.
        source: pts of that frame in the movie.
        last: the picture ends with it, so that its last frame is a key frame and as long as it is shown.
        threads: that the network computed with on a CPU, whose number changes the last bits; 0 elsewhere.
    """

    segment: int
    key: str
    file: str = ""
    size: int = 0
    sha256: str = ""
    frames: int = 0
    changed: int = 0
    edits: int = 0
    moved: int = 0
    order: Order | None = None
    end: Fraction = Fraction(0)
    length: int = 0
    check: int = 0
    source: int = 0
    last: bool = False
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """Where a picture ended: the number of its segments, by the key of the movie and of where to stop."""

    key: str
    segments: int


class Journal:
    """The journal of one job, and the files it speaks of.

    Args:
        folder: of unfinished work; it exists.

    Raises:
        RenderError: the journal cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self._files = folder / SEGMENTS
        self._finished: dict[tuple[int, str], Finished] = {}
        self._ended: dict[str, Ended] = {}
        self._whole: set[str] = set()
        with telling(self._path):
            self._files.mkdir(exist_ok=True)
            sync_folder(folder)
            _end_torn_line(self._path)
            for entry in _entries(self._path):
                self._take(entry)

    def finished(self, segment: int, key: str) -> Finished | None:
        """The entry of a segment whose file is there and whole, if there is one."""
        entry = self._finished.get((segment, key))
        return entry if entry is not None and self._is_whole(entry) else None

    @property
    def bound(self) -> int:
        """One more than the highest number of a segment that was ever finished."""
        return max((segment + 1 for segment, _ in self._finished), default=0)

    def ended(self, key: str) -> int | None:
        """How many segments the picture has, if its end was reached."""
        entry = self._ended.get(key)
        return entry.segments if entry else None

    @property
    def threads(self) -> int:
        """Threads that the network computed with, the last time that a mouth was changed on a CPU; or 0."""
        return next((e.threads for e in reversed(self._finished.values()) if e.changed and e.threads), 0)

    def path_of(self, entry: Finished) -> Path:
        """Where the file of a segment lies."""
        return self._files / entry.file

    def name(self, segment: int, key: str, suffix: str) -> Path:
        """Where the file of a segment that is not finished is to be written."""
        return self._files / f"{segment:06d}-{key[:16]}{suffix}"

    def record(self, entry: Finished | Ended) -> None:
        """Add an entry; its file lies under its own name already, whole and on the disk."""
        if isinstance(entry, Finished):
            self._whole.add(entry.file)
        self._take(entry)
        with telling(self._path), self._path.open("ab") as journal:
            journal.write(_line(entry))
            journal.flush()
            os.fsync(journal.fileno())

    def forget_checks(self) -> None:
        """Look at all files again, when they are asked for."""
        self._whole.clear()

    def _take(self, entry: Finished | Ended) -> None:
        if isinstance(entry, Finished):
            self._finished[entry.segment, entry.key] = entry
        else:
            self._ended[entry.key] = entry

    def _is_whole(self, entry: Finished) -> bool:
        if entry.file and entry.file not in self._whole:
            path = self.path_of(entry)
            try:
                if path.stat().st_size != entry.size or sha256_of(path) != entry.sha256:
                    return False
            except OSError:
                return False
            self._whole.add(entry.file)
        return True


def _line(entry: Finished | Ended) -> bytes:
    text = json.dumps(asdict(entry), default=Fraction.as_integer_ratio, sort_keys=True)
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def _entries(path: Path) -> Iterator[Finished | Ended]:
    if not path.exists():
        return
    with path.open("rb") as journal:
        for line in journal:
            entry = _read(line)
            if entry is not None:
                yield entry


def _read(line: bytes) -> Finished | Ended | None:
    """The entry of a line; None if it is damaged."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        values: dict[str, Any] = json.loads(text)
        if values.keys() == {f.name for f in fields(Ended)}:
            return Ended(**values)
        values["order"] = _order(values["order"])
        values["end"] = Fraction(*values["end"])
        entry = Finished(**values)
        return entry if _possible(entry) else None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        return None  # of another version


def _possible(entry: Finished) -> bool:
    """Whether the values are such as `record` writes them."""
    numbers = (entry.size, entry.frames, entry.changed, entry.edits, entry.moved, entry.length, entry.threads)
    return (
        isinstance(entry.segment, int)
        and 0 <= entry.segment < MOST_SEGMENTS
        and isinstance(entry.key, str)
        and Path(entry.file).name == entry.file
        and all(isinstance(number, int) and number >= 0 for number in numbers)
    )


def _order(values: dict[str, Any] | None) -> Order | None:
    if values is None:
        return None
    return Order(**(values | {"head": tuple(values["head"]), "tail": tuple(values["tail"])}))


def _end_torn_line(path: Path) -> None:
    """A line that was cut short must not swallow the next one."""
    if path.exists() and path.stat().st_size:
        with path.open("rb+") as journal:
            journal.seek(-1, os.SEEK_END)
            if journal.read(1) != b"\n":
                journal.write(b"\n")
