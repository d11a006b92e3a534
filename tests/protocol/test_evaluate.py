"""A list of pairs becomes a table, resumably, and bad pairs are told."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipdub.engine import Engine
from lipdub.errors import DatasetError, OptionError, OutputError, UnknownWeightsError
from lipdub.evaluation.summary import REAL
from lipdub.options import SyncOptions
from lipdub.protocol import command
from lipdub.protocol.evaluate import Task, check_task, evaluate
from lipdub.protocol.generating import Shot
from lipdub.protocol.reporting import check_folder, write_results
from tests.support.faces import BlobLandmarker
from tests.support.jobs import Painter, grey


@pytest.fixture
def task(clips: Path, tmp_path: Path) -> Task:
    """Two good pairs, a video without a face, a file that is not there."""
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("sound wide\nshort view\nsound.wav none\n# a comment\nsound gone\n")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    shutil.copy(clips / "wide.mkv", theirs / "sound__wide.mkv")
    shutil.copy(clips / "view.mkv", theirs / "sound.wav__none.mkv")
    np.savez(tmp_path / "truth.npz", **{"sound.wav": np.sin(np.arange(25))})
    return Task(
        pairs, tmp_path / "results", root=clips, rows={"Theirs": theirs}, truth=tmp_path / "truth.npz"
    )


def engine(sha256: str | None = "ab" * 32) -> Engine:
    return Engine(Painter(grey), "ours", sha256)


@pytest.mark.usefixtures("stand_ins")
def test_a_short_sound_or_no_face_is_told_and_the_others_are_measured(task: Task):
    check_folder(task.output)
    result = evaluate(task, engine())
    assert [list(clip) for clip in result.clips] == [[REAL, "ours", "Theirs"]]
    assert [line.split(":")[0] for line in result.failed] == ["line 2", "line 3", "line 5"]
    assert "fewer than 10 frames" in result.failed[0] and "shows no face" in result.failed[1]
    assert "no file" in result.failed[2] and "--root" in result.failed[2]
    real, ours, theirs = (result.clips[0][name].figures for name in (REAL, "ours", "Theirs"))
    assert real["psnr"] == theirs["psnr"] == float("inf") and ours["psnr"] < 40
    assert real["frames"] == ours["frames"] == 14
    assert "truth" in ours and result.truths == 1


def test_what_was_measured_is_not_measured_again(task: Task, stand_ins: BlobLandmarker):
    check_folder(task.output)
    first, used = evaluate(task, engine()), stand_ins.calls
    again = engine()
    second = evaluate(task, again)
    assert not again.inpainter.mels
    assert stand_ins.calls - used < used / 2  # pairs that failed are looked at again
    assert str(first.clips) == str(second.clips)
    other = engine("cd" * 32)
    evaluate(task, other)
    assert len(other.inpainter.mels) == 14
    unknown = engine(None)
    evaluate(task, unknown)
    assert len(unknown.inpainter.mels) == 14


@pytest.mark.usefixtures("stand_ins")
def test_modes_and_files_are_kept_apart(task: Task, clips: Path, tmp_path: Path):
    check_folder(task.output)
    shutil.copy(clips / "sound.wav", tmp_path / "wide.wav")
    shutil.copy(clips / "wide.mkv", tmp_path / "wide.mkv")
    task = replace(task, root=tmp_path)
    task.pairs.write_text(f"{tmp_path}/wide.wav wide\n")
    cross = evaluate(task, engine())
    still = Task(task.pairs, task.output, task.root, Shot("reconstruction"))
    found = evaluate(still, engine())
    assert found.clips[0]["ours"].figures["psnr"] != cross.clips[0]["ours"].figures["psnr"]
    assert found.clips[0][REAL].figures["lmd"] == 0 and "leak" not in found.clips[0][REAL].figures
    assert found.truths == len(found.clips)


@pytest.mark.usefixtures("stand_ins")
def test_reconstruction_takes_no_other_speakers_lips_for_the_truth(task: Task):
    """A list of pairs that do not belong together knows the truth only where it is given."""
    check_folder(task.output)
    mode = Shot("reconstruction")
    told = evaluate(replace(task, shot=mode), engine())
    assert "truth" in told.clips[0]["ours"].figures and "lmd" not in told.clips[0]["ours"].figures
    untold = replace(task, shot=mode, truth=None)
    result = evaluate(untold, engine())
    assert not {"truth", "lmd"} & result.clips[0]["ours"].figures.keys()
    assert "The true speaker is known of 0 of 1 clip;" in write_results(untold, result)[".md"].read_text()


@pytest.mark.usefixtures("stand_ins")
def test_the_movie_of_the_sound_shows_the_true_speaker(clips: Path, tmp_path: Path):
    """And if it is the video itself, that is its own speech."""
    folder = tmp_path / "list"
    folder.mkdir()
    for name, video in (("a", "wide"), ("b", "wide")):
        shutil.copy(clips / f"{video}.mkv", folder / f"{name}.mkv")
        shutil.copy(clips / "sound.wav", folder / f"{name}.wav")
    (folder / "pairs.txt").write_text("a b\nb b\n")
    task = Task(folder / "pairs.txt", tmp_path / "results")
    check_folder(task.output)
    other, own = (clip["ours"].figures for clip in evaluate(task, engine()).clips)
    assert {"lmd", "truth", "leak"} <= other.keys()
    assert {"lmd", "truth"} <= own.keys() and "leak" not in own


@pytest.mark.usefixtures("stand_ins")
def test_the_results_are_written_in_three_forms(task: Task):
    check_folder(task.output)
    files = write_results(task, evaluate(task, engine()))
    assert [path.name for path in files.values()] == ["cross.csv", "cross.json", "cross.md"]
    rows = list(csv.DictReader(files[".csv"].read_text().splitlines()))
    assert [row["system"] for row in rows] == [REAL, "ours", "Theirs"]
    assert rows[1]["ssim_clips"] == "1"
    told = json.loads(files[".json"].read_text())
    assert told["columns"][0]["group"] == "cross"
    text = files[".md"].read_text()
    assert text.startswith("|  | cross ") and "| real video |" in text
    assert "Nothing else is measured." in text and "Left out: line 3: " in text
    check_folder(task.output)  # results may be written again


@pytest.mark.usefixtures("stand_ins")
def test_rows_of_clips_whose_truth_is_not_known_say_so(task: Task):
    check_folder(task.output)
    unknown = Task(task.pairs, task.output, task.root, rows=task.rows)
    result = evaluate(unknown, None)
    text = write_results(unknown, result)[".md"].read_text()
    assert "The true speaker is known of 0 of 1 clip;" in text
    assert list(result.clips[0]) == [REAL, "Theirs"]


@pytest.mark.usefixtures("stand_ins")
def test_a_row_whose_video_is_not_there_is_told(task: Task, tmp_path: Path):
    check_folder(task.output)
    (tmp_path / "nothing").mkdir()
    task.pairs.write_text("sound wide\n")
    rows = {**task.rows, "Others": tmp_path / "nothing"}
    result = evaluate(Task(task.pairs, task.output, task.root, rows=rows), None)
    assert list(result.clips[0]) == [REAL, "Theirs"]
    assert result.failed == (f"line 1, Others: there is no sound__wide.mp4 in {tmp_path / 'nothing'}.",)


@pytest.mark.usefixtures("stand_ins")
def test_a_list_of_which_nothing_can_be_measured(task: Task):
    task.pairs.write_text("sound none\n")
    with pytest.raises(DatasetError, match=r"no pair of .*pairs\.txt could be measured; line 1: .*no face"):
        evaluate(task, engine())


def test_bad_input_is_told_before_anything_is_loaded(task: Task, tmp_path: Path):
    def run(**changes: object) -> None:
        arguments = {"rows": ["Theirs=" + str(task.rows["Theirs"])], "root": task.root} | changes
        command.run(task.pairs, task.output, SyncOptions(weights="none"), **arguments)

    with pytest.raises(OptionError, match="--rows takes NAME=FOLDER, not 'Theirs'"):
        run(rows=["Theirs"])
    with pytest.raises(OptionError, match="row of this name already"):
        run(rows=["a=.", "a=."])
    with pytest.raises(OptionError, match="row of this name already"):
        run(rows=[f"{REAL}={tmp_path}"])
    with pytest.raises(OptionError, match="row of this name already"):
        check_task(Task(task.pairs, task.output, rows={"net": tmp_path}), "folder/net.safetensors")
    with pytest.raises(OptionError, match=r"--rows a=.*nowhere: there is no such folder"):
        run(rows=[f"a={tmp_path}/nowhere"])
    with pytest.raises(OptionError, match="nothing to evaluate"):
        run(rows=[], only_rows=True)
    with pytest.raises(UnknownWeightsError, match=r"no weights file .*syncnet\.pth"):
        run(syncnet=tmp_path / "syncnet.pth")
    with pytest.raises(UnknownWeightsError, match="none is neither a file"):
        run()
    with pytest.raises(OptionError, match="or a picture, not 'mine'"):
        check_task(Task(task.pairs, task.output, shot=Shot(reference="mine")), "ours")
    task.pairs.write_text("one two three\n")
    with pytest.raises(DatasetError, match=r"line 1: .* this has 3 names"):
        run()


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path):
    (tmp_path / "note.txt").touch()
    with pytest.raises(OutputError, match="has other things in it"):
        check_folder(tmp_path)
    with pytest.raises(OutputError, match="is a file"):
        check_folder(tmp_path / "note.txt")
    with pytest.raises(OutputError):
        check_folder(tmp_path / "note.txt" / "below")
    check_folder(tmp_path / "new" / "results")
    assert (tmp_path / "new" / "results" / "clips").is_dir()
