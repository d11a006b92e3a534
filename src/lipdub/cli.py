"""The command line: Typer commands, no logic."""

import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lipdub.choices import EVERY, FOR_ALL_ROWS, NETWORK, PLANNING, options_from, with_choices
from lipdub.console import Json, Notes, reporting, tell, terminated
from lipdub.demo.settings import DEMO, OFFERED
from lipdub.method import commands
from lipdub.options import choose, parse_time

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


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    logging.basicConfig(level=logging.WARNING, handlers=[Notes()], force=True)
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
    with reporting(as_json):
        options = options_from(choices)
        from lipdub import pipeline
        from lipdub.progress import terminal_progress

        with terminal_progress() as progress:
            result = pipeline.sync(video, audio, output, options=options, progress=progress)
        changed = f"{result.changed} of {result.frames} frames with new lips, made in {result.seconds:.1f} s"
        tell(result.as_json(), f"{result.output}: {changed}", result.notes, as_json)


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
    with reporting(as_json):
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
        tell(result, f"{output}: {frames} frames to change{drawn}", made.notes, as_json)


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
    with reporting(as_json):
        options = options_from(choices, batch_size=1)
        moment = parse_time(at)
        from lipdub import compare
        from lipdub.progress import terminal_progress

        with terminal_progress() as progress:
            result = compare.preview(video, audio, output, at=moment, options=options, progress=progress)
        tell(result.as_json(), f"{result.output}: the frame at {result.seconds:.3f} s", result.notes, as_json)


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
    with reporting(as_json):
        options = options_from(choices)
        from lipdub import batch as batches
        from lipdub.progress import terminal_progress

        with terminal_progress() as progress:
            jobs = batches.read_manifest(manifest, options, fresh=fresh, progress=progress)
            result = batches.run_batch(jobs, progress=progress, report=_tell_row, fresh=fresh)
        counts = f"{result.done} done, {result.skipped} finished before, {result.failed} failed"
        tell(result.as_json(), f"{counts}; see {result.results_path}", result.notes, as_json)
        if result.failed:
            raise typer.Exit(1)


@app.command()
@with_choices(*OFFERED, defaults=DEMO)
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="The movie to make.")] = Path("demo.mp4"),
    keep_inputs: Annotated[
        bool, typer.Option("--keep-inputs", help="Leave what it is made from beside it: a clip and a dub.")
    ] = False,
    as_json: Json = False,
    **choices: Any,
) -> None:
    """Dub a clip that needs no files: a moving portrait, a few seconds of French, the small draft weights."""
    with reporting(as_json):
        options = choose(DEMO, choices)
        from lipdub.demo import making
        from lipdub.progress import terminal_progress

        with terminal_progress() as progress:
            result = making.make_demo(output, options, keep_inputs=keep_inputs, progress=progress)
        tell(result.as_json(), result.sentence(), result.dubbed.notes, as_json)


@app.command("fetch-weights")
def fetch_weights(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Which ones; by default those of sync.")
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
    with reporting(as_json):
        from lipdub import weights
        from lipdub.progress import terminal_progress

        catalogue = weights.load_catalogue()
        every = list_ or verify
        chosen = names or [name for name, entry in catalogue.items() if every or entry.command == "sync"]
        if every:
            look = weights.verify if verify else weights.status
            found = [look(name) for name in chosen]
            _show_weights(found, as_json)
            if any(status.state == "damaged" for status in found):
                raise typer.Exit(1)
            return
        from lipdub.engine import fetch_all

        with terminal_progress() as progress:
            files = {name: str(path) for name, path in fetch_all(chosen, progress).items()}
        tell(files, "\n".join(f"{name}: {path}" for name, path in files.items()), (), as_json)


@app.command()
def doctor(as_json: Json = False) -> None:
    """What works here, what is missing, and how to get it."""
    with reporting(as_json):
        from lipdub.doctor import examine

        findings = examine()
        table = [
            f"{'ok     ' if f.ok else 'MISSING' if f.essential else '–      '} {f.what:<24} {f.detail}"
            for f in findings
        ]
        result = [
            {"what": f.what, "ok": f.ok, "essential": f.essential, "detail": f.detail} for f in findings
        ]
        tell(result, "\n".join(table), (), as_json)
        if any(f.essential and not f.ok for f in findings):
            raise typer.Exit(1)


app.add_typer(commands)


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, terminated)
    try:
        app()
    except KeyboardInterrupt:  # outside of a command, where there is nothing to tell
        sys.exit(130)


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
            "command": catalogue[s.name].command,
        }
        for s in found
    ]
    lines = []
    for row in rows:
        need = "optional" if row["without"] else "needed"
        of = f"{need} ({row['command']})"
        lines.append(f"{row['name']:<16} {row['state']:<9} {of:<19} {row['licence']:<13} {row['path']}")
    tell(rows, "\n".join(lines), (), as_json)


if __name__ == "__main__":
    main()
