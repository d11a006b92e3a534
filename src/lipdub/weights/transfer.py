"""One file over http into a `.part` file: resumable, bounded in size and in waiting."""

import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import BaseHandler, HTTPRedirectHandler, Request, build_opener

from lipdub.weights.folders import writing

T = TypeVar("T")
Progress = Callable[[int, int | None], None]

# Seconds until the first answer of a server, with all its addresses and redirects, and between two pieces.
PATIENCE = 10.0
# How often a connection that breaks off is taken up again, and the wait before that, in seconds.
CUTS = 4
PAUSE = 0.5
PIECE = 1 << 18


class SourceError(Exception):
    """A source did not give the file; the text says why in a few words.

    `wrong_bytes`: it gave a file, but another one. `unreachable`: the host itself did not answer, and the
    text is the reason alone.
    """

    def __init__(self, reason: str, *, wrong_bytes: bool = False, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.wrong_bytes = wrong_bytes
        self.unreachable = unreachable


class _CutError(Exception):
    """The connection broke off after some bytes, or before all of them had come."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one run of sources needs to know: the file wanted, where to, and whom not to ask again.

    `size` and `limit` are in bytes; `size` is None where the exact size is not known beforehand. `dead_hosts`
    has the hosts that did not answer, and why. `handlers` are urllib's, for a proxy or certificates.
    """

    part: Path
    size: int | None
    limit: int
    sha256: str
    progress: Progress | None = None
    dead_hosts: dict[str, str] = field(default_factory=dict)
    handlers: tuple[BaseHandler, ...] = ()

    def report(self, done: int, total: int | None) -> None:
        """Tell the caller that `done` of `total` bytes are here."""
        if self.progress is not None:
            self.progress(done, total)


class _Redirects(HTTPRedirectHandler):
    """Redirects as usual, except that a token meant for one host is not told to another."""

    # Passed on as they come: the parameters are urllib's affair.
    def redirect_request(self, req: Request, *rest: Any) -> Request | None:
        new = super().redirect_request(req, *rest)
        if new is not None and urlsplit(new.full_url)[:2] != urlsplit(req.full_url)[:2]:
            new.remove_header("Authorization")
        return new


def within(seconds: float, action: Callable[[], T]) -> T:
    """The result of `action`, or TimeoutError after so many seconds.

    Timeouts of sockets count for each of a host's addresses anew, and not at all while its name is looked
    up; a thread that is left behind is the only way to keep one limit for all of it.
    """
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(action())
        except BaseException as exc:
            answer.set_exception(exc)

    threading.Thread(target=work, daemon=True).start()
    return answer.result(seconds)


def guard_host(job: Job, url: str) -> str:
    """The host of `url`. Raises SourceError if it has already been found not to answer."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    if host in job.dead_hosts:
        raise SourceError(job.dead_hosts[host], unreachable=True)
    return host


def download(job: Job, url: str, headers: Mapping[str, str] | None = None) -> None:
    """Bring the file behind `url` to `job.part`, going on from what is already there.

    Raises SourceError if the server cannot be reached, refuses, or gives too little or too much, and
    WeightsError if the part file cannot be written.
    """
    host = guard_host(job, url)
    last: Exception | None = None
    for attempt in range(CUTS + 1):
        if job.size is not None and _length(job.part) == job.size:
            return
        if attempt:
            time.sleep(PAUSE)
        try:
            _stream(job, Request(url, headers={"User-Agent": "lipdub", **(headers or {})}))
            return
        except _CutError as exc:
            last = exc
        except SourceError as exc:
            if exc.unreachable and attempt == 0:
                job.dead_hosts[host] = str(exc)
            # A host that answered a moment ago will most likely do so again.
            if not exc.unreachable or attempt == 0:
                raise
            last = exc
    raise SourceError(f"the connection broke off {CUTS + 1} times: {last}") from last


def read_page(job: Job, url: str, headers: Mapping[str, str], limit: int) -> tuple[bytes, str, str]:
    """A page of at most `limit` bytes: its bytes, its media type, and the address that it came from.

    Raises SourceError if it cannot be had or is larger.
    """
    host = guard_host(job, url)
    try:
        with closing(_open(Request(url, headers={"User-Agent": "lipdub", **headers}), job)) as response:
            body = within(PATIENCE, lambda: response.read(limit + 1))
            kind, found_at = response.headers.get_content_type(), response.url
    except SourceError as exc:
        if exc.unreachable:
            job.dead_hosts[host] = str(exc)
        raise
    except (OSError, http.client.HTTPException) as exc:
        raise SourceError(f"the page broke off: {in_short(exc)}") from exc
    if len(body) > limit:
        raise SourceError(f"a page of more than {limit} bytes")
    return body, kind, found_at


def _stream(job: Job, request: Request) -> None:
    start = _length(job.part)
    if start:
        request.add_header("Range", f"bytes={start}-")
    with closing(_open(request, job)) as response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            start = 0  # the server knows no ranges and sends everything
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            _discard(job)
            raise _CutError("the server sent another range than was asked for")
        _copy(job, response, start)


def _open(request: Request, job: Job) -> Any:
    """The response to `request`, at most PATIENCE seconds from now."""
    opener = build_opener(_Redirects, *job.handlers)
    try:
        return within(PATIENCE, lambda: opener.open(request, timeout=PATIENCE))
    except HTTPError as exc:
        exc.close()
        if exc.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and _length(job.part):
            _discard(job)
            raise _CutError("the part file was longer than the file") from exc
        raise SourceError(f"HTTP {exc.code} {exc.reason}") from exc
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise SourceError(in_short(exc), unreachable=True) from exc


def _copy(job: Job, response: Any, start: int) -> None:
    done, total = start, _total(response, start, job.size)
    if total is not None and total > job.limit:
        raise SourceError(f"{total} bytes are offered, {job.limit} at most expected", wrong_bytes=True)
    with writing(job.part), job.part.open("ab" if start else "wb") as out:
        job.report(done, total)
        while piece := _read(response):
            done += len(piece)
            if done > job.limit:
                break
            out.write(piece)
            job.report(done, total)
        out.flush()
        os.fsync(out.fileno())
    if done > job.limit:
        _discard(job)
        raise SourceError(f"more than the {job.limit} bytes expected", wrong_bytes=True)
    if total is not None and done < total:
        raise _CutError(f"{done} of {total} bytes came")


def _read(response: Any) -> bytes:
    try:
        piece: bytes = response.read1(PIECE)
    except (OSError, http.client.HTTPException) as exc:
        raise _CutError(in_short(exc)) from exc
    return piece


def _total(response: Any, start: int, size: int | None) -> int | None:
    """Bytes of the whole file: what the server says, else what the catalogue knows."""
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else size


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _discard(job: Job) -> None:
    with writing(job.part):
        job.part.unlink(missing_ok=True)


def in_short(exc: BaseException) -> str:
    """The reason of a failure without the names of Python's classes round it."""
    if isinstance(exc, URLError):
        exc = exc.reason if isinstance(exc.reason, BaseException) else OSError(exc.reason)
    chain = list(_chain(exc))
    if any(isinstance(link, TimeoutError) for link in chain):
        return f"no answer within {PATIENCE:.0f} s"
    if any(isinstance(link, socket.gaierror) for link in chain):
        return "name not known"
    if any(isinstance(link, ConnectionRefusedError) for link in chain):
        return "connection refused"
    text = (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__
    return " ".join(text.split())[:160]


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it comes from: http libraries wrap the errors of sockets in their own."""
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield exc
        exc = exc.__cause__ or exc.__context__
