"""How many processes read data unless something else is asked for."""

import os


def cores() -> int:
    """Cores that this process may use; torch warns of a loader with more workers."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
