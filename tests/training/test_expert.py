"""Training the expert: it learns, goes on exactly where it was, and says what is wrong in one sentence."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from lipdub import cli
from lipdub.dataset.clips import Clips
from lipdub.errors import (
    DatasetError,
    OptionError,
    OutputError,
    TrainingError,
    UnknownWeightsError,
    WeightsFormatError,
)
from lipdub.models.sync_expert import SyncExpert, load_sync_expert
from lipdub.training import expert, expert_run
from lipdub.training.expert import train_expert
from lipdub.training.expert_options import ExpertOptions, Files
from lipdub.training.loader import Pairs, Taking, batches_of
from tests.support.shards import clip_files, write_shards, write_tar

SMALL = ExpertOptions(
    steps=6, batch_size=4, others=2, width=2, lr=1e-2, workers=0, device="cpu", precision="fp32",
    save_every=2, log_every=2, augment=True, choice=1.0,
)  # fmt: skip


@pytest.fixture(autouse=True)
def few_samples_for_norms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expert, "CALIBRATION", 16)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("expert") / "shards", clips=5, shards=2, frames=30)


@pytest.fixture
def files(shards: Path, tmp_path: Path) -> Files:
    return Files((shards,), (), tmp_path / "expert.safetensors")


class Killed(Exception):
    """Stands in for a signal."""


def dying_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    true = expert.update

    def update(run: expert_run.ExpertRun, *args: Any) -> dict[str, float]:
        if run.step == step:
            raise Killed
        return true(run, *args)

    monkeypatch.setattr(expert, "update", update)


def rows(files: Files) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files.log.read_text().splitlines()]


def test_killed_and_resumed_gives_the_same_weights(files: Files, monkeypatch: pytest.MonkeyPatch):
    """Bit for bit, and the same log, though it was killed between two checkpoints."""
    whole = replace(files, output=files.output.with_name("whole.safetensors"))
    train_expert(whole, SMALL)
    with monkeypatch.context() as patch:
        dying_at(5, patch)
        with pytest.raises(Killed):
            train_expert(files, SMALL)
    assert load_file(files.state)["optimiser/0/step"] == 4
    files.log.write_text(f'{files.log.read_text()}{{"step": 5, "lo')
    result = train_expert(files, replace(SMALL, workers=1))
    assert result.step == 6
    expected, found = load_file(whole.output), load_file(files.output)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name
    timeless = [
        [{key: value for key, value in row.items() if key != "seconds_per_step"} for row in rows(one)]
        for one in (whole, files)
    ]
    assert timeless[0] == timeless[1]
    assert [row["step"] for row in timeless[0]] == [1, 2, 4, 6]


def test_a_short_training_has_lines_too(files: Files):
    train_expert(files, replace(SMALL, log_every=50, steps=3))
    assert [row["step"] for row in rows(files)] == [1, 3]


def test_more_steps_go_on_from_a_finished_training(files: Files):
    whole = replace(files, output=files.output.with_name("whole.safetensors"))
    train_expert(whole, SMALL)
    for steps in (3, 6, 6):
        train_expert(files, replace(SMALL, steps=steps))
    assert all(torch.equal(t, load_file(files.output)[n]) for n, t in load_file(whole.output).items())


def test_weights_load_as_every_expert(files: Files):
    train_expert(files, SMALL)
    loaded = load_sync_expert(files.output)
    assert (loaded.width, loaded.training) == (2, False)
    assert loaded.state_dict().keys() == SyncExpert().state_dict().keys()


def test_weights_may_come_from_a_file(files: Files):
    torch.manual_seed(5)
    given = SyncExpert(3)
    path = files.output.with_name("lipsync_expert.pth")
    torch.save({"state_dict": given.state_dict()}, path)
    begun = replace(SMALL, steps=1, width=None, lr=0.0, decay=0.0, init_from=str(path))
    train_expert(files, begun)
    for name, parameter in given.named_parameters():
        assert torch.equal(load_file(files.output)[name], parameter), name
    with pytest.raises(OptionError, match=r"has width 3; leave out --width 2"):
        train_expert(files, replace(begun, width=2, fresh=True))
    with pytest.raises(UnknownWeightsError, match="There is no weights file"):
        train_expert(files, replace(begun, init_from="nowhere.pth", fresh=True))


def test_calibrated_norms_are_those_of_the_batches(shards: Path):
    """In evaluation mode the network then says of these batches what it said in training mode."""
    run = expert_run.new_run(SMALL, torch.device("cpu"))
    pairs = Pairs(Clips([shards]), Taking(96), 2, 5)
    batch = next(batches_of(pairs, 8, pin=False))
    before = deepcopy(run.network.state_dict())
    with torch.no_grad():
        evaluated = expert_run.calibrated(run, [batch, batch])
        assert all(torch.equal(t, before[name]) for name, t in run.network.state_dict().items())
        assert run.network.training
        assert not evaluated.training
        assert evaluated.face_encoder[0].conv_block[1].momentum == 0.1
        wanted, found = (expert_run.embedded(network, batch) for network in (run.network, evaluated))
    for a, b in zip(wanted, found, strict=True):
        # Running variances are those of the population, not of the batch: 8/7 of it where it is smallest.
        torch.testing.assert_close(a, b, atol=0.05, rtol=0)
        assert torch.cosine_similarity(a, b, -1).min() > 0.99


def test_seeds_and_options_make_other_weights(files: Files):
    weights = []
    for seed in (1, 2):
        train_expert(files, replace(SMALL, steps=1, seed=seed, fresh=True))
        weights.append(load_file(files.output)["face_encoder.0.conv_block.0.weight"])
    assert not torch.equal(*weights)


def test_it_learns_what_a_mouth_sounds_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Drawn faces whose mouth opens with a hum: on clips it has not seen, clearly above chance."""
    monkeypatch.setattr(expert, "CALIBRATION", 120)
    train = write_shards(tmp_path / "train", clips=24, shards=2, speakers=3, frames=60)
    held_out = write_shards(tmp_path / "held", clips=6, shards=1, speakers=3, frames=60, first=100)
    files = Files((train,), (held_out,), tmp_path / "expert.safetensors")
    options = replace(
        SMALL, steps=60, batch_size=12, others=4, width=2, lr=5e-3, augment=False, save_every=60
    )
    result = train_expert(files, options)
    assert result.scores is not None
    assert result.scores.better.low > 0.55
    assert result.scores.better.clips == result.held_out == 6
    assert rows(files)[-1]["held_out"]["better"]["value"] == result.scores.better.value
    better, chance = result.scores.better.value, result.scores.clip_chance.value
    assert (
        f"better: the true sound is nearer than another of the same clip in {better:.1%}" in result.sentence()
    )
    assert result.sentence().endswith(f"(by chance {chance:.1%})")
    assert result.as_json()["scores"]["better"]["value"] > 0.6


@pytest.mark.parametrize(
    ("change", "said"), [({"width": 3}, "width 2, not 3"), ({"lr": 0.5}, "lr 0.01, not 0.5")]
)
def test_another_recipe_does_not_go_on(files: Files, change: dict[str, Any], said: str):
    train_expert(files, SMALL)
    before = files.state.read_bytes(), files.output.read_bytes(), files.log.read_bytes()
    with pytest.raises(WeightsFormatError, match=f"cannot go on: it was begun with {said}"):
        train_expert(files, replace(SMALL, steps=8, **change))
    assert before == (files.state.read_bytes(), files.output.read_bytes(), files.log.read_bytes())


def test_other_clips_do_not_go_on(files: Files, tmp_path: Path):
    train_expert(files, SMALL)
    more = write_shards(tmp_path / "more", clips=1, shards=1, first=50)
    with pytest.raises(WeightsFormatError, match="begun with clips"):
        train_expert(replace(files, shards=(*files.shards, more)), SMALL)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * len(b)])
def test_a_damaged_state_is_said_to_be(files: Files, damage: Callable[[bytes], bytes]):
    train_expert(files, SMALL)
    files.state.write_bytes(damage(files.state.read_bytes()))
    with pytest.raises(WeightsFormatError, match=r"expert.state.safetensors cannot go on: it is damaged"):
        train_expert(files, SMALL)


def test_what_is_learnt_from_is_not_held_out(files: Files):
    known = replace(files, held_out=(files.shards[0] / ".." / files.shards[0].name,))
    with pytest.raises(OptionError, match="is learnt from, and so cannot be --held-out"):
        train_expert(known, SMALL)
    assert not files.output.exists()


def test_the_folder_of_the_weights_is_made(files: Files, tmp_path: Path):
    result = train_expert(
        replace(files, output=tmp_path / "a" / "b" / "e.safetensors"), replace(SMALL, steps=1)
    )
    assert (
        result.sentence()
        == f"{result.output}: weights after 1 step; how good they are, --held-out would tell"
    )
    with pytest.raises(OutputError, match=r"The folder .*e\.safetensors cannot be made"):
        train_expert(replace(files, output=result.output / "f.safetensors"), SMALL)


def test_weights_that_are_there_are_not_written_over(files: Files):
    files.output.write_bytes(b"precious")
    with pytest.raises(OutputError, match="is there already"):
        train_expert(files, SMALL)
    assert files.output.read_bytes() == b"precious"
    train_expert(files, replace(SMALL, steps=1, fresh=True))
    load_sync_expert(files.output)


def test_a_full_disk_leaves_the_last_checkpoint(files: Files, monkeypatch: pytest.MonkeyPatch):
    """The third time something is written the disk is full, after a part of it."""
    from lipdub.models import checkpoint

    true, calls = checkpoint.save_file, []

    def full(tensors: Any, path: Path, metadata: Any) -> None:
        calls.append(path)
        if len(calls) == 3:
            path.write_bytes(b"half of it")
            raise OSError(28, "No space left on device")
        true(tensors, path, metadata)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OutputError, match=r"cannot be written to .*expert.safetensors: .*No space left"):
        train_expert(files, SMALL)
    assert load_file(files.state)["optimiser/0/step"] == 2
    load_sync_expert(files.output)
    assert {path.name for path in files.output.parent.iterdir()} == {
        files.output.name, files.state.name, files.log.name,
    }  # fmt: skip
    assert train_expert(files, SMALL).step == 6


def test_a_loss_that_is_not_finite_stops_before_it_is_learnt(files: Files, monkeypatch: pytest.MonkeyPatch):
    train_expert(files, replace(SMALL, steps=2))
    before = load_file(files.state)
    true = expert_run.contrast
    monkeypatch.setattr(
        expert_run, "contrast", lambda *args: {**true(*args), "hard": torch.tensor(float("nan"))}
    )
    with pytest.raises(TrainingError, match=r"'hard' is nan at step 2"):
        train_expert(files, SMALL)
    assert all(torch.equal(tensor, load_file(files.state)[name]) for name, tensor in before.items())


def test_clips_that_are_too_short_are_named(files: Files, tmp_path: Path):
    (tmp_path / "short").mkdir()
    write_tar(tmp_path / "short" / "shard-000000.tar", clip_files("tiny", 5))
    with pytest.raises(DatasetError, match=r"The clip tiny in .* has 5 frames"):
        train_expert(replace(files, shards=(tmp_path / "short",)), SMALL)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"steps": 0}, "--steps takes a whole number from 1"),
        ({"batch_size": 1}, "--batch-size takes a whole number from 2"),
        ({"width": 65}, "--width takes a whole number from 1 to 64"),
        ({"lr": float("nan")}, "--lr takes a number"),
        ({"device": "gpu"}, "--device takes"),
        ({"precision": "fp16"}, "--precision takes auto, fp32, bf16"),
    ],
)
def test_impossible_options_are_refused(bad: dict[str, Any], said: str):
    with pytest.raises(OptionError, match=said):
        ExpertOptions(**bad)


def test_the_command_line_trains_and_tells(shards: Path, tmp_path: Path):
    output = tmp_path / "expert.safetensors"
    choices = ["--steps", "2", "--batch-size", "2", "--width", "1", "--workers", "0", "--device", "cpu"]
    done = CliRunner().invoke(cli.app, ["train-expert", str(shards), "-o", str(output), "--json", *choices])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["step"] == 2
    assert load_sync_expert(output).width == 1


@pytest.mark.parametrize(
    ("shards_name", "output", "said"),
    [
        ("nowhere", "e.safetensors", "There is no folder"),
        ("", "e.safetensors", "There are no shards"),
        ("", "e.pth", "must end in .safetensors"),
    ],
)
def test_the_command_line_says_what_is_wrong(tmp_path: Path, shards_name: str, output: str, said: str):
    folder = tmp_path / shards_name if shards_name else tmp_path
    done = CliRunner().invoke(cli.app, ["train-expert", str(folder), "-o", str(tmp_path / output)])
    assert done.exit_code == 2
    assert said in done.output
    assert done.output.count("\n") == 1
