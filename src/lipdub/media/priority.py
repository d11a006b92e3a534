"""Give back the real-time priority that SVT-AV1 takes."""

import os
from contextlib import suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


def leave_real_time() -> None:
    """Make all threads of this process ordinary ones again.

    Run by root, SVT-AV1 raises its own threads and the one that opens it to real-time priority. They, and
    every process started from there, then keep all others of the machine waiting, for ever if one is busy.
    """
    if not hasattr(os, "sched_setscheduler") or not _THREADS.is_dir():
        return
    for task in _THREADS.iterdir():
        with suppress(OSError):  # a thread that ended meanwhile
            if os.sched_getscheduler(int(task.name)) in {os.SCHED_FIFO, os.SCHED_RR}:
                os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))
