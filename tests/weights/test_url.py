"""Sources behind an address: a real server on this machine, well-behaved and not."""

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lipdub.errors import WeightsError, WeightsHashError, WeightsUnavailableError
from lipdub.weights import UrlSource, locate, transfer

from .conftest import DATA, Declare, Page, Web


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_fetched_once_with_progress(web: Web, declare: Declare, cache: Path) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA))))
    seen: list[tuple[int, int | None]] = []
    path = locate("thing", progress=lambda done, total: seen.append((done, total)))
    assert path == cache / "thing.bin" and path.read_bytes() == DATA
    assert seen[0] == (0, len(DATA)) and seen[-1] == (len(DATA), len(DATA)) and seen == sorted(seen)
    assert locate("thing") == path
    assert web.gets("/a") == [None]
    assert not list(cache.glob("*.part"))


def test_cut_connection_is_taken_up_again(web: Web, declare: Declare) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA, cuts=[500_000, 200_000]))))
    assert locate("thing").read_bytes() == DATA
    assert web.gets("/a") == [None, "bytes=500000-", "bytes=700000-"]


def test_next_run_goes_on_where_the_last_one_stopped(web: Web, declare: Declare, cache: Path) -> None:
    always = [100_000] + [0] * transfer.CUTS
    declare(UrlSource(web.serve("/a", Page(DATA, cuts=always))))
    with pytest.raises(WeightsUnavailableError, match="broke off 5 times: 100000 of 1024007 bytes"):
        locate("thing")
    assert (cache / "thing.bin.part").stat().st_size == 100_000 and not (cache / "thing.bin").exists()
    assert locate("thing").read_bytes() == DATA
    assert web.gets("/a")[-1] == "bytes=100000-"


def test_server_without_ranges_starts_anew(web: Web, declare: Declare) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA, cuts=[1000], ranges=False))))
    assert locate("thing").read_bytes() == DATA


def test_unknown_size_and_no_length(web: Web, declare: Declare) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA, length=False))), size=None, about=1_000_000)
    seen: list[tuple[int, int | None]] = []
    assert locate("thing", progress=lambda *step: seen.append(step)).read_bytes() == DATA
    assert seen[-1] == (len(DATA), None)


@pytest.mark.parametrize("left", [DATA, DATA[:5000]], ids=["whole", "half"])
def test_part_file_of_a_killed_run(web: Web, declare: Declare, cache: Path, left: bytes) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA))), size=None, about=len(DATA))
    cache.mkdir(parents=True)
    (cache / "thing.bin.part").write_bytes(left)
    assert locate("thing").read_bytes() == DATA
    assert web.gets("/a") == ([] if left == DATA else ["bytes=5000-"])


@pytest.mark.parametrize("size", [len(DATA), None])
@pytest.mark.parametrize("left", [b"other bytes", DATA + b"too long", b"x" * len(DATA)])
def test_part_file_of_other_bytes_is_given_up(
    web: Web, declare: Declare, cache: Path, left: bytes, size: int | None
) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA))), size=size, about=None if size else len(DATA))
    cache.mkdir(parents=True)
    (cache / "thing.bin.part").write_bytes(left)
    assert locate("thing").read_bytes() == DATA


def test_wrong_bytes_then_the_next_source(web: Web, declare: Declare) -> None:
    bad, good = web.serve("/bad", Page(DATA[::-1])), web.serve("/good", Page(DATA))
    declare(UrlSource(bad), UrlSource(good))
    assert locate("thing").read_bytes() == DATA
    assert web.gets("/bad") == [None] and web.gets("/good") == [None]


def test_wrong_bytes_everywhere(web: Web, declare: Declare, cache: Path) -> None:
    declare(UrlSource(web.serve("/bad", Page(DATA[::-1]))), UrlSource(web.address + "/none"))
    with pytest.raises(WeightsHashError, match=r"gave other bytes.*HTTP 404.*--weights PATH"):
        locate("thing")
    assert not list(cache.glob("thing.bin")) and not list(cache.glob("*.part"))


@pytest.mark.parametrize("length", [True, False])
def test_too_much_is_cut_off(web: Web, declare: Declare, cache: Path, length: bool) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA * 3, length=length))))
    with pytest.raises(WeightsHashError, match=str(len(DATA))):
        locate("thing")
    assert not list(cache.glob("thing.bin*[!k]"))


def test_truncated_body(web: Web, declare: Declare, cache: Path) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA[:-10]))))
    with pytest.raises(WeightsHashError, match="gave other bytes"):
        locate("thing")
    assert not (cache / "thing.bin").exists()


def test_not_found_then_the_next_source(web: Web, declare: Declare) -> None:
    declare(UrlSource(web.address + "/none"), UrlSource(web.serve("/a", Page(DATA))))
    assert locate("thing").read_bytes() == DATA


def test_no_source_says_what_was_tried_and_what_to_do(web: Web, declare: Declare) -> None:
    dead = f"http://127.0.0.1:{closed_port()}"
    declare(UrlSource(web.address + "/none"), UrlSource(dead + "/a"), UrlSource(dead + "/b"))
    with pytest.raises(WeightsUnavailableError) as caught:
        locate("thing")
    text = str(caught.value)
    assert (
        f": {web.address[7:]}: HTTP 404 Not Found; {dead[7:]} cannot be reached (connection refused)." in text
    )
    assert caught.value.__notes__ == [
        f"{web.address}/none: HTTP 404 Not Found",
        f"{dead}/a: cannot be reached (connection refused)",
        f"{dead}/b: cannot be reached (connection refused)",
    ]
    assert "--weights PATH" in text and "thing.bin" in text and "LIPDUB_WEIGHTS" in text and "\n" not in text
    assert caught.value.__cause__ is not None


def test_many_places_do_not_make_a_long_sentence(declare: Declare) -> None:
    declare(*(UrlSource(f"http://127.0.0.1:{closed_port()}/{n}") for n in range(5)), option=None)
    with pytest.raises(
        WeightsUnavailableError, match=r"; and 3 more\. Get it another way and put it"
    ) as caught:
        locate("thing")
    assert len(str(caught.value)) < 300 and len(caught.value.__notes__) == 5
    assert "--weights" not in str(caught.value)


def test_server_that_says_nothing_is_left_in_time(
    web: Web, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PATIENCE", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        declare(
            UrlSource(f"http://127.0.0.1:{silent.getsockname()[1]}/a"), UrlSource(web.serve("/a", Page(DATA)))
        )
        start = time.monotonic()
        assert locate("thing").read_bytes() == DATA
        assert time.monotonic() - start < 5


def test_one_limit_for_all_waiting() -> None:
    start, over = time.monotonic(), threading.Event()
    with pytest.raises(TimeoutError):
        transfer.within(0.1, lambda: over.wait(10))
    over.set()
    assert time.monotonic() - start < 5


def test_redirects_take_no_token_to_another_host(web: Web, declare: Declare, tmp_path: Path) -> None:
    elsewhere = web.serve("/b", Page(DATA)).replace("127.0.0.1", "localhost")
    url = web.serve("/a", Page(b"", redirect=elsewhere))
    job = transfer.Job(tmp_path / "part", len(DATA), len(DATA), "")
    transfer.download(job, url, {"Authorization": "Bearer secret"})
    assert job.part.read_bytes() == DATA
    assert [(path, token) for _, path, _, token in web.asked] == [("/a", "Bearer secret"), ("/b", None)]


CHILD = """
import sys
from lipdub.weights import Entry, UrlSource, locate, store
url, sha256, size = sys.argv[1:]
entry = Entry("thing", "tests", "thing.bin", sha256, "MIT", (UrlSource(url),), int(size))
store.load_catalogue = lambda: {"thing": entry}
steps = []
locate("thing", progress=lambda *step: steps.append(step))
"""


def test_two_processes_fetch_once(web: Web, declare: Declare, cache: Path) -> None:
    entry = declare(UrlSource(web.serve("/a", Page(DATA, delay=1.0))))
    command = [sys.executable, "-W", "error", "-c", CHILD, web.address + "/a", entry.sha256, str(len(DATA))]
    children = [subprocess.Popen(command) for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    assert web.gets("/a") == [None]
    assert (cache / "thing.bin").read_bytes() == DATA


def test_cache_that_cannot_be_written(
    web: Web, declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA))))
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIPDUB_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match=r"cannot be kept at .*Not a directory.*LIPDUB_CACHE") as caught:
        locate("thing")
    assert type(caught.value) is WeightsError and isinstance(caught.value.__cause__, OSError)
    assert web.asked == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk(web: Web, declare: Declare, cache: Path) -> None:
    declare(UrlSource(web.serve("/a", Page(DATA))))
    cache.mkdir(parents=True)
    (cache / "thing.bin.part").symlink_to("/dev/full")
    with pytest.raises(WeightsError, match=r"No space left on device; make room") as caught:
        locate("thing")
    assert type(caught.value) is WeightsError
