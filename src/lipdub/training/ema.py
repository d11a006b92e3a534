"""The exponential moving average of parameters, which is what is sampled from in the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from lipdub.errors import WeightsFormatError
from lipdub.models.layers import at_least_float32

DECAY = 0.9999
"""guided-diffusion's default; the paper's is not published. It looks back over some 10,000 updates."""
UPDATES_KEY = "updates"
PREFIX = "average."


def decay_at(updates: int, decay: float = DECAY) -> float:
    """The decay of the update that follows `updates` earlier ones: min(decay, (1 + n) / (10 + n)).

    Without this warm-up a short training would sample from its own random start: e^-1 of it is left after
    10,000 updates at 0.9999. With it the average looks back over about a ninth of the training so far,
    until after 90,000 updates the full decay holds.
    """
    return min(decay, (1 + updates) / (10 + updates))


@torch.no_grad()
def averaged(average: Mapping[str, Tensor], live: Mapping[str, Tensor], decay: float) -> dict[str, Tensor]:
    """decay·average + (1 − decay)·live, name by name, as new tensors with the type and place of `average`."""
    return {name: torch.lerp(old, live[name].to(old), 1 - decay) for name, old in average.items()}


@dataclass(frozen=True)
class Ema:
    """An average of parameters, and the number of updates that are in it.

    It is at least float32 whatever the parameters are: one update moves the average by 1e-4 of the
    difference, which bfloat16, with steps of 4e-3, would round away.
    """

    average: dict[str, Tensor]
    updates: int = 0
    decay: float = DECAY

    @classmethod
    def of(cls, model: nn.Module, decay: float = DECAY) -> Self:
        """Begin with a copy of the model's parameters; give it the model itself, in no wrapper."""
        return cls(
            {name: at_least_float32(p.detach()).clone() for name, p in model.named_parameters()}, 0, decay
        )

    def updated(self, model: nn.Module) -> Self:
        """The average after one more step of the model; this one stays as it is."""
        live = dict(model.named_parameters())
        average = averaged(self.average, live, decay_at(self.updates, self.decay))
        return type(self)(average, self.updates + 1, self.decay)

    def state_dict(self) -> dict[str, Tensor]:
        """All but the decay, as tensors alone, so that safetensors can hold it."""
        named = {PREFIX + name: tensor for name, tensor in self.average.items()}
        return {UPDATES_KEY: torch.tensor(self.updates), **named}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], decay: float = DECAY) -> Self:
        """What `state_dict` gave, exactly; raises `WeightsFormatError` when it is no such thing."""
        strange = [name for name in state if name != UPDATES_KEY and not name.startswith(PREFIX)]
        if UPDATES_KEY not in state or strange:
            wrong = f"{strange[0]!r} is no part of one" if strange else f"{UPDATES_KEY!r} is missing"
            raise WeightsFormatError(f"The moving average cannot be read: {wrong}; take another checkpoint.")
        average = {name.removeprefix(PREFIX): t for name, t in state.items() if name != UPDATES_KEY}
        return cls(average, int(state[UPDATES_KEY]), decay)
