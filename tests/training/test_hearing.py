"""An audio encoder that hears before it paints."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from lipdub.dataset.clips import Clips
from lipdub.errors import DatasetError, OptionError
from lipdub.models import Diff2Lip, load_checkpoint
from lipdub.speech.reader import MelReader
from lipdub.training import loop
from lipdub.training.config import TrainOptions
from lipdub.training.hearing import LIPS, Heard, learn_to_hear, listen, make_audible
from tests.support.shards import clip_files, hum, openness, write_tar
from tests.support.training import small_options
from tests.support.weights import small_network


def shards_of(folder: Path, seeds: range, speaker: str = "one", moving: float = 0.2) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {}
    for seed in seeds:
        files |= clip_files(f"clip{seed}", 50, speaker, seed=seed, moving=moving)
    write_tar(folder / "shard-000000.tar", files)
    return folder


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    return listen(Clips([shards_of(tmp_path_factory.mktemp("heard"), range(12))]), 1.0)


def test_sounds_and_lips_lie_frame_by_frame(heard: Heard) -> None:
    assert heard.mels.shape == (600, 80, 16)
    assert heard.lips.shape == (600, LIPS)
    assert heard.chances.sum() == pytest.approx(1)
    middle = heard.lips[:, LIPS // 2]
    assert middle.std() == pytest.approx(1, abs=0.02)
    assert middle[:50].mean() == pytest.approx(0, abs=1e-5)
    # The frame before is the next row's frame before that.
    assert np.array_equal(heard.lips[1:49, LIPS // 2 - 1], heard.lips[:48, LIPS // 2])


def test_balance_gives_speakers_the_turns_that_training_gives_them(tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for seed in range(5):
        speaker = "few" if seed == 4 else "many"
        files |= clip_files(f"clip{seed}", 30, speaker, seed=seed)
    write_tar(tmp_path / "shard-000000.tar", files)
    for balance, share in ((1.0, 4 / 5), (0.5, 2 / 3), (0.0, 1 / 2)):
        chances = listen(Clips([tmp_path]), balance).chances
        assert chances[:120].sum() == pytest.approx(share)


def test_the_style_has_one_size_over_the_sounds(heard: Heard) -> None:
    network = small_network()
    make_audible(network, heard, np.random.default_rng(1))
    with torch.no_grad():
        style = network.audio_style(torch.from_numpy(heard.mels.astype(np.float32)))
    torch.testing.assert_close(style.mean(0), torch.zeros(style.shape[1]), rtol=0, atol=0.15)
    torch.testing.assert_close(style.std(0), torch.ones(style.shape[1]), rtol=0.15, atol=0)


def test_it_tells_lips_from_sounds_it_never_heard(heard: Heard) -> None:
    torch.manual_seed(0)
    network = Diff2Lip(small_network().config)
    rest = {k: v.clone() for k, v in network.state_dict().items() if not k.startswith("audio_encoder")}
    learn_to_hear(network, heard, 60)
    opened = openness(100, 99)
    windows = MelReader(hum(opened, 99)).windows([Fraction(k, 25) for k in range(100)])
    with torch.no_grad():
        known, new = (
            network.audio_style(torch.from_numpy(mels.astype(np.float32))).numpy()
            for mels in (heard.mels, windows)
        )
    # Read off by a straight line, fitted to the clips that were learnt from.
    held = known.T @ known + len(known) * np.eye(known.shape[1])
    told = new @ np.linalg.solve(held, known.T @ heard.lips[:, LIPS // 2])
    assert np.corrcoef(told, opened)[0, 1] > 0.8
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in rest.items())


def test_a_network_with_lips_names_them_itself(heard: Heard) -> None:
    torch.manual_seed(0)
    network = Diff2Lip(small_network(lips=LIPS).config)
    learn_to_hear(network, heard, 60)
    opened = openness(100, 99)
    windows = MelReader(hum(opened, 99)).windows([Fraction(k, 25) for k in range(100)])
    with torch.no_grad():
        told = network.before_style(torch.from_numpy(windows))[:, LIPS // 2].numpy()
        style = network.audio_style(torch.from_numpy(heard.mels.astype(np.float32)))
    assert np.corrcoef(told, opened)[0, 1] > 0.8
    assert told.std() == pytest.approx(1, abs=0.5)
    torch.testing.assert_close(style.std(0), torch.ones(style.shape[1]), rtol=0.15, atol=0)


def test_lips_that_rest_teach_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"No lips move in the clips"):
        listen(Clips([shards_of(tmp_path, range(2), moving=0.001)]), 1.0)


def test_a_training_hears_first_and_may_keep_what_it_hears(tmp_path: Path) -> None:
    shards = shards_of(tmp_path / "shards", range(4))
    options = small_options(tmp_path, steps=2, hear=3, keep_hearing=True)
    steps: list[tuple[str, int]] = []
    run = tmp_path / "run"
    loop.train([shards], run, options, lambda step: steps.append((step.stage, step.done)))
    assert steps[:3] == [("hear", 1), ("hear", 2), ("hear", 3)]
    first, again = load_checkpoint(run / "weights.safetensors"), tmp_path / "again"
    loop.train([shards], again, small_options(tmp_path, steps=4, hear=3, keep_hearing=True))
    longer = load_checkpoint(again / "weights.safetensors")
    for (name, one), other in zip(first.state_dict().items(), longer.state_dict().values(), strict=True):
        if name.startswith("audio_encoder."):
            assert torch.equal(one, other), name
    assert not torch.equal(first.out[2].weight, longer.out[2].weight)


def test_what_is_kept_in_training_learns_before_it(heard: Heard) -> None:
    network = small_network()
    network.audio_encoder.requires_grad_(False)  # as --keep-hearing leaves it
    before = [p.clone() for p in network.audio_encoder.parameters()]
    learn_to_hear(network, heard, 3)
    after = list(network.audio_encoder.parameters())
    assert not any(p.requires_grad for p in after)
    assert all(p.grad is None for p in after)
    assert not all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(p.requires_grad for p in network.audio_encoder_to_style.parameters())


def test_half_numbers_hear_as_well(heard: Heard) -> None:
    losses: dict[torch.dtype | None, list[float]] = {None: [], torch.bfloat16: []}
    for half, found in losses.items():
        network = small_network()
        learn_to_hear(network, heard, 20, half=half, told=lambda _, loss, found=found: found.append(loss))
    exact, rough = (np.array(each) for each in losses.values())
    assert 0 < np.abs(rough - exact).max() < 0.05


def test_weights_that_know_how_to_paint_are_not_made_to_hear_anew() -> None:
    with pytest.raises(OptionError, match=r"--hear is for random first weights"):
        TrainOptions(hear=100, init_from="weights.safetensors")


def test_a_network_that_is_told_lips_learns_what_they_look_like_and_keeps_its_hearing(tmp_path: Path) -> None:
    shards = shards_of(tmp_path / "shards", range(4))
    sizes = tmp_path / "lips.json"
    sizes.write_text(small_network(lips=LIPS).config.to_json())
    choices = {"network": str(sizes), "hear": 3, "keep_hearing": True, "tell_lips": 1.0, "elsewhere": 0.5}

    def trained(name: str, **more: object) -> dict[str, torch.Tensor]:
        options = small_options(tmp_path, **{**choices, **more})
        return load_checkpoint(loop.train([shards], tmp_path / name, options).weights).state_dict()

    first, longer, untold = (
        trained("first", steps=2),
        trained("longer", steps=4),
        trained("untold", steps=4, tell_lips=0.0),
    )
    assert not torch.equal(untold["out.2.weight"], longer["out.2.weight"])
    kept = {name for name in first if torch.equal(first[name], longer[name])}
    heard = {name for name in first if name.startswith("audio_encoder")}
    assert heard - kept == {"audio_encoder_to_style.4.weight", "audio_encoder_to_style.4.bias"}
    assert not kept - heard - {"time_embed.0.bias"}


@pytest.mark.parametrize(
    ("lips", "choices", "said"),
    [
        (0, {"tell_lips": 0.5}, "--tell-lips is for networks that hear by way of lips"),
        (3, {"tell_lips": 0.5}, "The network hears 3 apertures of the lips, and 5 are measured"),
        (3, {"hear": 2}, "The network hears 3 apertures of the lips, and 5 are measured"),
    ],
)
def test_only_lips_that_are_measured_can_be_told(
    tmp_path: Path, lips: int, choices: dict[str, float], said: str
) -> None:
    sizes = tmp_path / "lips.json"
    sizes.write_text(small_network(lips=lips).config.to_json())
    options = small_options(tmp_path, network=str(sizes), **choices)
    with pytest.raises(OptionError, match=said):
        loop.train([shards_of(tmp_path / "shards", range(2))], tmp_path / "run", options)
