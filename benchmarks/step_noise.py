"""How much of the gradient of each term is signal, by diffusion step, and what weighting by t makes of it.

    python benchmarks/step_noise.py --shards DIR --weights FILE --expert FILE [--lpips FILE] [--draws N]

For each tenth of the steps, sequences are drawn one at a time, and the gradient of every term with respect to all
parameters of the network is taken. Signal is the squared norm of the mean gradient, without bias; noise the
variance of the gradient of one sequence. The discriminator is trained a little first, against the network as it is.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from common import put, table
from lipdub.dataset.clips import Clips
from lipdub.diffusion.corruption import Corrupted, corrupt
from lipdub.diffusion.schedule import TRAINING_STEPS, alphas_cumprod
from lipdub.models import load_checkpoint
from lipdub.models.discriminator import SequencePatchGan
from lipdub.models.lpips import load_lpips
from lipdub.models.sync_expert import load_sync_expert
from lipdub.training.loader import Scenes, Taking
from lipdub.training.losses import estimate
from lipdub.training.objective import WEIGHTINGS, Judges, judge_loss, loss_terms
from lipdub.training.state import judge_for
from lipdub.training.step import Batch, draw, look
from lipdub.training.terms import Weights

BINS = 10
JUDGE_STEPS = 150


class Sums:
    """Of gradients of one term in one bin, in two halves, so that products of the two have no bias."""

    def __init__(self) -> None:
        self.halves: list[Tensor | None] = [None, None]
        self.squares, self.count, self.value = 0.0, 0, 0.0

    def add(self, gradient: Tensor, value: float) -> None:
        half = self.count % 2
        old = self.halves[half]
        self.halves[half] = gradient if old is None else old + gradient
        self.squares += float(gradient.square().sum())
        self.value += value
        self.count += 1

    def means(self) -> list[Tensor]:
        counts = (self.count - self.count // 2, self.count // 2)
        return [half / count for half, count in zip(self.halves, counts, strict=True)]

    @property
    def signal(self) -> float:
        one, other = self.means()
        return float(one @ other)

    @property
    def energy(self) -> float:
        """E‖g‖²: signal and noise."""
        return self.squares / self.count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--expert", type=Path)
    parser.add_argument("--lpips", type=Path)
    parser.add_argument("--draws", type=int, default=12)
    given = parser.parse_args()
    torch.set_num_threads(1)
    network = load_checkpoint(given.weights)
    scenes = Scenes(Clips([given.shards]), Taking(network.config.image_size, seed=1))
    judge = trained_judge(network, scenes)
    expert = load_sync_expert(given.expert).requires_grad_(False) if given.expert else None
    lpips = load_lpips(given.lpips, "alex") if given.lpips else None
    weights = Weights(sync=0.1 * bool(expert), lpips=0.25 * bool(lpips))
    sums = {name: [Sums() for _ in range(BINS)] for name in weights.on}
    width = TRAINING_STEPS // BINS
    for number in range(given.draws):
        for b in range(BINS):
            low = b * width
            seen, batch = corrupted(scenes, number * BINS + b, low, low + width)
            eps = look(network, batch, seen, None)
            terms = loss_terms(
                seen,
                eps,
                estimate(seen, eps),
                batch.heard,
                weights=weights,
                judges=Judges(expert, lpips, judge),
            )
            for name, value in terms.items():
                found = torch.autograd.grad(
                    value, list(network.parameters()), retain_graph=True, allow_unused=True
                )
                flat = torch.cat([g.flatten() for g in found if g is not None])
                sums[name][b].add(flat, value.item())
        print(number, flush=True)
    report(sums, given)


def corrupted(scenes: Scenes, number: int, low: int, high: int) -> tuple[Corrupted, Batch]:
    """A sequence, with noise of a step from `low` up to `high`."""
    sample = scenes[number]
    batch = Batch(sample["frames"], sample["reference"][None], sample["mels"], sample["mel"][None])
    t, noise, fill = draw(1, number, [0], scenes.taking.size, torch.device("cpu"))
    step = low + int(t) * (high - low) // TRAINING_STEPS
    return corrupt(batch.frames, torch.full((5,), step), noise, fill), batch


def trained_judge(network: nn.Module, scenes: Scenes) -> SequencePatchGan:
    torch.manual_seed(0)
    judge = judge_for(scenes.taking.size).train()
    optimiser = torch.optim.AdamW(judge.parameters(), 3e-4)
    for number in range(JUDGE_STEPS):
        seen, batch = corrupted(scenes, 10_000 + number, 0, TRAINING_STEPS)
        with torch.no_grad():
            frames = estimate(seen, look(network, batch, seen, None))
        optimiser.zero_grad()
        judge_loss(frames, seen, judge).backward()
        optimiser.step()
    return judge.eval()


def weighted(sums: list[Sums], name: str) -> float:
    """Signal over noise of one sequence at a random step, weighted by t."""
    width = TRAINING_STEPS // BINS
    weighting = WEIGHTINGS[name]
    t = torch.arange(TRAINING_STEPS)
    factors = torch.ones(TRAINING_STEPS) if weighting is None else weighting(t)
    first = factors.reshape(BINS, width).mean(1).tolist()
    second = factors.square().reshape(BINS, width).mean(1).tolist()
    one, other = (
        sum(f * s.means()[half] for f, s in zip(first, sums, strict=True)) / BINS for half in (0, 1)
    )
    signal = float(one @ other)
    energy = sum(f * s.energy for f, s in zip(second, sums, strict=True)) / BINS
    return signal / (energy - signal)


def report(sums: dict[str, list[Sums]], given: argparse.Namespace) -> None:
    width = TRAINING_STEPS // BINS
    signal = alphas_cumprod().reshape(BINS, width).mean(1)
    rows = []
    for b in range(BINS):
        cells = []
        for bins in sums.values():
            share = bins[b].energy / sum(s.energy for s in bins)
            ratio = bins[b].signal / max(bins[b].energy - bins[b].signal, 1e-30)
            cells.append(f"{ratio:.2f} ({100 * share:.2g} %)")
        rows.append([f"{b * width} … {(b + 1) * width - 1}", f"{signal[b]:.2g}", *cells])
    text = [
        "## Which diffusion steps teach, and which are noise",
        f"Signal over noise of the gradient of one sequence, {given.draws} sequences a cell, and in brackets the share "
        "of the steps in the term's gradient (squared). Signal below 0 is none that could be measured.",
        table(["t", "ᾱ_t", *sums], rows),
        "The same over all steps, by weighting:",
        table(
            ["weighting", *sums],
            [[name, *(f"{weighted(bins, name):.3f}" for bins in sums.values())] for name in WEIGHTINGS],
        ),
    ]
    put("step_noise", "\n\n".join(text))
    np.savez(
        given.weights.with_suffix(".step_noise.npz"),
        **{
            name: np.array([[s.signal, s.energy, s.value / s.count] for s in bins])
            for name, bins in sums.items()
        },
    )


if __name__ == "__main__":
    main()
