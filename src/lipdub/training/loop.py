"""A training from its first step, or its last checkpoint, to its end."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from lipdub.dataset.clips import Clips
from lipdub.dataset.sampling import NONE, Augmentation
from lipdub.diffusion.engine import select_device
from lipdub.diffusion.inpaint import inpaint, make_noise
from lipdub.errors import OptionError, OutputError
from lipdub.models.discriminator import FRAMES
from lipdub.progress import Progress, Step, silent
from lipdub.training import checkpoints
from lipdub.training.config import TrainOptions, choose
from lipdub.training.distributed import World, together
from lipdub.training.drawing import curves, sheet, write_png
from lipdub.training.loader import Scenes, Taking, batches_of
from lipdub.training.logs import Log
from lipdub.training.networks import first_network, judges_of
from lipdub.training.objective import WEIGHTINGS, Judges
from lipdub.training.state import Run, checkpoint_activations, new_run
from lipdub.training.step import Batch, Method, update
from lipdub.training.terms import IMAGE_TERMS

AUGMENTATION = Augmentation(shift=0.5, scale=0.5, mirror=0.5, gain=6)
"""What leaves pictures as good as they are: blurred or miscoloured ones would be learnt too."""
SHOWN, SAMPLING_STEPS = 6, 10
"""Sequences on the sheet of samples, whose middle frames are shown, and DDIM steps: seconds on a GPU."""


@dataclass(frozen=True)
class Trained:
    """What a training gave: its folder, the weights for `sync --weights`, and the updates that were made."""

    folder: Path
    weights: Path
    step: int
    went_on_from: int
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the command line."""
        return {
            "folder": str(self.folder),
            "weights": str(self.weights),
            "step": self.step,
            "went_on_from": self.went_on_from,
            "notes": list(self.notes),
        }


def train(
    shards: Sequence[Path | str],
    folder: Path | str,
    options: TrainOptions | None = None,
    progress: Progress = silent,
    **choices: Any,
) -> Trained:
    """Train Diff2Lip; where the folder has checkpoints, go on from the last one.

    Stopped by Ctrl-C (SIGINT, SIGTERM), it ends the step, writes a checkpoint, and raises
    `KeyboardInterrupt`; a second time, it stops at once. Under torchrun, every process calls this.

    Args:
        shards: folders that `lipdub prepare` has filled.
        folder: of the run.
        options: None for those of `choices`.
        progress: is told of steps.
        **choices: fields of `TrainOptions`, where no options are given.

    Raises:
        LipdubError: see the errors of `Clips`, `first_network`, `judges_of`, `checkpoints.write`, `update`.
    """
    options = options if options is not None else choose(choices)
    with together(options.device) as (world, device):
        work = _prepare(shards, Path(folder), options, world, device)
        return _run(work, progress)


@dataclass(frozen=True)
class _Work:
    """All that the loop needs."""

    samples: Scenes
    folder: Path
    options: TrainOptions
    world: World
    run: Run
    method: Method

    @property
    def share(self) -> int:
        """Sequences of a batch that are this process'."""
        return self.options.batch_size // self.world.size

    def parts(self) -> Iterator[list[Batch]]:
        """This process' share of every batch from now on, in parts."""
        size = self.share // self.options.accumulate
        found = batches_of(
            self.samples, self.share,
            step=self.run.step, rank=self.world.rank, ranks=self.world.size, workers=self.options.workers,
            pin=self.run.device.type == "cuda",
        )  # fmt: skip
        for sample in found:
            names = ("frames", "reference", "mels", "mel")
            pieces = zip(*(sample[name].split(size) for name in names), strict=True)
            yield [Batch(f.flatten(0, 1), r, m.flatten(0, 1), h) for f, r, m, h in pieces]


def _prepare(
    shards: Sequence[Path | str], folder: Path, options: TrainOptions, world: World, device: str
) -> _Work:
    """Everything is looked at before anything is computed."""
    if options.batch_size % (world.size * options.accumulate):
        raise OptionError(
            f"A batch of {options.batch_size} sequences does not divide into {world.size} processes with "
            f"{options.accumulate} parts each; choose another --batch-size or --accumulate."
        )
    place, kind = select_device(device, options.precision)
    judges = judges_of(options)
    clips = Clips(shards)
    run = _begun(folder, options, place, kind)
    run.join(world)
    moved = [j.to(place) if isinstance(j, torch.nn.Module) else j for j in (judges.expert, judges.lpips)]
    weighting = WEIGHTINGS[options.weighting]
    method = Method(
        options.weights,
        Judges(moved[0], moved[1], run.judge),
        dict.fromkeys(IMAGE_TERMS, weighting),
        None if kind is torch.float32 else kind,
        options.clip,
        options.seed,
    )
    taking = Taking(run.size, options.seed, options.balance, AUGMENTATION if options.augment else NONE)
    return _Work(Scenes(clips, taking), folder, options, world, run, method)


def _begun(folder: Path, options: TrainOptions, device: torch.device, half: torch.dtype) -> Run:
    """The run at its first step, or at its last checkpoint."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"The folder {folder} cannot be made ({exc.strerror}).") from exc
    saved = checkpoints.latest(folder)
    network = first_network(options) if saved is None or options.network else saved.config
    if saved is not None and network != saved.config:
        raise OptionError(
            f"{saved.path} is of a network with other sizes than {options.network}; go on without --network, "
            "or train into another folder."
        )
    run = new_run(
        network, device=device, judge=options.weights.gan > 0, lr=options.lr, ema=options.ema, half=half,
        seed=options.seed,
    )  # fmt: skip
    if saved is not None:
        saved.load_into(run)
    if options.checkpoint_activations:
        checkpoint_activations(run.network)
    if options.compile:
        run.network.compile()
    return run


def _run(work: _Work, progress: Progress) -> Trained:
    run, options, world = work.run, work.options, work.world
    began = run.step
    result = Trained(work.folder, work.folder / checkpoints.WEIGHTS, options.steps, began)
    if began >= options.steps:
        return result
    with _until_stopped() as stopped, Log(work.folder, began) if world.first else nullcontext() as log:
        note = _Noting(work, log)
        batches = work.parts()
        while run.step < options.steps:
            waited = -time.perf_counter()
            parts = next(batches)
            waited += time.perf_counter()
            values = update(run, parts, work.method, world)
            note(values, waited)
            progress(Step("train", run.step, options.steps, "steps"))
            if world.any(stopped(), run.device):
                _save(work)
                raise KeyboardInterrupt
            if run.step % options.save_every == 0 or run.step == options.steps:
                _save(work)
    return result
