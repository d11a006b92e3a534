"""Whole trainings: they can be killed, stopped, gone on with, divided, and used."""

import json
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from lipdub.errors import DatasetError, OptionError, OutputError, TrainingError, WeightsFormatError
from lipdub.models import load_checkpoint
from lipdub.models.checkpoint import read_safetensors, save_checkpoint
from lipdub.training import checkpoints, loop
from lipdub.training.distributed import World, together
from lipdub.training.drawing import CURVE
from lipdub.training.logs import read_log
from lipdub.training.state import new_run
from tests.support.shards import write_shards
from tests.support.training import GAN, SMALL, in_another, small_options
from tests.support.weights import small_network


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("shards"), clips=4, shards=2, frames=30)


def trained(shards: Path, folder: Path, **choices: Any) -> Path:
    folder.mkdir(exist_ok=True)
    loop.train([shards], folder / "run", small_options(folder, **choices))
    return folder / "run"


def last(run: Path) -> dict[str, Tensor]:
    return read_safetensors(checkpoints.found(run)[-1])[0]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def untimed(run: Path) -> list[dict[str, float]]:
    timed = {"images_per_second", "waited"}
    return [{k: v for k, v in row.items() if k not in timed} for row in read_log(run / "log.jsonl")]


def test_a_run_leaves_weights_checkpoints_log_and_pictures(shards: Path, tmp_path: Path) -> None:
    run = trained(shards, tmp_path, **GAN, sample_every=6, keep=2)
    assert [path.name for path in checkpoints.found(run)] == [
        "step-00000004.safetensors",
        "step-00000006.safetensors",
    ]
    rows = read_log(run / "log.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert {"simple", "l2", "gan", "loss", "judge", "gradient", "judge_gradient", "waited"} < set(rows[0])
    assert cv2.imread(str(run / "curves.png")) is not None
    samples = cv2.imread(str(run / "samples" / "step-00000006.png"))
    assert samples.shape == (3 * (16 + 18), 6 * 16, 3)
    assert not [path for path in run.iterdir() if path.name.startswith(".")]
    ordinary = (run / "log.jsonl").stat().st_mode
    assert {path.stat().st_mode for path in run.glob("*.safetensors")} == {ordinary}
    # sync --weights: the network reads its own sizes, and the weights are the average's.
    network, state = load_checkpoint(run / "weights.safetensors"), last(run)
    assert network.config == SMALL
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[f"ema/average.{name}"])
        assert torch.equal(state["ema/updates"], torch.tensor(6))


def test_a_short_run_has_lines_and_curves_too(shards: Path, tmp_path: Path) -> None:
    run = trained(shards, tmp_path, steps=4, log_every=50)
    rows = untimed(run)
    assert [row["step"] for row in rows] == [1, 4]
    (tmp_path / "all").mkdir()
    every = untimed(trained(shards, tmp_path / "all", steps=4))
    assert rows[1]["loss"] == pytest.approx(np.mean([row["loss"] for row in every[1:]]), rel=1e-5)
    away = cv2.imread(str(run / "curves.png")).astype(int) - CURVE[::-1]
    assert np.abs(away).max(axis=2).min() < 40  # lines are smoothed


def test_the_weights_paint_in_the_engine_of_sync(shards: Path, tmp_path: Path) -> None:
    from lipdub.engine import load_engine
    from lipdub.options import SyncOptions

    weights = trained(shards, tmp_path, steps=2) / "weights.safetensors"
    options = SyncOptions(weights=str(weights), device="cpu", precision="fp32", steps=2, batch_size=1)
    painted = load_engine(options).inpainter(
        np.zeros((1, 16, 16, 3), np.float32),
        np.zeros((1, 16, 16, 3), np.float32),
        np.zeros((1, 80, 16), np.float32),
    )
    assert painted.shape == (1, 16, 16, 3)
    assert np.isfinite(painted).all()


def test_a_network_learns(shards: Path, tmp_path: Path) -> None:
    rows = read_log(trained(shards, tmp_path, steps=40, save_every=40, lr=3e-3) / "log.jsonl")
    assert np.mean([row["simple"] for row in rows[-8:]]) < 0.8 * np.mean([row["simple"] for row in rows[:4]])


def test_what_changed_since_a_run_was_left_is_told(
    shards: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = trained(shards, tmp_path, steps=2)
    assert not caplog.records
    loop.train([shards], run, small_options(tmp_path, steps=2, without=("l2",)))
    loop.train([shards], run, small_options(tmp_path, steps=3, without=("l2",), lr=2e-3, keep=5))
    other = write_shards(tmp_path / "others", clips=5, shards=1, frames=30)
    loop.train([other], run, small_options(tmp_path, steps=4, without=("l2",), lr=2e-3))
    assert [record.getMessage() for record in caplog.records] == [
        f"{run} has made its 2 steps: nothing is left to train.",
        f"{run} goes on, but --lr, --without changed since.",
        f"{run} goes on, but the clips changed since.",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_killed_or_stopped_and_run_again_is_as_if_nothing_had_been(
    kind: str, shards: Path, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = trained(shards, tmp_path / "whole", **GAN)
    run = tmp_path / "run"
    job = {"shards": [str(shards)], "run": str(run), "choices": GAN, "end": (kind, 3)}
    done = in_another(job, tmp_path)
    if kind == "SIGKILL":  # in the middle of a save interval: one update is lost
        assert done.returncode == -signal.SIGKILL
        assert checkpoints.latest(run).step == 2
    else:  # the update is ended, and written
        assert done.returncode == 130, done.stderr
        assert checkpoints.latest(run).step == 3
    loop.train([shards], run, small_options(tmp_path, **GAN))
    assert same(last(run), last(whole))
    assert untimed(run) == untimed(whole)


def test_a_finished_run_does_nothing_more_and_more_steps_go_on(shards: Path, tmp_path: Path) -> None:
    run = trained(shards, tmp_path, steps=4)
    before = last(run)
    trained(shards, tmp_path, steps=4)
    assert same(last(run), before)
    trained(shards, tmp_path, steps=6)
    (tmp_path / "at once").mkdir()
    assert same(last(run), last(trained(shards, tmp_path / "at once", steps=6)))


def test_a_fresh_run_is_as_if_there_had_been_none(shards: Path, tmp_path: Path) -> None:
    """Also of a damaged one, or of a network of other sizes; and nothing is lost before all is right."""
    run = trained(shards, tmp_path, steps=6, sample_every=6)
    checkpoints.found(run)[-1].write_bytes(b"damaged")
    with pytest.raises(OptionError, match="does not divide"):
        trained(shards, tmp_path, steps=4, batch_size=3, accumulate=2, fresh=True)
    assert checkpoints.found(run)
    trained(shards, tmp_path, steps=4, fresh=True)
    (tmp_path / "other").mkdir()
    first = trained(shards, tmp_path / "other", steps=4)
    assert same(last(run), last(first))
    assert [path.name for path in checkpoints.found(run)] == [p.name for p in checkpoints.found(first)]
    assert untimed(run) == untimed(first)
    assert not list((run / "samples").iterdir())


def test_weights_are_those_of_the_last_checkpoint_though_it_was_killed_between(
    shards: Path, tmp_path: Path
) -> None:
    run = trained(shards, tmp_path, steps=4)
    whole = (run / "weights.safetensors").read_bytes()
    (run / "weights.safetensors").unlink()
    result = loop.train([shards], run, small_options(tmp_path, steps=2))
    assert (run / "weights.safetensors").read_bytes() == whole
    assert (result.step, result.went_on_from) == (4, 4)


@pytest.mark.slow
def test_several_processes_stop_together_with_a_checkpoint(shards: Path, tmp_path: Path) -> None:
    job = {"shards": [str(shards)], "run": str(tmp_path / "run"), "choices": GAN, "end": ("SIGINT", 3)}
    assert in_another(job, tmp_path, processes=2).returncode != 0
    assert checkpoints.latest(tmp_path / "run").step == 3


@pytest.mark.slow
def test_two_processes_are_one_of_twice_the_batch(shards: Path, tmp_path: Path) -> None:
    choices = {**GAN, "batch_size": 4, "steps": 3, "save_every": 1, "keep": 3, "clip": 0.0}
    run = tmp_path / "two"
    job = {"shards": [str(shards)], "run": str(run), "choices": choices}
    done = in_another(job, tmp_path, processes=2)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    (tmp_path / "alone").mkdir()
    alone = trained(shards, tmp_path / "alone", **choices)
    equal_but_for_rounding(run, alone)


def test_a_batch_in_parts_is_a_whole_one(shards: Path, tmp_path: Path) -> None:
    choices = {**GAN, "batch_size": 4, "steps": 3, "save_every": 1, "keep": 3, "clip": 0.0}
    for name, parts in (("whole", 1), ("parts", 4)):
        (tmp_path / name).mkdir()
        trained(shards, tmp_path / name, **choices, accumulate=parts)
    equal_but_for_rounding(tmp_path / "parts" / "run", tmp_path / "whole" / "run")


def equal_but_for_rounding(one: Path, other: Path) -> None:
    """Gradients of the first update, and what is logged of all. Weights may differ by two learning rates:
    Adam makes a whole step of a gradient that is nothing but rounding."""
    found, expected = (read_safetensors(checkpoints.found(run)[0])[0] for run in (one, other))
    moments = [name for name in expected if name.endswith("exp_avg")]
    assert any(name.startswith("judge") for name in moments)
    for name in moments:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-6)
    for name in (name for name in expected if name.startswith("ema/")):
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=2.1e-3)
    rows = zip(untimed(one), untimed(other), strict=True)
    for row, wanted in rows:
        assert row == pytest.approx(wanted, rel=2e-2)
    assert untimed(one)[0] == pytest.approx(untimed(other)[0], rel=1e-4)


def test_it_begins_with_other_weights(shards: Path, tmp_path: Path) -> None:
    save_checkpoint(small_network(), tmp_path / "first.safetensors")
    choices = {"init_from": str(tmp_path / "first.safetensors"), "steps": 1, "lr": 0.0, "save_every": 1}
    state = last(trained(shards, tmp_path, **choices))
    for name, tensor in small_network().state_dict().items():
        assert torch.equal(state[f"network/{name}"], tensor)


def test_a_checkpoint_is_no_weights(shards: Path, tmp_path: Path) -> None:
    run = trained(shards, tmp_path, steps=2)
    with pytest.raises(WeightsFormatError, match=r"checkpoint of a training; give the weights\.saf"):
        load_checkpoint(checkpoints.found(run)[-1])


def test_weights_of_another_size(shards: Path, tmp_path: Path) -> None:
    save_checkpoint(small_network(), tmp_path / "first.safetensors")
    with pytest.raises(OptionError, match=r"other sizes than tiny64 .*leave out --network"):
        trained(shards, tmp_path, init_from=str(tmp_path / "first.safetensors"), network="tiny64")
    trained(shards, tmp_path, steps=2)
    with pytest.raises(OptionError, match="other sizes than tiny64; go on without --network"):
        trained(shards, tmp_path, network="tiny64")


def test_a_damaged_checkpoint(shards: Path, tmp_path: Path) -> None:
    run = trained(shards, tmp_path, steps=4)
    path = checkpoints.found(run)[-1]
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsFormatError, match=r"cannot be used .*delete it to go on from the one before"):
        trained(shards, tmp_path)
    path.unlink()
    trained(shards, tmp_path)
    (tmp_path / "whole").mkdir()
    assert same(last(run), last(trained(shards, tmp_path / "whole")))


def test_a_full_disk_leaves_the_checkpoint_before(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(shards, tmp_path, steps=2)
    before = {path.name: path.read_bytes() for path in run.glob("*.safetensors")}
    save = checkpoints.save_ordinary

    def full(tensors: dict[str, Tensor], metadata: dict[str, str], path: Path) -> None:
        save(tensors, metadata, path)
        path.write_bytes(path.read_bytes()[:5000])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_ordinary", full)
    with pytest.raises(OutputError, match=r"disk is full; make space .* again to go on from step-00000002"):
        trained(shards, tmp_path)
    assert {path.name: path.read_bytes() for path in run.glob("*.safetensors")} == before
    assert not list(run.glob(".*.part"))
    monkeypatch.undo()
    trained(shards, tmp_path)
    (tmp_path / "whole").mkdir()
    assert same(last(run), last(trained(shards, tmp_path / "whole")))


def test_nan_is_refused_before_it_is_in_the_weights(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(shards, tmp_path, steps=2)
    corrupt = loop.update.__globals__["corrupt"]

    def spoilt(image: Tensor, *rest: Tensor) -> Any:
        return corrupt(image * float("nan"), *rest)

    monkeypatch.setitem(loop.update.__globals__, "corrupt", spoilt)
    with pytest.raises(TrainingError, match="'simple' is nan at step 2"):
        trained(shards, tmp_path)
    assert checkpoints.latest(run).step == 2
    assert all(tensor.isfinite().all() for tensor in last(run).values())


def test_a_gradient_that_is_not_finite_is_refused(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(SMALL)
    next(run.network.parameters()).register_hook(lambda gradient: gradient * float("inf"))
    monkeypatch.setattr(loop, "new_run", lambda *_, **__: run)
    before = {name: tensor.clone() for name, tensor in run.network.state_dict().items()}
    with pytest.raises(TrainingError, match=r"'gradient' is (nan|inf) at step 0"):
        trained(shards, tmp_path)
    assert same(dict(run.network.state_dict()), before)


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"preset": "sync"}, "L_sync needs a lip-sync expert: give --expert FILE .* --without sync"),
        (
            {"batch_size": 3, "accumulate": 2},
            "A batch of 3 sequences does not divide into 1 process with 2 parts",
        ),
        ({"network": "huge"}, "--network takes paper128, small128, tiny64, or a JSON file"),
    ],
)
def test_what_cannot_be_trained(choices: dict[str, Any], sentence: str, shards: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=sentence):
        trained(shards, tmp_path, **choices)
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_clips_that_are_too_short_are_refused_before_the_first_step(tmp_path: Path) -> None:
    short = write_shards(tmp_path / "short", clips=2, shards=1, frames=5)
    with pytest.raises(DatasetError, match="has 5 frames; prepare clips of at least 6"):
        trained(short, tmp_path)
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_lpips_that_cannot_be_had(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIPDUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tmp_path))
    from lipdub.errors import WeightsUnavailableError
    from lipdub.training import networks

    def unreachable(name: str) -> Path:
        raise WeightsUnavailableError(f"{name} could not be fetched.")

    monkeypatch.setattr(networks, "locate", unreachable)
    with pytest.raises(
        OptionError, match=r"lpips_vgg could not be fetched.*switch the term off with --without"
    ):
        trained(shards, tmp_path, preset="lpips", without=("sync",))


def test_more_processes_than_cards_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(OptionError, match="no card for process 2 here; start at most 1"), together("auto"):
        pass


def test_the_mean_of_one_world_is_the_value() -> None:
    assert World().mean({"a": torch.tensor(2.0)})["a"].item() == 2.0


def test_the_checkpoint_says_the_options(shards: Path, tmp_path: Path) -> None:
    saved = checkpoints.latest(trained(shards, tmp_path, steps=2))
    assert saved.said["options"]["preset"] == "reconstruction"
    assert json.loads(saved.config.to_json())["image_size"] == 16
