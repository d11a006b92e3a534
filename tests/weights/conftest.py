"""A web server in a thread that can misbehave, and a catalogue of the test's own."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lipdub.weights import Entry, Source, store, transfer

# Not a multiple of any buffer size.
DATA = bytes(range(256)) * 4000 + b"the end"


@dataclass
class Page:
    """What the server gives under one path: `cuts` lists how many bytes each of the first GETs sends."""

    body: bytes
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    length: bool = True
    delay: float = 0.0
    redirect: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Web:
    """The pages of the server and what it was asked for: (method, path, range, authorization)."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str, str | None, str | None]] = []

    def serve(self, path: str, page: Page) -> str:
        self.pages[path] = page
        return self.address + path

    def gets(self, path: str) -> list[str | None]:
        """The Range headers of the GETs of a path, None where there was none."""
        return [span for method, where, span, _ in self.asked if method == "GET" and where == path]


def _handler(web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(head=True)

        def do_GET(self) -> None:
            self.answer(head=False)

        def answer(self, *, head: bool) -> None:
            span = self.headers.get("Range")
            web.asked.append((self.command, self.path, span, self.headers.get("Authorization")))
            page = web.pages.get(self.path)
            if page is None:
                self.send_error(404)
                return
            time.sleep(page.delay)
            if page.redirect:
                self.send_response(302)
                self.send_header("Location", page.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = int(span.removeprefix("bytes=").rstrip("-")) if span and page.ranges else 0
            if start >= len(page.body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(page.body) - 1}/{len(page.body)}")
            if page.length:
                self.send_header("Content-Length", str(len(page.body) - start))
            for key, value in page.headers.items():
                self.send_header(key, value)
            self.end_headers()
            if not head:
                body = page.body[start:]
                self.wfile.write(body[: page.cuts.pop(0)] if page.cuts else body)
            self.close_connection = True

    return Handler


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that has heard enough hangs up: nothing to print."""


@pytest.fixture
def web() -> Iterator[Web]:
    server = _Server(("127.0.0.1", 0), BaseHTTPRequestHandler)
    web = Web(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = _handler(web)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield web
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights folder of a cache of the test's own; nothing of the user's settings is left."""
    for name in (
        "LIPDUB_WEIGHTS",
        "HF_ENDPOINT",
        "HF_TOKEN",
        "http_proxy",
        "HTTP_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LIPDUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(transfer, "PAUSE", 0.0)
    return tmp_path / "cache" / "weights"


Declare = Callable[..., Entry]


@pytest.fixture
def declare(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Make `thing` the one entry of the catalogue, with these sources; DATA are its bytes."""

    def make(
        *sources: Source,
        size: int | None = len(DATA),
        about: int | None = None,
        option: str | None = "--weights",
    ) -> Entry:
        digest = hashlib.sha256(DATA).hexdigest()
        entry = Entry(
            "thing", "tests", "thing.bin", digest, "MIT", sources, size, about, "Only for tests.", option
        )
        monkeypatch.setattr(store, "load_catalogue", lambda: {"thing": entry})
        return entry

    return make
