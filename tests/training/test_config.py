"""Options of a training, and the networks they name."""

import json
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lipdub.dataset.sampling import NONE
from lipdub.errors import OptionError
from lipdub.models import Diff2LipConfig
from lipdub.training.config import NETWORKS, TrainOptions, choose, differing
from lipdub.training.cores import cores
from lipdub.training.loop import AUGMENTATION
from lipdub.training.networks import sizes_named
from lipdub.training.terms import Weights
from lipdub.training.texts import TRAIN_TEXTS


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"preset": "best"}, "--preset takes reconstruction, sync, lpips, paper, not 'best'"),
        ({"weighting": "snr"}, "--weighting takes none, signal, gate"),
        ({"mouth": 0.5}, "--mouth takes a number from 1"),
        ({"lpips": "squeeze"}, "--lpips takes vgg, alex"),
        ({"precision": "fp8"}, "--precision takes"),
        ({"device": "tpu"}, "--device takes"),
        ({"steps": 0}, "--steps takes a whole number from 1,"),
        ({"batch_size": 1.5}, "--batch-size takes a whole number"),
        ({"workers": 65}, "from 0 to 64, not 65"),
        ({"lr": -1.0}, "--lr takes a number from 0 to 1, not -1.0"),
        ({"clip": float("inf")}, "--clip takes a number from 0,"),
        ({"ema": 1.1}, "--ema takes"),
        ({"without": ("vgg",)}, "There is no loss term 'vgg'"),
        ({"depth": 3}, "There is no option 'depth' of a training"),
        ({"without": ("simple", "l2", "sync", "lpips", "gan")}, "No term of the loss is left; leave out"),
        ({"preset": "reconstruction", "weight": ("simple=0", "l2=0")}, "No term of the loss is left"),
        ({"weight": ("sync",)}, "--weight takes TERM=VALUE, such as sync=0.3, not 'sync'"),
        ({"weight": ("sync=much",)}, "--weight takes TERM=VALUE"),
        ({"weight": ("vgg=1",)}, "There is no loss term 'vgg'; choose from: simple, l2, sync"),
        ({"weight": ("sync=-1",)}, "The weight of the loss term sync must be at least 0, not -1.0"),
        ({"weight": ("sync=nan",)}, "must be at least 0, not nan"),
        ({"weight": ("gan=1", "gan=2")}, "--weight gives the loss term gan twice"),
        ({"weight": ("gan=1",), "without": ("gan",)}, "--weight gan=… and --without gan cannot both be"),
    ],
)
def test_impossible_choices(choices: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        choose(choices)


def test_presets_and_switches_make_the_weights() -> None:
    assert choose({}).weights.on == ("simple", "l2", "sync", "lpips", "gan")
    assert choose({"preset": "lpips", "without": ["sync"]}).weights.on == ("simple", "l2", "lpips")


def test_weights_of_terms_stand_beside_the_presets() -> None:
    chosen = choose({"preset": "lpips", "weight": ["sync=0.3", " gan = 2"], "without": ["simple", "l2"]})
    assert chosen.weights == Weights(simple=0, l2=0, sync=0.3, lpips=0.25, gan=2)
    before = json.loads(json.dumps(asdict(chosen)))
    assert differing(before, chosen) == []
    assert differing(before, replace(chosen, weight=("sync=0.1",))) == ["--weight"]
    assert differing({"lr": 1e-4}, chosen) == []  # of a run from before there were weights


def test_data_is_read_by_no_more_processes_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3}, raising=False)
    assert cores() == 2
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert cores() == 1
    code = (
        "import os; os.sched_getaffinity = lambda _: {0, 1, 2}\n"
        "from lipdub.training.config import TrainOptions; from lipdub.training.expert_options import *\n"
        "print(TrainOptions().workers, ExpertOptions().workers)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "2"]


def test_what_augmentation_does_is_what_the_help_says() -> None:
    """Framing, colours and compression, loudness and noise: all but blurring."""
    off = {name for name, value in asdict(AUGMENTATION).items() if value == getattr(NONE, name)}
    assert off == {"blur"}
    help_of = TRAIN_TEXTS["augment"][1]
    assert all(word in help_of for word in ("framing", "colours", "compression", "loudness", "noise"))


def test_every_option_has_its_text_on_the_command_line() -> None:
    assert set(TRAIN_TEXTS) == {field.name for field in fields(TrainOptions)}


def test_the_command_says_bad_input_in_one_sentence(tmp_path: Path) -> None:
    from lipdub.cli import app

    done = CliRunner().invoke(app, ["train", str(tmp_path), "-o", str(tmp_path / "run"), "--lr", "7"])
    assert done.exit_code == 2
    assert done.stderr == "lipdub: --lr takes a number from 0 to 1, not 7.0.\n"
    done = CliRunner().invoke(
        app, ["train", str(tmp_path), "-o", str(tmp_path / "run"), "--preset", "reconstruction"]
    )
    assert done.exit_code == 2
    assert "There are no shards" in done.stderr
    assert not (tmp_path / "run").exists()


def test_options_load_no_torch() -> None:
    code = "import lipdub.training.texts, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_networks_by_name_and_by_file(tmp_path: Path) -> None:
    assert sizes_named("paper128") == Diff2LipConfig.paper()
    for name in NETWORKS:
        assert sizes_named(name).image_size == int(name[-2:]) if name.endswith("64") else 128
    path = tmp_path / "sizes.json"
    path.write_text(json.dumps({"image_size": 32, "width": 32, "multipliers": [1, 2], "head_width": 32}))
    assert sizes_named(str(path)).multipliers == (1, 2)
    for text in ("{", '{"width": 33}', '{"colour": 1}', "[]"):
        path.write_text(text)
        with pytest.raises(OptionError, match="cannot be built"):
            sizes_named(str(path))
