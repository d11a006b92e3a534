"""The network as a denoiser: what a sampler asks for is the clean image, not how the network says it."""

import math

from torch import Tensor

from lipdub.diffusion.schedule import alphas_cumprod
from lipdub.models import Diff2Lip

RESIDUAL_STD = 0.15
"""RMS of another frame of the clip less this one, in the lower half: 0.09 where heads are still (grid), up
to 0.18 in short news clips (words)."""


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

        x̂₀ = r + σ_r²/(σ² + σ_r²)·(x_t/√ᾱ − r) + σ·σ_r/√(σ² + σ_r²)·F

    A network that says nothing, F = 0, gives the likeliest image between its reference and x_t; at t = 999
    the reference. No error of F is enlarged at any step.

    Args:
        prediction: one of `models.config.PREDICTIONS`.
        x_t, found, reference: [B, 3, H, W].
        signal, spread: √ᾱ and √(1 − ᾱ).
    """
    if prediction == "eps":
        return x0_from_eps(x_t, found, signal, spread)
    variance, own = spread**2, (RESIDUAL_STD * signal) ** 2  # both times ᾱ, so that none is infinite
    likeliest = reference + own / (variance + own) * (x_t / signal - reference)
    return likeliest + spread * RESIDUAL_STD / (variance + own) ** 0.5 * found
