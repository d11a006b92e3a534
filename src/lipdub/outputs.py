"""Outputs appear whole or not at all."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from lipdub.disk import disk_full, is_full, sync_folder
from lipdub.errors import OutputError

MEBIBYTE = 1 << 20


def check_output(output: Path, inputs: tuple[Path, ...], overwrite: bool) -> None:
    """Make sure that a file can be written under this name, before any work is done.

    Raises:
        OutputError: it is one of the inputs, it exists, or its folder is missing or not writable.
    """
    folder = output.parent
    if output.is_dir():
        raise OutputError(f"{output} is a folder; give the name of a file in it.")
    if output.exists() and not output.is_file():  # a rename would put an end to it
        raise OutputError(f"{output} is a pipe or a device; give the name of a file.")
    if not is_text(output):
        raise OutputError(f"{os.fsencode(output)!r} is no name in UTF-8, which ffmpeg needs; choose another.")
    for source in inputs:
        if output.exists() and source.exists() and output.samefile(source):
            raise OutputError(f"{output} is also an input; choose another name for the output.")
    if output.exists() and not overwrite:
        raise OutputError(f"{output} exists already; add --overwrite to replace it.")
    if not folder.is_dir():
        raise OutputError(f"there is no folder {folder}; create it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise unwritable(folder)


@contextmanager
def workspace(output: Path) -> Iterator[Path]:
    """A folder for unfinished files beside the output, so that finishing is a rename; gone afterwards.

    Raises:
        OutputError: the folder cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=".lipdub-", dir=output.parent))
    except OSError as exc:
        raise unwritable(output.parent) from exc
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(finished: Path, output: Path, overwrite: bool) -> Path:
    """Give a finished file its name, in one step.

    A file on another disk is copied beside its place first.

    Returns:
        The name: `output`, or, if somebody else wrote a file of that name meanwhile, one with a number in it,
        since hours of work are not thrown away.

    Raises:
        OutputError: it cannot be written.
        RenderError: the disk is full.
    """
    try:
        if finished.stat().st_dev != output.parent.stat().st_dev:
            with workspace(output) as near:
                return _named(Path(shutil.copyfile(finished, near / finished.name)), output, overwrite)
        return _named(finished, output, overwrite)

    except OSError as exc:
        if is_full(exc):
            raise disk_full(output.parent) from exc
        raise OutputError(f"{output} cannot be written ({exc.strerror}).") from exc


def is_text(path: Path) -> bool:
    """Whether a name is text in UTF-8, and not bytes that an old system wrote."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _named(finished: Path, output: Path, overwrite: bool) -> Path:
    with finished.open("rb") as file:
        os.fsync(file.fileno())
    if overwrite:
        finished.replace(output)
        name = output
    else:
        name = next(name for name in _free_names(output) if _moved(finished, name))
    sync_folder(output.parent)
    return name


def content_key(path: Path) -> str:
    """32 hexadecimal digits that tell a file from others: of its size, its first and its last mebibyte."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(MEBIBYTE))
        file.seek(max(0, size - MEBIBYTE))
        digest.update(file.read(MEBIBYTE))
    return digest.hexdigest()[:32]


def _free_names(output: Path) -> Iterator[Path]:
    yield output
    yield from (output.with_stem(f"{output.stem} ({number})") for number in count(2))


def _moved(finished: Path, name: Path) -> bool:
    """Rename a file unless the name is taken."""
    try:
        os.link(finished, name)  # unlike a rename, it never replaces
        finished.unlink()  # or the next run would write into the output by its other name
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if name.exists():
            return False
        finished.replace(name)
    return True


def unwritable(folder: Path) -> OutputError:
    """The error of a folder that takes no file."""
    return OutputError(
        f"nothing can be written into the folder {folder}; choose another or mend its permissions."
    )
