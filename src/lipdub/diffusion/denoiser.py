"""The network as a denoiser: what a sampler asks for is the clean image, not how the network says it."""

import math

from torch import Tensor

from lipdub.diffusion.schedule import alphas_cumprod
from lipdub.models import Diff2Lip


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
        x0_from = X0_FROM[self.model.config.prediction]
        return x0_from(x_t, found, math.sqrt(a_t), math.sqrt(1 - a_t)).clamp(-1, 1)


def x0_from_eps(x_t: Tensor, eps: Tensor, signal: float | Tensor, spread: float | Tensor) -> Tensor:
    """(x_t − √(1 − ᾱ)·ε) / √ᾱ (DDPM, eq. 15; DDIM, eq. 9); `signal` is √ᾱ and `spread` √(1 − ᾱ)."""
    return (x_t - spread * eps) / signal


def x0_from_v(x_t: Tensor, v: Tensor, signal: float | Tensor, spread: float | Tensor) -> Tensor:
    """√ᾱ·x_t − √(1 − ᾱ)·v (Salimans & Ho, arXiv 2202.00512, section 4); see `x0_from_eps`.

    An error in v comes out smaller, never larger: at t = 999, where x_t tells nothing, the network says the
    clean image itself.
    """
    return signal * x_t - spread * v


def eps_from_v(x_t: Tensor, v: Tensor, signal: float | Tensor, spread: float | Tensor) -> Tensor:
    """√(1 − ᾱ)·x_t + √ᾱ·v, the noise (arXiv 2202.00512, appendix D)."""
    return spread * x_t + signal * v


X0_FROM = {"eps": x0_from_eps, "v": x0_from_v}
"""By what a network predicts (`Diff2LipConfig.prediction`)."""
