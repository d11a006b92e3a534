"""What holds for all tests."""

from pathlib import Path

import pytest

from lipdub import looking


@pytest.fixture(autouse=True)
def own_analyses(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records of analyses in a folder of the test's own: none is found that another run made."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(looking, "cache_root", lambda: folder)
    return folder


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that can be done without are used if they are on this machine, and never fetched."""
    monkeypatch.setenv("LIPDUB_OFFLINE", "1")
