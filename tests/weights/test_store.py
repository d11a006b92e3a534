"""Where files are looked for, what is remembered about them, and what is said."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lipdub import cache as files
from lipdub.errors import UnknownWeightsError, WeightsError, WeightsHashError
from lipdub.weights import (
    Status,
    UrlSource,
    cache_folder,
    load_catalogue,
    locate,
    notice_due,
    notice_shown,
    resolve,
    status,
    verify,
)

from .conftest import DATA, Declare, Page, Web

NOWHERE = UrlSource("http://127.0.0.1:9/a")


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(folder))
    return folder / "thing.bin"


def test_given_file_comes_first(declare: Declare, given: Path) -> None:
    declare(NOWHERE)
    given.write_bytes(DATA)
    assert locate("thing") == given
    assert status("thing") == Status("thing", "provided", given, len(DATA))
    assert verify("thing") == Status("thing", "provided", given, len(DATA), verified=True)


def test_given_file_with_other_bytes(declare: Declare, given: Path) -> None:
    declare(NOWHERE)
    given.write_bytes(DATA[::-1])
    with pytest.raises(
        WeightsHashError, match=r"thing.bin, found through LIPDUB_WEIGHTS.*unset LIPDUB_WEIGHTS"
    ):
        locate("thing")
    assert given.read_bytes() == DATA[::-1]
    assert verify("thing").state == "damaged"


def test_given_folder_without_the_file(web: Web, declare: Declare, given: Path, cache: Path) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA))))
    assert locate("thing") == cache / "thing.bin"


def test_given_folder_that_is_none(declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(NOWHERE)
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tmp_path / "tpyo"))
    with pytest.raises(UnknownWeightsError, match="tpyo, which is not a folder"):
        locate("thing")


def test_states(web: Web, declare: Declare, cache: Path) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA))))
    path = cache / "thing.bin"
    assert status("thing") == verify("thing") == Status("thing", "missing", path)
    locate("thing")
    assert status("thing") == Status("thing", "cached", path, len(DATA))
    assert verify("thing") == Status("thing", "cached", path, len(DATA), verified=True)


def test_damaged_cache_is_seen_and_mended(web: Web, declare: Declare) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA))))
    path = locate("thing")
    before = path.stat()
    path.write_bytes(DATA[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert verify("thing").state == "damaged"
    assert locate("thing").read_bytes() == DATA
    assert len(web.gets("/a")) == 2


def test_damaged_cache_without_a_network_keeps_no_bad_file(declare: Declare, cache: Path) -> None:
    declare(NOWHERE)
    cache.mkdir(parents=True)
    (cache / "thing.bin").write_bytes(b"bad")
    with pytest.raises(WeightsError):
        locate("thing")
    assert status("thing").state == "missing"


def test_unchanged_file_is_hashed_once(web: Web, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA))))
    locate("thing")
    monkeypatch.setattr(files, "sha256_of", lambda path: pytest.fail("read again"))
    assert locate("thing").is_file()


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"stamp": 3, "sha256": 4}'])
def test_damaged_note_is_no_error(web: Web, declare: Declare, cache: Path, note: str) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA))))
    locate("thing")
    for path in (cache.parent / "checked").iterdir():
        path.write_text(note)
    assert locate("thing").is_file()
    assert len(web.gets("/a")) == 1


def test_resolve_name(web: Web, declare: Declare, cache: Path) -> None:
    entry = declare(UrlSource(web.serve("/a", Page(DATA))))
    found = resolve("thing")
    assert (found.path, found.sha256, found.name) == (cache / "thing.bin", entry.sha256, "thing")
    assert found.licence == "MIT"


def test_resolve_paths(declare: Declare, tmp_path: Path) -> None:
    entry = declare(NOWHERE)
    own, known = tmp_path / "own.pt", tmp_path / "renamed.pt"
    own.write_bytes(b"mine")
    known.write_bytes(DATA)
    assert (resolve(own).path, resolve(str(own)).name, resolve(own).licence) == (own, None, None)
    assert (resolve(known).name, resolve(known).licence, resolve(known).sha256) == (
        "thing",
        "MIT",
        entry.sha256,
    )


def test_resolve_unknown(cache: Path) -> None:
    with pytest.raises(UnknownWeightsError) as caught:
        resolve("dif2lip")
    assert str(caught.value) == (
        f"dif2lip is neither a file nor the name of known weights ({', '.join(load_catalogue())}); "
        "did you mean diff2lip?"
    )
    with pytest.raises(UnknownWeightsError, match=r"known weights \(.*\)\.$"):
        locate("/no/such/file.pt")
    with pytest.raises(UnknownWeightsError, match="is a folder"):
        resolve(Path("/"))


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody-here/net.pt", "a\0b", ""])
def test_resolve_what_cannot_be_a_path(cache: Path, name: str) -> None:
    with pytest.raises(UnknownWeightsError):
        resolve(name)


def test_notice_is_shown_once(declare: Declare, cache: Path) -> None:
    entry = declare(NOWHERE)
    assert [notice_due(entry), notice_due(entry)] == ["Only for tests."] * 2
    notice_shown(entry)
    notice_shown(entry)
    assert notice_due(entry) is None
    silent = load_catalogue()["face_landmarker"]
    notice_shown(silent)
    assert notice_due(silent) is None


def test_notice_worded_anew_is_due_again(declare: Declare) -> None:
    entry = declare(NOWHERE)
    notice_shown(entry)
    assert notice_due(replace(entry, notice="Never sell.")) == "Never sell."


def test_notice_without_a_cache_is_shown_each_time(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = declare(NOWHERE)
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIPDUB_CACHE", str(tmp_path / "file"))
    notice_shown(entry)
    assert notice_due(entry) == "Only for tests."


@pytest.mark.parametrize(
    ("platform", "variable", "below"),
    [
        ("linux", "XDG_CACHE_HOME", "lipdub/weights"),
        ("linux", "HOME", ".cache/lipdub/weights"),
        ("darwin", "HOME", "Library/Caches/lipdub/weights"),
        ("win32", "LOCALAPPDATA", "lipdub/weights"),
    ],
)
def test_cache_folder_of_each_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variable: str, below: str
) -> None:
    for name in ("LIPDUB_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == tmp_path / below


def test_import_is_light() -> None:
    code = (
        "import sys, lipdub.weights\n"
        "heavy = {'torch', 'huggingface_hub', 'urllib.request', 'filelock', 'ssl', 'numpy', 'tomllib'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
