"""What is minimised: L = L_simple + λ_l2·L2 + λ_sync·L_sync + λ_lpips·LPIPS + λ_gan·L_GAN."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from lipdub.diffusion.corruption import Corrupted, roots
from lipdub.errors import OptionError, TrainingError
from lipdub.models.discriminator import FRAMES, frozen
from lipdub.training.losses import Distance, Expert, l2, l_gan, l_judge, l_lpips, l_simple, l_sync
from lipdub.training.terms import Weights

Weighting = Callable[[Tensor], Tensor]
"""Steps t [N] → factors [N] by which a term's values are multiplied."""


def by_signal(t: Tensor) -> Tensor:
    """ᾱ_t, the share of x_t's variance that is the image; falls from 1 to 4e-5, 0.28 in the mean."""
    signal, _ = roots(t, torch.empty(0, device=t.device))
    return signal.flatten().square()


def by_gate(t: Tensor) -> Tensor:
    """1 where x_t has at least as much image as noise (t ≤ 258), else 0."""
    return (by_signal(t) >= 0.5).float()


WEIGHTINGS: Mapping[str, Weighting | None] = MappingProxyType(
    {"none": None, "signal": by_signal, "gate": by_gate}
)
"""By name; the paper speaks of none."""


@dataclass(frozen=True)
class Judges:
    """The networks that some terms ask. `expert` and `lpips` are frozen and in evaluation mode."""

    expert: Expert | None = None
    lpips: Distance | None = None
    discriminator: nn.Module | None = None

    def check(self, weights: Weights) -> None:
        """Raises `OptionError` when a term that counts lacks its network."""
        needs = {"sync": "expert", "lpips": "lpips", "gan": "discriminator"}
        for term in weights.on:
            if term in needs and getattr(self, needs[term]) is None:
                raise OptionError(
                    f"The loss term {term} needs the network {needs[term]!r}; give it, or the term weight 0."
                )


def loss_terms(
    seen: Corrupted,
    eps: Tensor,
    frames: Tensor,
    mel: Tensor,
    *,
    weights: Weights,
    judges: Judges,
    weightings: Mapping[str, Weighting | None] = MappingProxyType({}),
    mouth: float = 1.0,
) -> dict[str, Tensor]:
    """The terms that count, each a scalar, not yet multiplied by their λ.

    Args:
        seen: what the network saw, B sequences of five frames.
        eps: the noise it found, [5·B, 3, H, W].
        frames: x̂₀ by `losses.estimate`, likewise.
        mel: for the expert, [B, 1, 80, 16].
        weights: say which terms count.
        judges: the networks they ask.
        weightings: by term, how its values are weighted by t before the mean is taken; where there is
            none, as published, all steps count alike. `dict.fromkeys(JUDGED_TERMS, by_gate)`, say.
        mouth: how much the mouth counts in L2, see `losses.about_mouth`.

    Raises:
        OptionError: when a term lacks its network.
    """
    judges.check(weights)
    expert, lpips, judge = judges.expert, judges.lpips, judges.discriminator
    values = {"simple": l_simple(eps, seen.noise), "l2": l2(frames, seen.clean, mouth)}
    if weights.sync and expert is not None:
        values["sync"] = l_sync(frames, mel, expert)
    if weights.lpips and lpips is not None:
        values["lpips"] = l_lpips(frames, seen.clean, lpips)
    if weights.gan and judge is not None:
        with frozen(judge):
            values["gan"] = l_gan(frames, judge)
    return {name: weighted_mean(values[name], seen.t, weightings.get(name)) for name in weights.on}


def judge_loss(
    frames: Tensor, seen: Corrupted, discriminator: nn.Module, weighting: Weighting | None = None
) -> Tensor:
    """What the discriminator minimises, a scalar; weight it as its own term "gan" is.

    Args:
        frames: x̂₀ [5·B, 3, H, W]; no gradient goes back into them.
        seen: what the network saw.
        discriminator: the judge; in several processes the wrapped one, which averages gradients.
        weighting: by t, or none.
    """
    return weighted_mean(l_judge(frames, seen.clean, discriminator), seen.t, weighting)


def weighted_mean(values: Tensor, t: Tensor, weighting: Weighting | None) -> Tensor:
    """E[w(t)·L] of values [N] per frame, or [N/5] per sequence, which has the mean weight of its frames.

    Not divided by the sum of weights: a value must not count more because others in its batch count less.
    """
    if weighting is None:
        return values.mean()
    factors = weighting(t).to(values)
    if len(values) != len(t):
        factors = factors.reshape(-1, FRAMES).mean(1)
    return (factors * values).mean()


def total(terms: Mapping[str, Tensor], weights: Weights, step: int) -> Tensor:
    """Σ λ·L over the terms that count, a scalar.

    Raises:
        TrainingError: when a term or the sum is not finite, naming it; see `check_finite`.
    """
    loss = weighted_sum(terms, weights)
    check_finite({**{name: terms[name] for name in weights.on}, "sum of all": loss}, step)
    return loss


def weighted_sum(terms: Mapping[str, Tensor], weights: Weights) -> Tensor:
    """Σ λ·L over the terms that count, a scalar, finite or not."""
    return torch.stack([getattr(weights, name) * terms[name] for name in weights.on]).sum()


def check_finite(values: Mapping[str, Tensor], step: int, spared: Collection[str] = ()) -> dict[str, float]:
    """Refuse to go on with NaN or infinity, before it is in the weights.

    Looks at all values with one transfer from the device. In several processes only the one that sees the bad
    value raises: give it the means over all of them.

    Args:
        values: scalars by name.
        step: the update.
        spared: names of values that need not be finite.

    Returns:
        The values as numbers.

    Raises:
        TrainingError: naming the first scalar that is not finite.
    """
    numbers = dict(
        zip(values, torch.stack([value.detach() for value in values.values()]).tolist(), strict=True)
    )
    for name, number in numbers.items():
        if not math.isfinite(number) and name not in spared:
            raise TrainingError(
                f"The loss term {name!r} is {number} at step {step}; go on from the last checkpoint with a "
                "lower learning rate or without this term."
            )
    return numbers
