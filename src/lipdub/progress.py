"""How long work tells how far it is."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LINE_SECONDS = 30
"""A log of a two-hour film stays readable, and one can see that it is alive."""


@dataclass(frozen=True, slots=True)
class Step:
    """One report of progress.

    Attributes:
        stage: what is being done, for example ``analyse``.
        done: units finished in this stage.
        total: units in all, if known.
        unit: ``frames``, ``bytes`` or ``s``.
    """

    stage: str
    done: int
    total: int | None
    unit: str = "frames"


Progress: TypeAlias = Callable[[Step], None]


def fetching(name: str, progress: "Progress") -> Callable[[int, int | None], None]:
    """What is told the bytes of a file of weights, done and in all, while it is fetched."""
    return lambda done, total: progress(Step(f"fetch {name}", done, total, "bytes"))


def silent(step: Step) -> None:
    """Report nothing."""


@contextmanager
def terminal_progress() -> Iterator[Progress]:
    """Bars on standard error with frames per second and time left; if it is a file, a line now and then."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.fields[count]:>16}"),
        TextColumn("{task.fields[rate]:>12}"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield _BarsByStage(bars)


class _Lines:
    """A line every `LINE_SECONDS`, for the log of a job that takes longer than that."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._stages: dict[str, tuple[float, int]] = {}

    def __call__(self, step: Step) -> None:
        now = time.monotonic()
        began, before = self._stages.get(step.stage, (now, step.done))
        if step.done < before:  # it starts over, as in a batch
            began, before = now, step.done
        self._stages[step.stage] = began, before
        if now - self._last >= LINE_SECONDS:
            self._last = now
            count, speed = _in_words(step, (step.done - before) / max(now - began, 1e-6))
            sys.stderr.write(", ".join(filter(None, [f"{step.stage} {count}", speed])) + "\n")
            sys.stderr.flush()


class _BarsByStage:
    """One bar for each stage."""

    def __init__(self, bars: "Bars") -> None:
        self._bars = bars
        self._tasks: dict[str, tuple[TaskID, float, int]] = {}

    def __call__(self, step: Step) -> None:
        task, began, before = self._task(step)
        # What an earlier run did took no time of this one.
        rate = (step.done - before) / max(time.monotonic() - began, 1e-6)
        count, speed = _in_words(step, rate)
        self._bars.update(task, completed=step.done, total=step.total, count=count, rate=speed)

    def _task(self, step: Step) -> "tuple[TaskID, float, int]":
        """The stage's bar and when it began; a stage that starts over, as in a batch, begins anew."""
        known = self._tasks.get(step.stage)
        if known and step.done >= self._bars.tasks[self._bars.task_ids.index(known[0])].completed:
            return known
        if known:
            self._bars.remove_task(known[0])
        task = self._bars.add_task(step.stage, total=step.total, count="", rate="")
        self._tasks[step.stage] = (task, time.monotonic(), step.done)
        return self._tasks[step.stage]


def _in_words(step: Step, rate: float) -> tuple[str, str]:
    if step.unit == "bytes":
        return f"{step.done / 1e6:.1f} MB", f"{rate / 1e6:.1f} MB/s"
    total = "?" if step.total is None else str(step.total)
    return f"{step.done}/{total}", f"{rate:.1f} fps" if step.unit == "frames" else ""
