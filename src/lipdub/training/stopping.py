"""A training that is asked to stop ends its step first."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def until_stopped() -> Iterator[Callable[[], bool]]:
    """Says whether SIGINT or SIGTERM came; the second one does what it always does."""
    came: list[int] = []
    kinds = [signal.SIGINT, signal.SIGTERM] if threading.current_thread() is threading.main_thread() else []
    before = {kind: signal.getsignal(kind) for kind in kinds}

    def stop(kind: int, _frame: FrameType | None) -> None:
        came.append(kind)
        signal.signal(kind, before[signal.Signals(kind)])

    for kind in kinds:
        signal.signal(kind, stop)
    try:
        yield lambda: bool(came)
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
