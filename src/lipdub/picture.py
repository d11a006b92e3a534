"""Render the picture: find the segments that are missing, and make them.

Three stages work side by side: decoding, the network, encoding. Each segment is written whole, settled on
the disk, and only then entered in the journal, so a run that is stopped at any moment goes on from the last
entry.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

from lipdub.disk import settle
from lipdub.errors import InputError, RenderError
from lipdub.flow import read_ahead, write_behind
from lipdub.journal import Ended, Finished, Journal
from lipdub.media.encode import SegmentWriter
from lipdub.media.encoding import Encoding
from lipdub.media.frames import usual_length
from lipdub.media.join import Joined, Segment
from lipdub.media.planes import frame_bytes, pts_of
from lipdub.media.probe import VideoInfo
from lipdub.media.timing import order_of
from lipdub.progress import Progress, Step
from lipdub.render import Inpainter, MelSource, Shown, Threaded, render
from lipdub.segments import Segments
from lipdub.stretches import Afterwards, Gap, Movie, Stretch

log = logging.getLogger(__name__)

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
        until: seconds up to which the picture goes on if the movie ends before; None to end with it.
        frames: how many there will be, if that is known.
        progress: told after every frame.
    """

    movie: VideoInfo
    encoding: Encoding
    segments: Segments
    mel: MelSource
    inpainter: Inpainter
    still_length: Fraction | None
    until: Fraction | None
    frames: int | None
    progress: Progress


@dataclass(frozen=True, slots=True)
class Picture:
    """The new picture.

    Attributes:
        joined: its segments.
        frames, changed: numbers of its frames, and of those with a new mouth.
        edits: faces changed in the movie's own frames.
        moved: frames whose time had to move by a tick.
        movie_end: seconds at which the movie's own frames end.
        end: seconds at which the picture ends.
    """

    joined: Joined
    frames: int
    changed: int
    edits: int
    moved: int
    movie_end: Fraction
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
    with _same_threads(job.inpainter, journal.threads):
        return _made(job, journal)


@contextmanager
def _same_threads(inpainter: Inpainter, count: int) -> Iterator[None]:
    """Compute with as many threads as an earlier run did, and afterwards as before."""
    before = inpainter.threads if isinstance(inpainter, Threaded) else 0
    if isinstance(inpainter, Threaded) and count:
        inpainter.pin_threads(count)
    try:
        yield
    finally:
        if isinstance(inpainter, Threaded):
            inpainter.pin_threads(before)


def _made(job: Painting, journal: Journal) -> Picture:
    _tell_what_is_there(job, journal)
    own = _stretch(job, journal, Movie(job.movie, job.segments, job.still_length), 0)
    if not own:
        raise InputError("nothing of the picture is left at this length; see --length and --audio-offset.")
    whole = own
    if job.until is not None and job.until > own[-1].end:
        count = sum(entry.frames for entry in own)
        whole = own + _stretch(job, journal, Afterwards(job.movie, job.segments, own[-1], job.until), count)
    movie = job.movie
    parts = [Segment(journal.path_of(entry), entry.order) for entry in whole if entry.order]
    return Picture(
        Joined(parts, movie.time_base, usual_length(movie), whole[-1].length),
        sum(entry.frames for entry in whole),
        sum(entry.changed for entry in whole),
        sum(entry.edits for entry in own),
        sum(entry.moved for entry in own),
        own[-1].end,
        whole[-1].end,
    )


def _tell_what_is_there(job: Painting, journal: Journal) -> None:
    """Say what an earlier run left, and whether it is of use."""
    keys = ((number, job.segments.key(number)) for number in range(journal.bound))
    found = [entry for number, key in keys if (entry := journal.finished(number, key))]
    frames = sum(entry.frames for entry in found)
    if frames:
        log.warning("an earlier run made %d frames; this one goes on from there.", frames)
    elif journal.bound:
        log.warning("what an earlier run made was of other inputs or options: all frames are made anew.")


def _stretch(job: Painting, journal: Journal, stretch: Stretch, count: int) -> list[Finished]:
    """The segments of a stretch that have frames; those that are not there, or damaged, are made first.

    Args:
        job, journal: see `make_picture`.
        stretch: of the picture.
        count: frames before it.
    """
    for _ in range(1 + ATTEMPTS):
        ended = stretch.ended or journal.ended(stretch.end_key)
        known = _known(stretch, journal, ended)
        gaps = list(_gaps(known, stretch.first, ended))
        if not gaps:
            return [known[number] for number in sorted(known) if known[number].frames]
        for gap in gaps:
            _make(job, journal, stretch, gap, known, count)
            known = _known(stretch, journal, stretch.ended or journal.ended(stretch.end_key))
        journal.forget_checks()  # what was written is read once more, before it is used
    raise RenderError("the disk gives back other bytes than were written to it; choose another (--work-dir).")


def _known(stretch: Stretch, journal: Journal, ended: int | None) -> dict[int, Finished]:
    """The finished segments of a stretch, by number."""
    numbers = range(stretch.first, journal.bound if ended is None else ended)
    found = (journal.finished(number, stretch.key(number)) for number in numbers)
    # A segment is another one where the picture ends with it, as it may with another --length.
    return {e.segment: e for e in found if e is not None and e.last == (e.segment + 1 == ended)}


def _gaps(known: dict[int, Finished], first: int, ended: int | None) -> Iterator[Gap]:
    """The gaps between known segments, and after them."""
    for number in sorted(known):
        if number > first:
            yield Gap(first, number)
        first = number + 1
    if ended is None or ended > first:
        yield Gap(first, ended)


def _make(
    job: Painting, journal: Journal, stretch: Stretch, gap: Gap, known: dict[int, Finished], count: int
) -> None:
    """Decode, paint and encode the segments of a gap, side by side."""
    before = next((known[n] for n in range(gap.first - 1, stretch.first - 1, -1) if known[n].frames), None)
    source = stretch.source(gap, before)
    waiting = _waiting(job.movie)
    done = count + sum(entry.frames for entry in known.values())
    with _Sink(job, journal, stretch, gap) as sink:
        with (
            read_ahead(source.frames(), waiting) as frames,
            write_behind(sink.write, waiting) as put,
        ):
            for shown in render(job.segments.plan, job.movie, job.mel, job.inpainter, frames):
                put(shown)
                done += 1
                job.progress(Step("render", done, job.frames))
        sink.finish(source.ended)


def _waiting(movie: VideoInfo) -> int:
    """How many frames may wait between two stages."""
    size = frame_bytes(movie.pix_fmt, movie.geometry.width, movie.geometry.height)
    return max(1, min(QUEUED, QUEUED_BYTES // size))


class _Sink:
    """Encode frames, segment by segment, and enter each segment in the journal when it is done."""

    def __init__(self, job: Painting, journal: Journal, stretch: Stretch, gap: Gap) -> None:
        self._job = job
        self._journal = journal
        self._stretch = stretch
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
        number = shown.segment
        if self._part is not None and self._part.number != number:
            self._settle(last=False)
        if self._part is None:
            self._leave_empty(number)
            self._part = _Part(self._job, self._journal, number, self._stretch.key(number))
        self._part.write(shown)

    def finish(self, ended: bool) -> None:
        """Enter the last segment and, if the picture ends with it, its end."""
        if self._part is not None:
            self._settle(last=ended)
        if ended:
            self._journal.record(Ended(self._stretch.end_key, self._next))
        elif self._stop is not None:
            self._leave_empty(self._stop)

    def _settle(self, last: bool) -> None:
        assert self._part is not None
        self._journal.record(self._part.finish(last))
        self._next, self._part = self._part.number + 1, None

    def _leave_empty(self, number: int) -> None:
        """Enter the segments before this one in which no frame begins."""
        for empty in range(self._next, number):
            self._journal.record(Finished(empty, self._stretch.key(empty)))
        self._next = number


class _Part:
    """A segment that is being written."""

    def __init__(self, job: Painting, journal: Journal, number: int, key: str) -> None:
        self._movie = job.movie
        self.number = number
        self._key = key
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
            last=last,
            threads=self._threads,
        )

    def abandon(self) -> None:
        self._writer.__exit__()
        self._unfinished.unlink(missing_ok=True)
