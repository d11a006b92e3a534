"""Sizes read off the shapes of weights."""

import json
from dataclasses import replace

import pytest
import torch

from lipdub.errors import WeightsFormatError
from lipdub.models import Diff2Lip, Diff2LipConfig
from lipdub.models.config import METADATA_KEY
from tests.support.weights import paper_shapes, tiny_shapes


def shapes_of(config: Diff2LipConfig) -> dict[str, list[int]]:
    with torch.device("meta"):
        return {name: list(tensor.shape) for name, tensor in Diff2Lip(config).state_dict().items()}


@pytest.mark.parametrize(
    ("config", "shapes"), [(Diff2LipConfig.paper(), paper_shapes()), (Diff2LipConfig.tiny(), tiny_shapes())]
)
def test_names_shapes_and_their_order_are_those_published(
    config: Diff2LipConfig, shapes: dict[str, list[int]]
) -> None:
    assert list(shapes_of(config).items()) == list(shapes.items())
    assert Diff2LipConfig.from_state_dict(shapes) == config


def test_paper_counts_its_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in Diff2Lip(Diff2LipConfig.paper()).parameters()) == 101_670_630


@pytest.mark.parametrize(
    "config",
    [
        Diff2LipConfig(image_size=8, width=32, multipliers=(1,), attention_resolutions=(), head_width=32),
        Diff2LipConfig(image_size=8, width=64, multipliers=(3,), res_blocks=4, attention_resolutions=(8,)),
        Diff2LipConfig(
            image_size=16,
            width=32,
            multipliers=(2, 1),
            res_blocks=1,
            attention_resolutions=(16,),
            head_width=32,
        ),
        Diff2LipConfig(
            image_size=32, width=64, multipliers=(1, 1, 1), res_blocks=3, attention_resolutions=(8,)
        ),
        Diff2LipConfig(
            image_size=256,
            width=32,
            multipliers=(1, 1, 2, 2, 4, 4),
            attention_resolutions=(64, 8),
            head_width=32,
        ),
        Diff2LipConfig(
            image_size=16,
            width=64,
            multipliers=(1, 2),
            audio_width=64,
            audio_multipliers=(1, 1, 3),
            attention_resolutions=(),
        ),
    ],
)
def test_round_trip_through_the_shapes(config: Diff2LipConfig) -> None:
    assert Diff2LipConfig.from_state_dict(shapes_of(config)) == config


def test_metadata_say_what_shapes_cannot() -> None:
    config = Diff2LipConfig(
        image_size=32, width=64, multipliers=(1, 2), attention_resolutions=(16,), head_width=32
    )
    read = Diff2LipConfig.from_state_dict(shapes_of(config), {"lipdub.config": config.to_json()})
    assert read == config
    assert Diff2LipConfig.from_state_dict(shapes_of(config)) != config


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 48),
        ("width", 32.0),
        ("image_size", 100),
        ("multipliers", []),
        ("res_blocks", 0),
        ("head_width", 0),
        ("head_width", 96),
        ("audio_width", 8),
        ("audio_multipliers", [0]),
        ("colour", 1),
        ("multipliers", 3),
        ("patch", 0),
        ("audio_patch", 3),
        ("audio_patch", 16),
        ("lips", 2),
        ("lips", -5),
    ],
)
def test_impossible_metadata(field: str, value: object) -> None:
    stored = json.loads(Diff2LipConfig.tiny().to_json()) | {field: value}
    with pytest.raises(WeightsFormatError, match="no possible Diff2Lip network"):
        Diff2LipConfig.from_state_dict(tiny_shapes(), {"lipdub.config": json.dumps(stored)})


@pytest.mark.parametrize(("audio_patch", "levels"), [(1, 6), (4, 4), (8, 3)])
def test_the_map_of_the_sound_halves_as_often_as_it_can(audio_patch: int, levels: int) -> None:
    sizes = {"width": 32, "multipliers": (1,), "head_width": 32, "audio_patch": audio_patch}
    network = Diff2Lip(Diff2LipConfig(**sizes, audio_multipliers=(1,) * levels))
    assert network.audio_style(torch.zeros(1, 80, 16)).shape == (1, 128)
    with pytest.raises(ValueError, match="must halve"):
        Diff2LipConfig(**sizes, audio_multipliers=(1,) * (levels + 1))


@pytest.mark.parametrize("sizes", [{"patch": 2}, {"audio_patch": 4}, {"lips": 5}])
def test_patches_and_lips_show_in_the_shapes(sizes: dict[str, int]) -> None:
    config = replace(Diff2LipConfig.tiny(), **sizes, image_size=64 * sizes.get("patch", 1))
    assert Diff2LipConfig.from_state_dict(shapes_of(config)) == config


@pytest.mark.parametrize("stored", ["{", "[1]", "null", "3"])
def test_damaged_metadata(stored: str) -> None:
    with pytest.raises(WeightsFormatError):
        Diff2LipConfig.from_state_dict(tiny_shapes(), {"lipdub.config": stored})


def test_patch_and_prediction_are_the_papers_unless_said_and_kept_in_the_metadata() -> None:
    assert (Diff2LipConfig.paper().patch, Diff2LipConfig.paper().prediction) == (1, "eps")
    folded = replace(Diff2LipConfig.tiny(), patch=2, prediction="residual", attention_resolutions=(16, 8))
    assert Diff2LipConfig.from_state_dict({}, {METADATA_KEY: folded.to_json()}) == folded
    # 64 pixels folded by 2 are maps of 32, 16, 8, 4: attention at the second and third level.
    assert folded.attended_levels == (False, True, True, False)


def test_metadata_of_older_checkpoints_know_of_no_patch() -> None:
    stored = json.loads(Diff2LipConfig.tiny().to_json())
    del stored["patch"], stored["prediction"]
    assert Diff2LipConfig.from_state_dict({}, {METADATA_KEY: json.dumps(stored)}) == Diff2LipConfig.tiny()


@pytest.mark.parametrize(
    "wrong", [{"patch": 0}, {"patch": 3}, {"patch": 16}, {"patch": True}, {"prediction": "x0"}]
)
def test_impossible_patches_and_predictions_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"halve|pixels|integers|eps, residual"):
        replace(Diff2LipConfig.tiny(), **wrong)
