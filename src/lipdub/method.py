"""The commands of the method itself: data, training, evaluation; no logic."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lipdub.choices import EVALUATION, options_from, with_choices, with_options
from lipdub.console import Json, reporting, tell
from lipdub.dataset.options import PrepareOptions
from lipdub.dataset.texts import PREPARE_TEXTS, prepare_options
from lipdub.training.config import FINETUNING, TrainOptions
from lipdub.training.config import choose as training_options
from lipdub.training.expert_options import EXPERT_TEXTS, ExpertOptions, Files
from lipdub.training.texts import FINETUNE_TEXTS, TRAIN_TEXTS
from lipdub.wording import counted

commands = typer.Typer()
PANEL = "The method: data, training, evaluation"
STOPPED = "stopped; run the same command again to go on where it was."
STOPPED_TRAINING = "stopped; run the same command again (without --fresh) to go on from the last checkpoint."


@commands.command(rich_help_panel=PANEL)
@with_choices(*PREPARE_TEXTS, texts=PREPARE_TEXTS, options=PrepareOptions)
def prepare(
    videos: Annotated[
        list[Path],
        typer.Argument(metavar="VIDEOS...", help="Movies, folders of them, or lists (.txt) of audio video."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the shards.")],
    jobs: Annotated[int | None, typer.Option(help="Processes of this machine; one a core.")] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Use the machines of a Ray cluster (or: auto).")
    ] = None,
    as_json: Json = False,
    **choices: Any,
) -> None:
    """Make training data: clips of faces with their sound, in sync, in WebDataset shards, and a report."""
    with reporting(as_json):
        options = prepare_options(choices)
        from lipdub.dataset import preparing, workers
        from lipdub.progress import terminal_progress

        hands = workers.chosen(jobs, ray)
        with terminal_progress() as progress:
            result = preparing.prepare(videos, output, options, hands, progress)
        tell(result.as_json(), result.sentence, (), as_json)


@commands.command("train-expert", rich_help_panel=PANEL)
@with_options(ExpertOptions, EXPERT_TEXTS)
def train_expert(
    shards: Annotated[
        list[Path], typer.Argument(metavar="SHARDS", help="Folders that lipdub prepare has filled.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The weights to make (.safetensors); folders are made.")
    ],
    held_out: Annotated[
        list[Path] | None,
        typer.Option(help="Clips to measure with, of people not learnt from; may be given again."),
    ] = None,
    as_json: Json = False,
    **choices: Any,
) -> None:
    """Train the expert that tells how well lips fit a sound; run it again, and it goes on.

    Beside the weights lie EXPERT.state.safetensors, to go on from, and EXPERT.jsonl, the log.

    With --held-out, it tells how often the expert is right. accuracy: do lips and sound belong together or
    not. better: is the true sound nearer than another of the same clip. stranger: than one of another clip.
    offset: is a clip's sound found, among shifts of up to 15 frames.
    """
    with reporting(as_json, STOPPED_TRAINING):
        options = ExpertOptions(**choices)
        files = Files(tuple(shards), tuple(held_out or ()), output)
        from lipdub.progress import terminal_progress
        from lipdub.training import expert

        with terminal_progress() as progress:
            result = expert.train_expert(files, options, progress)
        tell(result.as_json(), result.sentence(), (), as_json)


@commands.command(rich_help_panel=PANEL)
@with_choices(*TRAIN_TEXTS, texts=TRAIN_TEXTS, options=TrainOptions)
def train(
    shards: Annotated[list[Path], typer.Argument(metavar="SHARDS…", help="Folders made by lipdub prepare.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the run.")],
    as_json: Json = False,
    **choices: Any,
) -> None:
    """Train Diff2Lip from nothing or from weights; run it again, and it goes on from its last checkpoint.

    RUN/weights.safetensors is ready for sync --weights. Several GPUs: torchrun --nproc-per-node 8 --no-python
    lipdub train … Beside it: log.jsonl, curves.png, pictures of samples, the last checkpoints.
    """
    with reporting(as_json, STOPPED_TRAINING):
        options = training_options(choices)
        from lipdub.progress import terminal_progress
        from lipdub.training import loop

        with terminal_progress() as progress:
            result = loop.train(shards, output, options, progress)
        if result is not None:
            tell(result.as_json(), result.sentence, (), as_json)


@commands.command(rich_help_panel=PANEL)
@with_choices(*FINETUNE_TEXTS, texts=FINETUNE_TEXTS, options=TrainOptions, defaults=FINETUNING)
def finetune(
    movie: Annotated[Path, typer.Argument(metavar="MOVIE", help="Where the person speaks, undubbed.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the run.")],
    face: Annotated[int | None, typer.Option(help="Whose, if there are several: see plan --sheet.")] = None,
    as_json: Json = False,
    **choices: Any,
) -> None:
    """Teach the network one person: cut the clips out of a movie, and train on them; run again, it goes on.

    OUTPUT/weights.safetensors is ready for sync --weights. With --expert, the lips are also judged by it.
    """
    with reporting(as_json, STOPPED_TRAINING):
        options = training_options(choices)
        from lipdub.progress import terminal_progress
        from lipdub.training import finetuning

        with terminal_progress() as progress:
            result = finetuning.finetune(movie, output, options, face, progress)
        if result is not None:
            tell(result.as_json(), result.sentence, (), as_json)


@commands.command(rich_help_panel=PANEL)
@with_choices(*EVALUATION)
def evaluate(
    pairs: Annotated[Path, typer.Option("--pairs", help="The list: an audio and a video on each line.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    mode: Annotated[
        str,
        typer.Option(
            help="cross: every frame is changed; reconstruction: the first frame is all that is known."
        ),
    ] = "cross",
    root: Annotated[
        Path | None,
        typer.Option(help="Folder that the list's names start from, and lie in; else the list's own."),
    ] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FOLDER", help="Videos made by others, AUDIO__VIDEO.mp4: one more row."),
    ] = None,
    only_rows: Annotated[
        bool, typer.Option("--only-rows", help="Measure those; let no network paint.")
    ] = False,
    truth: Annotated[
        Path | None, typer.Option(help="Lip apertures of the true speakers (npz, 25 fps, by name).")
    ] = None,
    syncnet: Annotated[Path | None, typer.Option(help="SyncNet v2, for Sync-C and Sync-D.")] = None,
    expert: Annotated[Path | None, typer.Option(help="A sync expert, published or your own.")] = None,
    as_json: Json = False,
    **choices: Any,
) -> None:
    """Measure a network on a list of pairs as the paper does, beside the real video, and write the table."""
    with reporting(as_json, STOPPED):
        options = options_from(choices)
        from lipdub.progress import terminal_progress
        from lipdub.protocol import command

        with terminal_progress() as progress:
            done = command.run(
                pairs, output, options, mode=mode, root=root, rows=rows or [], only_rows=only_rows,
                truth=truth, syncnet=syncnet, expert=expert, progress=progress,
            )  # fmt: skip
        sentence = f"{done.table}\n{output}: {counted(done.pairs, 'pair')}"
        tell(done.as_json(), sentence, done.notes + done.failed, as_json)
