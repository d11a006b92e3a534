"""Go through the sources of an entry until one gives the right bytes."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

from lipdub.errors import WeightsError, WeightsHashError, WeightsUnavailableError
from lipdub.weights.catalogue import Entry, Source
from lipdub.weights.folders import part_of, remember, sha256_of, writing
from lipdub.weights.sources import obtain, place_of
from lipdub.weights.transfer import Job, Progress, SourceError

# How many places one sentence names, and how many characters it has for each.
_PLACES = 2
_PLACE = 64


def fetch(entry: Entry, target: Path, progress: Progress | None) -> None:
    """Put the bytes of `entry` under `target`; call it only with the lock on that place held.

    What an interrupted download left in the part file is gone on from. Raises WeightsHashError if a source
    gave other bytes, WeightsUnavailableError if none gave any, WeightsError if `target` cannot be written.
    """
    with writing(target):
        target.unlink(missing_ok=True)  # it would not be asked for if its bytes were right
    job = Job(part_of(target), entry.size, entry.limit, entry.sha256, progress)
    failures: list[tuple[Source, SourceError]] = []
    for source in entry.sources:
        try:
            _obtain_checked(source, job)
            break
        except SourceError as exc:
            failures.append((source, exc))
    else:
        raise _no_source(entry, failures) from failures[-1][1]
    with writing(target):
        job.part.replace(target)
    remember(target, entry.sha256)


def _obtain_checked(source: Source, job: Job) -> None:
    """Bring the right bytes to `job.part`, or raise SourceError and leave no wrong ones there."""
    resumed = job.part.is_file()
    if resumed and sha256_of(job.part) == job.sha256:
        return
    obtain(source, job)
    digest = sha256_of(job.part)
    if digest == job.sha256:
        return
    with writing(job.part):
        job.part.unlink()
    if not resumed:
        raise SourceError(f"gave other bytes, SHA-256 {digest[:12]}…", wrong_bytes=True)
    # Another source, or an older version of this one, may have begun the file: once more, from zero.
    _obtain_checked(source, job)


def _no_source(entry: Entry, failures: Sequence[tuple[Source, SourceError]]) -> WeightsError:
    """One sentence, each place named once; what every single source said is in the notes."""
    why = _places(failures)
    text = f"The weights {entry.name} could not be fetched: {why}. Get it another way and {_advice(entry)}."
    wrong = any(reason.wrong_bytes for _, reason in failures)
    error = WeightsHashError(text) if wrong else WeightsUnavailableError(text, why)
    for source, reason in failures:
        error.add_note(f"{source}: {_said(reason)}")
    return error


def _places(failures: Sequence[tuple[Source, SourceError]]) -> str:
    told = dict.fromkeys(f"{place_of(source)}{_link(reason)}{_said(reason)}" for source, reason in failures)
    shown = [shorten(text, _PLACE, placeholder="…") for text in told][:_PLACES]
    rest = len(told) - len(shown)
    return "; ".join(shown) + (f"; and {rest} more" if rest else "")


def _said(reason: SourceError) -> str:
    return f"cannot be reached ({reason})" if reason.unreachable else str(reason)


def _link(reason: SourceError) -> str:
    return " " if reason.unreachable else ": "


def _advice(entry: Entry) -> str:
    provide = f"put it as {entry.file} into a folder named by LIPDUB_WEIGHTS"
    return f"give it with {entry.option} PATH, or {provide}" if entry.option else provide
