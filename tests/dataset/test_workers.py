"""Workers: everything is done once, in processes of their own, and stops when it is to stop."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lipdub.dataset.workers import CRASHED, Here, Processes, Ray, chosen
from lipdub.errors import OptionError, RenderError
from tests.support.workers import deadly, failing, lasting, squared


@pytest.mark.parametrize("workers", [Here(), Processes(2)])
def test_everything_is_done_once(workers: Here | Processes):
    done = dict(workers.map(squared, list(range(7))))
    assert {item: square for item, (square, _) in done.items()} == {n: n * n for n in range(7)}
    inside = {process for _, process in done.values()} == {os.getpid()}
    assert inside == isinstance(workers, Here)


def test_what_kills_its_process_is_told_and_the_rest_is_done():
    assert dict(Processes(2).map(deadly, list(range(6)))) == {n: n if n != 3 else CRASHED for n in range(6)}


def test_an_error_is_raised_as_it_is():
    with pytest.raises(RenderError, match=r"disk is full \(3\)"):
        dict(Processes(2).map(failing, list(range(9))))


def test_whoever_stops_listening_stops_the_work(tmp_path: Path):
    began = time.monotonic()
    items = iter(Processes(2).map(lasting_or_squared, [str(tmp_path), 2]))
    next(items)
    while not list(tmp_path.glob("*.begun")):
        time.sleep(0.01)
    items.close()
    assert time.monotonic() - began < 30
    assert len(list(tmp_path.glob("*.ended"))) == 1


def lasting_or_squared(item: str | int) -> object:
    return squared(item) if isinstance(item, int) else lasting(item)


def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path):
    code = (
        "from lipdub.dataset.workers import Processes\nfrom tests.support.workers import lasting\n"
        f"if __name__ == '__main__':\n    list(Processes(1).map(lasting, [{str(tmp_path)!r}]))\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    paths = os.pathsep.join(p for p in sys.path if p)
    parent = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": paths})
    try:
        while not (begun := list(tmp_path.glob("*.begun"))):
            assert parent.poll() is None
            time.sleep(0.02)
    finally:
        parent.kill()
        parent.wait()
    child = int(begun[0].stem)
    for _ in range(1000):
        if not runs(child):
            return
        time.sleep(0.02)
    pytest.fail("the process goes on without its parent")


def runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


if not Path("/proc/self/stat").exists():
    test_processes_end_with_a_parent_that_is_killed = pytest.mark.skip(reason="needs /proc")(
        test_processes_end_with_a_parent_that_is_killed
    )


@pytest.mark.parametrize(("jobs", "ray"), [(0, None), (-1, None), (2, "auto")])
def test_workers_that_cannot_be_are_refused(jobs: int, ray: str | None):
    with pytest.raises(OptionError):
        chosen(jobs, ray)


def test_ray_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(OptionError, match=r"pip install lipdub\[ray\]"):
        chosen(None, "auto")


def test_ray_does_everything_once():
    pytest.importorskip("ray", reason="the extra ray is not installed")
    workers = Ray("local")
    assert {n: s for n, (s, _) in workers.map(squared, list(range(7)))} == {n: n * n for n in range(7)}
    with pytest.raises(RenderError, match=r"disk is full \(3\)"):
        dict(workers.map(failing, list(range(5))))
