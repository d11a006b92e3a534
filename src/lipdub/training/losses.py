"""The terms of the loss, each a pure function that gives one value per frame or per sequence.

Images are RGB in [-1, 1]. Frames [N, 3, H, W] are those of B sequences, one after the other: N = 5·B. The
upper halves of estimates are the true ones, as in the output; see `estimate`.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from lipdub.diffusion.corruption import Corrupted, x0_estimate
from lipdub.diffusion.inpaint import compose
from lipdub.models.discriminator import FRAMES
from lipdub.models.layers import at_least_float32

SYNC_HEIGHT, SYNC_WIDTH = 48, 96
"""Of a lower half, as Wav2Lip's expert knows it."""
MOUTH = (0.77, 0.09, 0.5, 0.15)
"""A mouth's middle in the height of a face, and the deviation of a bell about it; likewise in its width."""
LEAST_PROBABILITY = 1e-7
"""Below it the logarithm of L_sync is cut off, at 16; cosines may be 0, where it has no value."""

Expert = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(lower halves [B, 15, 48, 96] BGR in [0, 1], mel [B, 1, 80, 16]) → embeddings [B, D] of lips and of sound.

Frozen, and in evaluation mode: in training mode its batch norm would look at the batch.
"""

Distance = Callable[[Tensor, Tensor], Tensor]
"""(images [N, 3, H, W], images likewise) → distances, N values of any shape ([N], [N, 1, 1, 1] …)."""

Judge = Callable[[Tensor], Tensor]
"""Sequences [B, 15, H, W] → logits [B, 1, h, w], higher where it looks more real."""


def lower_half(images: Tensor) -> Tensor:
    """Where the mask is 1: rows from H/2 on."""
    return images[:, :, images.shape[2] // 2 :]


def sequences(frames: Tensor) -> Tensor:
    """Frames [5·B, C, H, W] → [B, 5·C, H, W], the channels frame by frame.

    Raises `ValueError` when they are not whole sequences.
    """
    if len(frames) % FRAMES:
        raise ValueError(f"{len(frames)} frames are not sequences of {FRAMES}")
    return frames.reshape(-1, FRAMES * frames.shape[1], *frames.shape[2:])


def estimate(seen: Corrupted, eps: Tensor) -> Tensor:
    """mask·x̂₀ + (1 − mask)·x₀ with x̂₀ = (x_t − √(1 − ᾱ_t)·ε̂) / √ᾱ_t (DDPM, eq. 15).

    Not clipped to [-1, 1], since a clipped pixel has no gradient and at large t nearly all would be.

    Args:
        seen: what the network saw.
        eps: ε̂ [N, 3, H, W], the noise it found (its first three channels), in float32.
    """
    return compose(seen.clean, x0_estimate(seen.x_t, eps, seen.t))


def l_simple(eps: Tensor, noise: Tensor) -> Tensor:
    """‖ε̂ − ε‖² on the lower half, its mean over pixels and channels (DDPM, eq. 14).

    The upper half of x_t has no noise, so there is nothing to be found.

    Args:
        eps: ε̂ [N, 3, H, W].
        noise: ε, likewise.

    Returns:
        [N].
    """
    return (lower_half(eps) - lower_half(noise)).square().mean((1, 2, 3))


def l2(frames: Tensor, clean: Tensor, mouth: float = 1.0) -> Tensor:
    """‖x̂₀ − x₀‖² on the lower half, its mean over pixels and channels.

    With `mouth` 1 this is L_simple times (1 − ᾱ_t)/ᾱ_t, exactly: 1 at t = 258, 24,777 at t = 999, 1311 in the
    mean over all steps. As published it therefore drowns L_simple, and is ruled by the steps that know least
    of the face; weighted by ᾱ_t it is L_simple times 1 − ᾱ_t.

    Args:
        frames: x̂₀ [N, 3, H, W].
        clean: x₀, likewise.
        mouth: see `about_mouth`.

    Returns:
        [N].
    """
    squares = (lower_half(frames) - lower_half(clean)).square()
    if mouth != 1:
        squares = squares * about_mouth(squares, mouth)
    return squares.mean((1, 2, 3))


def about_mouth(half: Tensor, mouth: float) -> Tensor:
    """How much the pixels of lower halves [N, C, H/2, W] count: [H/2, W], 1 in the mean.

    Where mouths are in the network's framing (`MOUTH`) they count up to `mouth` times as much as the rest.
    """
    rows, columns = half.shape[2:]
    y = 0.5 + (torch.arange(rows, device=half.device) + 0.5) / (2 * rows)
    x = (torch.arange(columns, device=half.device) + 0.5) / columns
    down, tall, across, wide = MOUTH
    bell = torch.exp(-((y - down) / tall).square() / 2)[:, None] * torch.exp(
        -((x - across) / wide).square() / 2
    )
    counts = 1 + (mouth - 1) * bell
    return counts / counts.mean()


def lips_for_expert(frames: Tensor) -> Tensor:
    """Frames [5·B, 3, H, W] as the expert sees them: [B, 15, 48, 96], BGR, scaled from [-1, 1] to [0, 1].

    Resized by plain bilinear interpolation, like the crops that Wav2Lip's expert was trained with.
    """
    lips = lower_half(frames).flip(1) / 2 + 0.5
    lips = F.interpolate(lips, (SYNC_HEIGHT, SYNC_WIDTH), mode="bilinear", align_corners=False)
    return sequences(lips)


def l_sync(frames: Tensor, mel: Tensor, expert: Expert) -> Tensor:
    """−log P with P = v·s / (‖v‖ ‖s‖), the cross-entropy of "in sync" (Wav2Lip, arXiv 2008.10010, §3).

    The embeddings v of lips and s of sound have no negative entries, so that P is from 0 to 1.

    Args:
        frames: x̂₀ of sequences, [5·B, 3, H, W].
        mel: [B, 1, 80, 16] in [-4, 4], the sound of the five frames, beginning with the first.
        expert: gives v and s.

    Returns:
        [B], from 0 to 16.1.
    """
    v, s = expert(lips_for_expert(frames), mel)
    probability = F.cosine_similarity(at_least_float32(v), at_least_float32(s), dim=1)
    return -probability.clamp(LEAST_PROBABILITY, 1).log()


def l_lpips(frames: Tensor, clean: Tensor, distance: Distance) -> Tensor:
    """LPIPS(x̂₀, x₀) of whole faces (Zhang et al., arXiv 1801.03924, eq. 1).

    Args:
        frames: x̂₀ [N, 3, H, W].
        clean: x₀, likewise.
        distance: the network, frozen.

    Returns:
        [N].
    """
    return at_least_float32(distance(frames, clean)).reshape(len(frames))


def l_gan(frames: Tensor, judge: Judge) -> Tensor:
    """−D(x̂₀), the mean over patches: the generator's side of the hinge loss (arXiv 1705.02894).

    Not published is which GAN loss it was. Hinge: its gradient does not grow with how sure the judge is, so
    the estimates at large t, which any judge sees through, do not rule the batch; and the judge stops
    learning from what it already tells apart by a margin of 1, whereas cross-entropy never has enough.

    Args:
        frames: x̂₀ of sequences, [5·B, 3, H, W].
        judge: D, its parameters frozen.

    Returns:
        [B]; may be negative.
    """
    return -at_least_float32(judge(sequences(frames))).mean((1, 2, 3))


def l_judge(frames: Tensor, clean: Tensor, judge: Judge) -> Tensor:
    """max(0, 1 − D(x₀)) + max(0, 1 + D(x̂₀)), the mean over patches: the judge's side of the hinge loss.

    Args:
        frames: x̂₀ of sequences, [5·B, 3, H, W]; no gradient goes back into them.
        clean: x₀, likewise.
        judge: D.

    Returns:
        [B].
    """
    real, fake = (
        at_least_float32(judge(sequences(clean))),
        at_least_float32(judge(sequences(frames.detach()))),
    )
    return (F.relu(1 - real) + F.relu(1 + fake)).mean((1, 2, 3))
