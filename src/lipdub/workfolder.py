"""The folder of a job's unfinished work: where it lies, who may use it, and when it goes."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from lipdub.cache import cache_root
from lipdub.disk import disk_full, is_full
from lipdub.errors import LipdubError, OutputError
from lipdub.journal import JOURNAL, SEGMENTS
from lipdub.outputs import content_key, unwritable

LOCK = "lipdub.lock"
NOTE = "published"
"""File that says of which content the output is that was about to get its name."""
SUFFIX = ".lipdub"
LONGEST_NAME = 255
"""Bytes of a file's name on the file systems there are."""


def folder_for(output: Path, work_dir: str | None) -> Path:
    """Where the unfinished work of an output lies: beside it, or in a folder that was chosen for it.

    In a chosen folder its name also tells where the output is to lie: there may be others called the same.
    """
    if work_dir is not None:
        return Path(work_dir) / f"{output.name[:40]}-{_place(output)}{SUFFIX}"
    if len(os.fsencode(output.name)) > LONGEST_NAME - len(SUFFIX):
        return output.parent / f"{output.name[:40]}-{_place(output)}{SUFFIX}"
    return output.parent / f"{output.name}{SUFFIX}"


@contextmanager
def work_folder(folder: Path, output: Path, *, fresh: bool, keep: bool) -> Iterator[Path]:
    """Hold the folder of unfinished work, alone, for as long as the block runs.

    It goes when the block ends well, unless it is to be kept. When the block fails, what another run can go
    on with stays; if there is none, the folder goes as well. Only what lipdub writes there is ever removed.

    Args:
        folder: see `folder_for`; what is in it from an earlier run is there.
        output: that it belongs to.
        fresh: throw away what is in it.
        keep: leave it where it is.

    Raises:
        OutputError: another run makes this output, or the folder cannot be made or is not lipdub's.
        RenderError: the disk is full.
    """
    with ExitStack() as stack:
        stack.enter_context(_only_run(output))
        stack.enter_context(_held(folder, output))
        _tidy(folder, everything=fresh)
        remove = True
        try:
            yield folder
            remove = not keep
        except BaseException:
            remove = not _worth_keeping(folder)
            raise
        finally:
            if remove:
                _remove(folder)
            else:
                _tidy(folder, everything=False)


def note_finished(folder: Path, finished: Path) -> None:
    """Write down that the output is whole and about to get its name: what is in the folder may go then.

    Raises:
        RenderError: the disk is full.
        OutputError: the note cannot be written.
    """
    try:
        (folder / NOTE).write_text(content_key(finished), "utf-8")
    except OSError as exc:
        raise (disk_full(folder) if is_full(exc) else unwritable(folder)) from exc


def remove_left_over(folder: Path, output: Path) -> None:
    """Remove the folder of a run that was killed after its output had its name, and before this was done.

    Only where the note in it is of this very output, or nothing but the lock is left. A folder that is in
    use, or somebody else's, stays without a word.
    """
    if not folder.is_dir() or not output.is_file():
        return
    with suppress(OSError, LipdubError), _only_run(output), _held(folder, output):
        if _is_left_over(folder, output):
            _remove(folder)


def _is_left_over(folder: Path, output: Path) -> bool:
    if {path.name for path in folder.iterdir()} == {LOCK}:
        return True
    note = folder / NOTE
    return note.is_file() and note.read_text("utf-8") == content_key(output)


@contextmanager
def _only_run(output: Path) -> Iterator[None]:
    """Make sure that no other run of this machine makes the same output, wherever its work lies."""
    with ExitStack() as stack:
        with suppress(OSError):  # without a cache, the folder's own lock must do
            place = cache_root() / "running"
            place.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(FileLock(place / _place(output), blocking=False))
            except Timeout as exc:
                raise _busy(output) from exc
        yield


@contextmanager
def _held(folder: Path, output: Path) -> Iterator[None]:
    while True:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            _check_own(folder)
            lock = FileLock(folder / LOCK, blocking=False)
            lock.acquire()
        except Timeout as exc:
            raise _busy(output) from exc
        except FileNotFoundError as exc:
            if folder.parent.is_dir():
                continue  # the run that held the folder took it away just now
            raise OutputError(f"there is no folder {folder.parent}; create it first.") from exc
        except (FileExistsError, NotADirectoryError) as exc:
            raise OutputError(f"{folder} is in the way; move it, or choose a --work-dir.") from exc
        except OSError as exc:
            raise (disk_full(folder) if is_full(exc) else unwritable(folder.parent)) from exc
        if (folder / LOCK).exists():
            break
        lock.release()
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()


def _check_own(folder: Path) -> None:
    """Make sure that the folder is a run's of the same user: what is in it will be written and removed."""
    found = folder.lstat()
    own = found.st_uid == os.geteuid() if hasattr(os, "geteuid") else True
    known = any((folder / name).exists() for name in (LOCK, JOURNAL)) or not any(folder.iterdir())
    if folder.is_symlink() or not own or not known:
        raise OutputError(f"{folder} is in the way and not of lipdub; move it, or choose a --work-dir.")


def _busy(output: Path) -> OutputError:
    return OutputError(f"another run is making {output} at this moment; wait for it, or stop it.")


def _place(output: Path) -> str:
    """16 hexadecimal digits that tell where an output is to lie."""
    return hashlib.sha256(os.fsencode(os.path.realpath(output))).hexdigest()[:16]


def _worth_keeping(folder: Path) -> bool:
    journal = folder / JOURNAL
    return journal.exists() and journal.stat().st_size > 0


def _tidy(folder: Path, *, everything: bool) -> None:
    """Remove what the next run makes anew anyway; or all that lipdub writes, but for the lock.

    The note goes last, so that a run that is killed here can still be told from one that has not ended.
    """
    if everything:
        shutil.rmtree(folder / SEGMENTS, ignore_errors=True)
    unfinished = [*folder.glob("finished.*"), *folder.glob("*.pcm"), *folder.glob(f"{SEGMENTS}/*.part")]
    for path in (*unfinished, *([folder / JOURNAL] if everything else []), folder / NOTE):
        with suppress(OSError):
            path.unlink()


def _remove(folder: Path) -> None:
    """Remove all that lipdub writes, and the folder, unless somebody else's files are in it."""
    _tidy(folder, everything=True)
    with suppress(OSError):
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
