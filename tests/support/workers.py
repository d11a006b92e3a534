"""What processes of tests do: functions that other processes can import by name."""

import os
import signal
import time
from pathlib import Path

from lipdub.dataset.workers import check_stopped
from lipdub.errors import RenderError


def squared(number: int) -> tuple[int, int]:
    """A number, its square, and whose work that was."""
    return number * number, os.getpid()


def deadly(number: int) -> int:
    """The number; 3 kills the process."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return number


def failing(number: int) -> int:
    """The number; 3 is an error."""
    if number == 3:
        raise RenderError("the disk is full (3).")
    return number


def lasting(folder: str) -> None:
    """Work for a minute, unless told to stop, and leave a note of what happened."""
    place = Path(folder)
    (place / f"{os.getpid()}.begun").touch()
    try:
        for _ in range(6000):
            check_stopped()
            time.sleep(0.01)
    finally:
        (place / f"{os.getpid()}.ended").touch()
