"""One row of a manifest, and what makes it the same job when the batch is run again."""

import hashlib
import json
import os
import unicodedata
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path

from lipdub.cues import read_cues
from lipdub.errors import CueError
from lipdub.options import DRAFT_WEIGHTS, FACES, REFERENCES, SyncOptions, face_numbers
from lipdub.weights import load_catalogue, status

FASTEST = Fraction(1000)
"""Frames a second: with so many, every frame number of a cue sheet is possible."""
_NOT_IN_KEY = frozenset(
    {
        "overwrite",
        "device",
        "batch_size",
        "preset",
        "steps",
        "weights",
        "reference",
        "plan",
        "speech",
        "background",
        "cues",
        "faces",
        "fresh",
        "work_dir",
        "keep_work",
        "draft_if_offline",
    }
)
"""Options that do not change what is made, and those that the key holds in another form."""


@dataclass(frozen=True, slots=True)
class Job:
    """A movie to dub.

    Attributes:
        line: of the manifest in which the row begins, from 1.
        video, audio, output: absolute paths.
        options: the command line's, with those of the row over them.
    """

    line: int
    video: Path
    audio: Path
    output: Path
    options: SyncOptions


def job_key(job: Job, weights: str | None = None) -> str:
    """64 hexadecimal digits that are the same as long as the job would make the same movie.

    They hold the paths (links resolved), size and time of change of both inputs, and every option that
    changes the output; not `overwrite`, `device` and `batch_size`. An input that is not there has no size.

    Args:
        job: the row.
        weights: name of those that paint, if the draft ones stand in.
    """
    chosen = job.options.painted_with(weights or job.options.network_weights)
    options = {f.name: str(getattr(chosen, f.name)) for f in fields(chosen)}
    parts = {
        "video": _file(job.video),
        "audio": _file(job.audio),
        "output": os.path.realpath(job.output),
        "weights": _weights(chosen.network_weights),
        "reference": _reference(chosen.shown_reference),
        "faces": _faces(chosen.faces),
        "files": [_file(Path(name)) if name else None for name in _named_files(chosen)],
        "stems": [_file(path) for path in _stems(chosen.cues)],
        "steps": chosen.sampling_steps,
        "options": {name: value for name, value in options.items() if name not in _NOT_IN_KEY},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def keys_of_finished(job: Job) -> frozenset[str]:
    """The keys of movies that need not be made anew.

    What was painted with the draft weights in place of the published ones will do until these are here.

    Raises:
        UnknownWeightsError: LIPDUB_WEIGHTS names no folder.
    """
    keys = {job_key(job)}
    if job.options.may_use_draft and status(job.options.network_weights).state == "missing":
        keys.add(job_key(job, DRAFT_WEIGHTS))
    return frozenset(keys)


def stamp(path: Path) -> str:
    """Size in bytes and time of change in ns of a file, as in ``1024-1700000000000000000``; "" if none."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}"


def identity(path: Path) -> str:
    """The same text for all names of a file: links resolved, capitals and accents as no file system differs.

    Two names that differ in capitals only are one file on Windows and macOS, and on most drives that movies
    are delivered on.
    """
    return unicodedata.normalize("NFC", os.path.realpath(path)).casefold()


def weights_path(name: str) -> Path:
    """The path that a name of weights may be, with the user's home for ``~``."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # no such user
        return Path(name)


def _file(path: Path) -> list[str]:
    return [os.path.realpath(path), stamp(path)]


def _weights(name: str) -> list[str]:
    entry = load_catalogue().get(name)
    return [entry.sha256] if entry else _file(weights_path(name))


def _named_files(options: SyncOptions) -> tuple[str | None, ...]:
    return options.plan, options.speech, options.background, options.cues, _restorer(options.restorer)


def _restorer(name: str | None) -> str | None:
    """The path of a restorer; None for one of a known name, whose bytes are known too."""
    return None if name in load_catalogue() else name


def _reference(choice: str) -> list[str]:
    return [choice] if choice in REFERENCES else _file(Path(choice))


def _faces(choice: str) -> list[str]:
    return [choice] if choice in FACES or face_numbers(choice) else _file(Path(choice))


def _stems(cues: str | None) -> list[Path]:
    """The speech files that a cue sheet names; none if it cannot be read, which is told where it is used."""
    if cues is None:
        return []
    try:
        sheet = read_cues(Path(cues), FASTEST)  # whatever the rate, the files are the same
    except CueError:
        return []
    return [Path(stem.path) for stem in sheet.stems]
