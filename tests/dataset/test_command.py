"""``lipdub prepare`` on the command line: what it prints, how it exits."""

import json
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lipdub.cli import app
from lipdub.dataset import preparing, workers
from lipdub.dataset.options import PrepareOptions
from lipdub.dataset.texts import PREPARE_TEXTS
from lipdub.errors import OptionError
from tests.support.talking import TalkingLandmarker, apertures, talking_movie, voice


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything in this process, with drawn faces."""
    monkeypatch.setattr(workers, "Processes", lambda count: workers.Here())
    monkeypatch.setattr(preparing, "load_landmarker", lambda: nullcontext(TalkingLandmarker()))
    monkeypatch.setattr(preparing, "load_embedder", lambda: None)
    monkeypatch.setattr(preparing, "speaker_of", lambda sound: None)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "anna"
    folder.mkdir()
    opening = apertures(30)
    talking_movie(folder / "a.mkv", opening, voice(opening))
    (folder / "b.mp4").write_text("no movie")
    return folder


def prepare(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["prepare", *map(str, arguments)])


def test_it_says_what_was_made_and_where_the_report_is(videos: Path, tmp_path: Path):
    out = tmp_path / "shards"
    done = prepare(videos, "-o", out, "--size", 64, "--margin", "0.25")
    assert done.exit_code == 0, done.output
    assert f"{out}: 1 clip (" in done.stdout
    assert "of 1 of 2 videos" in done.stdout
    assert str(out / "report.md") in done.stdout
    (videos.parent / "more").mkdir()
    more = prepare(videos, videos.parent / "more", "-o", out, "--size", 64, "--margin", "0.25")
    assert ", 1 shard made before; " in more.stdout
    assert more.stderr == f"note: there is no video in {videos.parent / 'more'}, which is skipped.\n"
    again = json.loads(prepare(videos, "-o", out, "--size", 64, "--margin", "1/4", "--json").stdout)
    assert (again["skipped"], again["clips"], again["frames"], again["videos"]) == (1, 1, 30, 2)
    assert again["videos_left_out"] == {"cannot be read": 1}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--margin", "wide"], "--margin"),
        (["--margin", "1/3"], "--margin"),
        (["--sync", "maybe"], "--sync"),
        (["--size", "2"], "--size"),
        (["--longest", "30"], "--longest"),
        (["--jobs", "0"], "--jobs"),
        (["--expert", "a", "--syncnet", "b"], "give one"),
        (["--root", "nowhere"], "not one clip"),
    ],
)
def test_what_cannot_be_is_one_sentence(videos: Path, tmp_path: Path, options: list[str], said: str):
    (videos.parent / "list.txt").write_text("x x\n")
    inputs = videos.parent / "list.txt" if "--root" in options else videos
    failed = prepare(inputs, "-o", tmp_path / "shards", *options)
    assert failed.exit_code == 2
    assert said in failed.stderr
    assert failed.stderr.startswith("lipdub: ")
    assert failed.stderr.count("\n") == 1


def test_every_bad_line_of_a_list_is_a_line(videos: Path, tmp_path: Path):
    (videos / "list.txt").write_text("one\ntwo\n../x y\n")
    failed = prepare(videos / "list.txt", "-o", tmp_path / "shards")
    assert failed.exit_code == 2
    assert [line.split("list.txt, ")[1][:6] for line in failed.stderr.splitlines()] == [
        "line 1", "line 2", "line 3",
    ]  # fmt: skip


def test_every_option_has_its_help():
    assert set(PREPARE_TEXTS) == set(PrepareOptions.__dataclass_fields__)


@pytest.mark.parametrize(
    "options",
    [{"size": 8}, {"margin": Fraction(-1, 8)}, {"pictures": "gif"}, {"speakers": "voice"}, {"max_shift": 99},
     {"shortest": 200}, {"per_shard": 0}, {"min_face": 0}],
)  # fmt: skip
def test_impossible_options_are_refused(options: dict):
    with pytest.raises(OptionError):
        PrepareOptions(**options)


def test_a_stored_picture_holds_crop_and_margins():
    assert PrepareOptions().stored == 160
    assert PrepareOptions(size=96, margin=Fraction(1, 4)).stored == 144
