"""The forward process: how much noise an image holds at step t, and what the network sees in training."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lipdub.diffusion.denoiser import x0_from_eps
from lipdub.diffusion.inpaint import compose
from lipdub.diffusion.schedule import alphas_cumprod


@dataclass(frozen=True)
class Corrupted:
    """Frames as the network sees them in training; images are [N, 3, H, W].

    `x_t` (clean above, noisy below) and `condition` (clean above, pure noise below), with a reference of
    3 channels more, are the 9 channels of its input; `noise` is what it shall find in the lower half of
    `x_t`; `clean` is x₀ and `t` [N] int64 the steps.
    """

    clean: Tensor
    x_t: Tensor
    condition: Tensor
    noise: Tensor
    t: Tensor


def roots(t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """√ᾱ_t and √(1 − ᾱ_t) for steps t [N], each [N, 1, 1, 1] with the type and device of `like`.

    At t = 0, 1 − ᾱ is 1e-4: both roots are taken in float64, before the type is narrowed.
    """
    a = alphas_cumprod()
    table = torch.from_numpy(np.stack((np.sqrt(a), np.sqrt(1 - a)))).to(like.dtype).to(like.device)
    signal, spread = table[:, t.to(like.device)]
    return signal[:, None, None, None], spread[:, None, None, None]


def q_sample(x_0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """x_t = √ᾱ_t·x₀ + √(1 − ᾱ_t)·ε on whole images (DDPM, arXiv 2006.11239, eq. 4).

    Args:
        x_0: clean images [N, 3, H, W] in [-1, 1].
        t: steps [N], int64, 0 … 999.
        noise: ε, standard normal, of the shape of `x_0`.
    """
    signal, spread = roots(t, x_0)
    return signal * x_0 + spread * noise


def x0_estimate(x_t: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    """x̂₀ = (x_t − √(1 − ᾱ_t)·ε̂) / √ᾱ_t, the clean image in one step (DDPM, eq. 15), not clipped.

    An error in ε̂ comes out √(1 − ᾱ_t)/√ᾱ_t times as large: equal at t = 258, 157 times at t = 999. So
    give it float32: the roundings of half types are multiplied too.

    Args:
        x_t: noisy images [N, 3, H, W], by `q_sample`.
        eps: the noise thought to be in them, likewise.
        t: steps [N], int64, 0 … 999.
    """
    return x0_from_eps(x_t, eps, *roots(t, x_t))


def corrupt(image: Tensor, t: Tensor, noise: Tensor, fill: Tensor) -> Corrupted:
    """Frames for one training step: noise is added to the lower half alone, `x_t·mask + (1 − mask)·x₀`.

    `fill` must be drawn apart from `noise`. In sampling the two are one image, but at all steps after the
    first the noise within x_t is then the network's own guess; a network trained with one image for both
    would find ε written out in its condition, and learn to copy it instead of looking at the face.

    Args:
        image: clean frames [N, 3, H, W] in [-1, 1].
        t: steps [N], int64, 0 … 999; five frames that are judged as one sequence should share theirs.
        noise: ε, standard normal, [N, 3, H, W].
        fill: standard normal, the lower half of the condition, [N, 3, H, W].
    """
    x_t = compose(image, q_sample(image, t, noise))
    return Corrupted(image, x_t, compose(image, fill), noise, t)
