"""From a name to a checked file: given by hand, in the package, in the cache, or fetched now."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lipdub.errors import UnknownWeightsError, WeightsHashError, WeightsUnavailableError
from lipdub.weights.catalogue import Entry, load_catalogue
from lipdub.weights.folders import (
    cache_folder,
    part_of,
    provided_folder,
    remember,
    remembered_sha256,
    sha256_of,
    writing,
)

Progress = Callable[[int, int | None], None]
State = Literal["provided", "bundled", "cached", "missing", "damaged"]

PACKAGE = Path(__file__).parents[1]
"""The folder of lipdub itself, from which the paths of bundled files start."""

# Seconds between two looks at how far another process is that fetches the same file.
_TICK = 0.5


_offline = False
"""Whether weights could not be fetched in this process."""


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights; `name` and `licence` are None where its bytes are none of the catalogue's."""

    path: Path
    sha256: str
    name: str | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """Where the file of an entry is now.

    `state` is "provided" (in LIPDUB_WEIGHTS), "bundled" (in the package), "cached", "missing", or "damaged"
    (there, with other bytes; only `verify` tells). `path` is where it lies, or would lie. `size` in bytes,
    None if missing. `verified` says that the bytes were read and hashed just now. `inside` says that `path`
    is in the package, which only a new installation mends.
    """

    name: str
    state: State
    path: Path
    size: int | None = None
    verified: bool = False
    inside: bool = False


def locate(name: str, *, progress: Progress | None = None) -> Path:
    """The file of a catalogue name, its SHA-256 checked, fetched first if need be.

    Looks in LIPDUB_WEIGHTS, then in the package if the file comes with it, else in the cache, and goes
    through the sources. `progress` is called with the
    bytes done and the bytes in all (None if not known). Processes that want the same file wait for the one
    that fetches it. Without a network it gives up within half a minute.

    Raises UnknownWeightsError (no such name), WeightsHashError (other bytes than promised),
    WeightsUnavailableError (no source gave the file) and WeightsError (the cache cannot be written).
    """
    entry = _entry_named(name)
    given = _provided(entry)
    if given is not None:
        return _checked_by_hand(entry, given)
    target = _target(entry)
    if entry.bundled is not None:
        return _checked_inside(entry, target)
    if _is_good(entry, target):
        return target
    with _only_one(entry, progress):
        # Another process may have fetched it while this one waited.
        if not _is_good(entry, target):
            from lipdub.weights.fetch import fetch

            fetch(entry, target, progress)
    return target


def locate_if_possible(name: str, *, progress: Progress | None = None) -> Path | None:
    """Like `locate`, for weights that can be done without: None if they are not here and cannot be fetched.

    Nothing is fetched where LIPDUB_OFFLINE is set, nor after a fetch of this process failed: on a machine
    without a network, each would take its time to fail.
    """
    global _offline  # noqa: PLW0603
    if status(name).state == "missing" and (_offline or os.environ.get("LIPDUB_OFFLINE")):
        return None
    try:
        return locate(name, progress=progress)
    except WeightsUnavailableError:
        _offline = True
        return None


def resolve(name_or_path: str | Path, *, progress: Progress | None = None) -> WeightsFile:
    """The weights meant by `--weights NAME|PATH`: a catalogue name, else an existing file.

    A file that happens to have a name of the catalogue is meant by `./NAME`. Bytes that the catalogue knows
    get their name and licence wherever they lie. Raises as `locate` does.
    """
    catalogue = load_catalogue()
    if str(name_or_path) in catalogue:
        entry = catalogue[str(name_or_path)]
        return WeightsFile(locate(entry.name, progress=progress), entry.sha256, entry.name, entry.licence)
    try:
        path = Path(name_or_path).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (
        OSError,
        RuntimeError,
    ) as exc:  # a name too long, a folder that may not be looked into, no such user
        raise _unknown(str(name_or_path), catalogue) from exc
    if is_folder:
        raise UnknownWeightsError(f"{path} is a folder; give the file of the weights in it.")
    if not is_file:
        raise _unknown(str(name_or_path), catalogue)
    digest = remembered_sha256(path)
    known = next((entry for entry in catalogue.values() if entry.sha256 == digest), None)
    return WeightsFile(path, digest, known.name if known else None, known.licence if known else None)


def status(name: str) -> Status:
    """Where the file of a catalogue name is, without reading or fetching it.

    Raises UnknownWeightsError for an unknown name or a LIPDUB_WEIGHTS that is no folder.
    """
    entry = _entry_named(name)
    given = _provided(entry)
    path = given or _target(entry)
    inside = given is None and entry.bundled is not None
    if not path.is_file():
        return Status(name, "missing", path, inside=inside)
    state: State = "provided" if given else "bundled" if inside else "cached"
    return Status(name, state, path, path.stat().st_size, inside=inside)


def verify(name: str) -> Status:
    """Like `status`, but a file that is there is read and hashed, whatever was noted about it before.

    Raises as `status` does, and WeightsError if the file cannot be read.
    """
    entry, found = _entry_named(name), status(name)
    if found.state == "missing":
        return found
    digest = sha256_of(found.path)
    remember(found.path, digest)
    state = found.state if digest == entry.sha256 else "damaged"
    return replace(found, state=state, verified=True)


def _entry_named(name: str) -> Entry:
    catalogue = load_catalogue()
    if name not in catalogue:
        raise _unknown(name, catalogue)
    return catalogue[name]


def _unknown(name: str, catalogue: dict[str, Entry]) -> UnknownWeightsError:
    from difflib import get_close_matches

    close = get_close_matches(name, catalogue, 1)
    hint = f"; did you mean {close[0]}?" if close else "."
    return UnknownWeightsError(
        f"{name} is neither a file nor the name of known weights ({', '.join(catalogue)}){hint}"
    )


def _report_other(part: Path, entry: Entry, progress: Progress | None) -> None:
    with suppress(OSError):  # the other process may have renamed it by now
        if progress is not None:
            progress(part.stat().st_size, entry.size)


def _target(entry: Entry) -> Path:
    return PACKAGE / entry.bundled if entry.bundled is not None else cache_folder() / entry.file


def _provided(entry: Entry) -> Path | None:
    folder = provided_folder()
    path = folder / entry.file if folder else None
    return path if path is not None and path.is_file() else None


def _checked_by_hand(entry: Entry, path: Path) -> Path:
    digest = remembered_sha256(path)
    if digest != entry.sha256:
        raise WeightsHashError(
            f"{path}, found through LIPDUB_WEIGHTS, is not {entry.name}: its SHA-256 is {digest[:12]}…, not "
            f"{entry.sha256[:12]}…; replace the file or unset LIPDUB_WEIGHTS."
        )
    return path


def _checked_inside(entry: Entry, path: Path) -> Path:
    if not path.is_file():
        raise WeightsUnavailableError(
            f"The weights {entry.name}, which come with lipdub, are not at {path}; reinstall lipdub."
        )
    digest = remembered_sha256(path)
    if digest != entry.sha256:
        raise WeightsHashError(
            f"{path} is not what lipdub came with: its SHA-256 is {digest[:12]}…, not {entry.sha256[:12]}…; "
            "reinstall lipdub."
        )
    return path


def _is_good(entry: Entry, path: Path) -> bool:
    """Whether the cache has the right bytes; wrong ones were damaged since, or are of an older catalogue."""
    return path.is_file() and remembered_sha256(path) == entry.sha256


@contextmanager
def _only_one(entry: Entry, progress: Progress | None) -> Iterator[None]:
    """Hold the lock on the entry's place in the cache; tell how far its holder is while waiting."""
    from filelock import FileLock, Timeout

    target = _target(entry)
    lock = FileLock(target.with_name(entry.file + ".lock"))
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                lock.acquire(timeout=_TICK)
                break
            except Timeout:
                _report_other(part_of(target), entry, progress)
    try:
        yield
    finally:
        lock.release()
