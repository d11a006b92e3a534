"""One update of the network: what is drawn, the loss, the gradients, the new weights."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from lipdub.diffusion.corruption import Corrupted, corrupt, roots
from lipdub.diffusion.denoiser import x0_of
from lipdub.diffusion.schedule import TRAINING_STEPS
from lipdub.models.discriminator import FRAMES
from lipdub.training.distributed import ALONE, World
from lipdub.training.losses import estimate
from lipdub.training.objective import Judges, Weighting, check_finite, judge_loss, loss_terms, weighted_sum
from lipdub.training.state import Run
from lipdub.training.terms import Weights


@dataclass(frozen=True)
class Batch:
    """B sequences of five frames that follow each other; images are RGB in [-1, 1].

    Attributes:
        frames: [5·B, 3, S, S], sequence by sequence.
        reference: another frame of each clip, [B, 3, S, S].
        mel: the window of each frame, as in sampling, [5·B, 80, 16].
        heard: for the expert, the window that begins with the first of the five frames, [B, 1, 80, 16].
        lips: what the network is told of the lips instead of hearing it, [5·B, lips]; NaN where it hears.
    """

    frames: Tensor
    reference: Tensor
    mel: Tensor
    heard: Tensor
    lips: Tensor | None = None

    def __len__(self) -> int:
        return len(self.heard)

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        frames, reference, mel, heard = (
            x.to(device, non_blocking=True) for x in (self.frames, self.reference, self.mel, self.heard)
        )
        lips = None if self.lips is None else self.lips.to(device, non_blocking=True)
        return Batch(frames, reference, mel, heard, lips)


@dataclass(frozen=True)
class Method:
    """How is trained: the loss, and how it is computed.

    Attributes:
        weights: λ of the terms.
        judges: networks that terms ask; the discriminator itself, in no wrapper.
        weightings: by term, see `loss_terms`.
        mouth: likewise.
        half: type the network computes in, or None for float32.
        clip: largest norm of a gradient, or 0.
        seed: of what is drawn.
    """

    weights: Weights
    judges: Judges = field(default_factory=Judges)
    weightings: Mapping[str, Weighting | None] = field(default_factory=dict)
    mouth: float = 1.0
    half: torch.dtype | None = None
    clip: float = 0.0
    seed: int = 7


def draw(
    seed: int, step: int, places: Sequence[int], size: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """What is random in an update, for sequences at some places of its batch.

    Each sequence has a generator of its own, seeded by (seed, step, place): it is drawn alike however a batch
    is divided among processes, and a training that goes on needs no generator's state.

    Args:
        seed: of the training.
        step: the update, from 0.
        places: of B sequences in the whole batch.
        size: S, of images.
        device: where it is drawn; devices of another kind draw other numbers.

    Returns:
        t [B] int64, uniform over 0 … 999, one for the five frames that are judged together; the noise ε and
        what fills the lower half of the condition, drawn apart from it: [5·B, 3, S, S] each.
    """
    steps, pairs = [], []
    for place in places:
        state = np.random.SeedSequence([seed, step, place]).generate_state(1)
        generator = torch.Generator(device).manual_seed(int(state[0]))
        steps.append(torch.randint(TRAINING_STEPS, (1,), generator=generator, device=device))
        pairs.append(torch.randn((2, FRAMES, 3, size, size), generator=generator, device=device))
    noise, fill = torch.stack(pairs, dim=1).flatten(1, 2)
    return torch.cat(steps), noise, fill


def look(
    network: nn.Module, batch: Batch, seen: Corrupted, half: torch.dtype | None, prediction: str = "eps"
) -> Tensor:
    """ε̂ [5·B, 3, S, S] in float32, whatever the network predicts; it alone computes in `half`."""
    reference = batch.reference.repeat_interleave(FRAMES, dim=0)
    kind = batch.frames.device.type
    with torch.autocast(kind, half, enabled=half is not None):
        found: Tensor = network(seen.x_t, seen.t, seen.condition, reference, batch.mel, batch.lips)
    answer = found[:, :3].float()
    if prediction == "eps":
        return answer
    signal, spread = roots(seen.t, answer)
    return (seen.x_t - signal * x0_of(prediction, seen.x_t, answer, reference, signal, spread)) / spread


def update(run: Run, parts: Sequence[Batch], method: Method, world: World = ALONE) -> dict[str, float]:
    """One update of network, discriminator and average, in place.

    Args:
        run: what is trained; its `step` grows by one.
        parts: this process' share of the batch, in parts of equal size whose gradients are added.
        method: the loss.
        world: the processes that train together.

    Returns:
        Means over the whole batch, by name: the terms that count, not multiplied by their λ; `loss`, their
        sum; `judge`, the discriminator's loss; `gradient`, the norm before it is clipped.

    Raises:
        TrainingError: in all processes, before anything changes, where one of these is not finite.
    """
    run.clear_gradients()
    values: dict[str, Tensor] = {}
    for number, part in enumerate(parts):
        first = (world.rank * len(parts) + number) * len(part)
        drawn = draw(method.seed, run.step, range(first, first + len(part)), run.size, run.device)
        with _joining(run, last=number == len(parts) - 1):
            found = _backward(run, part.to(run.device), drawn, method, 1 / len(parts))
        values = {name: values.get(name, 0) + value / len(parts) for name, value in found.items()}
    values |= run.gradient_norms(method.clip)
    means = check_finite(world.mean(values), run.step, spared=run.forgiving)
    run.advance()
    return means


def _backward(
    run: Run, batch: Batch, drawn: tuple[Tensor, Tensor, Tensor], method: Method, share: float
) -> dict[str, Tensor]:
    """Add the gradients of a part; its terms, their sum, and the discriminator's loss."""
    t, noise, fill = drawn
    seen = corrupt(batch.frames, t.repeat_interleave(FRAMES), noise, fill)
    eps = look(run.joined_network, batch, seen, method.half, run.network.config.prediction)
    frames = estimate(seen, eps)
    terms = loss_terms(
        seen, eps, frames, batch.heard,
        weights=method.weights, judges=method.judges, weightings=method.weightings, mouth=method.mouth,
    )  # fmt: skip
    loss = weighted_sum(terms, method.weights)
    torch.autograd.backward(run.scaler.scale(loss * share))
    values = {**terms, "loss": loss}
    if run.joined_judge is not None:
        values["judge"] = judge_loss(frames, seen, run.joined_judge, method.weightings.get("gan"))
        torch.autograd.backward(values["judge"] * share)
    return {name: value.detach() for name, value in values.items()}


@contextmanager
def _joining(run: Run, *, last: bool) -> Iterator[None]:
    """Gradients are averaged over the processes with the last part, not before."""
    if last:
        yield
        return
    with run.apart():
        yield
