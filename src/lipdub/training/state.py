"""Everything that makes a run: what is trained, and how it becomes named tensors and back."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.utils.checkpoint import checkpoint

from lipdub.errors import WeightsFormatError
from lipdub.models import Diff2Lip, Diff2LipConfig
from lipdub.models.discriminator import SequencePatchGan
from lipdub.models.layers import Stage
from lipdub.training.distributed import ALONE, World
from lipdub.training.ema import DECAY, Ema

FUSED = ("cuda", "cpu")
"""Kinds of devices on which one kernel does all of an update's arithmetic."""
JUDGE_LAYERS = 3
"""Of the discriminator that halve the map; fewer where images are too small for its patches."""


@dataclass
class Run:
    """A training, between two updates.

    Attributes:
        network: Diff2Lip, float32, in training mode.
        optimiser: its AdamW.
        ema: the moving average of its parameters.
        judge: the discriminator, where L_GAN counts. It is in evaluation mode at all times: one step of its
            power iteration is taken by each update (`advance`), not by each pass, so that it does not matter
            in how many parts a batch is taken.
        judge_optimiser: its AdamW.
        scaler: of the loss, where the network computes in fp16; else it does nothing.
        step: updates so far.
        joined_network, joined_judge: the same two, averaging gradients over processes.
    """

    network: Diff2Lip
    optimiser: AdamW
    ema: Ema
    judge: SequencePatchGan | None
    judge_optimiser: AdamW | None
    scaler: torch.amp.GradScaler
    step: int = 0
    joined_network: nn.Module = field(init=False)
    joined_judge: nn.Module | None = field(init=False)

    def __post_init__(self) -> None:
        self.join(ALONE)

    def join(self, world: World) -> None:
        """From now on, average gradients over these processes."""
        self.joined_network = world.join(self.network)
        self.joined_judge = None if self.judge is None else world.join(self.judge)

    @property
    def size(self) -> int:
        """Of images."""
        return self.network.config.image_size

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return next(self.network.parameters()).device

    @property
    def forgiving(self) -> tuple[str, ...]:
        """Values that may be infinite: with fp16, such a gradient makes the scaler leave an update out."""
        return ("gradient",) if self.scaler.is_enabled() else ()

    def clear_gradients(self) -> None:
        """Begin an update."""
        for optimiser in (self.optimiser, self.judge_optimiser):
            if optimiser is not None:
                optimiser.zero_grad(set_to_none=True)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Inside, gradients are not averaged over processes."""
        with ExitStack() as stack:
            for module in (self.joined_network, self.joined_judge):
                if isinstance(module, DistributedDataParallel):
                    stack.enter_context(module.no_sync())
            yield

    def gradient_norms(self, clip: float) -> dict[str, Tensor]:
        """Norms of the gradients, which are shortened to `clip` if that is not 0."""
        self.scaler.unscale_(self.optimiser)
        most = clip or float("inf")
        norms = {"gradient": clip_grad_norm_(self.network.parameters(), most)}
        if self.judge is not None:
            norms["judge_gradient"] = clip_grad_norm_(self.judge.parameters(), most)
        return norms

    def advance(self) -> None:
        """Let the gradients change the weights, and these their average."""
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.judge is not None and self.judge_optimiser is not None:
            self.judge_optimiser.step()
            _power_iteration(self.judge)
        self.ema = self.ema.updated(self.network)
        self.step += 1

    def averaged(self) -> Diff2Lip:
        """A network with the average for its weights, to sample from; it shares their memory."""
        with torch.device("meta"):
            network = Diff2Lip(self.network.config)
        network.load_state_dict(self.ema.average, assign=True)
        return network.eval()

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name, on the CPU, but for the step and what `numbers` gives."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": _flat(self.optimiser),
        }
        if self.judge is not None and self.judge_optimiser is not None:
            parts |= {"judge": self.judge.state_dict(), "judge_optimiser": _flat(self.judge_optimiser)}
        return {
            f"{part}/{name}": tensor.detach().cpu().contiguous()
            for part, tensors in parts.items()
            for name, tensor in tensors.items()
        }

    def numbers(self) -> dict[str, Any]:
        """What is no tensor."""
        return {"step": self.step, "scaler": self.scaler.state_dict()}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Become what `tensors` and `numbers` were taken of.

        Raises:
            WeightsFormatError: a part of a sentence, when they are of another run.
        """
        try:
            self.network.load_state_dict(_part(tensors, "network"))
            ema = Ema.from_state_dict(_part(tensors, "ema"), self.ema.decay)
            average = {name: tensor.to(self.device) for name, tensor in ema.average.items()}
            self.ema = Ema(average, ema.updates, ema.decay)
            _unflatten(self.optimiser, _part(tensors, "optimiser"))
            # A discriminator that begins later begins anew.
            if self.judge is not None and self.judge_optimiser is not None and _part(tensors, "judge"):
                self.judge.load_state_dict(_part(tensors, "judge"))
                _unflatten(self.judge_optimiser, _part(tensors, "judge_optimiser"))
            if self.scaler.is_enabled() and numbers["scaler"]:
                self.scaler.load_state_dict(numbers["scaler"])
            self.step = int(numbers["step"])
        except (RuntimeError, KeyError, ValueError, TypeError) as exc:
            raise WeightsFormatError(f"it belongs to another network ({str(exc).splitlines()[0]})") from exc


def new_run(
    network: Diff2Lip | Diff2LipConfig,
    *,
    device: torch.device | str = "cpu",
    judge: bool = False,
    lr: float = 1e-4,
    ema: float = DECAY,
    half: torch.dtype | None = None,
    seed: int = 7,
) -> Run:
    """A run at step 0.

    Args:
        network: weights to begin with, or the sizes of random ones.
        device: where to compute.
        judge: whether there is a discriminator.
        lr: learning rate of both.
        ema: decay of the average.
        half: type the network computes in.
        seed: of random weights; the global generator is left alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Diff2Lip(network) if isinstance(network, Diff2LipConfig) else network
        judging = judge_for(made.config.image_size) if judge else None
    made = made.to(device, torch.float32).train()
    judging = None if judging is None else judging.to(device).eval()
    return Run(
        made,
        _adamw(made, lr),
        Ema.of(made, ema),
        judging,
        None if judging is None else _adamw(judging, lr),
        torch.amp.GradScaler(torch.device(device).type, enabled=half is torch.float16),
    )


def judge_for(size: int) -> SequencePatchGan:
    """The discriminator of images of this size."""
    layers = JUDGE_LAYERS
    while layers > 1 and 3 * 2**layers > size:
        layers -= 1
    return SequencePatchGan(layers=layers)


def checkpoint_activations(network: Diff2Lip) -> None:
    """Keep of each stage only what goes in, and compute the rest again in the backward pass."""
    for stage in network.modules():
        if isinstance(stage, Stage):
            vars(stage)["forward"] = _Again(stage)


class _Again:
    """A stage's forward, computed twice."""

    def __init__(self, stage: Stage) -> None:
        self.forward = stage.forward

    def __call__(self, x: Tensor, embedding: Tensor) -> Tensor:
        again: Tensor = checkpoint(self.forward, x, embedding, use_reentrant=False)
        return again


@torch.no_grad()
def _power_iteration(judge: SequencePatchGan) -> None:
    """One step towards the largest singular value of every layer, by looking at its weight."""
    judge.train()
    for layer in judge:
        _ = getattr(layer, "weight", None)
    judge.eval()


def _adamw(module: nn.Module, lr: float) -> AdamW:
    device = next(module.parameters()).device
    # guided-diffusion's: no weight decay.
    return AdamW(module.parameters(), lr, weight_decay=0.0, fused=device.type in FUSED)


def _flat(optimiser: AdamW) -> dict[str, Tensor]:
    states = optimiser.state_dict()["state"]
    return {f"{number}/{name}": value for number, state in states.items() for name, value in state.items()}


def _unflatten(optimiser: AdamW, flat: Mapping[str, Tensor]) -> None:
    states: dict[int, dict[str, Tensor]] = {}
    for key, tensor in flat.items():
        number, name = key.split("/")
        states.setdefault(int(number), {})[name] = tensor
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})


def _part(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    prefix = f"{part}/"
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
