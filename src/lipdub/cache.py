"""The user's cache: where it lies, and what is remembered there of files."""

import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

BLOCK = 4 << 20
"""Bytes of a file that are hashed at a time: a tenth of a second of a slow disk."""

Told: TypeAlias = Callable[[int, int], None]


def cache_root() -> Path:
    """LIPDUB_CACHE, else the `lipdub` folder of the platform's user cache; it need not exist yet.

    The user cache is XDG_CACHE_HOME or ~/.cache; ~/Library/Caches on macOS; LOCALAPPDATA on Windows.
    """
    chosen = os.environ.get("LIPDUB_CACHE")
    return (Path(chosen).expanduser() if chosen else _user_cache() / "lipdub").absolute()


def sha256_of(path: Path, told: Told | None = None) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits; `told` the bytes read so far, and those in all.

    Raises OSError if it cannot be read.
    """
    digest, done = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as stream:
        total = os.fstat(stream.fileno()).st_size
        while block := stream.read(BLOCK):
            digest.update(block)
            done += len(block)
            if told is not None:
                told(done, total)
    return digest.hexdigest()


def remember(path: Path, digest: str) -> None:
    """Note that `path`, as it is now, has this SHA-256."""
    with suppress(OSError):  # the note only saves time: a cache that cannot be written costs a second
        note = _note(path)
        note.parent.mkdir(parents=True, exist_ok=True)
        temporary = note.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        temporary.write_text(
            json.dumps({"file": str(path), "sha256": digest, "stamp": _stamp(path)}), "utf-8"
        )
        temporary.replace(note)


def remembered_sha256(path: Path, told: Told | None = None) -> str:
    """Like `sha256_of`, but a file that has not changed since it was last hashed is not read again."""
    try:
        note = json.loads(_note(path).read_text("utf-8"))
        if note["stamp"] == _stamp(path):
            return str(note["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no note, or a damaged one
    before = _stamp(path)
    digest = sha256_of(path, told)
    if _stamp(path) == before:  # not one that is still being written
        remember(path, digest)
    return digest


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    # The time of the inode's change cannot be set by hand, so old bytes cannot pass for new ones.
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _note(path: Path) -> Path:
    key = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:24]
    return cache_root() / "checked" / f"{key}.json"
