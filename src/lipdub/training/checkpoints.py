"""Checkpoints of a run: one file each, written whole or not at all, the newest of them kept."""

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from lipdub.disk import is_full, sync_folder
from lipdub.errors import OutputError, WeightsFormatError
from lipdub.models.checkpoint import RUN_KEY, read_safetensors, save_checkpoint, save_ordinary
from lipdub.models.config import METADATA_KEY, Diff2LipConfig
from lipdub.training.config import TrainOptions
from lipdub.training.state import Run

NAME = re.compile(r"step-(\d{8})\.safetensors")
SAMPLES = "samples"
"""Folder of pictures of samples, in the run's."""
WEIGHTS = "weights.safetensors"
"""The moving average alone, for `sync --weights`."""


@dataclass(frozen=True)
class Saved:
    """A checkpoint: its file, the step it was taken at, the sizes of its network, and what else it says."""

    path: Path
    step: int
    config: Diff2LipConfig
    said: Mapping[str, Any]

    def load_into(self, run: Run) -> None:
        """Let a run become what was saved.

        Raises:
            WeightsFormatError: it is damaged, or of another network.
        """
        try:
            run.restore(read_safetensors(self.path)[0], self.said)
        except WeightsFormatError as exc:
            raise _unusable(self.path, exc) from exc


def write(folder: Path, run: Run, options: TrainOptions, clips: str = "") -> Path:
    """A checkpoint of the run, and its weights for use; older checkpoints than the last few go.

    Args:
        folder: of the run.
        run: what is saved.
        options: of the training, which are written down with it,
        clips: as is the fingerprint of what was learnt from.

    Raises:
        OutputError: the disk is full or cannot be written; the checkpoints before are as they were.
    """
    path = folder / f"step-{run.step:08d}.safetensors"
    part = folder / f".{path.name}.{secrets.token_hex(4)}.part"
    metadata = {
        METADATA_KEY: run.network.config.to_json(),
        RUN_KEY: json.dumps({**run.numbers(), "options": asdict(options), "clips": clips}),
    }
    try:
        save_ordinary(run.tensors(), metadata, part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(folder)
        write_weights(folder, run)
    except (OSError, SafetensorError, OutputError) as exc:
        raise OutputError(_not_written(path, exc)) from exc
    finally:
        part.unlink(missing_ok=True)
    for old in found(folder)[: -options.keep]:
        old.unlink(missing_ok=True)
    return path


def write_weights(folder: Path, run: Run) -> None:
    """The average alone; raises `OutputError` when it cannot be written."""
    save_checkpoint(run.averaged(), folder / WEIGHTS)


def found(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob("step-*.safetensors") if NAME.fullmatch(path.name))


def clear(folder: Path) -> None:
    """Remove the checkpoints of a run and its pictures of samples, as it starts over.

    Raises:
        OutputError: they cannot be removed.
    """
    try:
        for path in (*found(folder), *(folder / SAMPLES).glob("step-*.png")):
            path.unlink(missing_ok=True)
    except OSError as exc:
        raise OutputError(f"An earlier run in {folder} cannot be removed ({exc.strerror}).") from exc


def latest(folder: Path) -> Saved | None:
    """The newest checkpoint of a run, if there is one.

    Raises:
        WeightsFormatError: it is damaged; the one before it may not be.
    """
    paths = found(folder)
    return _look_at(paths[-1]) if paths else None


def _look_at(path: Path) -> Saved:
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
        said = json.loads(metadata[RUN_KEY])
        return Saved(path, int(said["step"]), Diff2LipConfig.from_state_dict({}, metadata), said)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, WeightsFormatError) as exc:
        raise _unusable(path, exc) from exc


def _unusable(path: Path, exc: Exception) -> WeightsFormatError:
    why = str(exc).partition("\n")[0].rstrip(".")
    return WeightsFormatError(
        f"The checkpoint {path} cannot be used ({why}); delete it to go on from the one before."
    )


def _not_written(path: Path, exc: Exception) -> str:
    """One sentence; safetensors tells of a full disk in words alone."""
    before = [old for old in found(path.parent) if old != path]
    text = str(exc).partition("\n")[0].rstrip(".")
    full = is_full(exc) or "No space left" in text or "os error 28" in text
    why = "the disk is full" if full else text
    goes_on = f"from {before[-1].stem}" if before else "from the beginning"
    return (
        f"The checkpoint {path} cannot be written: {why}; make space and run the same command again to go on "
        f"{goes_on}."
    )
