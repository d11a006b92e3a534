"""The forward process, and that the one-step estimate undoes it."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lipdub.diffusion.corruption import corrupt, q_sample, roots, x0_estimate
from lipdub.diffusion.denoiser import FINE_STD, RESIDUAL_STD, Denoiser, coarse, x0_of
from lipdub.diffusion.schedule import alphas_cumprod
from tests.support.weights import small_network

EVERY_STEP = torch.arange(1000)


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_noise_by_hand() -> None:
    x_0, noise = torch.full((2, 3, 2, 2), 0.5), torch.full((2, 3, 2, 2), -2.0)
    x_t = q_sample(x_0, torch.tensor([0, 999]), noise)
    assert x_t[0].flatten()[0].item() == pytest.approx(math.sqrt(0.9999) * 0.5 - 2 * 0.01, abs=1e-7)
    # ᾱ_999 = 4.0358e-5, as DDPM's schedule is known to end
    assert x_t[1].flatten()[0].item() == pytest.approx(0.0063528 * 0.5 - 2 * 0.9999798, abs=1e-6)


def test_roots_keep_the_variance_at_one_and_the_small_end_exact() -> None:
    signal, spread = roots(EVERY_STEP, torch.empty(0, dtype=torch.float64))
    torch.testing.assert_close(signal**2 + spread**2, torch.ones_like(signal), rtol=0, atol=1e-15)
    _, narrow = roots(torch.tensor([0]), torch.empty(0))
    assert narrow.item() == pytest.approx(0.01, rel=1e-7)
    assert narrow.shape == (1, 1, 1, 1)
    assert narrow.dtype == torch.float32


def test_the_estimate_undoes_the_noise_at_every_step() -> None:
    x_0, noise = drawn(1000, 3, 2, 2), drawn(1000, 3, 2, 2, seed=1)
    x_t = q_sample(x_0, EVERY_STEP, noise)
    torch.testing.assert_close(x0_estimate(x_t, noise, EVERY_STEP), x_0, rtol=0, atol=1e-12)


def test_an_error_in_the_noise_comes_out_157_times_as_large_in_the_end() -> None:
    x_t, t = drawn(2, 3, 2, 2), torch.tensor([258, 999])
    apart = x0_estimate(x_t, drawn(2, 3, 2, 2, seed=1) + 1e-3, t) - x0_estimate(
        x_t, drawn(2, 3, 2, 2, seed=1), t
    )
    assert apart[0].abs().max().item() == pytest.approx(1e-3, rel=1e-3)
    assert apart[1].abs().max().item() == pytest.approx(0.1574, rel=1e-3)


def test_only_the_lower_half_is_corrupted() -> None:
    image, noise, fill = drawn(2, 3, 6, 4), drawn(2, 3, 6, 4, seed=1), drawn(2, 3, 6, 4, seed=2)
    seen = corrupt(image, torch.tensor([10, 700]), noise, fill)
    assert torch.equal(seen.x_t[:, :, :3], image[:, :, :3])
    assert torch.equal(seen.condition[:, :, :3], image[:, :, :3])
    assert torch.equal(seen.condition[:, :, 3:], fill[:, :, 3:])
    expected = q_sample(image, seen.t, noise)
    assert torch.equal(seen.x_t[:, :, 3:], expected[:, :, 3:])
    assert not torch.equal(expected[:, :, :3], image[:, :, :3])
    assert seen.clean is image
    assert seen.noise is noise


def test_nothing_of_the_noise_to_be_found_is_in_the_condition() -> None:
    image, fill, t = drawn(1, 3, 4, 4), drawn(1, 3, 4, 4, seed=2), torch.tensor([500])
    one, other = (corrupt(image, t, drawn(1, 3, 4, 4, seed=seed), fill) for seed in (3, 4))
    assert torch.equal(one.condition, other.condition)
    assert not torch.equal(one.x_t, other.x_t)


def test_the_network_sees_it_as_its_nine_channels() -> None:
    network = small_network()
    size = network.config.image_size
    image, noise, fill, reference = (drawn(2, 3, size, size, seed=s, dtype=torch.float32) for s in range(4))
    seen = corrupt(image, torch.tensor([3, 600]), noise, fill)
    inputs: list[Tensor] = []
    network.input_blocks[0][0].register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    with torch.inference_mode():
        network(seen.x_t, seen.t, seen.condition, reference, torch.zeros(2, 80, 16))
    assert torch.equal(inputs[0], torch.cat((seen.x_t, seen.condition, reference), dim=1))


def test_training_and_sampling_estimate_alike() -> None:
    network = small_network()
    size = network.config.image_size
    image, noise, fill, reference = (drawn(2, 3, size, size, seed=s, dtype=torch.float32) for s in range(4))
    mel, t = drawn(2, 80, 16, seed=5, dtype=torch.float32), torch.tensor([200, 200])
    seen = corrupt(image, t, noise, fill)
    with torch.inference_mode():
        eps = network(seen.x_t, t, seen.condition, reference, mel)[:, :3]
        sampled = Denoiser(network, seen.condition, reference, mel)(seen.x_t, 200)
    torch.testing.assert_close(x0_estimate(seen.x_t, eps, t).clamp(-1, 1), sampled, rtol=0, atol=1e-5)


def test_gradients() -> None:
    t = torch.tensor([5, 300])
    inputs = drawn(2, 3, 2, 2).requires_grad_(), drawn(2, 3, 2, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, e: q_sample(x, t, e), inputs)
    assert torch.autograd.gradcheck(lambda x, e: x0_estimate(x, e, t), inputs)


def residual(shape: tuple[int, ...]) -> torch.Tensor:
    """How far apart two frames of a person are: much where they are coarse, little where they are fine."""
    rough = drawn(*shape, dtype=torch.float32)
    low, high = coarse(rough), rough - coarse(rough)
    lower = slice(shape[2] // 2, None)
    return RESIDUAL_STD * low / low[:, :, lower].std() + FINE_STD * high / high[:, :, lower].std()


@pytest.mark.parametrize("t", [100, 200, 300])
def test_a_network_that_says_nothing_is_no_more_wrong_and_far_less_grainy_than_with_one_share(t: int) -> None:
    shape = (4, 3, 64, 64)
    reference, noise = (drawn(*shape, seed=k, dtype=torch.float32) for k in (1, 2))
    x_0 = reference + residual(shape)
    a = alphas_cumprod()[t]
    signal, spread = math.sqrt(a), math.sqrt(1 - a)
    x_t = signal * x_0 + spread * noise
    found = x0_of("residual", x_t, torch.zeros_like(x_t), reference, signal, spread)
    sigma = spread / signal
    share = RESIDUAL_STD**2 / (sigma**2 + RESIDUAL_STD**2)  # EDM, eq. 7, with c_out·F = 0
    alike = reference + share * (x_t / signal - reference)
    ours, theirs = ((each - x_0)[:, :, 32:] for each in (found, alike))
    assert ours.std() < 1.01 * theirs.std()
    grain = [(each - coarse(each))[:, :, 32:].std() for each in (found - reference, alike - reference)]
    assert grain[0] < 0.3 * grain[1]


def test_what_the_network_adds_has_the_size_of_what_is_missing() -> None:
    for t in (50, 300, 800):
        a = alphas_cumprod()[t]
        signal, spread = math.sqrt(a), math.sqrt(1 - a)
        reference, apart, noise = (drawn(1, 1, 200, 100, seed=k) for k in range(3))
        x_0 = reference + RESIDUAL_STD * apart
        x_t = signal * x_0 + spread * noise
        nothing, one = (
            x0_of("residual", x_t, torch.full_like(x_t, f), reference, signal, spread) for f in (0.0, 1.0)
        )
        share = RESIDUAL_STD**2 / ((spread / signal) ** 2 + RESIDUAL_STD**2)
        missing = x_0 - reference - share * (x_t / signal - reference)
        assert (one - nothing).mean().item() == pytest.approx(missing.std().item(), rel=0.02)


def test_a_residual_begins_with_the_reference_and_ends_with_the_image() -> None:
    reference, x_0, noise = (drawn(1, 3, 32, 32, seed=k) for k in range(3))
    for t, expected, tolerance in ((999, reference, 2e-3), (0, x_0, 0.2)):
        a = alphas_cumprod()[t]
        x_t = math.sqrt(a) * x_0 + math.sqrt(1 - a) * noise
        found = x0_of("residual", x_t, torch.zeros_like(x_t), reference, math.sqrt(a), math.sqrt(1 - a))
        assert (found - expected)[:, :, 16:].abs().max() < tolerance


def test_what_is_coarse_has_the_mean_and_not_the_grain_and_knows_nothing_of_the_upper_half() -> None:
    images = drawn(2, 3, 32, 32)
    images[:, :, :16] = torch.nan
    found = coarse(images)[:, :, 16:]
    assert found.isfinite().all()
    flat = torch.full((1, 3, 32, 32), 0.7)
    torch.testing.assert_close(coarse(flat), flat)
    assert 0.1 < found[:, :, 4:-4, 4:-4].std() < 0.25  # 1/(2·√π·1.5) = 0.19 of the grain is left


def test_a_denoiser_takes_the_networks_answer_for_what_it_predicts() -> None:
    network = small_network()
    x_t, image, reference = (drawn(1, 3, 16, 16, seed=k, dtype=torch.float32) for k in range(3))
    mel = drawn(1, 80, 16, dtype=torch.float32)
    answer = network(x_t, torch.tensor([600]), image, reference, mel)[:, :3]
    a = alphas_cumprod()[600]
    for prediction in ("eps", "residual"):
        network.config = replace(network.config, prediction=prediction)
        found = Denoiser(network, image, reference, mel)(x_t, 600)
        x_0 = x0_of(prediction, x_t, answer, reference, math.sqrt(a), math.sqrt(1 - a))
        torch.testing.assert_close(found, x_0.clamp(-1, 1), rtol=0, atol=1e-5)
