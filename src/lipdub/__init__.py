"""Give a movie the lips of its dubbed soundtrack, and change nothing else.

    from lipdub import sync
    sync("movie.mp4", "french.wav", "out.mp4", steps=25)

Importing this package is cheap: what a name needs is imported when the name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lipdub.compare import preview
    from lipdub.errors import LipdubError
    from lipdub.options import SyncOptions
    from lipdub.pipeline import SyncResult, sync
    from lipdub.plan import Plan
    from lipdub.planfile import load_plan, save_plan

__all__ = ["LipdubError", "Plan", "SyncOptions", "SyncResult", "load_plan", "preview", "save_plan", "sync"]

_HOMES = {
    "LipdubError": "errors",
    "Plan": "plan",
    "SyncOptions": "options",
    "SyncResult": "pipeline",
    "load_plan": "planfile",
    "preview": "compare",
    "save_plan": "planfile",
    "sync": "pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lipdub' has no attribute {name!r}")
    return getattr(import_module(f"lipdub.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
