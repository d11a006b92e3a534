"""Stages side by side: bounded queues between them, no waiting in loops, no thread left behind.

    with read_ahead(decoded, 8) as frames, write_behind(encode, 8) as put:
        for frame in render(frames):
            put(frame)

A stage that is ahead waits for the one behind it. What a stage raises is raised, as itself, in the thread
that uses it; the other stages end then, and all threads have ended when the block is left, however it is
left.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Condition, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Channel(Generic[T]):
    """A queue between two threads.

    Args:
        limit: items that may wait in it; whoever puts one more waits himself.
    """

    def __init__(self, limit: int) -> None:
        self._items: deque[T] = deque()
        self._limit = limit
        self._changed = Condition()
        self._ended = self._closed = False
        self._error: BaseException | None = None

    def put(self, item: T) -> bool:
        """Add an item, when there is room; False if nobody will take it."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._limit)
            if not self._closed:
                self._items.append(item)
                self._changed.notify_all()
            return not self._closed

    def end(self, error: BaseException | None = None) -> None:
        """Say that no item follows, because of an error if there is one."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Say that no item will be taken any more; those that wait are dropped."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """The items until the end.

        Raises:
            BaseException: the error that `end` was told.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._ended or self._items)
                if self._items:
                    item = self._items.popleft()
                    self._changed.notify_all()
                elif self._error is not None:
                    raise self._error
                else:
                    return
            yield item
            del item  # nothing is held here that was handed on


@contextmanager
def read_ahead(items: Iterator[T], limit: int) -> Iterator[Iterator[T]]:
    """The items, taken in a thread of their own, at most `limit` of them ahead of their use.

    Args:
        items: closed at the end, if it can be, by the thread that it ran in.
        limit: at least 1.
    """
    channel: Channel[T] = Channel(limit)

    def take() -> None:
        error: BaseException | None = None
        try:
            while channel.put(next(items)):
                pass
        except StopIteration:
            pass
        except BaseException as exc:
            error = exc
        finally:
            _close(items)
            channel.end(error)

    thread = Thread(target=take, name="lipdub-read")
    thread.start()
    try:
        yield iter(channel)
    finally:
        channel.close()
        thread.join()


@contextmanager
def write_behind(use: Callable[[T], None], limit: int) -> Iterator[Callable[[T], None]]:
    """A function that hands items to `use`, which runs in a thread of its own.

    All items have been used when the block is left; if it is left with an error, those that wait are dropped.

    Args:
        use: what is done with an item; the first error it raises ends it.
        limit: items that may wait, at least 1.
    """
    channel: Channel[T] = Channel(limit)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for item in channel:
                use(item)
                del item
        except BaseException as exc:
            failed.append(exc)
        finally:
            channel.close()

    def put(item: T) -> None:
        if not channel.put(item):
            raise failed[0]

    thread = Thread(target=work, name="lipdub-write")
    thread.start()
    try:
        yield put
    except BaseException:
        channel.close()
        raise
    finally:
        channel.end()
        thread.join()
    if failed:
        raise failed[0]


def _close(items: Iterable[object]) -> None:
    close = getattr(items, "close", None)
    if close is not None:
        close()
