"""Do the rows of a manifest one after the other, on this machine."""

import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from lipdub import pipeline
from lipdub.batch.job import Job, job_key, keys_of_finished, stamp
from lipdub.batch.manifest import Manifest
from lipdub.batch.results import DONE, FAILED, Outcome, Results, Status, load_results, shown_path
from lipdub.engine import Engine, load_engine
from lipdub.errors import LipdubError, OutputError
from lipdub.options import DRAFT_WEIGHTS, SyncOptions
from lipdub.pipeline import SyncResult
from lipdub.progress import Progress, silent


class SyncFunction(Protocol):
    """What does one job: `lipdub.pipeline.sync`, or a stand-in for it."""

    def __call__(
        self,
        video: Path,
        audio: Path,
        output: Path,
        *,
        options: SyncOptions,
        engine: Engine,
        progress: Progress,
    ) -> SyncResult:
        """Make `output`, whole or not at all."""
        ...


Load: TypeAlias = Callable[[SyncOptions, Progress], Engine]
"""What loads the network: `lipdub.engine.load_engine`, or a stand-in for it."""


@dataclass(frozen=True, slots=True)
class RowEvent:
    """A row begins or ends.

    Attributes:
        kind: ``skipped`` (finished before), ``started``, ``done`` or ``failed``.
        job: the row.
        number, total: it is row `number` of `total`, from 1.
        outcome: what became of it, where it ends.
    """

    kind: Literal["skipped", "started", "done", "failed"]
    job: Job
    number: int
    total: int
    outcome: Outcome | None = None


Report: TypeAlias = Callable[[RowEvent], None]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a batch did.

    Attributes:
        done, skipped, failed: numbers of rows made now, finished before, and not made.
        results_path: the results CSV.
        outcomes: what is known of every row, in the manifest's order.
        notes: what a user should know, a sentence each.
    """

    done: int
    skipped: int
    failed: int
    results_path: Path
    outcomes: tuple[Outcome, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The numbers, path and notes in types of JSON; the rows are in the results CSV."""
        return {
            "done": self.done,
            "skipped": self.skipped,
            "failed": self.failed,
            "results": str(self.results_path),
            "errors": [{"line": o.line, "error": o.error} for o in self.outcomes if o.status == FAILED],
            "notes": list(self.notes),
        }


def ignore(event: RowEvent) -> None:
    """Report nothing."""


def run_batch(
    manifest: Manifest,
    *,
    progress: Progress = silent,
    report: Report = ignore,
    fresh: bool = False,
    sync: SyncFunction = pipeline.sync,
    load: Load = load_engine,
) -> BatchResult:
    """Do the rows of a manifest that are not finished, in order, and write the results after each.

    A row is finished if it was done before with the same inputs and options and its output is still there. If
    inputs or options changed, it is done again and takes the place of the output that a batch made; an output
    that somebody changed meanwhile stays, unless the row may overwrite. A row that fails, for whatever
    reason, does not stop the others.

    Args:
        manifest: as `read_manifest` gives it.
        progress: told how far a row is.
        report: told when a row begins and ends.
        fresh: do finished rows again, and unfinished ones from their beginning.
        sync: does one row.
        load: loads a network; rows in succession with the same choices share it.

    Raises:
        OutputError: the results cannot be written: before anything starts, or when all rows were tried.
        KeyboardInterrupt: the user stopped it; the results of the rows before are on disk.
    """
    results = load_results(manifest.path)
    results.save(manifest.jobs, manifest.form)
    row = _RowRunner(sync, _LastEngine(load), progress, results, manifest.path.parent, fresh)
    total, counts = len(manifest.jobs), Counter[str]()
    for number, job in enumerate(manifest.jobs, 1):
        if not fresh and results.finished(job, keys_of_finished(job)):
            event = RowEvent("skipped", job, number, total, results.of([job])[0])
        else:
            report(RowEvent("started", job, number, total))
            outcome = row(job)
            results.record(job, outcome)
            # A disk that is full now may have room after the next row, and then all of it is written.
            with suppress(OutputError):
                results.save(manifest.jobs, manifest.form)
            event = RowEvent(outcome.status, job, number, total, outcome)
        counts[event.kind] += 1
        report(event)
    results.save(manifest.jobs, manifest.form)
    outcomes = tuple(results.of(manifest.jobs))
    return BatchResult(
        counts["done"], counts["skipped"], counts["failed"], results.path, outcomes, results.notes
    )


@dataclass(slots=True)
class _RowRunner:
    """Do one row and say what became of it, whatever happens."""

    sync: SyncFunction
    engines: "_LastEngine"
    progress: Progress
    results: Results
    folder: Path
    fresh: bool

    def __call__(self, job: Job) -> Outcome:
        key, drafted = job_key(job), job_key(job, DRAFT_WEIGHTS)
        began = time.monotonic()
        try:
            made = self._sync(job)
        except LipdubError as exc:
            return self._outcome(job, key, FAILED, seconds=time.monotonic() - began, error=str(exc))
        except Exception as exc:  # a bug in one row must not lose the night's work
            self.engines.drop()  # it may be what is broken, or hold the memory that is missing
            return self._outcome(job, key, FAILED, seconds=time.monotonic() - began, error=_described(exc))
        return self._outcome(
            job,
            drafted if _stood_in(job, made) else key,
            DONE,
            seconds=made.seconds,
            frames=made.frames,
            changed=made.changed,
            notes=" ".join(made.notes),
            output_stamp=stamp(job.output),
        )

    def _sync(self, job: Job) -> SyncResult:
        options = replace(
            job.options,
            overwrite=job.options.overwrite or self.results.made(job),
            fresh=job.options.fresh or self.fresh,
        )
        engine = self.engines.get(options, self.progress)
        return self.sync(
            job.video, job.audio, job.output, options=options, engine=engine, progress=self.progress
        )

    def _outcome(self, job: Job, key: str, status: Status, **found: Any) -> Outcome:
        video, audio, output = (shown_path(p, self.folder) for p in (job.video, job.audio, job.output))
        return Outcome(job.line, video, audio, output, status, key=key, **found)


def _stood_in(job: Job, made: SyncResult) -> bool:
    """Whether the draft weights painted in place of the published ones."""
    return job.options.may_use_draft and made.weights == DRAFT_WEIGHTS


def _described(exc: Exception) -> str:
    """The type of an unexpected exception, what it says, and the place in the code for a bug report."""
    frames = traceback.extract_tb(exc.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(exc).__name__}{place}: {exc}"


class _LastEngine:
    """The network used last, and none besides: two of 400 MB would fill a small device."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._choices: tuple[object, ...] | None = None
        self._engine: Engine | None = None

    def get(self, options: SyncOptions, progress: Progress) -> Engine:
        """The network for these options, loaded if it is not the one used last.

        Raises:
            WeightsError, DeviceError: as `load_engine` does.
        """
        choices = _choices(options)
        if self._engine is None or choices != self._choices:
            self.drop()
            self._engine, self._choices = self._load(options, progress), choices
        return self._engine

    def drop(self) -> None:
        """Free the memory."""
        self._engine = self._choices = None


def _choices(options: SyncOptions) -> tuple[object, ...]:
    """What `load_engine` looks at."""
    return (
        options.network_weights,
        options.may_use_draft,
        options.preset,
        options.sampling_steps,
        options.sampler,
        options.device,
        options.precision,
        options.batch_size,
        options.seed,
        options.restorer,
        options.restorer_strength,
    )
