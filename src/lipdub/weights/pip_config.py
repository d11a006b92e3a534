"""Where the user's own pip looks for packages, without running anything but `pip config list`."""

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

PYPI = "https://pypi.org/simple"
# Seconds that pip may take to tell its settings.
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class PipConfig:
    """Indexes by address (with a login, where there is one), and pages or folders with links."""

    indexes: tuple[str, ...]
    find_links: tuple[str, ...]
    cert: str | None = None
    proxy: str | None = None


def pip_config() -> PipConfig:
    """What pip is set up for, by its files and by PIP_… variables, which alone count where pip is missing."""
    settings = _of_files() | _of_environment()
    indexes = (settings.get("index-url") or PYPI, *settings.get("extra-index-url", "").split())
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on", "y", "t"):
        indexes = ()
    links = tuple(settings.get("find-links", "").split())
    return PipConfig(indexes, links, settings.get("cert"), settings.get("proxy"))


def _of_environment() -> dict[str, str]:
    """PIP_INDEX_URL and the like, as `index-url`; an empty variable counts as not set, as pip has it."""
    found = {
        name.removeprefix("PIP_"): value for name, value in os.environ.items() if name.startswith("PIP_")
    }
    return {name.lower().replace("_", "-"): value for name, value in found.items() if value}


def _of_files() -> dict[str, str]:
    if importlib.util.find_spec("pip") is None:
        return {}
    # -P: a file pip.py in the current folder must not run in pip's place.
    command = [sys.executable, "-P", "-m", "pip", "config", "list"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found = _parsed(done.stdout) if done.returncode == 0 else {}
    # What is set for `pip download` alone goes before what is set for every command.
    return _section(found, "global.") | _section(found, "download.")


def _parsed(listing: str) -> dict[str, str]:
    """Lines such as `global.index-url='https://…'`."""
    found = {}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        try:
            found[key] = str(ast.literal_eval(value))
        except (SyntaxError, ValueError):
            continue  # a line of another kind
    return found


def _section(found: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {
        key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix) and value
    }
