"""How the draft weights are put together, on networks small enough for a test."""

import json
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from lipdub.cli import app
from lipdub.dataset.clips import Clips
from lipdub.models import Diff2Lip, Diff2LipConfig, load_checkpoint
from lipdub.models.checkpoint import save_checkpoint
from tests.support.shards import clip_files, write_tar
from tests.support.weights import small_network

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SIZES = {
    "image_size": 16, "width": 32, "multipliers": [1, 2], "res_blocks": 1, "attention_resolutions": [],
    "head_width": 32, "audio_multipliers": [1], "patch": 2, "prediction": "residual",
}  # fmt: skip


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])


def saved(network: Diff2Lip, path: Path) -> Path:
    save_checkpoint(network, path)
    return path


def test_every_stage_is_one_that_the_command_knows(tmp_path: Path) -> None:
    from draft_recipe import BY_LIPS, COMMON, FREELY, HEAR_LIPS

    stages = [*FREELY, HEAR_LIPS, *BY_LIPS]
    for name, _, sizes, options in stages:
        Diff2LipConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()})
        found = CliRunner().invoke(app, ["train", str(tmp_path / "none"), "-o", "run", *COMMON, *options])
        assert (found.exit_code, found.stderr.count("\n")) == (2, 1), (name, found.output)
        assert "none" in found.stderr, name  # the shards are all that is wrong
    assert len({name for name, *_ in stages}) == len(stages)


def test_the_mean_of_two_files_with_louder_lips(tmp_path: Path) -> None:
    from pack_draft import merged

    one, other = small_network(lips=5), small_network(lips=5)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(3)
    mean = merged(
        [saved(one, tmp_path / "one.safetensors"), saved(other, tmp_path / "other.safetensors")], 1.5
    )
    for name, tensor in mean.state_dict().items():
        times = 2 * (1.5 if name.startswith("audio_encoder_to_style.3.") else 1)  # the layer that names lips
        torch.testing.assert_close(tensor, times * one.state_dict()[name], msg=name)


def test_without_lips_it_is_the_style_that_is_louder(tmp_path: Path) -> None:
    from pack_draft import merged

    path = saved(small_network(), tmp_path / "one.safetensors")
    mel = torch.randn(3, 80, 16)
    torch.testing.assert_close(merged([path], 3).audio_style(mel), 3 * merged([path]).audio_style(mel))


def test_a_network_for_larger_pictures_paints_the_same_larger(tmp_path: Path) -> None:
    """Of pictures whose pixels are doubled it says the same, doubled."""
    from draft_recipe import _resized

    torch.manual_seed(0)
    config = Diff2LipConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in SIZES.items()})
    network = Diff2Lip(config).eval()
    torch.nn.init.normal_(network.out[2].weight)
    path = saved(network, tmp_path / "small.safetensors")
    larger = load_checkpoint(
        _resized(path, tmp_path / "large.safetensors", SIZES | {"image_size": 32, "patch": 4})
    )
    assert (larger.config.image_size, larger.config.patch) == (32, 4)
    images = [torch.randn(2, 3, 16, 16) for _ in range(3)]
    t, mel = torch.tensor([40, 900]), torch.randn(2, 80, 16)

    def doubled(image: torch.Tensor) -> torch.Tensor:
        return image.repeat_interleave(2, 2).repeat_interleave(2, 3)

    with torch.inference_mode():
        small = network(images[0], t, images[1], images[2], mel)
        large = larger(*(doubled(images[0]), t, doubled(images[1]), doubled(images[2]), mel))
    torch.testing.assert_close(large, doubled(small), rtol=1e-3, atol=1e-4)


def test_a_painter_gets_the_hearing_of_another(tmp_path: Path) -> None:
    """Where the painter's style is a linear function of what the other hears, nothing changes."""
    from draft_recipe import _joined

    hearing, painter = small_network(lips=5), small_network()
    with torch.no_grad():
        for name, parameter in painter.named_parameters():
            if name.startswith("audio_encoder.") or name.startswith("audio_encoder_to_style.0."):
                parameter.copy_(hearing.get_parameter(name))
        first, second = hearing.audio_encoder_to_style[3], hearing.audio_encoder_to_style[4]
        mixing = torch.randn(second.weight.shape[0], 5)
        painter.audio_encoder_to_style[3].weight.copy_((mixing @ first.weight[:, :, 0, 0])[:, :, None, None])
        painter.audio_encoder_to_style[3].bias.copy_(mixing @ first.bias)
        painter.out[2].bias.add_(0.3)
    files: dict[str, bytes] = {}
    for number in range(3):
        files |= clip_files(f"clip{number}", 40, seed=number)
    write_tar(tmp_path / "shard-000000.tar", files)
    joined = _joined(painter, hearing, list(Clips([tmp_path])), ridge=1e-9)
    assert json.loads(joined.config.to_json())["lips"] == 5
    mel = torch.randn(4, 80, 16)
    torch.testing.assert_close(joined.audio_style(mel), painter.audio_style(mel), rtol=1e-2, atol=1e-2)
    assert torch.equal(joined.out[2].bias, painter.out[2].bias)
    assert torch.equal(joined.before_style(mel), small_network(lips=5).before_style(mel))
