"""Who does the work: processes of this machine, or machines that Ray knows. One small interface for both."""

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import Any, Final, Protocol, TypeVar

from lipdub.errors import LipdubError, OptionError, RenderError

Item = TypeVar("Item")
Result = TypeVar("Result")

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Set to 1 for each process: as many threads a process as there are cores would only wait for each other."""

RETRIES = 3
"""Of Ray, when a worker or its machine dies."""
AHEAD = 2
"""Items for each core of Ray's machines that are handed out: more may join, and none should wait."""

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


def chosen(jobs: int | None, ray: str | None) -> Workers:
    """The workers that a command line asks for: a Ray cluster, or so many processes, one a core by default.

    Raises:
        OptionError: both are asked for, or no process; or what `Ray` raises.
    """
    if ray is not None:
        if jobs is not None:
            raise OptionError("--jobs counts processes of this machine, --ray uses others; give one of them.")
        return Ray(ray)
    if jobs is not None and jobs < 1:
        raise OptionError("--jobs must be at least 1.")
    return Processes(jobs or os.cpu_count() or 1)


class Ray:
    """Machines that Ray knows. They must see the same files under the same names, and have lipdub installed.

    Args:
        address: of the cluster; ``auto`` is that of this machine, ``local`` starts one for this run.

    Raises:
        OptionError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
        except ImportError as exc:
            raise OptionError("--ray needs Ray; install it with `pip install lipdub[ray]`.") from exc
        self._ray = ray
        # Ray says a good deal; what matters comes back as results and errors.
        settings = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": None}
        try:
            ray.init(address, ignore_reinit_error=True, **settings)
        except (ConnectionError, ValueError, RuntimeError) as exc:
            raise OptionError(f"--ray {address}: there is no Ray cluster there ({exc}).") from exc

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[Item, Result | Crashed]]:
        """See `Workers`. An item whose worker dies is done again, on another machine if there is one."""
        ray = self._ray
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(function)
        waiting, running = deque(items), dict[Any, Item]()
        try:
            while waiting or running:
                most = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
                while waiting and len(running) < most:
                    item = waiting.popleft()
                    running[remote.remote(item)] = item
                for reference in ray.wait(list(running))[0]:
                    result = self._result(reference)
                    yield running.pop(reference), result
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def _result(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as exc:
            raise exc.cause if isinstance(exc.cause, LipdubError) else exc from None
        except errors.RaySystemError as exc:
            raise RenderError(f"Ray cannot go on ({exc}); run the same command again to go on.") from exc
        except errors.RayError:
            return CRASHED


def check_stopped() -> None:
    """Called by the work now and then.

    Raises:
        Stopped: it is to end.
    """
    if _stop is not None and _stop.is_set():
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
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
