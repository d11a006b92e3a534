"""The folder of a job's unfinished work: where it lies, who may use it, and when it goes."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from lipdub.errors import OutputError
from lipdub.journal import JOURNAL
from lipdub.outputs import unwritable

LOCK = "lock"
SUFFIX = ".lipdub"
LONGEST_NAME = 255
"""Bytes of a file's name on the file systems there are."""


def folder_for(output: Path, work_dir: str | None) -> Path:
    """Where the unfinished work of an output lies: beside it, or in a folder that was chosen for it."""
    place = Path(work_dir) if work_dir is not None else output.parent
    name = output.name
    if len(os.fsencode(name)) > LONGEST_NAME - len(SUFFIX):
        name = f"{name[:40]}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
    return place / f"{name}{SUFFIX}"


@contextmanager
def work_folder(folder: Path, output: Path, *, fresh: bool, keep: bool) -> Iterator[Path]:
    """Hold the folder of unfinished work, alone, for as long as the block runs.

    It goes when the block ends well, unless it is to be kept. When the block fails, what another run can go
    on with stays; if there is none, the folder goes as well.

    Args:
        folder: see `folder_for`; what is in it from an earlier run is there.
        output: that it belongs to, for messages.
        fresh: throw away what is in it.
        keep: leave it where it is.

    Raises:
        OutputError: another run holds it, or it cannot be made.
    """
    with _held(folder, output):
        if fresh:
            _empty(folder)
        remove = True
        try:
            yield folder
            remove = not keep
        except BaseException:
            remove = not _worth_keeping(folder)
            raise
        finally:
            if remove:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                _tidy(folder)


@contextmanager
def _held(folder: Path, output: Path) -> Iterator[None]:
    while True:
        try:
            folder.mkdir(exist_ok=True)
            _check_own(folder)
            lock = FileLock(folder / LOCK)
            lock.acquire(blocking=False)
        except Timeout as exc:
            raise OutputError(
                f"another run is making {output} at this moment ({folder}); wait for it, or stop it."
            ) from exc
        except FileNotFoundError as exc:
            if folder.parent.is_dir():
                continue  # the run that held the folder took it away just now
            raise OutputError(f"there is no folder {folder.parent}; create it first.") from exc
        except OSError as exc:
            raise unwritable(folder.parent) from exc
        if (folder / LOCK).exists():
            break
        lock.release()
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()


def _check_own(folder: Path) -> None:
    """Make sure that nothing but unfinished work is in there: it will be removed."""
    own = any((folder / name).exists() for name in (LOCK, JOURNAL))
    if not own and any(folder.iterdir()):
        raise OutputError(f"{folder} is in the way and not of lipdub; move it, or choose a --work-dir.")


def _worth_keeping(folder: Path) -> bool:
    journal = folder / JOURNAL
    return journal.exists() and journal.stat().st_size > 0


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != LOCK:
            _remove(path)


def _tidy(folder: Path) -> None:
    """Remove what the next run makes anew anyway."""
    for path in folder.iterdir():
        if path.is_file() and path.name not in {LOCK, JOURNAL}:
            _remove(path)
    for part in folder.glob("*/*.part"):
        _remove(part)


def _remove(path: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
