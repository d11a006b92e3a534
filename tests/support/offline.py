"""A machine of its own that reaches no hub."""

from pathlib import Path

import pytest


def reach_no_hub(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Nothing is cached or given by hand, and the hub does not answer."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("LIPDUB_CACHE", str(cache))
    monkeypatch.delenv("LIPDUB_WEIGHTS", raising=False)
    monkeypatch.delenv("LIPDUB_OFFLINE", raising=False)
