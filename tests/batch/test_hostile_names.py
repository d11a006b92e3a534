"""Names that look like options, protocols, patterns or commands, and names of what is no file."""

import os
import signal
import socket
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lipdub import save_plan, sync
from lipdub.batch import read_manifest, run_batch
from lipdub.cli import app
from lipdub.engine import Engine
from lipdub.errors import LipdubError, ManifestError
from lipdub.options import SyncOptions
from tests.support.jobs import Painter, grey, plan_by_hand

NAMES = (
    "-y", "--overwrite", "%03d", "a%sb%n", "concat:a|b", "pipe:0", "file:x", "data:,x", "fd:0", "http:x",
    "a|b", "*", "?", "[0-9]", "'single'", '"double"', "a,b;c", "$(touch made)", "`touch made`",
    "; touch made #", "a\nb", "a\r\nb", "a\tb", "\x1b[31mred", "\x7f", " spaces ", "~", "~root", "con",
    "a\\b", "日本 ütf", "e\u0301", "\u202emp4.x", "👄", "x" * 251,
)  # fmt: skip
"""Stems that a shell, ffmpeg, a format string, a terminal or a spreadsheet might take for something else."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """A hang is a failure, not a test that never ends."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def painter_engine(options: SyncOptions, progress: object) -> Engine:
    """Stands in for `load_engine`."""
    return Engine(Painter(grey), "given", None)


def quoted(*cells: object) -> str:
    """A row of CSV."""
    return ",".join('"' + str(cell).replace('"', '""') + '"' for cell in cells)


@pytest.fixture
def plan(folder: Path) -> Path:
    """A plan for every copy of the fixture's movie."""
    save_plan(
        plan_by_hand(folder / "a.mp4", frames=slice(2, 4), box=(20.0, 8.0, 40.0, 48.0, 0.0)),
        folder / "plan.json",
    )
    return folder / "plan.json"


@pytest.mark.slow
def test_rows_with_hostile_names_are_done_and_write_nothing_else(folder: Path, plan: Path, write):
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    rows = []
    for name in NAMES:
        os.link(folder / "a.mp4", folder / "in" / f"{name}.mp4")
        os.link(folder / "a.wav", folder / "in" / f"{name}.wav")
        rows.append(quoted(f"in/{name}.mp4", f"in/{name}.wav", f"out/{name}.mp4", "plan.json"))
    before = {path for path in folder.rglob("*") if path.parent.name != "out"}
    with within(300):
        manifest = read_manifest(write(*rows, header="video,audio,output,plan"))
        result = run_batch(manifest, load=painter_engine)
    assert (result.done, result.failed) == (len(NAMES), 0), [o.error for o in result.outcomes if o.error]
    assert {path.name for path in (folder / "out").iterdir()} == {f"{name}.mp4" for name in NAMES}
    after = {path for path in folder.rglob("*") if path.parent.name != "out"}
    assert after - before == {folder / "m.csv", result.results_path}
    assert [job.output for job in read_manifest(folder / "m.csv").jobs] == [
        job.output for job in manifest.jobs
    ]


@pytest.mark.parametrize("name", ["-y", "%03d", "concat:a|b", "a\nb", "\x1b[31mred"])
def test_one_row_with_a_hostile_name(folder: Path, plan: Path, write, name: str):
    os.link(folder / "a.mp4", folder / f"{name}.mp4")
    before = set(folder.iterdir())
    row = quoted(f"{name}.mp4", "a.wav", f"{name}.out.mp4", "plan.json")
    with within(60):
        result = run_batch(read_manifest(write(row, header="video,audio,output,plan")), load=painter_engine)
    assert result.done == 1
    assert set(folder.iterdir()) - before == {
        folder / "m.csv",
        result.results_path,
        folder / f"{name}.out.mp4",
    }


def test_a_name_in_bytes_that_are_no_text_is_refused(folder: Path, plan: Path):
    bad = folder / os.fsdecode(b"\xff\xfe.mp4")
    os.link(folder / "a.mp4", bad)
    for video, output in ((bad, folder / "out.mp4"), (folder / "a.mp4", bad.with_stem("x\udcff"))):
        with within(60), pytest.raises(LipdubError, match="no name in UTF-8") as caught:
            sync(video, folder / "a.wav", output, plan=plan, inpainter=Painter(grey))
        assert str(caught.value).isprintable()
        assert not output.exists()


@pytest.mark.parametrize(
    "video", ["http://127.0.0.1:9/a.mp4", "concat:a.mp4|b.mp4", "pipe:0", "tcp://127.0.0.1:9", "../a.mp4"]
)
def test_what_is_no_file_here_is_not_looked_for_elsewhere(folder: Path, plan: Path, video: str, monkeypatch):
    monkeypatch.chdir(folder)
    with within(20), pytest.raises(LipdubError, match="there is no such file"):
        sync(video, "a.wav", "out.mp4", plan=plan, inpainter=Painter(grey))
    assert not Path("out.mp4").exists()


def test_outputs_may_lie_elsewhere_but_only_where_they_say(folder: Path, plan: Path, write, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder / "sub").mkdir()
    rows = (
        quoted("a.mp4", "a.wav", "sub/../up.mp4", "plan.json"),
        quoted("a.mp4", "a.wav", elsewhere / "absolute.mp4", "plan.json"),
    )
    with within(60):
        result = run_batch(read_manifest(write(*rows, header="video,audio,output,plan")), load=painter_engine)
    assert result.done == 2
    assert (folder / "up.mp4").is_file() and not list((folder / "sub").iterdir())
    assert [path.name for path in elsewhere.iterdir()] == ["absolute.mp4"]


def test_two_spellings_of_one_name_are_not_two_outputs(write):
    one, other = (unicodedata.normalize(form, "é.mp4") for form in ("NFC", "NFD"))
    path = write(quoted("a.mp4", "a.wav", one), quoted("b.mp4", "b.wav", other))
    with pytest.raises(ManifestError, match="that of line 2"):
        read_manifest(path)


@pytest.fixture
def no_files(folder: Path) -> Path:
    """Things in a folder that are no files that can be read."""
    os.mkfifo(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "null").symlink_to("/dev/null")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nothing")
    (folder / "dir").mkdir()
    (folder / "status").symlink_to("/proc/self/status")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
    return folder


NO_FILES = ("pipe", "zero", "null", "loop", "dangling", "dir", "status", "socket")


@pytest.mark.parametrize("name", NO_FILES)
@pytest.mark.parametrize("part", ["video", "audio", "plan"])
def test_what_is_no_file_is_refused_at_once(no_files: Path, plan: Path, part: str, name: str):
    files = {"video": no_files / "a.mp4", "audio": no_files / "a.wav", "plan": plan} | {part: no_files / name}
    output = no_files / "out.mp4"
    with within(20), pytest.raises(LipdubError) as caught:
        sync(files["video"], files["audio"], output, plan=files["plan"], inpainter=Painter(grey))
    sentence = str(caught.value)
    assert name in sentence and "\n" not in sentence and sentence.endswith((".", "?"))
    assert not output.exists()


def test_every_row_with_what_is_no_file_is_named(no_files: Path, write):
    rows = [quoted(name, "a.wav", f"{n}.mp4") for n, name in enumerate(NO_FILES)]
    rows += [quoted("a.mp4", name, f"{n}s.mp4") for n, name in enumerate(NO_FILES)]
    with within(60), pytest.raises(ManifestError) as caught:
        read_manifest(write(*rows))
    problems = str(caught.value).split("\n")
    assert [f", line {n}: " in problem for n, problem in enumerate(problems, 2)] == [True] * len(rows)


@pytest.mark.parametrize("name", ["pipe", "zero", "dir", "socket"])
def test_an_output_that_is_no_file_stays_what_it_is(no_files: Path, plan: Path, name: str):
    output = no_files / "out.mp4"
    (no_files / name).rename(output)
    before = output.lstat()
    with within(30), pytest.raises(LipdubError):
        sync(
            no_files / "a.mp4", no_files / "a.wav", output, plan=plan, inpainter=Painter(grey), overwrite=True
        )
    assert (output.lstat().st_mode, output.lstat().st_ino) == (before.st_mode, before.st_ino)


@pytest.mark.parametrize("name", ["pipe", "zero", "dir", "socket"])
def test_a_manifest_that_is_no_file(no_files: Path, name: str):
    with within(20), pytest.raises(ManifestError):
        read_manifest(no_files / name)


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nb", os.fsdecode(b"\xff")])
def test_the_command_line_prints_no_name_as_it_is(folder: Path, name: str):
    done = CliRunner().invoke(app, ["sync", str(folder / f"{name}.mp4"), "--audio", "a.wav", "-o", "out.mp4"])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1 and done.stderr.rstrip("\n").isprintable()
