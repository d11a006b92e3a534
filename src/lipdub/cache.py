"""The user's cache: where it lies, and what is remembered there of files."""

import hashlib
import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path


def cache_root() -> Path:
    """LIPDUB_CACHE, else the `lipdub` folder of the platform's user cache; it need not exist yet.

    The user cache is XDG_CACHE_HOME or ~/.cache; ~/Library/Caches on macOS; LOCALAPPDATA on Windows.
    """
    chosen = os.environ.get("LIPDUB_CACHE")
    return (Path(chosen).expanduser() if chosen else _user_cache() / "lipdub").absolute()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits. Raises OSError if it cannot be read."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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


def remembered_sha256(path: Path) -> str:
    """Like `sha256_of`, but a file that has not changed since it was last hashed is not read again."""
    try:
        note = json.loads(_note(path).read_text("utf-8"))
        if note["stamp"] == _stamp(path):
            return str(note["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no note, or a damaged one
    before = _stamp(path)
    digest = sha256_of(path)
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
