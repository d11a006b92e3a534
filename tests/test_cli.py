"""The command line: what it prints, how it exits, what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
import wave
from dataclasses import replace
from fractions import Fraction
from functools import partial
from hashlib import sha256
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from lipdub import Plan, SyncOptions, load_plan, preview, save_plan, sync, weights
from lipdub.choices import PANELS, TEXTS
from lipdub.cli import app
from lipdub.options import KINDS
from tests.support.jobs import BOX, plan_by_hand
from tests.support.media import click_file, movie
from tests.support.offline import reach_no_hub
from tests.support.weights import save_tiny_checkpoint

SIZE = (160, 96)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A folder with movie.mp4, dub.wav and plan.json."""
    source = movie(tmp_path / "movie.mp4", size=SIZE, count=10)
    click_file(tmp_path / "dub.wav", seconds=0.4, times=(0.2,))
    save_plan(plan_by_hand(source, frames=slice(2, 6)), tmp_path / "plan.json")
    return tmp_path


def frames_of(path: Path) -> list[np.ndarray]:
    """The luma of each frame."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray").astype(float) for frame in container.decode(video=0)]


def lipdub(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def sync_in(
    folder: Path, *more: object, video: object = "movie.mp4", audio: object = "dub.wav", out: str = "out.mp4"
):
    return lipdub("sync", folder / str(video), "--audio", folder / str(audio), "-o", folder / out, *more)


def test_the_whole_road_with_the_network(job: Path, tiny: Path):
    options = [
        "--plan",
        job / "plan.json",
        "--weights",
        tiny,
        "--steps",
        2,
        "--device",
        "cpu",
        "--batch-size",
        2,
    ]
    result = sync_in(job, *options, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["frames"], told["changed"]) == (10, 4)
    assert told["weights"] == str(tiny)
    assert len(told["weights_sha256"]) == 64
    assert Path(told["output"]).stat().st_size > 0
    again = sync_in(job, *options)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    replaced = sync_in(job, *options, "--overwrite")
    assert replaced.exit_code == 0
    assert "4 of 10 frames" in replaced.stdout


def bad_inputs(folder: Path) -> dict[str, tuple[list[object], int, str]]:
    """Name: (changes of the command, exit code, words of the sentence)."""
    (folder / "text.mp4").write_text("this is no movie\n" * 50)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "other.safetensors").write_bytes(b"\x00" * 100)
    with wave.open(str(folder / "silent.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
    return {
        "missing movie": (["video", "nowhere.mp4"], 2, "no such file"),
        "missing sound": (["audio", "nowhere.wav"], 2, "no such file"),
        "a text called mp4": (["video", "text.mp4"], 2, "not a movie"),
        "empty file": (["video", "empty.mp4"], 2, "is empty"),
        "folder": (["video", "."], 2, "is a folder"),
        "no picture": (["video", "dub.wav"], 2, "no picture stream"),
        "no sound": (["audio", "movie.mp4"], 2, "no sound stream"),
        "zero-length sound": (["audio", "silent.wav"], 2, "single sample"),
        "output is input": (["out", "movie.mp4", "--overwrite"], 2, "also an input"),
        "no folder": (["out", "no/out.mp4"], 2, "create it first"),
        "unknown container": (["out", "out.doc"], 2, "must end in"),
        "unknown weights": (["--weights", "diff3lip"], 2, "diff2lip"),
        "not weights": (["--weights", folder / "other.safetensors"], 2, "other.safetensors"),
        "no such device": (["--device", "cuda:99"], 2, "cuda:99"),
        "fp16 on a cpu": (["--device", "cpu", "--precision", "fp16"], 2, "fp16"),
        "unknown preset": (["--preset", "best"], 2, "draft"),
        "no steps": (["--steps", "0"], 2, "steps"),
        "not a time": (["--start", "soon"], 2, "not a time"),
        "start after the end": (["--start", "99"], 2, "after the end"),
        "no reference": (["--reference", "nobody.png"], 2, "nobody.png"),
        "no plan": (["--plan", folder / "nothing.json"], 2, "nothing.json"),
        "not a plan": (["--plan", folder / "text.mp4"], 2, "not a plan"),
    }


CASES = [
    "missing movie",
    "missing sound",
    "a text called mp4",
    "empty file",
    "folder",
    "no picture",
    "no sound",
    "zero-length sound",
    "output is input",
    "no folder",
    "unknown container",
    "unknown weights",
    "not weights",
    "no such device",
    "fp16 on a cpu",
    "unknown preset",
    "no steps",
    "not a time",
    "start after the end",
    "no reference",
    "no plan",
    "not a plan",
]


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_sentence_and_leaves_nothing(job: Path, tiny: Path, case: str):
    change, code, words = bad_inputs(job)[case]
    before = {path: path.stat().st_mtime_ns for path in job.iterdir()}
    names = {"video", "audio", "out"}
    keywords = {change[0]: change[1]} if change[0] in names else {}
    more = change[2:] if keywords else change
    weights = [] if "--weights" in more else ["--weights", tiny]
    result = sync_in(job, *weights, *more, **keywords)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (sentence,) = result.stderr.strip().splitlines()
    assert sentence.startswith("lipdub: ")
    assert words in sentence
    assert {path: path.stat().st_mtime_ns for path in job.iterdir()} == before


def test_an_error_is_told_as_json_too(job: Path):
    result = sync_in(job, "--json", video="nowhere.mp4")
    told = json.loads(result.stdout)
    assert told["exit_code"] == result.exit_code == 2
    assert "no such file" in told["error"]


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    reach_no_hub(monkeypatch, tmp_path_factory.mktemp("cache"))


def preview_in(folder: Path, *more: object) -> Result:
    files = [folder / "movie.mp4", "--audio", folder / "dub.wav", "-o", folder / "look.png"]
    return lipdub("preview", *files, "--at", 0.12, "--plan", folder / "plan.json", *more)


@pytest.mark.usefixtures("no_hub")
def test_a_hub_that_cannot_be_reached(job: Path):
    for result in (sync_in(job), sync_in(job, "--plan", job / "plan.json"), preview_in(job)):
        assert result.exit_code == 1
        assert result.stderr == (
            "lipdub: The weights diff2lip could not be fetched: 127.0.0.1:9 cannot be reached (connection "
            "refused); a preview needs no download with --weights draft.\n"
        )
    assert not (job / "out.mp4").exists()
    named = sync_in(job, "--plan", job / "plan.json", "--weights", "diff2lip", "--draft-if-offline")
    assert named.exit_code == 1
    assert "give it with --weights PATH" in named.stderr


@pytest.mark.usefixtures("no_hub")
def test_the_preset_draft_needs_no_hub(job: Path):
    options = [
        "--preset",
        "draft",
        "--device",
        "cpu",
        "--codec",
        "ffv1",
        "--json",
    ]  # what is left alone is equal
    result = sync_in(job, "--plan", job / "plan.json", *options, out="out.mkv")
    assert result.exit_code == 0, result.output
    told, entry = json.loads(result.stdout), weights.load_catalogue()["draft"]
    assert (told["frames"], told["changed"]) == (10, 4)
    assert (told["weights"], told["weights_sha256"]) == ("draft", entry.sha256)
    assert "commercially" in result.stderr  # their licence, once on a machine
    before, after = (frames_of(job / name) for name in ("movie.mp4", "out.mkv"))
    x, y, width, height = (round(value) for value in BOX[:4])
    mouth = slice(y + height * 5 // 8, y + height * 7 // 8), slice(x + width // 4, x + width * 3 // 4)
    differences = [np.abs(a[mouth] - b[mouth]).mean() for a, b in zip(before, after, strict=True)]
    assert max(differences[:2] + differences[6:]) == 0, differences
    assert min(differences[2:6]) > 0.5, differences


@pytest.mark.usefixtures("no_hub")
def test_where_no_hub_is_reached_the_draft_goes_on_if_it_may_and_says_so(job: Path):
    more = ["--draft-if-offline", "--steps", 1, "--device", "cpu", "--json"]
    for result in (sync_in(job, "--plan", job / "plan.json", *more), preview_in(job, *more)):
        assert result.exit_code == 0, result.output
        told = json.loads(result.stdout)
        assert told["weights"] == "draft"
        for words in ("preview, painted with the weights draft", "plan again with --preset draft"):
            (said,) = [note for note in told["notes"] if words in note]
            assert f"note: {said}\n" in result.stderr


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize("module", ["pipeline", "compare"])
def test_where_the_draft_stands_in_it_is_shown_and_given_what_suits_it(
    job: Path, monkeypatch: pytest.MonkeyPatch, module: str
):
    decided: list[SyncOptions] = []

    def decide(_movie: object, options: SyncOptions, *_more: object, **_most: object) -> Plan:
        decided.append(options)
        return load_plan(job / "plan.json")

    monkeypatch.setattr(f"lipdub.{module}.decide", decide)
    monkeypatch.setattr("lipdub.pipeline.fetch", lambda *_: None)  # the landmarker
    options = SyncOptions(draft_if_offline=True, device="cpu")
    inputs = job / "movie.mp4", job / "dub.wav"
    made = {
        "pipeline": lambda: sync(*inputs, job / "out.mp4", options=options),
        "compare": lambda: preview(*inputs, job / "look.png", at=Fraction(3, 25), options=options),
    }
    result = made[module]()
    assert result.weights == "draft"
    assert not any("plan again" in note for note in result.notes)  # nobody gave one
    assert [(each.shown_reference, each.sampling_steps) for each in decided] == [("pose", 5)]


def test_a_plan_can_be_made_for_the_draft(job: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[SyncOptions] = []

    def write_plan(_video: Path, _output: Path, options: SyncOptions, *_more: object) -> Plan:
        asked.append(options)
        return load_plan(job / "plan.json")

    monkeypatch.setattr("lipdub.deciding.write_plan", write_plan)
    for more in ([], ["--preset", "draft"], ["--preset", "draft", "--reference", "first"]):
        assert lipdub("plan", job / "movie.mp4", "-o", job / "new.json", *more).exit_code == 0
    assert [options.shown_reference for options in asked] == ["same", "pose", "first"]


@pytest.mark.usefixtures("no_hub")
def test_a_row_of_a_batch_may_go_on_with_the_draft(job: Path):
    (job / "m.csv").write_text(
        "video,audio,output,plan,draft_if_offline,preset\n"
        "movie.mp4,dub.wav,1.mp4,plan.json,yes,\n"
        "movie.mp4,dub.wav,2.mp4,plan.json,,\n"
        "movie.mp4,dub.wav,3.mp4,plan.json,,draft\n"
    )
    result = lipdub("batch", job / "m.csv", "--device", "cpu", "--steps", 1)
    assert result.exit_code == 1
    assert "2 done, 0 finished before, 1 failed" in result.stdout
    assert result.stderr.count("painted with the weights draft") == 1
    (failed,) = [line for line in result.stderr.splitlines() if "failed" in line]
    assert failed.endswith("a preview needs no download with --weights draft.")
    again = lipdub("batch", job / "m.csv", "--device", "cpu", "--steps", 1)
    assert "0 done, 2 finished before, 1 failed" in again.stdout


def test_usage_errors_exit_with_2():
    assert lipdub("sync").exit_code == 2
    assert lipdub("dance").exit_code == 2
    assert lipdub("sync", "a.mp4", "--audio", "b.wav", "-o", "c.mp4", "--steps", "many").exit_code == 2


def test_help_and_version():
    for command in ("sync", "plan", "preview", "batch", "fetch-weights", "doctor"):
        result = lipdub(command, "--help")
        assert result.exit_code == 0
        assert command in lipdub("--help").stdout
    assert lipdub("--version").stdout.startswith("lipdub 0.")


def test_every_option_stands_under_one_heading_of_the_help():
    named = [name for names in PANELS.values() for name in names]
    assert sorted(named) == sorted(TEXTS) == sorted(KINDS)
    text = lipdub("sync", "--help").output
    assert all(f" {panel} " in text for panel in PANELS)


def test_weights_are_listed_with_their_licences():
    rows = json.loads(lipdub("fetch-weights", "--list", "--json").stdout)
    licences = {row["name"]: row["licence"] for row in rows}
    assert licences["diff2lip"] == "CC-BY-NC-4.0"
    assert licences["face_landmarker"] == "Apache-2.0"
    lines = {
        line.split()[0]: line.split()[2] for line in lipdub("fetch-weights", "--list").stdout.splitlines()
    }
    assert (lines["diff2lip"], lines["face_landmarker"], lines["sface"]) == ("needed", "needed", "optional")
    assert lipdub("fetch-weights", "nonsense").exit_code == 2


def test_without_names_what_sync_needs_is_fetched(monkeypatch: pytest.MonkeyPatch):
    fetched: list[str] = []
    monkeypatch.setattr(
        "lipdub.engine.fetch_all",
        lambda names, progress: fetched.extend(names) or {n: Path(n) for n in names},
    )
    assert lipdub("fetch-weights").exit_code == 0
    assert {"diff2lip", "face_landmarker", "sface"} <= set(fetched)
    assert not {"inception", "lpips_alex", "lpips_vgg"} & set(fetched)


def test_doctor_finds_what_this_suite_needs():
    result = lipdub("doctor", "--json")
    findings = {f["what"]: f for f in json.loads(result.stdout)}
    assert result.exit_code == 0
    assert all(f["ok"] for f in findings.values() if f["essential"])
    assert findings["OpenCV"]["ok"], "opencv-python and opencv-contrib-python must be of one version"
    assert "optional" not in findings["weights diff2lip"]["detail"]


def test_doctor_says_what_is_not_so_good_without_an_optional_network(monkeypatch, tmp_path):
    monkeypatch.setenv("LIPDUB_CACHE", str(tmp_path))
    monkeypatch.delenv("LIPDUB_WEIGHTS", raising=False)
    details = {f["what"]: f["detail"] for f in json.loads(lipdub("doctor", "--json").stdout)}
    assert "without it, people are not known again" in details["weights sface"]
    assert "optional" not in details["weights face_landmarker"]


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_in_the_middle_leaves_nothing(job: Path, tiny: Path, sent: signal.Signals, code: int):
    before = set(job.iterdir())
    command = [
        sys.executable, "-m", "lipdub.cli", "sync", job / "movie.mp4", "--audio", job / "dub.wav", "-o",
        job / "out.mp4", "--plan", job / "plan.json", "--weights", tiny, "--steps", "300",
    ]  # fmt: skip
    # A suite that runs in the background was started with SIGINT ignored, which children inherit.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heard,  # noqa: PLW1509
    )
    deadline = time.monotonic() + 60
    try:
        while not (job / "out.mp4.lipdub" / "dub.pcm").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        assert process.poll() is None, "it must be in the middle of its work"
        process.send_signal(sent)
        _, words = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code
    assert "Traceback" not in words
    assert set(job.iterdir()) == before
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_the_licence_is_told_once(
    job: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
):
    """Weights whose entry carries a notice, given in LIPDUB_WEIGHTS; a catalogue of the test's own."""
    entry = replace(
        weights.load_catalogue()["diff2lip"], file=tiny.name, sha256=sha256(tiny.read_bytes()).hexdigest()
    )
    entry = replace(entry, size=tiny.stat().st_size, size_about=None)
    monkeypatch.setattr(weights.store, "load_catalogue", lambda: {"diff2lip": entry})
    monkeypatch.setattr(weights, "load_catalogue", lambda: {"diff2lip": entry})
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tiny.parent))
    monkeypatch.setenv("LIPDUB_CACHE", str(tmp_path_factory.mktemp("cache")))
    options = ["--plan", job / "plan.json", "--steps", 1, "--overwrite"]
    first, second = sync_in(job, *options), sync_in(job, *options)
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert "commercially" in first.stderr
    assert "commercially" not in second.stderr
