"""What can be chosen about a training; loads no torch."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from lipdub.errors import OptionError
from lipdub.options import PRECISIONS
from lipdub.training.cores import cores
from lipdub.training.terms import PRESETS, Weights, lambdas

WEIGHTINGS = ("none", "signal", "gate")
TRUNKS = ("vgg", "alex")
NETWORKS = ("paper128", "small128", "tiny64")
PAPER_STEPS = 260_000
MOST_WORKERS = 64
USUAL_WORKERS = 4
"""On machines with as many cores."""
SEVERAL = ("weight", "without")
"""Options that may be given again and again."""
FREE = frozenset({
    "network", "init_from", "steps", "accumulate", "precision", "device", "checkpoint_activations", "compile",
    "workers", "save_every", "keep", "sample_every", "log_every", "fresh",
})  # fmt: skip
"""Options that a run can go on without a word about: they decide when, where and how fast, or hold for its
beginning only."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """All choices of one training; immutable and valid from birth.

    Attributes:
        preset: which terms of the loss count: a row of the paper's ablation, see `PRESETS`.
        weight: λ of terms that is not the preset's, ``TERM=VALUE`` each.
        without: terms that are switched off beside.
        weighting: how values of sync, lpips and gan, whose networks look at x̂₀, are weighted by t: ``none``
            as published, ``signal`` (ᾱ_t) or ``gate`` (1 up to t = 258, where image and noise are equal,
            then 0).
        weighting_l2: likewise of l2.
        mouth: how many times as much as the rest the mouth counts in l2; 1, as published, is alike.
        network: ``paper128``, ``small128`` (base width 32), ``tiny64``, or the path of a JSON file with the
            fields of `Diff2LipConfig`; None is that of `init_from`, or else ``paper128``.
        init_from: path of weights to begin with, such as the published checkpoint.
        expert: path of the expert's weights, for L_sync.
        lpips: network of LPIPS, ``vgg`` (its authors' advice for training) or ``alex``, a third of the cost.
        steps: updates in all; 260,000 as published.
        batch_size: sequences of five frames in an update, over all processes.
        accumulate: parts in which each process takes its share of a batch, one after the other.
        lr: learning rate of network and discriminator. Not published; guided-diffusion's default.
        clip: largest norm of the network's and of the discriminator's gradient; 0 does not clip.
        ema: decay of the moving average.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``, of the network's computations; weights are fp32.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        checkpoint_activations: compute activations twice rather than keep them: less memory, more time.
        compile: let torch.compile make the network faster.
        workers: processes that read the data, for each process that trains; 0 reads in the same one. By
            default four, or as many as there are cores.
        balance: see `dataset.sampling.order`.
        elsewhere: share of samples whose reference is a frame of another clip of the speaker, 0 to 1.
        augment: shift, scale, mirror, recolour and compress the pictures at random, change the loudness of
            the sound and add noise to it, see `loop.AUGMENTATION`.
        hear: updates in which the audio encoder of random weights learns lips from sound alone before the
            first step, see `training.hearing`; 0, as published, are none.
        keep_hearing: leave the audio encoder as it is, which costs no gradient then; for weights that hear.
        tell_lips: share of samples, 0 to 1, in which a network with `lips` (see `Diff2LipConfig`) is told the
            apertures that were measured and need not hear them, so that it learns what they look like.
        seed: of the first weights, the order of the data, the noise.
        save_every, keep: steps between two checkpoints, and how many are kept.
        sample_every: steps between two pictures of samples; 0 draws none.
        log_every: steps between two lines of the log, beside the first and the last.
        fresh: start over instead of going on.

    Raises:
        OptionError: a value is not one of those.
    """

    preset: str = "paper"
    weight: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    weighting: str = "none"
    weighting_l2: str = "none"
    mouth: float = 1.0
    network: str | None = None
    init_from: str | None = None
    expert: str | None = None
    lpips: str = "vgg"
    steps: int = PAPER_STEPS
    batch_size: int = 16
    accumulate: int = 1
    lr: float = 1e-4
    clip: float = 1.0
    ema: float = 0.9999
    precision: str = "auto"
    device: str = "auto"
    checkpoint_activations: bool = False
    compile: bool = False
    workers: int = min(USUAL_WORKERS, cores())
    balance: float = 1.0
    elsewhere: float = 0.0
    augment: bool = False
    hear: int = 0
    keep_hearing: bool = False
    tell_lips: float = 0.0
    seed: int = 7
    save_every: int = 1000
    keep: int = 3
    sample_every: int = 1000
    log_every: int = 50
    fresh: bool = False

    def __post_init__(self) -> None:
        _one_of("preset", self.preset, tuple(PRESETS))
        _one_of("weighting", self.weighting, WEIGHTINGS)
        _one_of("weighting_l2", self.weighting_l2, WEIGHTINGS)
        _one_of("lpips", self.lpips, TRUNKS)
        _one_of("precision", self.precision, PRECISIONS)
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise OptionError(f"--device takes auto, cpu, cuda, cuda:N or mps, not {self.device!r}.")
        for name in ("steps", "batch_size", "accumulate", "save_every", "keep", "log_every"):
            _whole(name, getattr(self, name), 1)
        _whole("sample_every", self.sample_every, 0)
        _whole("hear", self.hear, 0)
        _whole("workers", self.workers, 0, MOST_WORKERS)
        _whole("seed", self.seed, 0, 2**63 - 1)
        for name, low, high in (
            ("mouth", 1.0, 1000.0),
            ("lr", 0.0, 1.0),
            ("clip", 0.0, math.inf),
            ("ema", 0.0, 1.0),
            ("balance", 0.0, 1.0),
            ("elsewhere", 0.0, 1.0),
            ("tell_lips", 0.0, 1.0),
        ):
            _between(name, getattr(self, name), low, high)
        if self.hear and self.init_from is not None:
            raise OptionError("--hear is for random first weights; leave it out, or leave out --init-from.")
        _ = self.weights

    @property
    def weights(self) -> Weights:
        """λ of every term."""
        for name in self.without:
            if name in lambdas(self.weight):
                raise OptionError(f"--weight {name}=… and --without {name} cannot both be; give one.")
        return replace(PRESETS[self.preset].weights, **lambdas(self.weight)).without(*self.without)


def choose(choices: dict[str, Any]) -> TrainOptions:
    """Options of which some are chosen; those that are None are the default.

    Raises:
        OptionError: there is no such option, or a value is impossible.
    """
    known = {field.name for field in fields(TrainOptions)}
    for name in choices:
        if name not in known:
            raise OptionError(f"There is no option {name!r} of a training.")
    given = {name: value for name, value in choices.items() if value is not None}
    several = {name: tuple(given.get(name, ())) for name in SEVERAL}
    return TrainOptions(**given | several)


def differing(before: Mapping[str, Any], options: TrainOptions) -> list[str]:
    """The flags, among those that the weights follow from, whose values are not those of an earlier run.

    Args:
        before: its options, as `asdict` gives them and JSON keeps them.
        options: those of now.
    """
    now = asdict(options) | {name: list(getattr(options, name)) for name in SEVERAL}
    return [_flag(name) for name in sorted(before.keys() & now.keys() - FREE) if before[name] != now[name]]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise OptionError(f"{_flag(name)} takes {', '.join(allowed)}, not {value!r}.")


def _whole(name: str, value: int, low: int, high: float = math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        most = "" if math.isinf(high) else f" to {high}"
        raise OptionError(f"{_flag(name)} takes a whole number from {low}{most}, not {value!r}.")


def _between(name: str, value: float, low: float, high: float) -> None:
    if not (isinstance(value, int | float) and low <= value <= high and math.isfinite(value)):
        most = "" if math.isinf(high) else f" to {high:g}"
        raise OptionError(f"{_flag(name)} takes a number from {low:g}{most}, not {value!r}.")


FINETUNING = TrainOptions(
    preset="lpips",
    steps=2000,
    batch_size=4,
    lr=2e-5,
    ema=0.999,
    augment=True,
    save_every=500,
    sample_every=500,
)
"""For one speaker: few and small steps, lest what the network knows of other faces and sounds is lost, and
no discriminator, which begins from nothing and has no time to learn. Chosen, not measured: that needs a GPU
and the published weights."""
