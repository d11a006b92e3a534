"""What can be chosen about training the expert; loads no torch."""

import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lipdub.errors import OptionError
from lipdub.training.cores import cores

RESUMABLE = ("steps", "workers", "device", "save_every", "log_every", "fresh")
"""What may differ when a training goes on: none of them changes what is learnt in a step."""
PRECISIONS = ("auto", "fp32", "bf16")
"""fp16 would need its gradients scaled, and wherever it is fast, bf16 is too."""
WIDEST = 64
USUAL_WORKERS = 2
"""On machines with as many cores."""
WHOLE = {
    "steps": (1, math.inf), "batch_size": (2, math.inf), "others": (1, 64), "gap": (1, 250),
    "workers": (0, 64), "seed": (0, 2**63 - 1), "save_every": (1, math.inf),
    "log_every": (1, math.inf),
}  # fmt: skip
EXPERT_TEXTS = {
    "steps": "Updates in all; a finished training goes on when it is given more.",
    "batch_size": "Sequences of five frames in an update.",
    "others": "Sounds of other moments of its clip that each sequence is told from.",
    "gap": "Frames, at least, by which these are earlier or later.",
    "width": "Channels of the first layers: 32 as published; work grows with its square.",
    "init_from": "Weights to begin with, such as the published lipsync_expert.pth.",
    "lr": "Learning rate.",
    "decay": "Weight decay.",
    "choice": "Weight of comparing the sounds of a clip with each other, beside Wav2Lip's loss.",
    "balance": "1: all clips count alike; 0: all speakers.",
    "augment": "Change colours, framing, sharpness and sound at random; few speakers need it.",
    "seed": "Of the first weights and the order of the data.",
    "workers": "Processes that read the data.",
    "device": "auto, cpu, cuda, cuda:N or mps.",
    "precision": "auto, fp32 or bf16.",
    "save_every": "Updates between two checkpoints.",
    "log_every": "Updates between two lines of the log, beside the first and the last.",
    "fresh": "Start over instead of going on.",
}


@dataclass(frozen=True, slots=True)
class ExpertOptions:
    """All choices of one training of the expert; immutable and valid from birth.

    Attributes:
        steps: updates in all. A finished training goes on when it is given more.
        batch_size: sequences of five frames in an update.
        others: sounds of other windows of its clip that each sequence is told from.
        gap: frames, at least, by which these begin earlier or later. Wav2Lip's are any other window, of which
            some differ by a frame, which nobody hears.
        width: channels of the first layers; None is that of `init_from`, or else 32 as published. Work grows
            with its square.
        init_from: path of weights to begin with, such as the published `lipsync_expert.pth`.
        lr: learning rate of AdamW.
        decay: weight decay of AdamW.
        choice: weight of the loss term that compares a sequence's sounds with each other; 0, Wav2Lip's
            cross-entropy of pairs alone, did as well in a short trial (`benchmarks/expert.py`).
        balance: see `dataset.sampling.order`.
        augment: change colours, framing, sharpness and sound of the clips at random; few speakers need it.
        seed: of the first weights and of the order of the data.
        workers: processes that read the data; 0 reads in the same one. By default two, or as many as there
            are cores.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``auto``, ``fp32`` or ``bf16``, of the network's computations; weights are fp32.
        save_every: updates between two checkpoints.
        log_every: updates between two lines of the log, beside the first and the last.
        fresh: start over instead of going on.

    Raises:
        OptionError: a value is not one of those.
    """

    steps: int = 200_000
    batch_size: int = 64
    others: int = 4
    gap: int = 5
    width: int | None = None
    init_from: str | None = None
    lr: float = 1e-4
    decay: float = 0.01
    choice: float = 0.0
    balance: float = 0.5
    augment: bool = False
    seed: int = 7
    workers: int = min(USUAL_WORKERS, cores())
    device: str = "auto"
    precision: str = "auto"
    save_every: int = 1000
    log_every: int = 50
    fresh: bool = False

    def __post_init__(self) -> None:
        widths = {"width": (1, WIDEST)} if self.width is not None else {}
        for name, (low, high) in {**WHOLE, **widths}.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                most = "" if math.isinf(high) else f" to {high}"
                raise OptionError(f"{_flag(name)} takes a whole number from {low}{most}, not {value!r}.")
        for name, highest in (("lr", 1.0), ("decay", 1.0), ("choice", 100.0), ("balance", 1.0)):
            if not 0 <= getattr(self, name) <= highest:
                raise OptionError(
                    f"{_flag(name)} takes a number from 0 to {highest:g}, not {getattr(self, name)!r}."
                )
        if self.precision not in PRECISIONS:
            raise OptionError(f"--precision takes {', '.join(PRECISIONS)}, not {self.precision!r}.")
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise OptionError(f"--device takes auto, cpu, cuda, cuda:N or mps, not {self.device!r}.")

    def recipe(self) -> dict[str, Any]:
        """What must be the same when a training goes on."""
        return {name: value for name, value in asdict(self).items() if name not in RESUMABLE}


@dataclass(frozen=True, slots=True)
class Files:
    """What a training reads and writes.

    Attributes:
        shards: folders to learn from.
        held_out: folders to measure with; may be empty.
        output: the weights. Beside them lie the training's state, to go on from, and its log.
    """

    shards: tuple[Path, ...]
    held_out: tuple[Path, ...]
    output: Path

    def __post_init__(self) -> None:
        if not self.shards:
            raise OptionError("Give at least one folder of shards to learn from (see lipdub prepare).")
        if self.output.suffix != ".safetensors":
            raise OptionError(f"The weights' name must end in .safetensors, not {self.output.name!r}.")

    @property
    def state(self) -> Path:
        """Weights, optimiser and step, to go on from."""
        return self.output.with_suffix(".state.safetensors")

    @property
    def log(self) -> Path:
        """A line of JSON every so many updates."""
        return self.output.with_suffix(".jsonl")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
