"""Samplers: pure functions of a denoiser and a noise image."""

from collections.abc import Callable, Sequence
from math import sqrt

from torch import Tensor

from lipdub.errors import OptionError

Denoise = Callable[[Tensor, int], Tensor]
"""(x_t, t) → the clean image it predicts."""

Sampler = Callable[[Denoise, Tensor, Sequence[int], Sequence[float]], Tensor]
"""(denoiser, noise, ascending timesteps, ᾱ of every timestep) → sample."""


def ddim(denoise: Denoise, x_T: Tensor, timesteps: Sequence[int], alphas_cumprod: Sequence[float]) -> Tensor:  # noqa: N803
    """Deterministic sampling, η = 0 (Song et al., Denoising Diffusion Implicit Models, arXiv 2010.02502).

    Args:
        denoise: predicts the clean image x̂_0 from (x_t, t).
        x_T: noise to start from, any shape.
        timesteps: steps to visit, ascending.
        alphas_cumprod: ᾱ_t for every t (the paper's α_t).

    Returns:
        The sample, of the shape of `x_T`.
    """
    x = x_T
    nexts = (*reversed(timesteps[:-1]), None)
    for t, s in zip(reversed(timesteps), nexts, strict=True):
        a_t = float(alphas_cumprod[t])
        a_s = 1.0 if s is None else float(alphas_cumprod[s])  # α_0 := 1, below eq. 12
        x_0 = denoise(x, t)  # f_θ(x_t), eq. 9
        eps = (x - sqrt(a_t) * x_0) / sqrt(1 - a_t)  # the noise that goes with x̂_0: eq. 4 solved for ε
        x = sqrt(a_s) * x_0 + sqrt(1 - a_s) * eps  # eq. 12 with σ_t = 0
    return x


SAMPLERS: dict[str, Sampler] = {"ddim": ddim}


def sampler_named(name: str) -> Sampler:
    """The sampler of this name; raises `OptionError` when there is none."""
    if name not in SAMPLERS:
        raise OptionError(f"There is no sampler {name!r}; choose one of: {', '.join(SAMPLERS)}.")
    return SAMPLERS[name]
