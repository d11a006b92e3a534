"""One actor: his clips out of one movie, and a network that goes on learning from them alone."""

import os
from dataclasses import replace
from pathlib import Path

from lipdub import weights
from lipdub.dataset import preparing, workers
from lipdub.dataset.clips import Clips
from lipdub.dataset.options import PrepareOptions
from lipdub.errors import DatasetError, OptionError
from lipdub.options import DEFAULT_WEIGHTS
from lipdub.progress import Progress, fetching, silent
from lipdub.training import checkpoints, networks
from lipdub.training.config import FINETUNING, TrainOptions
from lipdub.training.loop import Trained, train_on
from lipdub.training.terms import lambdas
from lipdub.wording import counted

SHARDS = "shards"
"""Folder of the clips, in the run's."""


def finetune(
    movie: Path, folder: Path, options: TrainOptions = FINETUNING, face: int | None = None,
    progress: Progress = silent,
) -> Trained | None:  # fmt: skip
    """Cut a person's clips out of a movie, and train a network on them; run again, it goes on, if not fresh.

    Args:
        movie: where the person speaks, as it was shot: undubbed.
        folder: of the run; the clips lie in it too.
        options: of the training. Without `init_from` it begins with the published weights; without `expert`
            the term L_sync is off, unless it is given a weight.
        face: number of the person, as `lipdub plan --sheet` shows it; None if there is but one.
        progress: is told of both.

    Raises:
        OptionError: it was started by torchrun in several processes, which would all cut.
        LipdubError: nothing can be cut out or trained; see `prepare` and `train`.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise OptionError(
            "lipdub finetune runs in one process; for several, cut the clips with lipdub prepare, and give "
            "them to lipdub train --init-from."
        )
    begins = options.fresh or not checkpoints.found(folder)
    if options.init_from is None and begins:
        found = weights.resolve(DEFAULT_WEIGHTS, progress=fetching(DEFAULT_WEIGHTS, progress))
        options = replace(options, init_from=str(found.path))
    if options.expert is None and "sync" not in {*options.without, *lambdas(options.weight)}:
        options = replace(options, without=(*options.without, "sync"))
    networks.check(options, begins=begins)
    shards = folder / SHARDS
    cutting = PrepareOptions(speakers="file", fresh=options.fresh)
    preparing.prepare([movie], shards, cutting, workers.chosen(1, None), progress)
    clips = Clips([shards])
    return train_on(clips.only(speaker_of(clips, face)), folder, options, progress)


def speaker_of(clips: Clips, face: int | None) -> str:
    """The one whose clips are wanted.

    Raises:
        DatasetError: there are several, and none was chosen, or none of this number.
    """
    numbers = {_number(name): name for name in sorted(set(clips.speakers))}
    if face is None and len(numbers) == 1:
        return clips.speakers[0]
    if face in numbers:
        return numbers[face]
    counts = ", ".join(
        f"{number} ({counted(clips.speakers.count(name), 'clip')})" for number, name in numbers.items()
    )
    asked = "Several people speak in it" if face is None else f"Nobody of number {face} speaks in it"
    raise DatasetError(f"{asked}; choose with --face one of: {counts}.")


def _number(speaker: str) -> int:
    """`MOVIE/MOVIE-3` is the third person of a movie in which several are seen, `MOVIE` the only one."""
    return int(speaker.rpartition("-")[2]) if "/" in speaker else 1
