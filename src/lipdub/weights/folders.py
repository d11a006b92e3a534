"""The folders of the weights, and the small notes kept in the cache beside them."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lipdub.errors import UnknownWeightsError, WeightsError
from lipdub.weights.catalogue import Entry


def cache_folder() -> Path:
    """The folder where fetched weights are kept; it need not exist yet.

    `weights` below LIPDUB_CACHE, else below the `lipdub` folder of the platform's user cache
    (XDG_CACHE_HOME or ~/.cache; ~/Library/Caches on macOS; LOCALAPPDATA on Windows).
    """
    chosen = os.environ.get("LIPDUB_CACHE")
    return (Path(chosen).expanduser() if chosen else _user_cache() / "lipdub").absolute() / "weights"


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def provided_folder() -> Path | None:
    """The folder named by LIPDUB_WEIGHTS, or None if that is not set.

    Raises UnknownWeightsError if it names something that is no folder: a typing error there must not
    lead to a silent download.
    """
    chosen = os.environ.get("LIPDUB_WEIGHTS")
    if not chosen:
        return None
    folder = Path(chosen).expanduser().absolute()
    if not folder.is_dir():
        raise UnknownWeightsError(
            f"LIPDUB_WEIGHTS names {folder}, which is not a folder; correct or unset it."
        )
    return folder


def part_of(target: Path) -> Path:
    """Where the bytes of `target` are gathered until they are complete."""
    return target.with_name(target.name + ".part")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn every OSError of the block into one sentence about the place that cannot be written."""
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise WeightsError(
            f"The weights cannot be kept at {path}: {reason}; make room or rights there, "
            "or set LIPDUB_CACHE to a folder that can be written."
        ) from exc


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits. Raises WeightsError if it cannot be read."""
    import hashlib

    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as exc:
        raise WeightsError(
            f"The weights {path} cannot be read: {exc.strerror or exc}; check its rights."
        ) from exc


def remember(path: Path, digest: str) -> None:
    """Note that `path`, as it is now, has this SHA-256."""
    with suppress(OSError):  # the note only saves time: a cache that cannot be written costs a second
        _write_note(path, digest)


def remembered_sha256(path: Path) -> str:
    """Like `sha256_of`, but a file that has not changed since it was last hashed is not read again."""
    import json

    try:
        note = json.loads(_note(path).read_text("utf-8"))
        if note["stamp"] == _stamp(path):
            return str(note["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no note, or a damaged one
    digest = sha256_of(path)
    remember(path, digest)
    return digest


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    # The time of the inode's change cannot be set by hand, so old bytes cannot pass for new ones.
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _note(path: Path) -> Path:
    import hashlib

    key = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:24]
    return cache_folder() / "checked" / f"{key}.json"


def _write_note(path: Path, digest: str) -> None:
    import json

    note = _note(path)
    note.parent.mkdir(parents=True, exist_ok=True)
    temporary = note.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    temporary.write_text(json.dumps({"file": str(path), "sha256": digest, "stamp": _stamp(path)}), "utf-8")
    temporary.replace(note)


def notice_due(entry: Entry) -> str | None:
    """The licence notice of an entry, or None if it has none or it was shown on this machine before."""
    marker = _notice_marker(entry)
    with suppress(OSError):  # a cache that may not be looked into
        return None if marker is None or marker.is_file() else entry.notice
    return entry.notice


def notice_shown(entry: Entry) -> None:
    """Note that the notice of an entry was shown, so that it is not due any more.

    Where the cache cannot be written the notice comes each time: rather twice than never.
    """
    marker = _notice_marker(entry)
    if marker is not None:
        with suppress(OSError):
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()


def _notice_marker(entry: Entry) -> Path | None:
    import hashlib

    if entry.notice is None:
        return None
    # A notice that is worded anew is shown anew.
    edition = hashlib.sha256(entry.notice.encode()).hexdigest()[:12]
    return cache_folder() / "notices" / f"{entry.name}-{edition}"
