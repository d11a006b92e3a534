"""Run ffmpeg as a child that cannot outlive its parent, fill its memory or write into its folders."""

import os
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import IO, TypeVar

import av
import av.container
import av.error

from lipdub.errors import RenderError
from lipdub.media.reading import reason_of

T = TypeVar("T")

LINE = 500
"""Characters of a line of ffmpeg's that are kept."""

PATIENCE = 10.0
"""Seconds that ffmpeg may take to end once all it had to say was read."""


class Child:
    """An ffmpeg that writes its output into a pipe, for as long as somebody reads there.

    It never opens a file for writing: if this process dies, however, the pipe closes, ffmpeg's next write
    fails, and it ends. It cannot run ahead either, since a pipe holds 64 kB.

    Args:
        command: the words of the command line; its output is ``pipe:1``.

    Raises:
        RenderError: it could not be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
            )
        except OSError as exc:
            raise RenderError(f"ffmpeg could not be started ({exc.strerror}); run `lipdub doctor`.") from exc
        assert self._process.stdout
        assert self._process.stderr
        self._pipe = self._process.stdout
        self._words = Words(self._process.stderr)

    @contextmanager
    def opened(self, form: str) -> Iterator[av.container.InputContainer]:
        """What it writes, in this format of libavformat's.

        Raises:
            RenderError: it wrote nothing of the kind; its own words say why.
        """
        try:
            container = av.open(f"pipe:{self._pipe.fileno()}", format=form)
        except (av.error.FFmpegError, OSError) as exc:
            self._finish()
            raise RenderError(f"ffmpeg made no sound ({reason_of(exc)}); please report this.") from exc
        try:
            yield container
        finally:
            container.close()

    def watched(self, items: Iterator[T]) -> Iterator[T]:
        """What is made of its output; at the end of it, make sure that it did not fail half-way.

        Raises:
            RenderError: it failed; the sentence carries its first and its last words.
        """
        yield from items
        self._finish()

    def _finish(self) -> None:
        """Wait for its end, after everything was read."""
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired as exc:
            raise RenderError("ffmpeg did not end after the sound it made; please report this.") from exc
        if code:
            raise RenderError(f"ffmpeg could not make the sound: {self._words.reason()}")

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._process.kill()  # does nothing to one that has ended
        self._process.wait()
        self._pipe.close()
        self._words.close()


class Words:
    """What a child says, read as it comes: the first line and the last; a damaged movie fills gigabytes."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._first = ""
        self._last: deque[str] = deque(maxlen=1)
        self._thread = threading.Thread(target=self._read, name="lipdub-ffmpeg-words", daemon=True)
        self._thread.start()

    def reason(self) -> str:
        """The first line is the cause, the last one what came of it."""
        self._thread.join(PATIENCE)
        lines = dict.fromkeys(line for line in (self._first, *self._last) if line)
        return " … ".join(lines) or "no reason given"

    def close(self) -> None:
        """Wait for the end of what is said; the child must have ended."""
        self._thread.join(PATIENCE)
        self._pipe.close()

    def _read(self) -> None:
        rest = b""
        while block := os.read(self._pipe.fileno(), 1 << 14):
            *lines, rest = (rest + block).split(b"\n")
            rest = rest[-LINE:]
            for line in lines:
                self._keep(line)
        self._keep(rest)

    def _keep(self, line: bytes) -> None:
        text = line[:LINE].decode(errors="replace").strip()
        if text:
            self._first = self._first or text
            self._last.append(text)
