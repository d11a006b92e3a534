"""The cue sheet: the mixer's own list of who says what, when, and from which file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipdub.cueformats import COLUMNS, Cue, Found, Problem, parse_csv, parse_rttm, parse_srt
from lipdub.errors import CueError
from lipdub.faces.track import Track
from lipdub.plan import DUB, SILENCE, UNTOUCHED, Stem
from lipdub.table import Kind, decoded, read_bytes, read_table

SUFFIXES = (".csv", ".tsv", ".txt", ".srt", ".rttm")
SHOWN_PROBLEMS = 20
SHOWN_LINES = 10
ROUNDING = 1e-6
"""Seconds by which the time of a frame, as a float, may be off."""
MAX_SENTENCE = 600
"""Letters of a problem that are shown; a name of thousands would hide the others."""
CUE_SHEET = Kind("cue sheet", ",".join(COLUMNS[:4]), CueError)


@dataclass(frozen=True, slots=True)
class CueSheet:
    """A cue sheet.

    Attributes:
        path: of the file.
        cues: its lines, in order.
        notes: what a user should know, a sentence each.
    """

    path: Path
    cues: tuple[Cue, ...]
    notes: tuple[str, ...] = ()

    @property
    def stems(self) -> tuple[Stem, ...]:
        """The files that cues name, each once, in order: the first is sound 1 of the plan."""
        return tuple(dict.fromkeys(cue.stem for cue in self.cues if cue.stem is not None))

    def check(self, faces: Iterable[int], until: Fraction | None) -> None:
        """Make sure that the movie has these faces, and is long enough.

        Args:
            faces: numbers of the people in the movie.
            until: seconds at which it ends, if that is known.

        Raises:
            CueError: it does not; one line for each problem.
        """
        known = sorted(set(faces))
        shown = ", ".join(map(str, known)) or "no face at all"
        problems = [
            Problem(cue.line, f"there is no face {cue.face}; the movie has {shown} (see the contact sheet).")
            for cue in self.cues
            if cue.face is not None and cue.face not in known
        ]
        problems += [
            Problem(cue.line, f"it begins after the end of the movie, which is {float(until):.2f} s long.")
            for cue in self.cues
            if until is not None and cue.start >= until
        ]
        _refuse(self.path, problems)


def read_cues(path: Path, rate: Fraction | None = None) -> CueSheet:
    """Read a cue sheet: CSV (start, end, face, speech, speech_start), SRT or RTTM, by its suffix.

    Args:
        path: of the file, UTF-8; a table may have commas, semicolons or tabs. Relative names of speech files
            are from its folder.
        rate: frames a second of the movie, if times may be written as hh:mm:ss:ff.

    Raises:
        CueError: one line for each problem, with the line of the file.
    """
    found, notes = _parsed(path, rate)
    cues = tuple(cue for cue in found if isinstance(cue, Cue))
    problems = [problem for problem in found if isinstance(problem, Problem)]
    _refuse(path, [*problems, *_overlaps(cues), *_missing_files(cues)])
    if not cues:
        raise CueError(f"{path} has no cues; write one below the header for each time that somebody speaks.")
    return CueSheet(path, cues, tuple(notes))


def cued(
    sheet: CueSheet,
    tracks: Sequence[Track],
    people: Mapping[int, int],
    seconds: Sequence[npt.NDArray[np.float64]],
    speaking: Mapping[int, npt.NDArray[np.int32]] | None = None,
) -> dict[int, npt.NDArray[np.int32]]:
    """What each face says in each frame by the cue sheet.

    A cue without a face is for whoever speaks then, or, where that is not known, for the only face; among
    several faces of which nothing is known it is for the largest.

    Args:
        sheet: the cue sheet.
        tracks: faces.
        people: id of a track: number of its person.
        seconds: of each track, when its frames are shown, [n].
        speaking: id of a track: what it would say of a silent dub, [n]: `SILENCE` where it speaks in the
            movie and its lips are to be closed, `DUB` where it speaks and they are not, `UNTOUCHED`
            elsewhere; None where that is not known.

    Returns:
        Id of a track: its sounds [n] int32: `DUB`, the number of a stem of `sheet.stems`, or `UNTOUCHED`.
    """
    numbers = {stem: number for number, stem in enumerate(sheet.stems, 1)}
    said = {track.id: np.full(len(track.pts), UNTOUCHED, np.int32) for track in tracks}
    if speaking is None:
        speaking = _largest(tracks)
    else:  # between its cues, the dub is silent, and so are the lips
        said |= {t.id: np.where(speaking[t.id] == SILENCE, SILENCE, said[t.id]) for t in tracks}
    # A cue that says whose it is comes on top of one that does not.
    for cue in sorted(sheet.cues, key=lambda cue: cue.face is not None):
        sound = DUB if cue.stem is None else numbers[cue.stem]
        for track, times in zip(tracks, seconds, strict=True):
            if cue.face is None or people.get(track.id) == cue.face:
                inside = _inside(cue, times)
                inside &= cue.face is not None or speaking[track.id] != UNTOUCHED
                said[track.id][inside] = sound
    return said


def unseen_note(
    sheet: CueSheet,
    tracks: Sequence[Track],
    people: Mapping[int, int],
    seconds: Sequence[npt.NDArray[np.float64]],
) -> str | None:
    """What is to be said of cues during which their face is not in the picture; None if there are none.

    Args:
        sheet, tracks, people, seconds: as for `cued`.
    """
    times: dict[int, list[npt.NDArray[np.float64]]] = {}
    for track, own in zip(tracks, seconds, strict=True):
        times.setdefault(people[track.id], []).append(own)
    lines = [
        str(cue.line)
        for cue in sheet.cues
        if cue.face is not None and not any(_inside(cue, own).any() for own in times.get(cue.face, []))
    ]
    if not lines:
        return None
    more = f" and {len(lines) - SHOWN_LINES} more" if len(lines) > SHOWN_LINES else ""
    shown = ", ".join(lines[:SHOWN_LINES]) + more
    return f"{sheet.path.name}: nothing changes for line {shown}, whose face is not in the picture then."


def _inside(cue: Cue, times: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    return (times >= float(cue.start) - ROUNDING) & (times < float(cue.end) - ROUNDING)


def _largest(tracks: Sequence[Track]) -> dict[int, npt.NDArray[np.int32]]:
    """`DUB` where a face is the largest in the picture, `UNTOUCHED` elsewhere."""
    largest: dict[int, tuple[float, int]] = {}
    for track in tracks:
        for pts, height in zip(track.pts.tolist(), track.boxes[:, 3].tolist(), strict=True):
            largest[pts] = max(largest.get(pts, (0.0, 0)), (height, -track.id))
    sounds = {}
    for track in tracks:
        first = [largest[pts][1] == -track.id for pts in track.pts.tolist()]
        sounds[track.id] = np.where(first, DUB, UNTOUCHED).astype(np.int32)
    return sounds


def _parsed(path: Path, rate: Fraction | None) -> tuple[list[Found], list[str]]:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise CueError(f"{path}: the name of a cue sheet ends in one of {', '.join(SUFFIXES)}.")
    if suffix in {".csv", ".tsv", ".txt"}:
        return parse_csv(read_table(path, CUE_SHEET), path.absolute().parent, rate), []
    text = decoded(read_bytes(path, CUE_SHEET), path, CUE_SHEET)
    if suffix == ".srt":
        return parse_srt(text), []
    found, by_order = parse_rttm(text)
    taken = [f"{name} is face {face}" for name, face in by_order.items()]
    return found, [f"{path.name} has no numbers of faces: {', '.join(taken)}."] if taken else []


def _overlaps(cues: Sequence[Cue]) -> list[Problem]:
    """Cues that have one face say two things at once."""
    ordered = sorted((c for c in cues if c.face is not None), key=lambda c: (c.face, c.start, c.line))
    return [
        Problem(
            later.line,
            f"face {later.face} speaks already in the cue of line {earlier.line}, until"
            f" {float(earlier.end):.3f} s; shorten one of them.",
        )
        for earlier, later in pairwise(ordered)
        if earlier.face == later.face and later.start < earlier.end
    ]


def _missing_files(cues: Sequence[Cue]) -> list[Problem]:
    named = [(cue.line, _missing(Path(cue.stem.path))) for cue in cues if cue.stem is not None]
    return [Problem(line, why) for line, why in named if why]


def _missing(path: Path) -> str:
    try:
        if path.is_file():
            return ""
        spaces = " (its name has spaces around it)" if path.name != path.name.strip() else ""
        return f"there is no speech file {path}{spaces}; check the path."
    except (OSError, ValueError) as exc:
        return f"the speech file {path} cannot be read ({getattr(exc, 'strerror', None) or exc})."


def _refuse(path: Path, problems: Sequence[Problem]) -> None:
    if not problems:
        return
    ordered = sorted(problems, key=lambda p: p.line)
    sentences = [_sentence(path, problem) for problem in ordered[:SHOWN_PROBLEMS]]
    if len(ordered) > SHOWN_PROBLEMS:
        sentences.append(f"{path}: and {len(ordered) - SHOWN_PROBLEMS} more.")
    raise CueError("\n".join(sentences))


def _sentence(path: Path, problem: Problem) -> str:
    """A problem on one line that a terminal can show, whatever is in the names."""
    plain = "".join(c if c.isprintable() else repr(c)[1:-1] for c in problem.text)
    if len(plain) > MAX_SENTENCE:
        plain = f"{plain[: MAX_SENTENCE * 2 // 3]} … {plain[-MAX_SENTENCE // 3 :]}"
    return f"{path}, line {problem.line}: {plain}"
