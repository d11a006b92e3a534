"""Cue sheets as text: CSV as a mixer writes it, SRT subtitles, RTTM as speaker diarisation writes it.

Each parser gives what it understood, and what it did not with the line it stands in; none raises. Files are
not touched here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import NamedTuple, TypeAlias

from lipdub.errors import OptionError
from lipdub.options import parse_time
from lipdub.plan import Stem
from lipdub.table import Table

COLUMNS = ("start", "end", "face", "speech", "speech_start")
NEEDED = COLUMNS[:3]
MOST_SECONDS = 360_000
"""A hundred hours; a time beyond it is a slip."""
AT_CUE = "cue"
"""Written as speech_start: the speech file holds this cue only, and begins with it."""

_SPEAKER = re.compile(r"(?:(?:speaker|face|person|spk|s)[ _#-]?)?0*(\d{1,4})", re.IGNORECASE | re.ASCII)
_PREFIX = re.compile(
    r"(?:\[([^\]]{1,40})\]|\(([^)]{1,40})\)|((?:speaker|face|person|spk|s)?[ _#-]?\d{1,4})\s*:(?=\s|$))",
    re.IGNORECASE | re.ASCII,
)
_MARKUP = re.compile(r"<[^>]{0,99}>|\{[^}]{0,99}\}|^\s*[-–—]\s*")
_TIMES = re.compile(r".*-->|\s*\d[\d:.,]*\s*->")
_BLANK_LINES = re.compile(r"\r\n|\r|\n")
_TIMECODE = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d):(\d{1,3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cue:
    """A line of a cue sheet.

    Attributes:
        start, end: seconds of the movie; the frames from start up to end.
        face: number of the person who speaks; None where the sheet does not say it.
        stem: what is said, in a file of its own; None if it is in the dub.
        line: of the file.
    """

    start: Fraction
    end: Fraction
    face: int | None
    stem: Stem | None = None
    line: int = 0


class Problem(NamedTuple):
    """What is wrong with a line of a file."""

    line: int
    text: str


Found: TypeAlias = Cue | Problem


def parse_csv(table: Table, folder: Path, rate: Fraction | None = None) -> list[Found]:
    """The cues of a table with the columns `COLUMNS`; others, such as the words themselves, are for people.

    Args:
        table: header and rows.
        folder: that relative names of speech files are from.
        rate: frames a second of the movie, for times as hh:mm:ss:ff.
    """
    names = [cell.strip().lower().replace(" ", "_").replace("-", "_") for cell in table.header.cells]
    problems = list(_header_problems(names, table.header.line))
    if problems:
        return [*problems]
    found: list[Found] = []
    for row in table.rows:
        cells = dict.fromkeys(COLUMNS, "") | dict(zip(names, row.cells, strict=False))
        try:
            if any(cell.strip() for cell in row.cells[len(names) :]):
                raise OptionError("it has more cells than the first line has names; quote cells with commas.")
            start, end = (_cell_time(cells[name], rate) for name in ("start", "end"))
            face = None if not cells["face"].strip() else _face(cells["face"])
            stem = _stem(cells["speech"], cells["speech_start"], start, folder, rate)
            found.append(_cue(start, end, face, stem, row.line))
        except OptionError as exc:
            found.append(Problem(row.line, str(exc)))
    return found


def parse_srt(text: str) -> list[Found]:
    """The cues of subtitles: who speaks stands before the words, as in ``[2] words`` or ``2: words``.

    A subtitle of several lines may have several speakers; one without a speaker is said by whoever speaks.
    """
    lines = _BLANK_LINES.split(text)
    found: list[Found] = []
    for at, line in enumerate(lines):
        if not _TIMES.match(line):
            continue
        try:
            first, arrow, second = line.partition("-->")
            if not arrow:
                raise OptionError("between two times stands -->, with two dashes.")
            start, end = _srt_time(first), _srt_time(second)
            found += [_cue(start, end, face, None, at + 1) for face in _speakers(lines[at + 1 :])]
        except OptionError as exc:
            found.append(Problem(at + 1, str(exc)))
    return found or [
        Problem(1, "there is no subtitle in it, which has a line such as 00:00:01,000 --> 00:00:02,500.")
    ]


def parse_rttm(text: str) -> tuple[list[Found], dict[str, int]]:
    """The cues of a diarisation, and which face each name is taken for where its names do not say it.

    A name with a number in it (``2``, ``spk2``, ``speaker_2``) is the face of that number. If any has none,
    or counts from 0, names are faces in the order in which they first speak.
    """
    rows = [(at, line.split()) for at, line in enumerate(_BLANK_LINES.split(text), 1) if line.strip()]
    spoken = [(at, cells) for at, cells in rows if cells[0].upper() == "SPEAKER"]
    if not spoken:
        return [Problem(1, "there is no line in it that begins with SPEAKER.")], {}
    names = list(dict.fromkeys(cells[7] for _, cells in spoken if len(cells) > 7))
    faces = _numbered(names)
    by_order = faces or {name: number for number, name in enumerate(names, 1)}
    return [_rttm_cue(at, cells, by_order) for at, cells in spoken], {} if faces else by_order


def _rttm_cue(at: int, cells: list[str], faces: dict[str, int]) -> Found:
    if len(cells) < 8:
        return Problem(
            at, "a SPEAKER line has 8 columns or more: SPEAKER file 1 start seconds <NA> <NA> name."
        )
    try:
        start, length = parse_time(cells[3]), parse_time(cells[4])
        return _cue(start, start + length, faces[cells[7]], None, at)
    except OptionError as exc:
        return Problem(at, str(exc))


def _numbered(names: list[str]) -> dict[str, int]:
    """The numbers in names; none if one of them has none, has 0, or has that of another."""
    numbers = [int(match[1]) if (match := _SPEAKER.fullmatch(name)) else 0 for name in names]
    clear = 0 not in numbers and len(set(numbers)) == len(numbers)
    return dict(zip(names, numbers, strict=True)) if clear else {}


def _header_problems(names: list[str], line: int) -> Iterator[Problem]:
    for name in NEEDED:
        if name not in names:
            yield Problem(line, f"there is no column {name}; a cue sheet needs {','.join(NEEDED)}.")
    for at, name in enumerate(names):
        if name in COLUMNS and name in names[:at]:
            yield Problem(line, f"the column {name} is there twice.")
        close = get_close_matches(name, COLUMNS, 1, 0.8) if name not in COLUMNS else []
        if close and close[0] not in names:
            yield Problem(line, f"{name} is no column of a cue sheet; did you mean {close[0]}?")


def _cue(start: Fraction, end: Fraction, face: int | None, stem: Stem | None, line: int) -> Cue:
    if max(start, end) > MOST_SECONDS:
        raise OptionError("no movie is that long; write times as seconds or h:mm:ss.")
    if end <= start:
        first, last = float(start), float(end)
        raise OptionError(f"it ends at {last:.3f} s and starts at {first:.3f} s; correct one of them.")
    return Cue(start, end, face, stem, line)


def _cell_time(text: str, rate: Fraction | None) -> Fraction:
    """A time as `parse_time` takes it, with a comma for the point, or as hh:mm:ss:ff."""
    text = text.strip()
    code = _TIMECODE.fullmatch(text)
    if code is None:
        if ";" in text:
            raise OptionError(f"{text!r} is drop-frame timecode; write hh:mm:ss.mmm instead.")
        return parse_time(text.replace(",", "."))
    if rate is None:
        raise OptionError(f"{text!r} counts frames, of a rate that is not known; write hh:mm:ss.mmm instead.")
    hours, minutes, seconds, frames = (int(part) for part in code.groups())
    nominal = ceil(rate)
    if frames >= nominal:
        raise OptionError(f"{text!r} has frame {frames}; a second here has frames 0 to {nominal - 1}.")
    return ((hours * 60 + minutes) * 60 + seconds) * nominal / rate + frames / rate


def _srt_time(text: str) -> Fraction:
    # Some programs write a position on the screen after the second time.
    words = text.split()
    return parse_time((words[0] if words else "").replace(",", "."))


def _speakers(lines: list[str]) -> list[int | None]:
    """Who speaks in a subtitle, whose text these lines begin with: each once, or None if it is not said."""
    faces: list[int | None] = []
    for line in lines:
        if not line.strip() or _TIMES.match(line):
            break
        face = _prefix(_MARKUP.sub("", line).strip())
        if face is not None and face not in faces:
            faces.append(face)
    return faces or [None]


def _prefix(words: str) -> int | None:
    match = _PREFIX.match(words)
    speaker = _SPEAKER.fullmatch(next(filter(None, match.groups())).strip()) if match else None
    return int(speaker[1]) or None if speaker else None


def _face(text: str) -> int:
    match = _SPEAKER.fullmatch(text.strip().strip("[]"))
    if match is None or int(match[1]) == 0:
        raise OptionError(f"the face {text.strip()!r} is no number from 1; `lipdub plan` shows the faces.")
    return int(match[1])


def _stem(name: str, begins: str, cue_start: Fraction, folder: Path, rate: Fraction | None) -> Stem | None:
    if "\0" in name:
        raise OptionError("the name of the speech file holds a NUL, which no file can have.")
    if not name.strip():
        if begins.strip():
            raise OptionError("it has a speech_start and no speech; name the file, or leave both empty.")
        return None
    if begins.strip().lower() == AT_CUE:
        start = cue_start
    else:
        start = _cell_time(begins, rate) if begins.strip() else Fraction(0)
    return Stem(str(folder / name), start)
