"""Train the expert, which tells whether lips and sound belong together, and measure it on held-out clips.

Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (ACM Multimedia
2020), §3.1. Beside their pairs from the same clip, sounds of other clips of the batch are told apart, and
the sounds of a clip are compared with each other: see `contrast`.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from lipdub.dataset.clips import Clips
from lipdub.dataset.sampling import NONE, SMALL_SET
from lipdub.diffusion import select_device
from lipdub.disk import add_line, telling, write_text
from lipdub.errors import OptionError, OutputError
from lipdub.models.sync_expert import SyncExpert, load_sync_expert
from lipdub.progress import Progress, Step, silent
from lipdub.training.expert_options import ExpertOptions, Files
from lipdub.training.expert_run import (
    ExpertRun,
    calibrated,
    new_run,
    restore,
    save_state,
    save_weights,
    update,
)
from lipdub.training.expert_scores import ExpertScores, score
from lipdub.training.loader import Pairs, Sample, Taking, batches_of, usable
from lipdub.training.logs import is_told
from lipdub.training.losses import SYNC_WIDTH
from lipdub.wording import counted

CALIBRATION = 512
"""Samples by which batch norms are set before weights are written. With 480 the figures in `calibrated` came
out as with the training's own batches."""

SAID = {
    "accuracy": "accuracy: {} of pairs rightly told to belong together or not",
    "better": "better: the true sound is nearer than another of the same clip in {}",
    "stranger": "stranger: nearer than one of another clip in {}",
}
"""What the figures of `ExpertScores` mean, in words."""


@dataclass(frozen=True, slots=True)
class ExpertResult:
    """What has been trained.

    Attributes:
        output: the weights.
        step: updates in all.
        clips: how many it learnt from.
        held_out: how many it was measured with.
        scores: on held-out clips; None without any.
    """

    output: Path
    step: int
    clips: int
    held_out: int
    scores: ExpertScores | None

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        scores = self.scores.as_json() if self.scores else None
        return {"output": str(self.output), "step": self.step, "clips": self.clips,
                "held_out": self.held_out, "scores": scores}  # fmt: skip

    def sentence(self) -> str:
        """What a person wants to know first."""
        if self.scores is None:
            made = counted(self.step, "step")
            return f"{self.output}: weights after {made}; how good they are, --held-out would tell"
        shares = {name: f"{getattr(self.scores, name).value:.1%}" for name in SAID}
        told = ", ".join(said.format(shares[name]) for name, said in SAID.items())
        found, chance = (f"{each.value:.1%}" for each in (self.scores.clip_offset, self.scores.clip_chance))
        return (
            f"{self.output}: on {counted(self.held_out, 'held-out clip')}, {told} (each by chance 50 %);"
            f" offset: within a frame of where the sound belongs for {found} of clips (by chance {chance})"
        )


def train_expert(files: Files, options: ExpertOptions, progress: Progress = silent) -> ExpertResult:
    """Train until `options.steps`, going on from the state beside the output if there is one.

    The network sees the same batches, and ends with the same weights, whether it was stopped or not.

    Raises:
        DatasetError: no shards, damaged ones, or clips that are too short.
        DeviceError: no such device here.
        OptionError: a folder is to be learnt from and held out.
        OutputError: the output is there already and no state to go on from, or cannot be written.
        TrainingError: the loss is not finite any more.
        WeightsFormatError: the state is damaged or of another training.
    """
    for folder in {path.resolve() for path in files.shards} & {path.resolve() for path in files.held_out}:
        raise OptionError(f"{folder} is learnt from, and so cannot be --held-out; give clips of others.")
    clips = usable(Clips(files.shards))
    held_out = usable(Clips(files.held_out)) if files.held_out else ()
    run = new_run(options, *select_device(options.device, options.precision))
    recipe = {**options.recipe(), "clips": clips.fingerprint}
    _begin(run, recipe, files, options.fresh)
    _train(run, recipe, clips, files, options, progress)
    scores = None
    if held_out:
        scores = score(load_sync_expert(files.output).to(run.device), held_out, options.gap, _told(progress))
    if scores:
        add_line(files.log, json.dumps({"step": run.step, "held_out": scores.as_json()}))
    return ExpertResult(files.output, run.step, len(clips), len(held_out), scores)


def _train(
    run: ExpertRun,
    recipe: Mapping[str, Any],
    clips: Clips,
    files: Files,
    options: ExpertOptions,
    progress: Progress,
) -> None:
    batches = _batches(clips, options, run.device, run.step)
    begun, terms = time.monotonic(), []
    while run.step < options.steps:
        terms.append(update(run, next(batches), options.choice))
        progress(Step("train", run.step, options.steps, "steps"))
        if is_told(run.step, options.log_every, options.steps):
            means = {name: sum(row[name] for row in terms) / len(terms) for name in terms[0]}
            seconds = (time.monotonic() - begun) / len(terms)
            add_line(files.log, json.dumps({"step": run.step, **means, "seconds_per_step": seconds}))
            begun, terms = time.monotonic(), []
        if run.step % options.save_every == 0 or run.step == options.steps:
            save_weights(_calibrated(clips, options, run), run, recipe, files.output)
            save_state(run, recipe, files.state)


def _calibrated(clips: Clips, options: ExpertOptions, run: ExpertRun) -> SyncExpert:
    """See `calibrated`; the first samples of the training serve for it, every time the same."""
    count = -(-CALIBRATION // options.batch_size)
    return calibrated(run, islice(_batches(clips, replace(options, workers=0), run.device, 0), count))


def _batches(clips: Clips, options: ExpertOptions, device: torch.device, step: int) -> Iterator[Sample]:
    """Batches from a step on."""
    taking = Taking(SYNC_WIDTH, options.seed, options.balance, SMALL_SET if options.augment else NONE)
    pairs = Pairs(clips, taking, options.others, options.gap)
    pin = device.type == "cuda"
    return batches_of(pairs, options.batch_size, step=step, workers=options.workers, pin=pin)


def _begin(run: ExpertRun, recipe: Mapping[str, Any], files: Files, fresh: bool) -> None:
    """Go on from the state, if it is wanted and there is one; and let the log end there."""
    try:
        files.output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"The folder {files.output.parent} cannot be made ({exc.strerror}).") from exc
    if not fresh and files.state.exists():
        restore(run, recipe, files.state)
    elif not fresh and files.output.exists():
        raise OutputError(f"{files.output} is there already; give another name, or --fresh to replace it.")
    write_text(files.log, "".join(f"{json.dumps(row)}\n" for row in _lines(files.log, run.step)))


def _lines(path: Path, step: int) -> list[dict[str, Any]]:
    """The whole lines of a log up to a step; what came after a checkpoint is done again."""
    if not path.exists():
        return []
    with telling(path):
        whole = path.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = [json.loads(line) for line in whole if line.endswith("\n")]
    return [row for row in rows if row["step"] <= step]


def _told(progress: Progress) -> Any:
    return lambda done, total: progress(Step("measure", done, total, "clips"))
