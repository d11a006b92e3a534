"""Outputs appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lipdub.errors import OutputError


def check_output(output: Path, inputs: tuple[Path, ...], overwrite: bool) -> None:
    """Make sure that a file can be written under this name, before any work is done.

    Raises:
        OutputError: it is one of the inputs, it exists, or its folder is missing or not writable.
    """
    folder = output.parent
    if output.is_dir():
        raise OutputError(f"{output} is a folder; give the name of a file in it.")
    for source in inputs:
        if output.exists() and source.exists() and output.samefile(source):
            raise OutputError(f"{output} is also an input; choose another name for the output.")
    if output.exists() and not overwrite:
        raise OutputError(f"{output} exists already; add --overwrite to replace it.")
    if not folder.is_dir():
        raise OutputError(f"there is no folder {folder}; create it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unwritable(folder)


@contextmanager
def workspace(output: Path) -> Iterator[Path]:
    """A folder for unfinished files beside the output, so that finishing is a rename; gone afterwards.

    Raises:
        OutputError: the folder cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=".lipdub-", dir=output.parent))
    except OSError as exc:
        raise _unwritable(output.parent) from exc
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(finished: Path, output: Path, overwrite: bool) -> None:
    """Give a finished file its name, in one step.

    Raises:
        OutputError: somebody else wrote a file of that name meanwhile.
    """
    with finished.open("rb") as file:
        os.fsync(file.fileno())
    if output.exists() and not overwrite:
        raise OutputError(f"{output} appeared while it was being made; add --overwrite to replace it.")
    try:
        finished.replace(output)
    except OSError as exc:
        raise OutputError(f"{output} cannot be written ({exc.strerror}).") from exc


def _unwritable(folder: Path) -> OutputError:
    return OutputError(
        f"nothing can be written into the folder {folder}; choose another or mend its permissions."
    )
