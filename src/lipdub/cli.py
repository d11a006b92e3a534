"""The command line: Typer commands, the only place that catches errors; no logic."""

import json
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from lipdub.choices import EVERY, FOR_ALL_ROWS, NETWORK, PLANNING, options_from, with_choices, with_options
from lipdub.dataset.options import PrepareOptions
from lipdub.errors import CueError, DatasetError, LipdubError, ManifestError
from lipdub.options import parse_time
from lipdub.prepare_choices import PREPARE_TEXTS, prepare_options
from lipdub.training.config import FINETUNING, TrainOptions
from lipdub.training.config import choose as training_options
from lipdub.training.expert_options import EXPERT_TEXTS, ExpertOptions, Files
from lipdub.training.texts import FINETUNE_TEXTS, TRAIN_TEXTS

if TYPE_CHECKING:
    from lipdub.batch import RowEvent

app = typer.Typer(
    name="lipdub",
    help="Give a movie the lips of its dubbed soundtrack, and change nothing else.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Video = Annotated[Path, typer.Argument(metavar="VIDEO", help="The movie, or a picture of a face.")]
Audio = Annotated[Path, typer.Option("--audio", "-a", help="The dub: a sound file, or a movie with sound.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
STOPPED_TRAINING = "stopped; run the same command again to go on from the last checkpoint."


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    logging.basicConfig(level=logging.WARNING, handlers=[_Notes()], force=True)
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"lipdub {installed('lipdub')}")
        raise typer.Exit


@app.command()
@with_choices(*EVERY)
def sync(
    video: Video,
    audio: Audio,
    output: Annotated[Path, typer.Option("--output", "-o", help="The movie to make.")],
    as_json: Json = False,
    **choices: Any,
) -> None:
    """Dub a movie: the same picture with lips that speak the new sound."""
    with _reporting(as_json):
        options = options_from(choices)
        from lipdub import pipeline
        from lipdub.progress import terminal_progress

        with terminal_progress() as progress:
            result = pipeline.sync(video, audio, output, options=options, progress=progress)
        changed = f"{result.changed} of {result.frames} frames with new lips, made in {result.seconds:.1f} s"
        _tell(result.as_json(), f"{result.output}: {changed}", result.notes, as_json)


@app.command()
@with_choices(*PLANNING)
def plan(
    video: Video,
    output: Annotated[Path, typer.Option("--output", "-o", help="The plan to write (JSON).")],
    audio: Annotated[
        Path | None,
        typer.Option("--audio", "-a", help="The dub; without it, all that is spoken in the movie changes."),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Draw everybody in the movie, with their numbers, into this picture.")
    ] = None,
    as_json: Json = False,
    **choices: Any,
) -> None:
    """Find the faces and write down what sync would change, to read, edit and give back."""
    with _reporting(as_json):
        from lipdub import deciding

        options, sheet = deciding.sheet_of(options_from(choices), sheet)
        from lipdub.progress import terminal_progress

        with terminal_progress() as progress:
            made = deciding.write_plan(video, output, options, progress, sheet, audio)
        result = {
            "output": str(output),
            "sheet": str(sheet) if sheet else None,
            "changed": len(made.edits),
            "people": len(made.people),
            "notes": list(made.notes),
        }
        frames, count = len(set(made.edits["pts"].tolist())), len(made.people)
        people = f"{count} people" if count != 1 else "1 person"
        drawn = f"; {sheet}: {people}" if sheet else ""
        _tell(result, f"{output}: {frames} frames to change{drawn}", made.notes, as_json)


@app.command()
@with_choices(*NETWORK)
def preview(
    video: Video,
    audio: Audio,
    at: Annotated[str, typer.Option(metavar="TIME", help="Which frame: 12.5 or 1:00:12.5.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture to make (PNG, JPEG, WebP).")],
    as_json: Json = False,
    **choices: Any,
) -> None:
    """One frame, in seconds of work: before, after, and what was decided there, side by side."""
    with _reporting(as_json):
        options = options_from(choices, batch_size=1)
        moment = parse_time(at)
        from lipdub import compare
        from lipdub.progress import terminal_progress

        with terminal_progress() as progress:
            result = compare.preview(video, audio, output, at=moment, options=options, progress=progress)
        _tell(
            result.as_json(), f"{result.output}: the frame at {result.seconds:.3f} s", result.notes, as_json
        )


@app.command()
@with_choices(*FOR_ALL_ROWS)
def batch(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST.csv",
            help="Columns video, audio, output; and, if wanted, any option of sync by its name.",
        ),
    ],
    fresh: Annotated[bool, typer.Option("--fresh", help="Do all rows again, also finished ones.")] = False,
    as_json: Json = False,
    **choices: Any,
) -> None:
    """Dub many movies; run it again, and it goes on where it was stopped, in the middle of a row too.

    The options here hold for rows whose cell is empty or missing. What was done is written to
    MANIFEST.results.csv.
    """
    with _reporting(as_json, "stopped; run the same command again (without --fresh) to go on where it was."):
        options = options_from(choices)
        from lipdub import batch as batches
        from lipdub.progress import terminal_progress

        with terminal_progress() as progress:
            jobs = batches.read_manifest(manifest, options, fresh=fresh, progress=progress)
            result = batches.run_batch(jobs, progress=progress, report=_tell_row, fresh=fresh)
        counts = f"{result.done} done, {result.skipped} finished before, {result.failed} failed"
        _tell(result.as_json(), f"{counts}; see {result.results_path}", result.notes, as_json)
        if result.failed:
            raise typer.Exit(1)


@app.command()
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
    with _reporting(as_json, STOPPED_TRAINING):
        options = training_options(choices)
        from lipdub.progress import terminal_progress
        from lipdub.training import loop

        with terminal_progress() as progress:
            result = loop.train(shards, output, options, progress)
        if result is not None:
            _tell(result.as_json(), f"{result.weights}: weights after {result.step} steps", (), as_json)


@app.command()
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
    with _reporting(as_json, STOPPED_TRAINING):
        options = training_options(choices)
        from lipdub.progress import terminal_progress
        from lipdub.training import finetuning

        with terminal_progress() as progress:
            result = finetuning.finetune(movie, output, options, face, progress)
        if result is not None:
            _tell(result.as_json(), f"{result.weights}: weights after {result.step} steps", (), as_json)


@app.command()
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
    with _reporting(as_json):
        options = prepare_options(choices)
        from lipdub.dataset import preparing, workers
        from lipdub.progress import terminal_progress

        hands = workers.chosen(jobs, ray)
        with terminal_progress() as progress:
            result = preparing.prepare(videos, output, options, hands, progress)
        _tell(result.as_json(), result.sentence, (), as_json)


@app.command("train-expert")
@with_options(ExpertOptions, EXPERT_TEXTS)
def train_expert(
    shards: Annotated[
        list[Path], typer.Argument(metavar="SHARDS", help="Folders that lipdub prepare has filled.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The weights to make (.safetensors).")],
    held_out: Annotated[
        list[Path] | None, typer.Option(help="A folder of clips to measure with; may be given again.")
    ] = None,
    as_json: Json = False,
    **choices: Any,
) -> None:
    """Train the expert that tells how well lips fit a sound; run it again, and it goes on.

    Beside the weights lie EXPERT.state.safetensors, to go on from, and EXPERT.jsonl, the log.
    """
    with _reporting(as_json, STOPPED_TRAINING):
        options = ExpertOptions(**choices)
        files = Files(tuple(shards), tuple(held_out or ()), output)
        from lipdub.progress import terminal_progress
        from lipdub.training import expert

        with terminal_progress() as progress:
            result = expert.train_expert(files, options, progress)
        _tell(result.as_json(), result.sentence(), (), as_json)


@app.command("fetch-weights")
def fetch_weights(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Which ones; all by default.")
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Show what there is, and what is here already.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the files that are here against their hashes.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fetch weights before they are needed."""
    with _reporting(as_json):
        from lipdub import weights
        from lipdub.progress import terminal_progress

        chosen = names or list(weights.load_catalogue())
        if list_ or verify:
            look = weights.verify if verify else weights.status
            found = [look(name) for name in chosen]
            _show_weights(found, as_json)
            if any(status.state == "damaged" for status in found):
                raise typer.Exit(1)
            return
        from lipdub.engine import fetch_all

        with terminal_progress() as progress:
            files = {name: str(path) for name, path in fetch_all(chosen, progress).items()}
        _tell(files, "\n".join(f"{name}: {path}" for name, path in files.items()), (), as_json)


@app.command()
def doctor(as_json: Json = False) -> None:
    """What works here, what is missing, and how to get it."""
    with _reporting(as_json):
        from lipdub.doctor import examine

        findings = examine()
        table = [
            f"{'ok     ' if f.ok else 'MISSING' if f.essential else '–      '} {f.what:<24} {f.detail}"
            for f in findings
        ]
        result = [
            {"what": f.what, "ok": f.ok, "essential": f.essential, "detail": f.detail} for f in findings
        ]
        _tell(result, "\n".join(table), (), as_json)
        if any(f.essential and not f.ok for f in findings):
            raise typer.Exit(1)


class _Notes(logging.Handler):
    """What is logged, a licence or a damaged packet, is told like the notes of a result."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(f"note: {_shown(record.getMessage())}", err=True)


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except KeyboardInterrupt:  # outside of a command, where there is nothing to tell
        sys.exit(130)


@contextmanager
def _reporting(
    as_json: bool,
    stopped: str = "stopped; run the same command again (without --fresh) to go on where it was.",
) -> Iterator[None]:
    """Turn errors into one sentence and an exit code."""
    try:
        yield
    except LipdubError as exc:
        if as_json:
            typer.echo(json.dumps({"error": str(exc), "exit_code": exc.exit_code}, ensure_ascii=False))
        sentence = str(exc) if isinstance(exc, CueError | DatasetError | ManifestError) else _shown(str(exc))
        typer.echo(f"lipdub: {sentence}", err=True)
        raise typer.Exit(exc.exit_code) from exc
    except KeyboardInterrupt as exc:
        typer.echo(f"lipdub: {stopped}", err=True)
        raise typer.Exit(130) from exc


def _tell(result: Any, sentence: str, notes: tuple[str, ...], as_json: bool) -> None:
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else sentence)
    for note in notes:
        typer.echo(f"note: {_shown(note)}", err=True)


def _shown(text: str) -> str:
    """A sentence on one line that a terminal can show, whatever is in the names of files."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _tell_row(event: "RowEvent") -> None:
    """A line for each row of a batch, on standard error."""
    place = f"[{event.number}/{event.total}] {event.job.output.name}"
    why = f": {event.outcome.error}" if event.outcome and event.kind == "failed" else ""
    typer.echo(f"{place} {event.kind}{why}", err=True)
    if event.kind == "done" and event.outcome and event.outcome.notes:
        typer.echo(f"note: {event.outcome.notes}", err=True)


def _show_weights(found: "list[Any]", as_json: bool) -> None:
    from lipdub import weights

    catalogue = weights.load_catalogue()
    rows = [
        {
            "name": s.name,
            "state": s.state,
            "path": str(s.path),
            "licence": catalogue[s.name].licence,
            "for": catalogue[s.name].purpose,
            "without": catalogue[s.name].without,
        }
        for s in found
    ]
    lines = []
    for row in rows:
        need = "optional" if row["without"] else "needed"
        lines.append(f"{row['name']:<16} {row['state']:<9} {need:<9} {row['licence']:<13} {row['path']}")
    _tell(rows, "\n".join(lines), (), as_json)


def _terminated(*_: object) -> NoReturn:
    typer.echo(
        "lipdub: stopped; run the same command again (without --fresh) to go on where it was.", err=True
    )
    sys.exit(143)


if __name__ == "__main__":
    main()
