"""What a run tells of itself: a line of JSON at a time, and TensorBoard where it is installed."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lipdub.disk import add_line, write_text

LOG = "log.jsonl"
TENSORBOARD = "tensorboard"
"""Folder in the run's."""


class Log:
    """The log of a run; a training that goes on writes over what came after its checkpoint.

    Args:
        folder: of the run.
        step: at which it goes on.

    Raises:
        RenderError: the disk does not take it; the lines before are as they were.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / LOG
        self.rows = [row for row in read_log(self._path) if row["step"] <= step]
        write_text(self._path, "".join(f"{_line(row)}\n" for row in self.rows))
        self._board = _tensorboard(folder / TENSORBOARD, step)

    def add(self, row: Mapping[str, float]) -> None:
        """One line; `step` is among its fields. What is not finite (a gradient in fp16) is left out."""
        row = {name: value for name, value in row.items() if math.isfinite(value)}
        self.rows.append(row)
        add_line(self._path, _line(row))
        if self._board is not None:
            for name, value in row.items():
                if name != "step":
                    self._board.add_scalar(name, value, int(row["step"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board is not None:
            self._board.close()


def is_told(step: int, every: int, last: int) -> bool:
    """Whether a line is written after an update: each `every`th, the first, and the last, so that short
    trainings have lines too."""
    return step % every == 0 or step in (1, last)


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log; one that was cut short, by a kill, is left out, and what follows it."""
    rows: list[dict[str, float]] = []
    if not path.exists():
        return rows
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            break
        rows.append(row)
    return rows


def _line(row: Mapping[str, float]) -> str:
    return json.dumps({name: _short(value) for name, value in row.items()})


def _short(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _tensorboard(folder: Path, step: int) -> Any:
    """A writer, or None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
