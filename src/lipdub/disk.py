"""Files that are written for good, and what is said when the disk does not take them."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lipdub.cache import sha256_of
from lipdub.errors import RenderError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(exc: Exception) -> bool:
    """Whether an error means that there is no space left."""
    return getattr(exc, "errno", None) in _FULL


def disk_full(folder: Path) -> RenderError:
    """The error of a disk without space."""
    return RenderError(
        f"the disk is full ({folder}); make space and run the same command again to go on (without --fresh)."
    )


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Turn every OSError of the block into one sentence."""
    try:
        yield
    except OSError as exc:
        if is_full(exc):
            raise disk_full(path.parent) from exc
        raise RenderError(f"{path} cannot be written or read ({exc.strerror}).") from exc


def settle(part: Path, path: Path) -> tuple[int, str]:
    """Give a file that is written whole its name, for good; its size and SHA-256.

    Raises:
        RenderError: the disk does not take it.
    """
    with telling(path):
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        found = part.stat().st_size, sha256_of(part)
        part.replace(path)
        sync_folder(path.parent)
    return found


def write_text(path: Path, text: str) -> None:
    """Write a file of text, whole or not at all.

    Raises:
        RenderError: the disk does not take it.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with telling(path):
            with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def add_line(path: Path, line: str) -> None:
    """Write one more line into a log.

    Raises:
        RenderError: the disk does not take it.
    """
    with telling(path), path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, where the system knows how."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError:  # nor do all network drives know how
        pass
    finally:
        os.close(handle)
