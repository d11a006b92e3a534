"""Who does the work: processes of this machine, or machines that Ray knows. One small interface for both."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import Final, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Set to 1 for each process: as many threads a process as there are cores would only wait for each other."""

_stop: Event | None = None


class Crashed:
    """What stands for the result of an item whose worker died: killed, or by a fault in a library."""


CRASHED: Final = Crashed()


class Stopped(BaseException):
    """The work is to end, since nobody waits for it any more; no `Exception`, so that nothing swallows it."""


class Workers(Protocol):
    """Who does the work."""

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[Item, Result | Crashed]]:
        """Each item with its result, as they are finished, in whatever order.

        What the function raises is raised here, after the others were told to stop.

        Args:
            function: of a module, since other processes import it by its name; it should call
                `check_stopped` often.
            items: what to do; few are handed out at a time.
        """
        ...


class Here:
    """Does everything in this process, one after the other: nothing to start, and a crash ends it all."""

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[Item, Result | Crashed]]:
        """See `Workers`."""
        for item in items:
            yield item, function(item)


class Processes:
    """Processes of this machine.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[Item, Result | Crashed]]:
        """See `Workers`. When a process dies, all that was being done is done again, each item alone."""
        waiting = deque(items)
        while waiting:
            running: dict[Future[Result], Item] = {}
            try:
                with _pool(min(self._count, len(waiting))) as pool:
                    while waiting or running:
                        while waiting and len(running) < self._count:
                            item = waiting.popleft()
                            running[pool.submit(function, item)] = item
                        for future in wait(running, return_when=FIRST_COMPLETED).done:
                            result = future.result()
                            yield running.pop(future), result
            except BrokenProcessPool:
                for item in running.values():
                    yield item, _alone(function, item)


def check_stopped() -> None:
    """Called by the work now and then.

    Raises:
        Stopped: it is to end.
    """
    parent = multiprocessing.parent_process()
    if (_stop is not None and _stop.is_set()) or (parent is not None and not parent.is_alive()):
        raise Stopped


def _alone(function: Callable[[Item], Result], item: Item) -> Result | Crashed:
    try:
        with _pool(1) as pool:
            return pool.submit(function, item).result()
    except BrokenProcessPool:
        return CRASHED


@contextmanager
def _pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end soon when the block is left, however it is left."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(count, context, _begin, (stop,))
    try:
        yield pool
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(stop: Event) -> None:
    """The first thing in a new process."""
    global _stop  # noqa: PLW0603
    _stop = stop
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # the terminal sends Ctrl-C to all; the parent tells the rest
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
