"""The terms of the loss, their weights, and the rows of the paper's ablation; loads no torch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Self

from lipdub.errors import OptionError

JUDGED_TERMS = ("sync", "lpips", "gan")
"""The terms whose networks look at x̂₀, which at large t is noise; `WEIGHTINGS` can spare them that."""


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
            raise OptionError(
                "No term of the loss is left; leave out a --without, or give a term a --weight above 0."
            )

    @property
    def on(self) -> tuple[str, ...]:
        """Names of the terms that count, in the order of the equation."""
        return tuple(name for name, value in asdict(self).items() if value > 0)

    def without(self, *names: str) -> Self:
        """These weights with some terms switched off; raises `OptionError` when there is no such term."""
        for name in names:
            _check_name(name)
        return replace(self, **dict.fromkeys(names, 0.0))


def lambdas(texts: Sequence[str]) -> dict[str, float]:
    """λ by the names of terms, from ``TERM=VALUE`` each.

    Raises:
        OptionError: one is no such thing, there is no such term, or it comes twice.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        try:
            number = float(value)
        except ValueError as exc:
            raise OptionError(f"--weight takes TERM=VALUE, such as sync=0.3, not {text!r}.") from exc
        _check_name(name)
        if name in found:
            raise OptionError(f"--weight gives the loss term {name} twice; leave one of them out.")
        found[name] = number
    return found


def _check_name(name: str) -> None:
    names = [each.name for each in fields(Weights)]
    if name not in names:
        raise OptionError(f"There is no loss term {name!r}; choose from: {', '.join(names)}.")


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
