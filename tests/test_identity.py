"""What decides a job's pixels: files by their content, read once and with word of how far it is."""

import hashlib
from pathlib import Path

import pytest

from lipdub import cache
from lipdub.errors import MediaError
from lipdub.identity import content_sha256
from lipdub.progress import Step


def test_a_file_is_hashed_with_word_of_it_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIPDUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "BLOCK", 1000)
    path = tmp_path / "movie.mp4"
    path.write_bytes(bytes(range(250)) * 10)
    told: list[Step] = []
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert content_sha256(path, told.append) == expected
    assert told == [Step("read", done, 2500, "bytes") for done in (1000, 2000, 2500)]
    told.clear()
    assert content_sha256(path, told.append) == expected
    assert told == []
    path.write_bytes(b"other")
    assert content_sha256(path) == hashlib.sha256(b"other").hexdigest()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(MediaError, match=r"none\.mp4 cannot be read"):
        content_sha256(tmp_path / "none.mp4")
