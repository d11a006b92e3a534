"""Where the frames of the picture come from: the movie, and after its end its last frames again."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import Protocol

import av

from lipdub.after import Again, back_and_forth, last_frames, ticks_until
from lipdub.journal import Finished
from lipdub.media.frames import read_timed, usual_length
from lipdub.media.marks import Mark, checksum, read_after
from lipdub.media.planes import copy_frame, pts_of
from lipdub.media.probe import VideoInfo
from lipdub.media.timing import last_length
from lipdub.render import Shown
from lipdub.segments import Segments, segment_at


@dataclass(frozen=True, slots=True)
class Gap:
    """Segments to make, from `first` up to `stop`, or to the end of the stretch if that is None."""

    first: int
    stop: int | None


class Source(Protocol):
    """The frames of a gap.

    Attributes:
        ended: the stretch ends with them; known once all were taken.
    """

    ended: bool

    def frames(self) -> Iterator[Shown]:
        """The frames, in order; the last one of each segment has its checksum."""
        ...


class Stretch(Protocol):
    """A part of the picture whose segments have numbers one after the other."""

    @property
    def first(self) -> int:
        """Number of its first segment."""
        ...

    @property
    def ended(self) -> int | None:
        """One more than the number of its last segment, if it is known beforehand."""
        ...

    @property
    def end_key(self) -> str:
        """By which the journal knows where it ends."""
        ...

    def key(self, segment: int) -> str:
        """The key of a segment (see `lipdub.segments`)."""
        ...

    def source(self, gap: Gap, before: Finished | None) -> Source:
        """The frames of a gap; `before` is the last segment before it that has any."""
        ...


@dataclass(frozen=True)
class Movie:
    """The movie's own frames."""

    info: VideoInfo
    segments: Segments
    still_length: Fraction | None = None
    first: int = 0
    ended: int | None = None

    @property
    def end_key(self) -> str:
        """By which the journal knows where it ends."""
        return self.segments.end_key

    def key(self, segment: int) -> str:
        """The key of a segment."""
        return self.segments.key(segment)

    def source(self, gap: Gap, before: Finished | None) -> Source:
        """The frames of a gap, read from the beginning or after the last one before it."""
        return _FromMovie(self, gap, before)


@dataclass
class _FromMovie:
    movie: Movie
    gap: Gap
    before: Finished | None
    ended: bool = field(default=False, init=False)

    def frames(self) -> Iterator[Shown]:
        held: Shown | None = None
        for shown in self._decoded():
            if held is not None:
                yield _checked(held, last=shown.segment != held.segment)
            held = shown
        if held is not None:
            if self.ended:
                held.frame.duration = self._last_length(held.frame)
            yield _checked(held, last=True)

    def _decoded(self) -> Iterator[Shown]:
        info, stop = self.movie.info, self.movie.segments.stop
        for frame, moved in self._read():
            pts = pts_of(frame)
            seconds = info.seconds(pts)
            segment = segment_at(seconds)
            if stop is not None and seconds >= stop:
                break
            if self.gap.stop is not None and segment >= self.gap.stop:
                return
            yield Shown(frame, pts, segment, moved)
        self.ended = True

    def _read(self) -> Iterator[tuple[av.VideoFrame, bool]]:
        if self.before is None:
            return read_timed(self.movie.info, still_length=self.movie.still_length)
        mark = Mark(self.before.source, self.before.check)
        return read_after(self.movie.info, mark, self.movie.still_length)

    def _last_length(self, frame: av.VideoFrame) -> int:
        """Ticks for which the last frame of the movie is shown."""
        info, stop = self.movie.info, self.movie.segments.stop
        pts = pts_of(frame)
        length = last_length(pts, frame.duration, usual_length(info), info.end)
        if stop is None:
            return length
        return max(1, min(length, ceil((stop - info.seconds(pts)) / info.time_base)))


@dataclass(frozen=True)
class Afterwards:
    """The movie's last frames again, back and forth.

    Attributes:
        info: the movie.
        segments: of the job.
        last: the movie's last segment.
        until: seconds at which the picture ends.
    """

    info: VideoInfo
    segments: Segments
    last: Finished
    until: Fraction

    @cached_property
    def loop(self) -> list[av.VideoFrame]:
        """The frames that are shown again."""
        return last_frames(self.info, Mark(self.last.source, self.last.check))

    @property
    def first(self) -> int:
        """Segments are counted on from the movie's."""
        return self.last.segment + 1

    @property
    def ended(self) -> int:
        """All times are known beforehand."""
        return max((self._segment(again) for again in self.times()), default=self.last.segment) + 1

    @property
    def end_key(self) -> str:
        """By which the journal would know where it ends."""
        return self.key(self.first)

    def key(self, segment: int) -> str:
        """The key of a segment."""
        shown = [pts_of(frame) for frame in self.loop]
        return self.segments.key_after(segment - self._moved, shown, self.until)

    def times(self) -> Iterator[Again]:
        """What is shown again, and when."""
        shown = [pts_of(frame) for frame in self.loop]
        usual = usual_length(self.info)
        until = ticks_until(self.info, self.until)
        return back_and_forth(shown, ticks_until(self.info, self.last.end), until, usual)

    def source(self, gap: Gap, before: Finished | None) -> Source:
        """The frames of a gap; all are in memory."""
        return _FromLoop(self, gap)

    @property
    def _moved(self) -> int:
        """By how much numbers of segments lie above their place in the grid."""
        return self.first - segment_at(self.last.end)

    def _segment(self, again: Again) -> int:
        return segment_at(self.info.seconds(again.pts)) + self._moved


@dataclass
class _FromLoop:
    after: Afterwards
    gap: Gap
    ended: bool = field(default=False, init=False)

    def frames(self) -> Iterator[Shown]:
        for again in self.after.times():
            segment = self.after._segment(again)
            if self.gap.stop is not None and segment >= self.gap.stop:
                break
            if segment >= self.gap.first:
                old = self.after.loop[again.place]
                frame = copy_frame(old)
                frame.pts, frame.duration = again.pts, again.length
                yield Shown(frame, pts_of(old), segment)
        self.ended = self.gap.stop == self.after.ended


def _checked(shown: Shown, last: bool) -> Shown:
    if last:
        shown.check = checksum(shown.frame)
    return shown
