"""What holds for all tests."""

from pathlib import Path

import pytest

from lipdub import deciding


@pytest.fixture(autouse=True)
def own_analyses(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records of analyses in a folder of the test's own: none is found that another run made."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(deciding, "cache_root", lambda: folder)
    return folder
