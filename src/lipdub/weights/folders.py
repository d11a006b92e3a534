"""The folders of the weights, and the small notes kept in the cache beside them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lipdub import cache
from lipdub.cache import cache_root, remember
from lipdub.errors import UnknownWeightsError, WeightsError
from lipdub.weights.catalogue import Entry

__all__ = [
    "cache_folder",
    "notice_due",
    "notice_shown",
    "part_of",
    "provided_folder",
    "remember",
    "remembered_sha256",
    "sha256_of",
    "writing",
]


def cache_folder() -> Path:
    """The folder where fetched weights are kept, `weights` in the user's cache; it need not exist yet."""
    return cache_root() / "weights"


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
    with _reading(path):
        return cache.sha256_of(path)


def remembered_sha256(path: Path) -> str:
    """Like `sha256_of`, but a file that has not changed since it was last hashed is not read again."""
    with _reading(path):
        return cache.remembered_sha256(path)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise WeightsError(
            f"The weights {path} cannot be read: {exc.strerror or exc}; check its rights."
        ) from exc


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
