"""What is minimised: L = L_simple + λ_l2·L2 + λ_sync·L_sync + λ_lpips·LPIPS + λ_gan·L_GAN."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Self

import torch
from torch import Tensor, nn

from lipdub.diffusion.corruption import Corrupted, roots
from lipdub.errors import OptionError, TrainingError
from lipdub.models.discriminator import FRAMES, frozen
from lipdub.training.losses import Distance, Expert, l2, l_gan, l_judge, l_lpips, l_simple, l_sync

IMAGE_TERMS = ("l2", "sync", "lpips", "gan")
"""The terms that look at x̂₀, which at large t is noise; `WEIGHTINGS` can spare them that."""


@dataclass(frozen=True)
class Weights:
    """λ of every term; the defaults are the authors' for the published checkpoint. 0 switches a term off.

    Raises `OptionError` when one is negative or not finite, or all are 0.
    """

    simple: float = 1.0
    l2: float = 1.0
    sync: float = 0.1
    lpips: float = 0.25
    gan: float = 0.5

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise OptionError(f"The weight of the loss term {name} must be at least 0, not {value}.")
        if not self.on:
            raise OptionError("All terms of the loss have weight 0; give at least one of them more.")

    @property
    def on(self) -> tuple[str, ...]:
        """Names of the terms that count, in the order of the equation."""
        return tuple(name for name, value in asdict(self).items() if value > 0)

    def without(self, *names: str) -> Self:
        """These weights with some terms switched off; raises `OptionError` when there is no such term."""
        for name in names:
            if name not in asdict(self):
                raise OptionError(f"There is no loss term {name!r}; choose from: {', '.join(asdict(self))}.")
        return replace(self, **dict.fromkeys(names, 0.0))


@dataclass(frozen=True)
class Preset:
    """A row of the paper's ablation: the weights, and what it reached in reconstruction."""

    weights: Weights
    fid: float
    sync_c: float


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "reconstruction": Preset(Weights(sync=0, lpips=0, gan=0), fid=8.59, sync_c=0.63),
        "sync": Preset(Weights(lpips=0, gan=0), fid=9.00, sync_c=6.34),
        "lpips": Preset(Weights(gan=0), fid=7.75, sync_c=6.53),
        "paper": Preset(Weights(), fid=8.21, sync_c=7.89),
    }
)
"""The rows, each with one term more. Figures compare with each other, not with the paper's Table 2."""

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
            none, as published, all steps count alike. `dict.fromkeys(IMAGE_TERMS, by_gate)`, say.

    Raises:
        OptionError: when a term lacks its network.
    """
    judges.check(weights)
    expert, lpips, judge = judges.expert, judges.lpips, judges.discriminator
    values = {"simple": l_simple(eps, seen.noise), "l2": l2(frames, seen.clean)}
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
    loss = torch.stack([getattr(weights, name) * terms[name] for name in weights.on]).sum()
    check_finite({**{name: terms[name] for name in weights.on}, "sum of all": loss}, step)
    return loss


def check_finite(values: Mapping[str, Tensor], step: int) -> None:
    """Refuse to go on with NaN or infinity, before it is in the weights.

    Looks at all values with one transfer from the device. In several processes only the one that sees the bad
    value raises: tell the others.

    Raises:
        TrainingError: naming the first scalar that is not finite.
    """
    numbers = torch.stack([value.detach() for value in values.values()]).tolist()
    for name, number in zip(values, numbers, strict=True):
        if not math.isfinite(number):
            raise TrainingError(
                f"The loss term {name!r} is {number} at step {step}; go on from the last checkpoint with a "
                "lower learning rate or without this term."
            )
