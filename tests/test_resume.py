"""Runs that are stopped, by whatever and wherever, go on; and the output is that of a run that was not."""

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest

from lipdub import segments, sync, workfolder
from lipdub.engine import Engine
from lipdub.errors import OutputError, PlanError, RenderError
from lipdub.journal import Journal
from lipdub.plan import Plan
from lipdub.planfile import save_plan
from lipdub.progress import Step
from tests.support.jobs import Painter, grey, plan_by_hand
from tests.support.killing import MOMENTS, Job, run_job
from tests.support.media import click_file, movie
from tests.support.weights import save_tiny_checkpoint

SIZE = (160, 96)
COUNT = 50
"""Frames at 25 a second: ten segments of a fifth of a second."""


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_SECONDS", Fraction(1, 5))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return movie(tmp_path / "movie.mp4", size=SIZE, count=COUNT)


@pytest.fixture
def dub(tmp_path: Path) -> Path:
    return click_file(tmp_path / "dub.wav", seconds=2, times=(0.3, 1.1, 1.7), rate=48_000)


class Counting(Painter):
    """Counts the faces it paints."""

    def __init__(self, paint=grey) -> None:
        super().__init__(paint)
        self.painted = 0

    def __call__(self, images: np.ndarray, references: np.ndarray, mels: np.ndarray) -> np.ndarray:
        self.painted += len(images)
        return super().__call__(images, references, mels)


def engine(painter: Painter, name: str = "stand-in") -> Engine:
    return Engine(painter, name, name)


class StoppedError(Exception):
    pass


def stop_at(frames: int):
    def progress(step: Step) -> None:
        if step.stage == "render" and step.done >= frames:
            raise StoppedError

    return progress


def stopped(source: Path, dub: Path, output: Path, plan: Plan, frames: int = 33, **choices) -> int:
    """Stop a run after some frames; how many faces it had painted."""
    painter = Counting()
    with pytest.raises(StoppedError):
        sync(source, dub, output, plan=plan, engine=engine(painter), progress=stop_at(frames), **choices)
    assert not output.exists()
    return painter.painted


def again(source: Path, dub: Path, output: Path, plan: Plan, name: str = "stand-in", **choices) -> int:
    """Run to the end; how many faces it painted."""
    painter = Counting()
    result = sync(source, dub, output, plan=plan, engine=engine(painter, name), **choices)
    assert (result.frames, result.changed) == (COUNT, len(plan.edits))
    return painter.painted


def test_a_run_that_was_stopped_goes_on_and_its_output_is_the_same(source: Path, dub: Path, tmp_path: Path):
    plan, output = plan_by_hand(source), tmp_path / "out.mp4"
    again(source, dub, tmp_path / "whole.mp4", plan)
    for frames in (7, 21, 34, 50):
        stopped(source, dub, output, plan, frames)
    assert (tmp_path / "out.mp4.lipdub").is_dir()
    assert again(source, dub, output, plan) <= 15
    assert output.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert not (tmp_path / "out.mp4.lipdub").exists()


def test_what_an_option_does_not_touch_is_kept(source: Path, dub: Path, tmp_path: Path):
    plan, output = plan_by_hand(source, frames=slice(20, 30)), tmp_path / "out.mp4"
    stopped(source, dub, output, plan, 50)
    # Another dub changes the sound of two segments only: those with a mouth.
    other = click_file(tmp_path / "other.wav", seconds=2, times=(0.5, 0.9), rate=48_000)
    made = len(list((tmp_path / "out.mp4.lipdub" / "segments").iterdir()))
    assert again(source, other, output, plan, keep_work=True) == 10
    assert len(list((tmp_path / "out.mp4.lipdub" / "segments").iterdir())) - made <= 4
    # Weights, steps and seed change mouths; languages and tracks nothing of the picture.
    output.unlink()
    assert again(source, other, output, plan, keep_work=True, language="fra") == 0
    output.unlink()
    assert again(source, other, output, plan, "other", keep_work=True) == 10
    output.unlink()
    assert again(source, other, output, plan, "other", keep_work=True, seed=8) == 10
    # A box that moves in one frame touches its segment.
    moved = replace(plan, edits=plan.edits.copy())
    moved.edits["x"][3] += 1
    output.unlink()
    assert again(source, other, output, moved, "other", keep_work=True, seed=8) == 5
    output.unlink()
    assert again(source, other, output, moved, "other", fresh=True, seed=8) == 10
    assert not (tmp_path / "out.mp4.lipdub").exists()


def test_a_segment_is_another_one_where_the_picture_ends(source: Path, tmp_path: Path):
    """A dub of 1 s ends the picture at the border of a segment that another length has in its middle."""
    dub = click_file(tmp_path / "short.wav", seconds=1, times=(0.3,), rate=48_000)
    plan = plan_by_hand(source)

    def run(name: str, length: str, **choices) -> bytes:
        output = tmp_path / name
        engine_ = engine(Counting())
        sync(source, dub, output, plan=plan, engine=engine_, length=length, overwrite=True, **choices)
        return output.read_bytes()

    fresh = run("a.mp4", "shortest")
    run("b.mp4", "video", keep_work=True)
    assert run("b.mp4", "shortest", keep_work=True) == fresh
    assert run("b.mp4", "video") == run("c.mp4", "video")


def test_outputs_of_one_name_share_a_folder_of_work_in_peace(source: Path, dub: Path, tmp_path: Path):
    plan, place = plan_by_hand(source), tmp_path / "scratch"
    for folder in (place, tmp_path / "fr", tmp_path / "de"):
        folder.mkdir()
    stopped(source, dub, tmp_path / "fr" / "out.mp4", plan, 40, work_dir=str(place))
    again(source, dub, tmp_path / "de" / "out.mp4", plan, work_dir=str(place))
    assert again(source, dub, tmp_path / "fr" / "out.mp4", plan, work_dir=str(place)) < COUNT


def test_one_output_is_made_once_wherever_the_work_lies(source: Path, dub: Path, tmp_path: Path):
    plan, output, place, told = plan_by_hand(source), tmp_path / "out.mp4", tmp_path / "scratch", []
    place.mkdir()

    def second(step: Step) -> None:
        if step.stage == "render" and step.done == 20:
            with pytest.raises(OutputError, match="another run is making"):
                sync(source, dub, output, plan=plan, engine=engine(Counting()), work_dir=str(place))
            told.append(step)

    sync(source, dub, output, plan=plan, engine=engine(Counting()), progress=second)
    assert told


def test_a_link_in_place_of_the_folder_is_not_followed(source: Path, dub: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out.mp4.lipdub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="in the way"):
        again(source, dub, tmp_path / "out.mp4", plan_by_hand(source))
    assert not any((tmp_path / "elsewhere").iterdir())


def test_a_plan_on_another_clock_is_refused(source: Path, dub: Path, tmp_path: Path):
    plan = replace(plan_by_hand(source), origin=Fraction(-1, 100))
    with pytest.raises(PlanError, match="another movie"):
        again(source, dub, tmp_path / "out.mp4", plan)


def test_another_movie_of_the_same_name_keeps_nothing(source: Path, dub: Path, tmp_path: Path):
    plan, output = plan_by_hand(source), tmp_path / "out.mp4"
    stopped(source, dub, output, plan)
    movie(source, size=SIZE, count=COUNT, noise=False)
    assert again(source, dub, output, plan) == COUNT


@pytest.mark.parametrize("harm", ["cut", "flip", "gone"])
@pytest.mark.parametrize("number", [0, 2, 9])
def test_a_damaged_segment_is_made_again(source: Path, dub: Path, tmp_path: Path, harm: str, number: int):
    plan, output = plan_by_hand(source), tmp_path / "out.mp4"
    again(source, dub, output, plan, keep_work=True)
    expected = output.read_bytes()
    output.unlink()
    path = sorted((tmp_path / "out.mp4.lipdub" / "segments").iterdir())[number]
    data = path.read_bytes()
    flipped = bytes([*data[:500], data[500] ^ 1, *data[501:]])
    changed = {"cut": data[:-1], "flip": flipped}
    path.write_bytes(changed[harm]) if harm in changed else path.unlink()
    assert again(source, dub, output, plan) == 5
    assert output.read_bytes() == expected


def test_whatever_is_damaged_in_the_folder_of_unfinished_work(source: Path, dub: Path, tmp_path: Path):
    """Journal, segments, lock: flipped, cut, emptied, repeated, gone. The output is the same."""
    plan, output, work = plan_by_hand(source), tmp_path / "out.mp4", tmp_path / "out.mp4.lipdub"
    again(source, dub, output, plan, keep_work=True)
    expected = output.read_bytes()
    shutil.copytree(work, tmp_path / "kept")
    for seed in range(30):
        random = Random(seed)
        output.unlink()
        shutil.rmtree(work)
        shutil.copytree(tmp_path / "kept", work)
        for path in random.sample(sorted(p for p in work.rglob("*") if p.is_file()), 3):
            data = bytearray(path.read_bytes())
            place = random.randrange(max(1, len(data)))
            match random.choice(["flip", "cut", "empty", "twice", "gone"]):
                case "flip" if data:
                    data[place] ^= 1 << random.randrange(8)
                case "cut":
                    del data[place:]
                case "empty":
                    data.clear()
                case "twice":
                    data += bytes(data)
                case "gone":
                    path.unlink()
                    continue
            path.write_bytes(data)
        if not any((work / name).exists() for name in ("lipdub.lock", "journal.jsonl")):
            (work / "lipdub.lock").touch()  # without either, the folder could be anybody's
        again(source, dub, output, plan, keep_work=True)
        assert output.read_bytes() == expected, seed


def test_a_disk_that_gives_back_other_bytes_is_told(
    source: Path, dub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Journal, "_is_whole", lambda self, entry: entry.segment != 4)
    with pytest.raises(RenderError, match="other bytes than were written"):
        again(source, dub, tmp_path / "out.mp4", plan_by_hand(source))


def test_two_runs_for_one_output_do_not_meet(source: Path, dub: Path, tmp_path: Path):
    plan, output, told = plan_by_hand(source), tmp_path / "out.mp4", []

    def second(step: Step) -> None:
        if step.stage == "render" and step.done == 20:
            with pytest.raises(OutputError) as caught:
                sync(source, dub, output, plan=plan, engine=engine(Counting()))
            told.append(str(caught.value))

    sync(source, dub, output, plan=plan, engine=engine(Counting()), progress=second)
    assert len(told) == 1
    assert told[0].startswith(f"another run is making {output}")
    assert output.exists()


def test_unfinished_work_can_lie_elsewhere(source: Path, dub: Path, tmp_path: Path):
    plan, output, place = plan_by_hand(source), tmp_path / "out.mp4", tmp_path / "scratch"
    with pytest.raises(OutputError, match=r"there is no folder .*scratch"):
        again(source, dub, output, plan, work_dir=str(place))
    place.mkdir()
    stopped(source, dub, output, plan, work_dir=str(place))
    assert [p.name[:8] for p in place.iterdir()] == ["out.mp4-"]
    assert not (tmp_path / "out.mp4.lipdub").exists()
    assert again(source, dub, output, plan, work_dir=str(place)) < COUNT
    assert list(place.iterdir()) == []


def test_a_folder_of_somebody_else_is_left_alone(source: Path, dub: Path, tmp_path: Path):
    other = tmp_path / "out.mp4.lipdub"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="not of lipdub"):
        again(source, dub, tmp_path / "out.mp4", plan_by_hand(source))
    assert (other / "thesis.txt").read_text() == "mine"


def test_a_run_that_did_nothing_yet_leaves_nothing(source: Path, dub: Path, tmp_path: Path):
    before = set(tmp_path.iterdir())
    stopped(source, dub, tmp_path / "out.mp4", plan_by_hand(source), frames=1)
    assert set(tmp_path.iterdir()) == before


class KilledError(BaseException):
    """Stands for a kill: what should tidy up after it does not run."""


@pytest.mark.parametrize("moment", ["rmtree", "journal", "lock"])
def test_work_left_by_a_kill_after_the_output_was_there_goes_with_the_next_run(
    source: Path, dub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
):
    plan, output, work = plan_by_hand(source), tmp_path / "out.mp4", tmp_path / "out.mp4.lipdub"

    def killed(folder: Path) -> None:
        if moment != "rmtree":
            shutil.rmtree(folder / "segments")
        if moment == "lock":
            workfolder._tidy(folder, everything=True)
        raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(workfolder, "_remove", killed)
        again(source, dub, output, plan)
    made = output.read_bytes()
    assert {path.name for path in work.iterdir()} >= {"lipdub.lock"}
    with pytest.raises(OutputError, match="exists already; add --overwrite"):
        again(source, dub, output, plan)
    assert not work.exists()
    assert output.read_bytes() == made


def test_work_that_is_kept_or_of_another_output_is_not_taken_for_left_over(
    source: Path, dub: Path, tmp_path: Path
):
    plan, output, work = plan_by_hand(source), tmp_path / "out.mp4", tmp_path / "out.mp4.lipdub"
    again(source, dub, output, plan, keep_work=True)
    with pytest.raises(OutputError, match="exists already"):
        again(source, dub, output, plan)
    assert (work / "journal.jsonl").exists()
    workfolder.note_finished(work, source)  # an output that somebody put there meanwhile
    with pytest.raises(OutputError, match="exists already"):
        again(source, dub, output, plan)
    assert (work / "journal.jsonl").exists()
    with workfolder.work_folder(work, output, fresh=False, keep=True):  # a run that goes on
        workfolder.note_finished(work, output)
        workfolder.remove_left_over(work, output)
        assert (work / "journal.jsonl").exists()
    workfolder.note_finished(work, output)
    (work / "thesis.txt").write_text("mine")
    workfolder.remove_left_over(work, output)
    assert [path.name for path in work.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_runs_killed_at_any_moment_end_the_same(source: Path, dub: Path, tmp_path: Path):
    """With the real network (small, weights by name), and SIGKILL: nothing in the process can tidy up."""
    save_plan(plan_by_hand(source, frames=slice(8, 40)), tmp_path / "plan.json")
    weights = save_tiny_checkpoint(tmp_path / "tiny.safetensors")
    kills = [
        0.05,
        0.3,
        0.6,
        0.9,
        *[(moment, 3 if "entry" in moment or moment == "settle" else 1) for moment in MOMENTS],
    ]
    job = Job(
        str(source), str(dub), str(tmp_path / "out.mp4"),
        {"plan": str(tmp_path / "plan.json"), "weights": str(weights), "steps": 2, "device": "cpu"},
        kills, "1/5", 250, str(tmp_path / "cache"),
    )  # fmt: skip
    first, *trials = run_job(job, tmp_path)
    assert first["sha256"]
    for trial in trials:
        assert trial["again"] == 0, trial
        assert trial["same"], trial
        assert trial["clean"], trial
    assert [t["killed"] for t in trials if not isinstance(t["kill"], float)] == [True] * len(MOMENTS)
    assert sum(t["killed"] for t in trials) >= len(MOMENTS) + 2
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == COUNT


@pytest.mark.parametrize("kind", ["ffv1", "open gop", "intra refresh", "no times"])
def test_a_search_in_any_movie_gives_the_frames_that_reading_it_gives(dub: Path, tmp_path: Path, kind: str):
    """Going on in the middle must not change a bit, also where searching is not precise."""
    x264 = {"open gop": "open-gop=1:keyint=12:bframes=3", "intra refresh": "intra-refresh=1:keyint=20"}
    if kind == "ffv1":
        source = movie(tmp_path / "movie.mkv", codec="ffv1", size=SIZE, count=COUNT)
    elif kind == "no times":
        source = movie(tmp_path / "movie.avi", codec="mpeg4", size=SIZE, count=COUNT)
    else:
        source = movie(tmp_path / "movie.mp4", size=SIZE, count=COUNT, options={"x264-params": x264[kind]})
    plan = plan_by_hand(source)
    again(source, dub, tmp_path / "whole.mkv", plan, keep_work=True)
    for frames in (13, 26, 39):
        stopped(source, dub, tmp_path / "out.mkv", plan, frames)
    again(source, dub, tmp_path / "out.mkv", plan, keep_work=True)
    parts = [
        {p.name: p.read_bytes() for p in (tmp_path / f"{name}.mkv.lipdub" / "segments").iterdir()}
        for name in ("whole", "out")
    ]
    assert parts[0] == parts[1]
    shutil.rmtree(tmp_path / "out.mkv.lipdub")
