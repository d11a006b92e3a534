"""The network as a denoiser: what a sampler asks for is the clean image, not how the network says it."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from lipdub.diffusion.schedule import alphas_cumprod
from lipdub.models import Diff2Lip

RESIDUAL_STD = 0.15
"""RMS of another frame of the clip less this one, in the lower half: 0.09 where heads are still (grid), up
to 0.18 in short news clips (words)."""
FINE_STD = 0.05
"""Likewise of what `coarse` takes away: 0.04 (grid), 0.07 (words)."""
COARSE = 1.5
"""Deviation, in pixels, of the bell that parts coarse from fine."""


class Denoiser:
    """Predicts the clean image from a noisy one, for one batch of faces and sounds.

    The sound is encoded once here, since its encoding does not depend on the diffusion step.

    Args:
        model: the network.
        condition: clean image above, noise below, [B, 3, H, W].
        reference: another frame of the same person, [B, 3, H, W] in [-1, 1].
        mel: log-mel windows [B, 80, 16] in [-4, 4].
    """

    def __init__(self, model: Diff2Lip, condition: Tensor, reference: Tensor, mel: Tensor) -> None:
        self.model = model
        self.condition = condition
        self.reference = reference
        self.style = model.audio_style(mel)
        self.alphas_cumprod = alphas_cumprod()

    def __call__(self, x_t: Tensor, t: int) -> Tensor:
        """The clean image in x_t [B, 3, H, W] at step t, clipped to [-1, 1], of the same shape."""
        steps = x_t.new_full((len(x_t),), t).long()
        found = self.model.denoise(x_t, steps, self.condition, self.reference, self.style)[:, :3]
        a_t = float(self.alphas_cumprod[t])
        said = self.model.config.prediction
        x_0 = x0_of(said, x_t, found, self.reference, math.sqrt(a_t), math.sqrt(1 - a_t))
        return x_0.clamp(-1, 1)


def x0_from_eps(x_t: Tensor, eps: Tensor, signal: float | Tensor, spread: float | Tensor) -> Tensor:
    """(x_t − √(1 − ᾱ)·ε) / √ᾱ (DDPM, eq. 15; DDIM, eq. 9); `signal` is √ᾱ and `spread` √(1 − ᾱ)."""
    return (x_t - spread * eps) / signal


def x0_of(
    prediction: str,
    x_t: Tensor,
    found: Tensor,
    reference: Tensor,
    signal: float | Tensor,
    spread: float | Tensor,
) -> Tensor:
    """x̂₀, from what the network says of x_t.

    ``eps``: see `x0_from_eps`. ``residual``: how x₀ differs from the reference r, preconditioned as in EDM
    (Karras et al., arXiv 2206.00364, eq. 7) with σ = √(1 − ᾱ)/√ᾱ and σ_r of `RESIDUAL_STD`:

        x̂₀ = r + c(σ_r)·B d + c(σ_f)·(d − B d) + σ·σ_r/√(σ² + σ_r²)·F,  c(s) = s²/(σ² + s²)

    d = x_t/√ᾱ − r is blurred by B (`coarse`), since frames of a person differ less in what is fine (σ_f) than
    in what is coarse (σ_r), and noise does not: with one share for both, the noise of the last of few steps
    is seen as grain. A network that says nothing, F = 0, gives a likely image between its reference and x_t;
    at t = 999 the reference. No error of F is enlarged at any step.

    Args:
        prediction: one of `models.config.PREDICTIONS`.
        x_t, found, reference: [B, 3, H, W]; upper halves have no meaning in what is answered.
        signal, spread: √ᾱ and √(1 − ᾱ).
    """
    if prediction == "eps":
        return x0_from_eps(x_t, found, signal, spread)
    # Both times ᾱ, so that none is infinite.
    variance, own, own_fine = spread**2, (RESIDUAL_STD * signal) ** 2, (FINE_STD * signal) ** 2
    share, fine = own / (variance + own), own_fine / (variance + own_fine)
    away = x_t / signal - reference
    likeliest = reference + fine * away + (share - fine) * coarse(away)
    return likeliest + spread * RESIDUAL_STD / (variance + own) ** 0.5 * found


def coarse(images: Tensor) -> Tensor:
    """What is coarse in the lower halves of images [B, C, H, W]; upper halves are left as they are."""
    half, reach = images.shape[2] // 2, math.ceil(2.5 * COARSE)
    bell = torch.exp(-(torch.arange(-reach, reach + 1).to(images) / COARSE).square() / 2)
    bell = (bell / bell.sum()).expand(images.shape[1], 1, -1)
    padded = F.pad(images[:, :, half:], (reach,) * 4, mode="replicate")
    across = F.conv2d(padded, bell[:, :, None], groups=images.shape[1])
    return torch.cat((images[:, :, :half], F.conv2d(across, bell[..., None], groups=images.shape[1])), dim=2)
