"""Render the picture: find the segments that are missing, and make them.

Three stages work side by side: decoding, the network, encoding. Each segment is written whole, settled on the
disk, and only then entered in the journal, so a run that is stopped at any moment goes on from the last
entry.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import av

from lipdub.disk import settle
from lipdub.errors import InputError, RenderError
from lipdub.flow import read_ahead, write_behind
from lipdub.journal import Ended, Finished, Journal
from lipdub.media.encode import SegmentWriter
from lipdub.media.encoding import Encoding
from lipdub.media.frames import read_timed, usual_length
from lipdub.media.join import Joined, Segment
from lipdub.media.marks import Mark, checksum, read_after
from lipdub.media.planes import frame_bytes, pts_of
from lipdub.media.probe import VideoInfo
from lipdub.media.timing import last_length, order_of
from lipdub.progress import Progress, Step
from lipdub.render import Inpainter, MelSource, Shown, Threaded, render
from lipdub.segments import Segments, segment_at

ATTEMPTS = 3
"""How often segments are made again because the disk gives back other bytes than it was given."""
QUEUED, QUEUED_BYTES = 8, 96 << 20
"""Frames that wait between two stages, and memory for them, at most."""


@dataclass(frozen=True, slots=True)
class Painting:
    """What the stages share.

    Attributes:
        movie: the movie.
        encoding: of the new picture.
        segments: its segments, with the plan in them.
        mel: the mel windows of what is spoken.
        inpainter: the network.
        still_length: seconds for which a still picture is shown.
        frames: how many there will be, if that is known.
        progress: told after every frame.
    """

    movie: VideoInfo
    encoding: Encoding
    segments: Segments
    mel: MelSource
    inpainter: Inpainter
    still_length: Fraction | None
    frames: int | None
    progress: Progress


@dataclass(frozen=True, slots=True)
class Picture:
    """The new picture: its segments, numbers of its frames, and the seconds at which it ends."""

    joined: Joined
    frames: int
    changed: int
    edits: int
    moved: int
    end: Fraction


def make_picture(job: Painting, journal: Journal) -> Picture:
    """Make the segments that the journal does not have.

    Args:
        job: what to make.
        journal: of what is made already.

    Raises:
        InputError: nothing of the picture is left at the length that was asked for.
        RenderError: decoding, encoding or the disk fails; what is finished stays in the journal.
    """
    if isinstance(job.inpainter, Threaded) and journal.threads:
        job.inpainter.pin_threads(journal.threads)
    finished = [entry for entry in _all_segments(job, journal) if entry.frames]
    if not finished:
        raise InputError("nothing of the picture is left at this length; see --length and --audio-offset.")
    movie = job.movie
    parts = [Segment(journal.path_of(entry), entry.order) for entry in finished if entry.order]
    return Picture(
        Joined(parts, movie.time_base, usual_length(movie), finished[-1].length),
        sum(entry.frames for entry in finished),
        sum(entry.changed for entry in finished),
        sum(entry.edits for entry in finished),
        sum(entry.moved for entry in finished),
        finished[-1].end,
    )


def _all_segments(job: Painting, journal: Journal) -> list[Finished]:
    """The entries of all segments; those that are not there, or damaged, are made first."""
    for _ in range(1 + ATTEMPTS):
        known = _known(job, journal)
        gaps = list(_gaps(known, journal.ended(job.segments.end_key)))
        if not gaps:
            return [known[number] for number in sorted(known)]
        for gap in gaps:
            _make(job, journal, gap, known)
        journal.forget_checks()  # what was written is read once more, before it is used
    raise RenderError(
        "the disk gives back other bytes than were written to it; use another one (--work-dir)."
    )


def _known(job: Painting, journal: Journal) -> dict[int, Finished]:
    """The finished segments of this picture, by number."""
    bound = journal.ended(job.segments.end_key) or journal.bound
    found = (journal.finished(number, job.segments.key(number)) for number in range(bound))
    return {entry.segment: entry for entry in found if entry is not None}


@dataclass(frozen=True, slots=True)
class _Gap:
    """Segments to make, from `first` up to `stop`, or to the end of the picture if that is None."""

    first: int
    stop: int | None


def _gaps(known: dict[int, Finished], ended: int | None) -> Iterator[_Gap]:
    """The gaps between known segments, and after them."""
    first = 0
    for number in sorted(known):
        if number > first:
            yield _Gap(first, number)
        first = number + 1
    if ended is None or ended > first:
        yield _Gap(first, ended)


def _make(job: Painting, journal: Journal, gap: _Gap, known: dict[int, Finished]) -> None:
    """Decode, paint and encode the segments of a gap, side by side."""
    source = _Source(job, gap, known)
    waiting = _waiting(job.movie)
    done = sum(entry.frames for entry in known.values())
    with (
        _Sink(job, journal, gap) as sink,
        read_ahead(source.frames(), waiting) as frames,
        write_behind(sink.write, waiting) as put,
    ):
        plan, delay = job.segments.plan, job.segments.delay
        for shown in render(plan, job.movie, job.mel, job.inpainter, frames, delay):
            put(shown)
            done += 1
            job.progress(Step("render", done, job.frames))
    sink.finish(source.ended)


def _waiting(movie: VideoInfo) -> int:
    """How many frames may wait between two stages."""
    size = frame_bytes(movie.pix_fmt, movie.geometry.width, movie.geometry.height)
    return max(1, min(QUEUED, QUEUED_BYTES // size))


class _Source:
    """The frames of a gap, in order.

    Attributes:
        ended: the picture ends with them; known once all were taken.
    """

    def __init__(self, job: Painting, gap: _Gap, known: dict[int, Finished]) -> None:
        self._job = job
        self._gap = gap
        before = (known[n] for n in range(gap.first - 1, -1, -1) if known[n].frames)
        self._before = next(before, None)
        self.ended = False

    def frames(self) -> Iterator[Shown]:
        """The frames; the last one of each segment has its checksum."""
        held: Shown | None = None
        for shown in self._decoded():
            if held is not None:
                yield self._checked(held, shown)
            held = shown
        if held is not None:
            if self.ended:
                held.frame.duration = self._last_length(held.frame)
            yield self._checked(held, None)

    def _decoded(self) -> Iterator[Shown]:
        movie, stop = self._job.movie, self._job.segments.stop
        for frame, moved in self._read():
            pts = pts_of(frame)
            seconds = movie.seconds(pts)
            if stop is not None and seconds >= stop:
                break
            if self._gap.stop is not None and segment_at(seconds) >= self._gap.stop:
                return
            yield Shown(frame, pts, moved)
        self.ended = True

    def _read(self) -> Iterator[tuple[av.VideoFrame, bool]]:
        if self._before is None:
            return read_timed(self._job.movie, still_length=self._job.still_length)
        mark = Mark(self._before.source, self._before.check)
        return read_after(self._job.movie, mark, self._job.still_length)

    def _last_length(self, frame: av.VideoFrame) -> int:
        """Ticks for which the last frame of the picture is shown."""
        movie, stop = self._job.movie, self._job.segments.stop
        pts = pts_of(frame)
        length = last_length(pts, frame.duration, usual_length(movie), movie.end)
        if stop is None:
            return length
        return max(1, min(length, ceil((stop - movie.seconds(pts)) / movie.time_base)))

    def _checked(self, shown: Shown, following: Shown | None) -> Shown:
        numbers = {segment_at(self._job.movie.seconds(s.source)) for s in (shown, following) if s}
        if following is None or len(numbers) > 1:
            shown.check = checksum(shown.frame)
        return shown


class _Sink:
    """Encode frames, segment by segment, and enter each segment in the journal when it is done."""

    def __init__(self, job: Painting, journal: Journal, gap: _Gap) -> None:
        self._job = job
        self._journal = journal
        self._next = gap.first
        self._stop = gap.stop
        self._part: _Part | None = None

    def __enter__(self) -> "_Sink":
        return self

    def __exit__(self, *exc: object) -> None:
        if self._part is not None and exc[0] is not None:
            self._part.abandon()

    def write(self, shown: Shown) -> None:
        """Encode the next frame."""
        number = segment_at(self._job.movie.seconds(shown.source))
        if self._part is not None and self._part.number != number:
            self._settle(last=False)
        if self._part is None:
            self._leave_empty(number)
            self._part = _Part(self._job, self._journal, number)
        self._part.write(shown)

    def finish(self, ended: bool) -> None:
        """Enter the last segment and, if the picture ends with it, its end."""
        if self._part is not None:
            self._settle(last=ended)
        if ended:
            self._journal.record(Ended(self._job.segments.end_key, self._next))
        elif self._stop is not None:
            self._leave_empty(self._stop)

    def _settle(self, last: bool) -> None:
        assert self._part is not None
        self._journal.record(self._part.finish(last))
        self._next, self._part = self._part.number + 1, None

    def _leave_empty(self, number: int) -> None:
        """Enter the segments before this one in which no frame begins."""
        for empty in range(self._next, number):
            self._journal.record(Finished(empty, self._job.segments.key(empty)))
        self._next = number


class _Part:
    """A segment that is being written."""

    def __init__(self, job: Painting, journal: Journal, number: int) -> None:
        self._movie = job.movie
        self.number = number
        self._key = job.segments.key(number)
        self._path = journal.name(number, self._key, f".{job.encoding.encoder.carrier}")
        self._unfinished = self._path.with_name(f"{self._path.name}.part")
        self._writer = SegmentWriter(self._unfinished, job.movie, job.encoding)
        self._threads = job.inpainter.threads if isinstance(job.inpainter, Threaded) else 0
        self._frames = self._changed = self._edits = self._moved = self._check = self._source = 0
        self._end = Fraction(0)

    def write(self, shown: Shown) -> None:
        self._frames += 1
        self._edits += shown.edits
        self._changed += shown.edits > 0
        self._moved += shown.moved
        self._check, self._source = shown.check, shown.source
        frame, movie = shown.frame, self._movie
        self._end = movie.seconds(pts_of(frame) + (frame.duration or usual_length(movie)))
        self._writer.write(frame)

    def finish(self, last: bool) -> Finished:
        coded = self._writer.finish(last=last)
        size, sha256 = settle(self._unfinished, self._path)
        return Finished(
            segment=self.number,
            key=self._key,
            file=self._path.name,
            size=size,
            sha256=sha256,
            frames=self._frames,
            changed=self._changed,
            edits=self._edits,
            moved=self._moved,
            order=order_of(coded.pts),
            length=coded.length,
            end=self._end,
            check=self._check,
            source=self._source,
            threads=self._threads,
        )

    def abandon(self) -> None:
        self._writer.__exit__()
        self._unfinished.unlink(missing_ok=True)
