"""What became of every row, on disk after each of them, so that a batch can go on where it stopped."""

import csv
import os
import uuid
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from lipdub.batch.job import Job, identity, stamp
from lipdub.errors import ManifestError, OutputError
from lipdub.table import Form, Row, read_table

Status: TypeAlias = Literal["done", "failed"]
DONE: Final = "done"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row of the results CSV; the fields are its columns.

    Attributes:
        line: of the manifest, from 1.
        video, audio, output: paths, from the manifest's folder where they lie in it.
        status: ``done`` or ``failed``.
        seconds: how long it took.
        frames: pictures in the movie; 0 if it failed.
        changed: pictures with a new mouth.
        error: one sentence; empty if done.
        notes: what a user should know, sentences one after the other.
        key: of the job, see `job_key`.
        output_stamp: of the movie that was written under this name, see `stamp`; it tells a file that a batch
            made from one that somebody put there.
    """

    line: int
    video: str
    audio: str
    output: str
    status: Status
    seconds: float = 0.0
    frames: int = 0
    changed: int = 0
    error: str = ""
    notes: str = ""
    key: str = ""
    output_stamp: str = ""


COLUMNS = tuple(f.name for f in fields(Outcome))


def results_path(manifest: Path) -> Path:
    """Where the results of a manifest are: ``shows.csv`` → ``shows.results.csv``."""
    return manifest.with_name(f"{manifest.stem}.results.csv")


@dataclass(slots=True)
class Results:
    """The outcomes of earlier runs and of this one.

    Attributes:
        path: of the results CSV.
        by_output: outcomes by the `identity` of the output: no two rows have the same.
        notes: what could not be read, a sentence each.
    """

    path: Path
    by_output: dict[str, Outcome] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def finished(self, job: Job, keys: Collection[str]) -> bool:
        """Whether this very job was done before, under one of its keys, and its movie is still there."""
        outcome = self.by_output.get(identity(job.output))
        return bool(outcome and outcome.status == DONE and outcome.key in keys and stamp(job.output))

    def made(self, job: Job) -> bool:
        """Whether the file under the output's name was made by a batch, and nobody changed it since."""
        outcome = self.by_output.get(identity(job.output))
        return bool(outcome and outcome.output_stamp and outcome.output_stamp == stamp(job.output))

    def record(self, job: Job, outcome: Outcome) -> None:
        """Remember what became of a job.

        If it failed, an older movie under that name is still there and still the batch's own.
        """
        name = identity(job.output)
        if outcome.status == FAILED and (earlier := self.by_output.get(name)):
            outcome = replace(outcome, output_stamp=earlier.output_stamp)
        self.by_output[name] = outcome

    def of(self, jobs: Iterable[Job]) -> list[Outcome]:
        """What is known of these jobs, in their order."""
        known = ((job, self.by_output.get(identity(job.output))) for job in jobs)
        return [replace(outcome, line=job.line) for job, outcome in known if outcome]

    def save(self, jobs: Iterable[Job], form: Form) -> None:
        """Write the results of these jobs, and of no others, whole or not at all.

        Raises:
            OutputError: they cannot be written.
        """
        # Beside the results, so that giving them their name is one step on one file system.
        temporary = self.path.with_name(f".lipdub-{uuid.uuid4().hex}.csv")
        try:
            try:
                _write(temporary, self.of(jobs), form)
                temporary.replace(self.path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as exc:
            raise OutputError(
                f"the results {self.path} cannot be written ({exc.strerror}); mend the permissions of the "
                "folder, make room there, or copy the manifest elsewhere."
            ) from exc


def load_results(manifest: Path) -> Results:
    """The results of earlier runs of a manifest.

    Never raises: of a file that is damaged or not there, nothing counts, and `notes` says so of damage.
    """
    path = results_path(manifest)
    if not os.path.lexists(path):
        return Results(path)
    try:
        table = read_table(path)
    except ManifestError as exc:
        return Results(path, notes=(f"the results of earlier runs do not count: {exc}",))
    columns = [name.strip() for name in table.header.cells]
    if not set(COLUMNS) <= set(columns):
        return Results(path, notes=(f"the results of earlier runs do not count: {path} lacks columns.",))
    outcomes = [_outcome(columns, row) for row in table.rows]
    known = {identity(manifest.parent / o.output): o for o in outcomes if o}
    damaged = outcomes.count(None)
    notes = (f"{damaged} damaged rows of {path} do not count.",) if damaged else ()
    return Results(path, known, notes)


def shown_path(path: Path, folder: Path) -> str:
    """A path as the results show it: from the manifest's folder if it lies there."""
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _outcome(columns: list[str], row: Row) -> Outcome | None:
    values: dict[str, Any] = {n: c for n, c in zip(columns, row.cells, strict=False) if n in COLUMNS}
    try:
        values["seconds"] = float(values["seconds"])
        for name in ("line", "frames", "changed"):
            values[name] = int(values[name])
    except (KeyError, ValueError):
        return None
    whole = (
        len(values) == len(COLUMNS) and values["status"] in {DONE, FAILED} and "\0" not in values["output"]
    )
    return Outcome(**values) if whole else None


def _write(path: Path, outcomes: list[Outcome], form: Form) -> None:
    # A folder whose name is not UTF-8, in an error, must not stop the night's work. Text is quoted, so that
    # spaces at the beginning of a name come back.
    with path.open("x", encoding=form.encoding, errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter=form.delimiter, quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        for outcome in outcomes:
            writer.writerow(asdict(outcome) | {"seconds": round(outcome.seconds, 3)})
        file.flush()
        os.fsync(file.fileno())
