"""What commands tell: results, notes, errors in one sentence with an exit code."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer

from lipdub.errors import CueError, DatasetError, LipdubError, ManifestError

GO_ON = "stopped; run the same command again (without --fresh) to go on where it was."

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


class Notes(logging.Handler):
    """What is logged, a licence or a damaged packet, is told like the notes of a result."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as a note on standard error."""
        typer.echo(f"note: {shown(record.getMessage())}", err=True)


@contextmanager
def reporting(as_json: bool, stopped: str = GO_ON) -> Iterator[None]:
    """Turn errors into one sentence and an exit code: the only place that catches them."""
    try:
        yield
    except LipdubError as exc:
        if as_json:
            typer.echo(json.dumps({"error": str(exc), "exit_code": exc.exit_code}, ensure_ascii=False))
        sentence = str(exc) if isinstance(exc, CueError | DatasetError | ManifestError) else shown(str(exc))
        typer.echo(f"lipdub: {sentence}", err=True)
        raise typer.Exit(exc.exit_code) from exc
    except KeyboardInterrupt as exc:
        typer.echo(f"lipdub: {stopped}", err=True)
        raise typer.Exit(130) from exc


def tell(result: Any, sentence: str, notes: tuple[str, ...], as_json: bool) -> None:
    """Print a result, as JSON or in a sentence, and what is to be said beside it."""
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else sentence)
    for note in notes:
        typer.echo(f"note: {shown(note)}", err=True)


def shown(text: str) -> str:
    """A sentence on one line that a terminal can show, whatever is in the names of files."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def terminated(*_: object) -> NoReturn:
    """Leave when asked to by a signal."""
    typer.echo(f"lipdub: {GO_ON}", err=True)
    sys.exit(143)
