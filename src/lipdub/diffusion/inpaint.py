"""Inpainting of the lower half of faces, as the paper does it."""

import torch
from torch import Tensor

from lipdub.diffusion.denoiser import Denoiser
from lipdub.diffusion.sampling import sampler_named
from lipdub.diffusion.schedule import alphas_cumprod, ddim_timesteps
from lipdub.models import Diff2Lip

PAPER_SEED = 7


def make_noise(size: int, seed: int = PAPER_SEED) -> Tensor:
    """The noise image [1, 3, size, size] that all frames share.

    Drawn on the CPU, whose generator is the same everywhere; equal to `torch.randn` after
    `torch.manual_seed(seed)`, but leaves the global generator alone.
    """
    return torch.randn((1, 3, size, size), generator=torch.Generator("cpu").manual_seed(seed))


def compose(upper: Tensor, lower: Tensor) -> Tensor:
    """lower·mask + (1 − mask)·upper, with the hard mask that is 1 from row H/2 on; both [B, C, H, W]."""
    half = upper.shape[2] // 2
    # Copied, not multiplied, so that the upper half is exact and NaN in the unused half does no harm.
    return torch.cat((upper[:, :, :half], lower[:, :, half:]), dim=2)


def inpaint(
    model: Diff2Lip,
    image: Tensor,
    reference: Tensor,
    mel: Tensor,
    noise: Tensor,
    steps: int = 25,
    sampler: str = "ddim",
) -> Tensor:
    """Faces whose lower halves go with the sound (arXiv 2308.09716, section 3); upper halves are exact.

    Args:
        model: the network; all tensors are on its device.
        image: faces [B, 3, H, W], RGB in [-1, 1]; only their upper halves are looked at.
        reference: frames of the same persons, [B, 3, H, W], RGB in [-1, 1].
        mel: log-mel windows [B, 80, 16] in [-4, 4].
        noise: [1, 3, H, W], one for all frames as in the paper, or [B, 3, H, W]. It is both where
            sampling starts and the lower half of the condition.
        steps: diffusion steps, 1 … 1000.
        sampler: the name of a sampler, see `sampling.SAMPLERS`.

    Returns:
        [B, 3, H, W] in [-1, 1].

    Raises:
        OptionError: when there is no such sampler or number of steps.
    """
    sample = sampler_named(sampler)
    timesteps = ddim_timesteps(steps)
    noise = noise.expand_as(image)
    denoise = Denoiser(model, compose(image, noise), reference, mel)
    return compose(image, sample(denoise, noise, timesteps, alphas_cumprod().tolist()))
