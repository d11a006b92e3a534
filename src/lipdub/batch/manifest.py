"""A manifest: a CSV file with a movie to dub in each row, checked as a whole before anything starts."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lipdub import weights
from lipdub.batch.job import Job, identity, keys_of_finished, stamp, weights_path
from lipdub.batch.results import Results, load_results
from lipdub.checks import check_job
from lipdub.errors import LipdubError, ManifestError, OptionError
from lipdub.options import FACES, REFERENCES, SyncOptions, face_numbers, option_from_text
from lipdub.progress import Progress, Step, silent
from lipdub.table import Form, Row, Table, read_table

INPUTS = ("video", "audio")
PATHS = (*INPUTS, "output")
OPTIONS = tuple(f.name for f in fields(SyncOptions))
MAX_SENTENCE = 600
"""Letters of a problem that are shown; a name of thousands would hide the others."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A checked manifest.

    Attributes:
        path: of the CSV file, absolute.
        jobs: its rows, in order; no two have the same output.
        form: how the file is written; the results are written likewise.
        notes: what a user should know, a sentence each.
    """

    path: Path
    jobs: tuple[Job, ...]
    form: Form
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Draft:
    """A row while it is checked: what was understood of it, and what is wrong with it."""

    line: int
    paths: dict[str, Path] = field(default_factory=dict)
    options: SyncOptions | None = None
    problems: list[str] = field(default_factory=list)

    def job(self) -> Job:
        """The row as a job; only if nothing is wrong with it."""
        assert self.options is not None
        return Job(self.line, options=self.options, **self.paths)


def read_manifest(
    path: str | os.PathLike[str],
    defaults: SyncOptions | None = None,
    *,
    fresh: bool = False,
    progress: Progress = silent,
) -> Manifest:
    """Read a manifest and look at everything that can be wrong with any of its rows.

    The columns ``video``, ``audio`` and ``output`` must be there; any other is an option of `SyncOptions`
    (with ``-`` or ``_``). Relative paths are from the manifest's folder, those of weights and reference
    pictures if such a file is there. An empty cell of an option means the default. An output that exists is
    no problem if a batch of this manifest made it and nobody changed it since.

    Args:
        path: the CSV file: UTF-8; commas, semicolons or tabs; quotes as spreadsheets write them.
        defaults: options of the command line.
        fresh: rows that were finished before will be done again, so they are checked again.
        progress: told after every row; the stage is ``check``, the unit ``rows``.

    Raises:
        ManifestError: one line for each problem, with the line of the file.
    """
    path = Path(path)
    table = read_table(path)
    columns = _columns(table, path)
    if not table.rows:
        raise ManifestError(f"{path} has no rows; write one below the header for each movie.")
    place = path.absolute()
    drafts = [_read_row(row, columns, place.parent, defaults or SyncOptions()) for row in table.rows]
    results = load_results(place)
    _check_together(drafts)
    for number, draft in enumerate(drafts, 1):
        draft.problems += _check_job(draft, results, fresh)
        progress(Step("check", number, len(drafts), "rows"))
    problems = [_sentence(path, draft.line, text) for draft in drafts for text in draft.problems]
    if problems:
        raise ManifestError("\n".join([*problems, *results.notes]))
    return Manifest(place, tuple(draft.job() for draft in drafts), table.form, results.notes)


def _columns(table: Table, path: Path) -> list[str]:
    """The names of the columns, as fields of `Job` and `SyncOptions`."""
    names = [cell.strip().lower().lstrip("-").replace("-", "_") for cell in table.header.cells]
    problems = [
        f"there is no column {name}; the manifest needs {','.join(PATHS)}."
        for name in PATHS
        if name not in names
    ]
    for number, (name, cell) in enumerate(zip(names, table.header.cells, strict=True), 1):
        if name not in (*PATHS, *OPTIONS):
            problems.append(_unknown_column(cell.strip(), name, number))
        elif name in names[: number - 1]:
            problems.append(f"the column {name} is there twice.")
    if problems:
        raise ManifestError("\n".join(_sentence(path, table.header.line, text) for text in problems))
    return names


def _unknown_column(cell: str, name: str, number: int) -> str:
    if not cell:
        return f"column {number} has no name."
    close = get_close_matches(name, (*PATHS, *OPTIONS), 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join((*PATHS, *OPTIONS))}."
    return f"{cell} is no column and no option; {hint}"


def _read_row(row: Row, columns: list[str], folder: Path, defaults: SyncOptions) -> _Draft:
    draft = _Draft(row.line)
    if len(row.cells) > len(columns):
        draft.problems.append(
            f"{len(row.cells)} cells under {len(columns)} columns; a name with a comma in it needs quotes."
        )
        return draft
    # Some programs leave out empty cells at the end of a row.
    cells = dict.fromkeys(columns, "") | dict(zip(columns, row.cells, strict=False))
    for name in PATHS:
        if "\0" in cells[name]:
            draft.problems.append(f"the name of the {name} holds a NUL, which no file can have.")
        elif not cells[name].strip():
            draft.problems.append(f"{name} is empty.")
        else:
            draft.paths[name] = folder / cells[name]
    options = {name: cell for name, cell in cells.items() if name in OPTIONS and cell.strip()}
    draft.options = _read_options(options, folder, defaults, draft.problems)
    return draft


def _read_options(
    cells: dict[str, str], folder: Path, defaults: SyncOptions, problems: list[str]
) -> SyncOptions | None:
    """The options of a row; None and problems if they cannot be."""
    values: dict[str, Any] = {}
    before = len(problems)
    for name, cell in cells.items():
        try:
            values[name] = _from_folder(name, option_from_text(name, cell), folder)
        except OptionError as exc:
            problems.append(str(exc))
    try:
        return replace(defaults, **values) if len(problems) == before else None
    except OptionError as exc:
        problems.append(str(exc))
        return None


def _from_folder(name: str, value: object, folder: Path) -> object:
    """The value of an option; if it may be a path: the file beside the manifest, if there is one."""
    files: dict[str, Collection[Any]] = dict.fromkeys(
        ("plan", "speech", "background", "cues", "debug_video"), ()
    )
    catalogue = weights.load_catalogue()
    words = {"weights": catalogue, "restorer": catalogue, "reference": REFERENCES, "faces": FACES}
    known = (files | words).get(name)
    if known is None or value in known or (name == "faces" and face_numbers(str(value))):
        return value
    if "\0" in str(value):
        raise OptionError(f"--{name} holds a NUL, which no name can have.")
    path = folder / str(value)
    return str(path) if stamp(path) or name == "debug_video" else value


def _check_together(drafts: list[_Draft]) -> None:
    """Add the problems that no row has alone: outputs that are also another row's output or input."""
    first: dict[str, _Draft] = {}
    inputs = dict(_input_files(drafts))
    for draft in drafts:
        output = draft.paths.get("output")
        if output is None:
            continue
        other = first.setdefault(identity(output), draft)
        if other is not draft:
            draft.problems.append(f"the output is that of line {other.line} too ({other.paths['output']}).")
        line = next((inputs[name] for name in _names(output) if name in inputs), None)
        if line is not None:
            draft.problems.append(f"the output {output} is an input of line {line}; choose another name.")


def _input_files(drafts: list[_Draft]) -> Iterator[tuple[object, int]]:
    for draft in drafts:
        for kind in INPUTS:
            if kind in draft.paths:
                yield from ((name, draft.line) for name in _names(draft.paths[kind]))


def _names(path: Path) -> Iterator[object]:
    """What two paths have in common if they are one file: where it lies and, if it exists, what it is."""
    yield os.path.realpath(path)
    try:
        found = path.stat()
        yield found.st_dev, found.st_ino
    except OSError:
        return


def _check_job(draft: _Draft, results: Results, fresh: bool) -> Iterator[str]:
    """What is wrong with a row by itself, as far as the row was understood."""
    missing = [text for kind in INPUTS if kind in draft.paths for text in _missing(kind, draft.paths[kind])]
    yield from missing
    if missing or draft.problems or draft.options is None:
        return
    job = draft.job()
    try:
        # What was made from the same bytes in the same way need not be looked at again: resuming is quick.
        if not fresh and results.finished(job, keys_of_finished(job)):
            return
        _check_weights(job.options.network_weights)
        options = replace(job.options, overwrite=job.options.overwrite or results.made(job))
        check_job(job.video, job.audio, job.output, options)
    except LipdubError as exc:
        yield str(exc)
    except (OSError, ValueError) as exc:
        yield f"its files cannot be looked at: {exc}."


def _missing(kind: str, path: Path) -> Iterator[str]:
    try:
        path.stat()
    except FileNotFoundError:
        spaces = " (its name has spaces around it)" if path.name != path.name.strip() else ""
        yield f"there is no {kind} {path}{spaces}; check the path."
    except OSError as exc:
        yield f"the {kind} {path} cannot be read ({exc.strerror})."


def _check_weights(name: str) -> None:
    if not weights_path(name).is_file():
        weights.status(name)


def _sentence(path: Path, line: int, text: str) -> str:
    """A problem on one line that a terminal can show, whatever is in the names."""
    plain = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    if len(plain) > MAX_SENTENCE:
        plain = f"{plain[: MAX_SENTENCE * 2 // 3]} … {plain[-MAX_SENTENCE // 3 :]}"
    return f"{path}, line {line}: {plain}"
