"""Properties of the network that the golden numbers do not show."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lipdub.models import Diff2Lip, Diff2LipConfig
from lipdub.models.layers import timestep_embedding
from lipdub.models.unet import LIPS_HEARD
from tests.support.weights import small_network


@pytest.fixture(scope="module")
def network() -> Diff2Lip:
    return small_network()


@pytest.fixture
def inputs() -> list[Tensor]:
    g = torch.Generator().manual_seed(1)
    x_t, condition, reference = (torch.randn(2, 3, 16, 16, generator=g) for _ in range(3))
    return [x_t, torch.tensor([40, 961]), condition, reference, torch.randn(2, 80, 16, generator=g)]


def test_the_upper_half_of_the_noisy_image_is_not_looked_at(network: Diff2Lip, inputs: list[Tensor]) -> None:
    with torch.inference_mode():
        before = network(*inputs)
        inputs[0][:, :, :8] = torch.nan
        assert torch.equal(network(*inputs), before)


@pytest.mark.parametrize("which", [0, 1, 2, 3, 4], ids=["x_t", "t", "condition", "reference", "mel"])
def test_every_input_matters(network: Diff2Lip, inputs: list[Tensor], which: int) -> None:
    with torch.inference_mode():
        before = network(*inputs)
        inputs[which] = inputs[which].flip(-1)
        assert not torch.allclose(network(*inputs), before, atol=1e-3)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.03), (torch.float16, 0.004)])
def test_half_types_stay_close(inputs: list[Tensor], dtype: torch.dtype, tolerance: float) -> None:
    with torch.inference_mode():
        exact = small_network()(*inputs)
        rough = small_network().to(dtype)(*inputs)
    assert rough.dtype == torch.float32
    assert 0 < float((rough - exact).norm() / exact.norm()) < tolerance


def test_autocast_stays_close(network: Diff2Lip, inputs: list[Tensor]) -> None:
    with torch.inference_mode():
        exact = network(*inputs)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(*inputs)
    assert 0 < float((rough - exact).norm() / exact.norm()) < 0.03


def test_every_parameter_learns_and_a_new_network_predicts_nothing(inputs: list[Tensor]) -> None:
    fresh = Diff2Lip(small_network().config)
    assert torch.equal(fresh(*inputs), torch.zeros(2, 6, 16, 16))
    trained = small_network().requires_grad_()
    trained(*inputs).square().mean().backward()
    assert [name for name, p in trained.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_timestep_embedding_of_zero_is_ones_then_zeros() -> None:
    waves = timestep_embedding(torch.tensor([0, 7]), 6)
    assert waves[0].tolist() == [1, 1, 1, 0, 0, 0]
    torch.testing.assert_close(waves[:, :3].square() + waves[:, 3:].square(), torch.ones(2, 3))


def test_a_patch_folds_pixels_into_channels_and_back() -> None:
    plain = Diff2LipConfig(
        image_size=32, width=32, multipliers=(1, 2), res_blocks=1, attention_resolutions=(8,), head_width=32,
        audio_multipliers=(1, 1),
    )  # fmt: skip
    network = Diff2Lip(replace(plain, patch=2)).eval()
    assert network.input_blocks[0][0].weight.shape == (32, 9 * 4, 3, 3)
    widths = []
    network.input_blocks[0].register_forward_hook(lambda _m, _i, out: widths.append(tuple(out.shape)))
    image, mel = torch.randn(2, 3, 32, 32), torch.randn(2, 80, 16)
    assert network(image, torch.tensor([3, 900]), image, image, mel).shape == (2, 6, 32, 32)
    assert widths == [(2, 32, 16, 16)]
    # An output bias of a pixel within its patch is seen in every second pixel of every second row.
    with torch.no_grad():
        network.out[2].bias[1] = 1.0  # first channel, upper right pixel
        answer = network(image, torch.tensor([3, 900]), image, image, mel)
    assert torch.equal(answer[:, 0, ::2, 1::2], torch.ones(2, 16, 16))
    assert answer.sum() == 2 * 16 * 16


def test_the_finest_map_may_be_wider_than_the_embedding_says() -> None:
    config = Diff2LipConfig(
        image_size=32, width=32, multipliers=(2, 3), res_blocks=1, attention_resolutions=(), head_width=32,
        audio_multipliers=(2, 1), patch=2,
    )  # fmt: skip
    network = Diff2Lip(config).eval()
    assert network.time_embed[2].weight.shape == (128, 128)
    assert network.input_blocks[0][0].weight.shape == (64, 9 * 4, 3, 3)
    image = torch.randn(2, 3, 32, 32)
    answer = network(image, torch.tensor([3, 900]), image, image, torch.randn(2, 80, 16))
    assert answer.shape == (2, 6, 32, 32)


def test_a_patch_of_sound_folds_the_spectrogram_into_channels() -> None:
    config = replace(small_network().config, audio_multipliers=(1, 1, 2), audio_patch=4)
    encoder = Diff2Lip(config).eval().audio_encoder
    assert encoder.encoder_blocks[0][0].weight.shape == (config.audio_width, 16, 3, 3)
    sizes = []
    for stage in encoder.encoder_blocks:
        stage.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape[2:])))
    assert encoder(torch.randn(2, 80, 16)).shape == (2, 2 * config.audio_width, 4, 4)
    assert sorted(set(sizes), reverse=True) == [(16, 4), (8, 4), (4, 4)]


@pytest.mark.parametrize("patch", [0, 3, 16])
def test_a_patch_of_sound_must_fit(patch: int) -> None:
    with pytest.raises(ValueError, match="audio's patch"):
        replace(small_network().config, audio_patch=patch)


def test_lips_that_are_told_take_the_place_of_those_that_are_heard(inputs: list[Tensor]) -> None:
    network = small_network(lips=5)
    told = torch.full((2, 5), torch.nan)
    told[1] = 1.5
    with torch.inference_mode():
        heard = network.before_style(inputs[4])
        assert heard.shape == (2, 5)
        as_heard, as_told = network(*inputs), network(*inputs, told)
        again = network(*inputs, torch.stack([heard[0], told[1]]))
    assert torch.equal(as_told[0], as_heard[0])
    assert not torch.allclose(as_told[1], as_heard[1], atol=1e-3)
    torch.testing.assert_close(again, as_told)


def test_a_sound_asks_for_no_lips_that_nobody_has(inputs: list[Tensor]) -> None:
    network = small_network(lips=5)
    with torch.inference_mode():
        for parameter in network.audio_encoder_to_style[3].parameters():
            parameter.mul_(100)
        heard = network.before_style(inputs[4])
        assert heard.min() < LIPS_HEARD[0] and heard.max() > LIPS_HEARD[1]
        wide_open = torch.full((2, 5), 2 * LIPS_HEARD[1])
        told = network(*inputs, heard.clamp(*LIPS_HEARD))
        assert torch.equal(network(*inputs), told)
        widest, wide = (network.audio_style(inputs[4], lips) for lips in (wide_open, wide_open / 2))
    assert not torch.allclose(widest, wide)  # what is told stays as it is


def test_what_is_heard_and_what_it_looks_like_are_apart() -> None:
    """Nothing but the last layer lies between apertures and style."""
    network = small_network(lips=5)
    hearing = {id(p) for part in network.hearing for p in part.parameters()}
    named = {name for name, p in network.named_parameters() if id(p) in hearing}
    audio = {name for name, _ in network.named_parameters() if name.startswith("audio_encoder")}
    assert audio - named == {"audio_encoder_to_style.4.weight", "audio_encoder_to_style.4.bias"}
    assert named < audio
