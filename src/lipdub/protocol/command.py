"""The whole of `lipdub evaluate`: check, load, measure, write."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lipdub.engine import load_engine
from lipdub.errors import OptionError
from lipdub.evaluation.tables import to_terminal
from lipdub.options import SyncOptions
from lipdub.progress import Progress, silent
from lipdub.protocol.evaluate import Task, check_task, evaluate
from lipdub.protocol.generating import Shot
from lipdub.protocol.reporting import check_folder, table_of, write_results


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What was measured and written.

    Attributes:
        table: for a terminal.
        files: of the results, by suffixes.
        pairs: how many were measured.
        failed: why others, or rows of them, were not.
        notes: what is not measured, a sentence each.
    """

    table: str
    files: dict[str, Path]
    pairs: int
    failed: tuple[str, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The result in types of JSON."""
        return {
            "files": {suffix[1:]: str(path) for suffix, path in self.files.items()},
            "pairs": self.pairs,
            "failed": list(self.failed),
            "notes": list(self.notes),
        }


def run(
    pairs: Path,
    output: Path,
    options: SyncOptions,
    *,
    mode: str = "cross",
    root: Path | None = None,
    rows: Sequence[str] = (),
    only_rows: bool = False,
    truth: Path | None = None,
    syncnet: Path | None = None,
    expert: Path | None = None,
    progress: Progress = silent,
) -> Evaluated:
    """Evaluate a network, and what others made, on a list of pairs; go on where an earlier run was stopped.

    Args:
        pairs: the list (see `lipdub.dataset.lists.read_pairs`).
        output: folder of the results.
        options: name the network, and how it paints.
        mode: ``cross`` or ``reconstruction``.
        root: folder from which names of the list start; None is the list's own.
        rows: ``NAME=FOLDER`` each: videos that were made by others, named as the published ones are (see
            `lipdub.protocol.truths.pair_name`).
        only_rows: no network paints.
        truth: ``npz`` of the true speakers' lip apertures.
        syncnet, expert: files of the networks that judge sync.
        progress: told how far the work is.

    Raises:
        LipdubError: see `lipdub.errors`.
    """
    shot = Shot(mode, options.shown_reference, options.seed)
    task = Task(pairs, output, root, shot, rows_named(rows), truth, syncnet, expert)
    check_task(task, None if only_rows else options.network_weights)
    check_folder(output)
    engine = None if only_rows else load_engine(options, progress)
    if engine is not None:  # a path may be the draft's
        shown = options.painted_with(engine.weights).shown_reference
        task = replace(task, shot=replace(shot, reference=shown))
    result = evaluate(task, engine, _device(options), progress)
    files = write_results(task, result)
    table = to_terminal(table_of(task, result))
    return Evaluated(table, files, len(result.clips), result.failed, result.notes)


def rows_named(rows: Sequence[str]) -> dict[str, Path]:
    """Folders by the names of their rows, from ``NAME=FOLDER`` each.

    Raises:
        OptionError: one is no such thing, or a name comes twice.
    """
    found: dict[str, Path] = {}
    for row in rows:
        name, equals, folder = row.partition("=")
        if not (equals and name.strip() and folder):
            raise OptionError(f"--rows takes NAME=FOLDER, not {row!r}.")
        if name.strip() in found:
            raise OptionError(f"--rows {row}: there is a row of this name already; choose another.")
        found[name.strip()] = Path(folder)
    return found


def _device(options: SyncOptions) -> Any:
    from lipdub.diffusion import select_device

    return select_device(options.device)[0]
