"""DDIM against denoisers whose answer is known."""

from math import sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lipdub.diffusion.sampling import ddim, sampler_named
from lipdub.diffusion.schedule import alphas_cumprod, ddim_timesteps
from lipdub.errors import OptionError

ALPHAS = alphas_cumprod().tolist()


@given(st.integers(1, 60), st.integers(0, 100))
def test_a_perfect_denoiser_gives_its_image(steps: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    x_0, noise = torch.rand(2, 3, 4, 4, generator=g) * 2 - 1, torch.randn(2, 3, 4, 4, generator=g)
    assert torch.equal(ddim(lambda x, t: x_0, noise, ddim_timesteps(steps), ALPHAS), x_0)


def test_a_perfect_denoiser_is_led_along_the_line_from_image_to_noise() -> None:
    g = torch.Generator().manual_seed(0)
    x_0, eps = (
        torch.randn(3, generator=g, dtype=torch.float64),
        torch.randn(3, generator=g, dtype=torch.float64),
    )
    timesteps, visited = ddim_timesteps(10), []

    def denoise(x: Tensor, t: int) -> Tensor:
        visited.append(t)
        torch.testing.assert_close(x, sqrt(ALPHAS[t]) * x_0 + sqrt(1 - ALPHAS[t]) * eps)
        return x_0

    ddim(denoise, sqrt(ALPHAS[900]) * x_0 + sqrt(1 - ALPHAS[900]) * eps, timesteps, ALPHAS)
    assert visited == list(reversed(timesteps))


def test_normal_data_come_out_normal() -> None:
    """For x_0 ~ N(0, s²) the best denoiser is linear, and many steps turn unit noise into N(0, s²)."""
    s = 0.3

    def denoise(x: Tensor, t: int) -> Tensor:
        return x * sqrt(ALPHAS[t]) * s**2 / (ALPHAS[t] * s**2 + 1 - ALPHAS[t])

    sample = ddim(denoise, torch.ones(1, dtype=torch.float64), ddim_timesteps(1000), ALPHAS)
    assert abs(float(sample)) == pytest.approx(s, rel=0.02)


def test_unknown_sampler() -> None:
    with pytest.raises(OptionError, match="'euler'; choose one of: ddim"):
        sampler_named("euler")
