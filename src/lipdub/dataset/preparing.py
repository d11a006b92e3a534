"""Prepare training data: many videos in, shards and a report out; goes on where it was stopped."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lipdub.dataset.fitting import Tools
from lipdub.dataset.making import Row, Sample, make_clips
from lipdub.dataset.options import RATE, PrepareOptions
from lipdub.dataset.report import Totals, write_report
from lipdub.dataset.shardfile import PATTERN, ShardWriter, is_ours
from lipdub.dataset.sidecar import Chunk, is_finished, read_sidecar, write_sidecar
from lipdub.dataset.sources import Source, chunked, find_sources
from lipdub.dataset.syncing import Judge, LipJudge, NetworkJudge
from lipdub.dataset.workers import Crashed, Workers, check_stopped
from lipdub.disk import telling
from lipdub.engine import load_embedder, load_landmarker
from lipdub.errors import DatasetError, OutputError
from lipdub.evaluation.embedders import load_embedder as load_sync_embedder
from lipdub.progress import Progress, Step, silent
from lipdub.speaker import speaker_of
from lipdub.wording import counted

MOST_BYTES = 2 << 30
"""Of the videos of one shard, if there is more than one: a shard of many films would be much to lose."""
FATAL = "ended the process that read it"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was prepared.

    Attributes:
        folder: of the shards.
        totals: of all shards, also of those that were finished before.
        skipped: shards that were finished before.
        report: the report in Markdown.
    """

    folder: Path
    totals: Totals
    skipped: int
    report: Path

    @property
    def sentence(self) -> str:
        """What there is now, for people."""
        totals = self.totals
        hours = totals.frames / RATE / 3600
        return (
            f"{self.folder}: {counted(totals.clips, 'clip')}"
            f" ({hours:.2f} hours, {totals.bytes / 1e6:.0f} MB) of"
            f" {totals.videos - totals.empty} of {counted(totals.videos, 'video')}{self._more};"
            f" {self.report} says what was left out"
        )

    @property
    def _more(self) -> str:
        untold, skipped = self.totals.untold, self.skipped
        told = [
            f", sync not told of {counted(untold, 'clip')}" if untold else "",
            f", {counted(skipped, 'shard')} made before" if skipped else "",
        ]
        return "".join(told)

    def as_json(self) -> dict[str, Any]:
        """The same in types of JSON."""
        return {
            "output": str(self.folder),
            "report": str(self.report),
            "skipped": self.skipped,
            **self.totals.as_json(),
        }


def prepare(
    inputs: Sequence[Path],
    folder: Path,
    options: PrepareOptions,
    workers: Workers,
    progress: Progress = silent,
) -> Prepared:
    """Prepare training data.

    Args:
        inputs: movies, folders, lists.
        folder: for the shards; it is made if it is not there.
        options: how clips are made.
        workers: who does the work.
        progress: told after every shard; the unit is ``videos``.

    Raises:
        DatasetError: an input is not there, a list is bad, or not one clip can be made.
        OutputError: the folder cannot be written, is in use, or holds what was made otherwise.
        WeightsError: the face landmarker cannot be had.
        RenderError: the disk is full.
    """
    root = Path(options.root) if options.root else None
    sources = find_sources(inputs, root, options.speakers, apart=folder)
    _make_folder(folder)
    try:
        with FileLock(folder / ".lock", timeout=0):
            return _prepare(sources, folder, options, workers, progress)
    except Timeout as exc:
        raise OutputError(f"{folder} is being filled by another lipdub prepare; wait for it.") from exc


def make_shard(chunk: Chunk) -> Chunk:
    """Make one shard, and what is written beside it; returns the chunk.

    Raises:
        WeightsError: the face landmarker cannot be had.
        RenderError: the disk is full.
    """
    began, rows = time.monotonic(), list[Row]()
    with (
        telling(chunk.shard),
        tempfile.TemporaryDirectory(prefix=".work-", dir=chunk.folder) as work,
        load_landmarker() as landmarker,
        ShardWriter(chunk.shard) as writer,
    ):
        tools = Tools(landmarker, load_embedder(), _judge(chunk.options), speaker_of)
        try:
            rows += (_row(chunk, number, tools, Path(work), writer) for number in range(len(chunk.sources)))
        finally:
            chunk.reading.unlink(missing_ok=True)
    write_sidecar(chunk, rows, writer.clips, writer.bytes, time.monotonic() - began)
    return chunk


def _row(chunk: Chunk, place: int, tools: Tools, work: Path, writer: ShardWriter) -> Row:
    """Make the clips of one video of a chunk."""
    number, source = chunk.first + place, chunk.sources[place]
    if number in chunk.fatal:
        return Row(source.name, source.speaker, error=FATAL)
    chunk.reading.write_text(str(number))
    add = _Numbering(writer, number, chunk.options.pictures)
    return make_clips(source, tools, chunk.options, work, add, _stop_if_told)


def _judge(options: PrepareOptions) -> Judge:
    """What tells whether sound is early or late.

    Raises:
        WeightsError: the network that options name is not there, or is another one.
    """
    network = load_sync_embedder(options.expert, options.syncnet)
    return NetworkJudge(network) if network else LipJudge()


class _Numbering:
    """Writes the clips of one video under their names."""

    def __init__(self, writer: ShardWriter, video: int, suffix: str) -> None:
        self._writer, self._video, self._suffix, self._count = writer, video, suffix, 0

    def __call__(self, sample: Sample) -> None:
        key = f"{self._video:07d}_{self._count:04d}"
        self._count += 1
        self._writer.add(key, sample.meta, sample.sound, sample.pictures, self._suffix)


def _stop_if_told(_: Step) -> None:
    check_stopped()


def _prepare(
    sources: Sequence[Source], folder: Path, options: PrepareOptions, workers: Workers, progress: Progress
) -> Prepared:
    chunks = _chunks(sources, folder, options)
    todo = _unfinished(chunks, folder, options.fresh)
    done = len(sources) - sum(len(chunk.sources) for chunk in todo)
    skipped = len(chunks) - len(todo)
    _clean(folder)
    while todo:
        again: list[Chunk] = []
        for chunk, result in workers.map(make_shard, todo):
            if isinstance(result, Crashed):
                again.append(_without_fatal(chunk))
            else:
                done += len(chunk.sources)
                progress(Step("prepare", done, len(sources), "videos"))
        todo = again
    totals = write_report(folder, [chunk.sidecar for chunk in chunks])
    report = folder / "report.md"
    if not totals.clips:
        raise DatasetError(
            f"not one clip could be made of {counted(len(sources), 'video')}; {report} says why."
        )
    return Prepared(folder, totals, skipped, report)


def _chunks(sources: Sequence[Source], folder: Path, options: PrepareOptions) -> list[Chunk]:
    chunks, first = list[Chunk](), 0
    for number, some in enumerate(chunked(sources, options.per_shard, MOST_BYTES)):
        chunks.append(Chunk(number, first, tuple(some), options, str(folder.absolute())))
        first += len(some)
    return chunks


def _unfinished(chunks: Sequence[Chunk], folder: Path, fresh: bool) -> list[Chunk]:
    """The chunks that are not there yet.

    Raises:
        OutputError: some shards there are of other videos, or were made with other options.
    """
    if fresh:
        for path in (*folder.glob("shard-*.json"), *folder.glob("shard-*.tar")):
            path.unlink()
        return list(chunks)
    known = {chunk.sidecar: chunk for chunk in chunks}
    finished = set()
    for path in folder.glob("shard-*.json"):
        found, chunk = read_sidecar(path), known.get(folder.absolute() / path.name)
        if found and (chunk is None or found["recipe"] != chunk.recipe):
            raise OutputError(
                f"{folder} holds shards of other videos, or made with other options ({path.name}); choose"
                " another folder, or delete it (prepare --fresh makes them anew)."
            )
        if found and chunk and is_finished(chunk, found):
            finished.add(chunk.number)
    return [chunk for chunk in chunks if chunk.number not in finished]


def _without_fatal(chunk: Chunk) -> Chunk:
    """The same chunk without the video at which its process ended.

    Raises:
        DatasetError: it ended at none.
    """
    try:
        number = int(chunk.reading.read_text())
    except (OSError, ValueError):
        number = -1
    if number < 0 or number in chunk.fatal:
        raise DatasetError(
            f"the process that makes {chunk.shard} ends before it reads a video; is there enough memory for"
            " so many --jobs?"
        )
    return replace(chunk, fatal=chunk.fatal | {number})


def _clean(folder: Path) -> None:
    """Remove what runs that were killed left behind; training would read shards that nothing is said of."""
    for path in folder.glob(PATTERN):
        if read_sidecar(path.with_suffix(".json")) is None and is_ours(path):
            path.unlink(missing_ok=True)
    for path in (*folder.glob("shard-*.part"), *folder.glob("shard-*.reading"), *folder.glob("*.json.part")):
        path.unlink(missing_ok=True)
    for path in folder.glob(".work-*"):
        shutil.rmtree(path, ignore_errors=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as exc:
        raise OutputError(
            f"{folder} cannot be made for the shards ({getattr(exc, 'strerror', exc)})."
        ) from exc
