"""A training from its first step, or its last checkpoint, to its end."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lipdub.dataset.clips import Clips
from lipdub.dataset.lips import LIPS, measured_lips
from lipdub.dataset.sampling import NONE, Augmentation
from lipdub.diffusion.engine import select_device
from lipdub.diffusion.inpaint import inpaint, make_noise
from lipdub.errors import OptionError, OutputError
from lipdub.models.discriminator import FRAMES
from lipdub.progress import Progress, Step, silent
from lipdub.training import checkpoints
from lipdub.training.config import TrainOptions, choose, differing
from lipdub.training.distributed import World, together
from lipdub.training.drawing import Picture, curves, sheet, write_png
from lipdub.training.ema import Ema
from lipdub.training.hearing import learn_to_hear, listen
from lipdub.training.loader import Sample, Scenes, Taking, batches_of, usable
from lipdub.training.logs import Log, is_told
from lipdub.training.networks import first_network, judges_of, sizes_named
from lipdub.training.objective import WEIGHTINGS, Weighting
from lipdub.training.state import Run, checkpoint_activations, new_run
from lipdub.training.step import Batch, Method, update
from lipdub.training.stopping import until_stopped
from lipdub.training.terms import JUDGED_TERMS
from lipdub.wording import counted

notes = logging.getLogger(__name__)

AUGMENTATION = Augmentation(colour=0.2, shift=0.5, scale=0.5, mirror=0.5, compress=0.15, gain=6, noise=0.3)
"""What leaves faces natural. Colour and compression change the reference alike, which says what is wanted;
blurred pictures would be learnt too, and are not among them."""
SHOWN, SAMPLING_STEPS = 6, 10
"""Sequences on the sheet of samples, whose middle frames are shown, and DDIM steps: seconds on a GPU."""


@dataclass(frozen=True)
class Trained:
    """What a training gave: its folder, the weights for `sync --weights`, and the updates that were made."""

    folder: Path
    weights: Path
    step: int
    went_on_from: int

    @property
    def sentence(self) -> str:
        """What a person wants to know first."""
        return f"{self.weights}: weights after {counted(self.step, 'step')}"

    def as_json(self) -> dict[str, Any]:
        """For the command line."""
        return {
            "folder": str(self.folder),
            "weights": str(self.weights),
            "step": self.step,
            "went_on_from": self.went_on_from,
        }


def train(
    shards: Sequence[Path | str],
    folder: Path | str,
    options: TrainOptions | None = None,
    progress: Progress = silent,
    **choices: Any,
) -> Trained | None:
    """Train Diff2Lip; where the folder has checkpoints, go on from the last one, unless it is to be fresh.

    Stopped by Ctrl-C (SIGINT, SIGTERM), it ends the step, writes a checkpoint, and raises
    `KeyboardInterrupt`; a second time, it stops at once. Under torchrun, every process calls this.

    Args:
        shards: folders that `lipdub prepare` has filled.
        folder: of the run.
        options: None for those of `choices`.
        progress: is told of steps.
        **choices: fields of `TrainOptions`, where no options are given.

    Returns:
        What it gave; None in all but the first of several processes.

    Raises:
        LipdubError: see the errors of `Clips`, `first_network`, `judges_of`, `checkpoints.write`, `update`.
    """
    options = options if options is not None else choose(choices)
    return train_on(Clips(shards), Path(folder), options, progress)


def train_on(
    clips: Clips, folder: Path, options: TrainOptions, progress: Progress = silent
) -> Trained | None:
    """Likewise, from clips; see `train`."""
    with together(options.device) as (world, device):
        progress = progress if world.first else silent
        result = _run(_prepare(clips, folder, options, world, device, progress), progress)
        return result if world.first else None


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
            split = {name: torch.split(values, size) for name, values in sample.items()}
            pieces = (
                {name: values[k] for name, values in split.items()} for k in range(self.options.accumulate)
            )
            yield [_batch(piece) for piece in pieces]


def _batch(sample: Sample) -> Batch:
    """Of `Scenes`' samples, stacked."""
    lips = sample["lips"].flatten(0, 1) if "lips" in sample else None
    frames, mels = sample["frames"].flatten(0, 1), sample["mels"].flatten(0, 1)
    return Batch(frames, sample["reference"], mels, sample["mel"], lips)


def _prepare(
    clips: Clips, folder: Path, options: TrainOptions, world: World, device: str, progress: Progress
) -> _Work:
    """Everything is looked at before anything is computed."""
    if options.batch_size % (world.size * options.accumulate):
        raise OptionError(
            f"A batch of {counted(options.batch_size, 'sequence')} does not divide into "
            f"{counted(world.size, 'process', 'processes')} with {counted(options.accumulate, 'part')} each; "
            "choose another --batch-size or --accumulate."
        )
    place, kind = select_device(device, options.precision)
    judges = judges_of(options, place)
    run = _begun(folder, options, place, kind, clips.fingerprint if world.first else None)
    usable(clips)
    _check_lips(options, run.network.config.lips)
    if options.hear and run.step == 0:
        _hear(run, clips, options, progress, torch.bfloat16 if kind is torch.bfloat16 else None)
    run.join(world)
    weightings: dict[str, Weighting | None] = dict.fromkeys(JUDGED_TERMS, WEIGHTINGS[options.weighting])
    weightings["l2"] = WEIGHTINGS[options.weighting_l2]
    method = Method(
        options.weights,
        replace(judges, discriminator=run.judge),
        weightings,
        options.mouth,
        None if kind is torch.float32 else kind,
        options.clip,
        options.seed,
    )
    taking = Taking(
        run.size, options.seed, options.balance, AUGMENTATION if options.augment else NONE, options.elsewhere,
        options.tell_lips,
    )  # fmt: skip
    lips = measured_lips(clips) if options.tell_lips else ()
    work = _Work(Scenes(clips, taking, lips), folder, options, world, run, method)
    if options.fresh and world.first:  # not before all else was found to be right
        checkpoints.clear(folder)
    return work


def _check_lips(options: TrainOptions, lips: int) -> None:
    if options.tell_lips and lips == 0:
        raise OptionError("--tell-lips is for networks that hear by way of lips; leave it out.")
    if (options.tell_lips or options.hear) and lips not in (0, LIPS):
        raise OptionError(
            f"The network hears {lips} apertures of the lips, and {LIPS} are measured; choose other sizes."
        )


def _hear(
    run: Run, clips: Clips, options: TrainOptions, progress: Progress, half: torch.dtype | None
) -> None:
    """Let a run hear before its first step; each process computes the same."""
    learn_to_hear(
        run.network, listen(clips, options.balance), options.hear, half=half, seed=options.seed,
        told=lambda step, _: progress(Step("hear", step + 1, options.hear, "steps")),
    )  # fmt: skip
    run.ema = Ema.of(run.network, options.ema)


def _begun(
    folder: Path, options: TrainOptions, device: torch.device, half: torch.dtype, clips: str | None
) -> Run:
    """The run at its first step, or at its last checkpoint; what is not as it was is told, if `clips` are."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"The folder {folder} cannot be made ({exc.strerror}).") from exc
    saved = None if options.fresh else checkpoints.latest(folder)
    network = first_network(options) if saved is None else saved.config
    if saved is not None and options.network and sizes_named(options.network) != saved.config:
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
        if clips is not None:
            _tell(saved, options, clips)
    for part in run.network.hearing:
        part.requires_grad_(not options.keep_hearing)
    if options.checkpoint_activations:
        checkpoint_activations(run.network)
    if options.compile:
        run.network.compile()
    return run


def _tell(saved: checkpoints.Saved, options: TrainOptions, clips: str) -> None:
    """Say what is not as it was when the run was left."""
    changed = differing(saved.said.get("options", {}), options)
    changed += ["the clips"] if saved.said.get("clips", clips) != clips else []
    if saved.step >= options.steps:
        notes.warning(
            "%s has made its %s: nothing is left to train.", saved.path.parent, counted(saved.step, "step")
        )
    elif changed:
        notes.warning("%s goes on, but %s changed since.", saved.path.parent, ", ".join(changed))


def _run(work: _Work, progress: Progress) -> Trained:
    run, options, world = work.run, work.options, work.world
    went_on_from = run.step
    if world.first and run.step >= options.steps:
        checkpoints.write_weights(work.folder, run)  # those of a run that was killed before they were
    log = Log(work.folder, run.step) if world.first else None
    with until_stopped() as stopped, log or nullcontext():
        keeping = _Keeping(work, log)
        batches = work.parts() if run.step < options.steps else iter(())
        while run.step < options.steps:
            asked = time.perf_counter()
            parts = next(batches)
            waited = time.perf_counter() - asked
            keeping.note(update(run, parts, work.method, world), waited)
            progress(Step("train", run.step, options.steps, "steps"))
            stop = world.any(stopped(), run.device)
            if options.sample_every and run.step % options.sample_every == 0:
                keeping.draw()
            if stop or run.step % options.save_every == 0 or run.step == options.steps:
                keeping.save()
            if stop and run.step < options.steps:
                world.wait()  # torchrun would end the one that still writes when another is gone
                raise KeyboardInterrupt
    return Trained(work.folder, work.folder / checkpoints.WEIGHTS, run.step, went_on_from)


class _Keeping:
    """Writes a run down: its log, its checkpoints, its pictures; in the first process alone."""

    def __init__(self, work: _Work, log: Log | None) -> None:
        self._work, self._log = work, log
        self._sums: dict[str, float] = {}
        self._count, self._waited, self._since = 0, 0.0, time.perf_counter()

    def note(self, values: Mapping[str, float], waited: float) -> None:
        """One update; where a line is due, the means since the line before."""
        self._sums = {name: self._sums.get(name, 0.0) + value for name, value in values.items()}
        self._count, self._waited = self._count + 1, self._waited + waited
        work, options = self._work, self._work.options
        if not is_told(work.run.step, options.log_every, options.steps):
            return
        if self._log is not None:
            seconds = time.perf_counter() - self._since
            means = {name: value / self._count for name, value in self._sums.items()}
            pace = self._count * options.batch_size * FRAMES / seconds
            self._log.add(
                {"step": work.run.step, **means, "images_per_second": pace, "waited": self._waited / seconds}
            )
        self._sums, self._count, self._waited, self._since = {}, 0, 0.0, time.perf_counter()

    def save(self) -> None:
        """A checkpoint, and the curves up to it."""
        if self._log is None:
            return
        work = self._work
        checkpoints.write(work.folder, work.run, work.options, work.samples.clips.fingerprint)
        rows = self._log.rows
        names = [name for name in (rows[-1] if rows else {}) if name != "step"]
        write_png(self._work.folder / "curves.png", curves(rows, names))

    def draw(self) -> None:
        """The sheet of samples, with the average's weights, always of the same sequences."""
        if self._log is None:
            return
        name = f"step-{self._work.run.step:08d}.png"
        write_png(self._work.folder / checkpoints.SAMPLES / name, samples(self._work.run, self._work.samples))


def samples(run: Run, scenes: Scenes) -> Picture:
    """What the network makes of the middle frames of the stream's first sequences, beside the truth.

    Args:
        run: of which the average's weights are used.
        scenes: what is trained on, so that this shows what is learnt, and not what is known of others.
    """
    found = [scenes[number] for number in range(SHOWN)]
    middle = FRAMES // 2
    frames, mels = (
        torch.stack([one[name][middle] for one in found]).to(run.device) for name in ("frames", "mels")
    )
    reference = torch.stack([one["reference"] for one in found]).to(run.device)
    with torch.inference_mode():
        noise = make_noise(run.size).to(run.device)
        made = inpaint(run.averaged(), frames, reference, mels, noise, steps=SAMPLING_STEPS)
    rows = [images.permute(0, 2, 3, 1).cpu().numpy() for images in (reference, frames, made)]
    return sheet(rows, ["reference", "truth", f"step {run.step}"])
