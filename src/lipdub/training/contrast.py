"""The expert's loss: pictures and sounds that belong together are near, others are not. Pure functions."""

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-4
"""Cosines are squeezed to ε … 1 − ε before their logarithm is taken. At first all of them are near 1, where a
cut would leave no gradient."""
TEMPERATURE = 0.07
"""Of the softmax over cosines, as in CLIP (arXiv 2103.00020) at its start."""


def cosines_within(faces: Tensor, sounds: Tensor) -> Tensor:
    """Of each picture with all sounds of its own clip.

    Args:
        faces: [B, D], of length 1.
        sounds: [B, K, D], of length 1.

    Returns:
        [B, K].
    """
    return torch.einsum("bd,bkd->bk", faces, sounds)


def cosines_across(faces: Tensor, sounds: Tensor) -> Tensor:
    """Of each picture with the true sound of every other in the batch.

    Args:
        faces: [B, D], of length 1.
        sounds: [B, D], of length 1.

    Returns:
        [B, B]; on the diagonal are true pairs.
    """
    return faces @ sounds.T


def agree(cosines: Tensor) -> Tensor:
    """−log p, the cross-entropy of "in sync", p = ε + (1 − 2ε)·cosine; of the same shape."""
    return -(EPSILON + (1 - 2 * EPSILON) * cosines).log()


def differ(cosines: Tensor) -> Tensor:
    """−log (1 − p), the cross-entropy of "not in sync"; see `agree`."""
    return -(1 - EPSILON - (1 - 2 * EPSILON) * cosines).log()


def choose(cosines: Tensor) -> Tensor:
    """The cross-entropy of choosing the first of K sounds by a softmax over cosines / T, [B] of [B, K].

    Perfect Match (Chung et al., arXiv 1809.08001) trains by this alone. It only compares, and asks for no
    threshold.
    """
    return F.cross_entropy(
        cosines / TEMPERATURE, cosines.new_zeros(len(cosines), dtype=torch.long), reduction="none"
    )


def contrast(faces: Tensor, sounds: Tensor, clips: Tensor) -> dict[str, Tensor]:
    """The terms of the expert's loss, each a scalar.

    Args:
        faces: embeddings of five frames each, [B, D], of length 1.
        sounds: embeddings of sounds, [B, 1 + K, D], of length 1: the true one, and K of other windows of the
            same clip.
        clips: numbers of the clips, [B]; two windows of one clip are no easy negatives for each other.

    Returns:
        `together`: of true pairs; `hard`: of pairs within a clip that do not belong; `easy`: of pairs across
        clips (0 where the batch has one clip); `choice`: of telling the true sound among those of its clip.
    """
    within, across = cosines_within(faces, sounds), cosines_across(faces, sounds[:, 0])
    foreign = clips[:, None] != clips[None, :]
    easy = (differ(across) * foreign).sum() / foreign.sum().clamp(min=1)
    return {
        "together": agree(within[:, 0]).mean(),
        "hard": differ(within[:, 1:]).mean(),
        "easy": easy,
        "choice": choose(within).mean(),
    }


def contrastive_loss(terms: dict[str, Tensor], choice: float) -> Tensor:
    """together + ½ hard + ½ easy + λ·choice: pairs that belong count as much as those that do not."""
    return terms["together"] + (terms["hard"] + terms["easy"]) / 2 + choice * terms["choice"]
