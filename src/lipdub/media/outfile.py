"""The file that an output is written into: opened, watched, finished and looked at."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from math import ceil, lcm
from pathlib import Path
from typing import Any

import av
import av.container
import av.error

from lipdub.errors import MediaError, RenderError
from lipdub.media.containers import MP4_LIKE
from lipdub.media.encode import exact_timescale
from lipdub.media.muxing import INTERLEAVING, write_error
from lipdub.media.reading import opened
from lipdub.progress import Progress, Step

MOST_TICKS = 2**31 - 1
"""Ticks a second that the clock of an MP4 file has at most."""


def muxer_options(
    suffix: str, time_base: Fraction, chapters: Sequence[Any], sound: Fraction = Fraction(1)
) -> dict[str, str]:
    """Options of the muxer: no version, no date and no random number of its own; exact times.

    Args:
        suffix: of the output's name.
        time_base: of the picture, in seconds.
        chapters: as PyAV gives them.
        sound: unit of the time at which the sound begins.
    """
    options = {"fflags": "+bitexact", "strict": "-2"} | INTERLEAVING
    if suffix in MP4_LIKE:
        scale = exact_timescale(time_base)
        clock = lcm(
            scale, sound.denominator, *(Fraction(c["start"] * c["time_base"]).denominator for c in chapters)
        )
        options["video_track_timescale"] = str(scale)
        options["movie_timescale"] = str(clock if clock <= MOST_TICKS else scale)
    return options


class Report:
    """Tell the progress of writing, once a second of the movie, and its end.

    Args:
        length: seconds in all.
        progress: is told.
    """

    def __init__(self, length: Fraction, progress: Progress) -> None:
        self._total = ceil(length)
        self._done = 0
        self._progress = progress

    def __call__(self, seconds: int) -> None:
        """What comes now is of that second."""
        if self._done < seconds <= self._total:
            self._done = seconds
            self._progress(Step("remux", seconds, self._total, "s"))

    def finish(self) -> None:
        """All is written."""
        self._progress(Step("remux", self._total, self._total, "s"))


@contextmanager
def written(path: Path, form: str, options: dict[str, str]) -> Iterator[av.container.OutputContainer]:
    """A file to put streams into; it is finished at the end, unless there was an error.

    Args:
        path: where to.
        form: libavformat's name of the format.
        options: of the muxer.

    Raises:
        RenderError: it cannot be written.
    """
    try:
        # Tags that are not UTF-8 go out as the bytes that came in.
        target = av.open(
            f"file:{path}", "w", format=form, container_options=options, metadata_errors="surrogateescape"
        )
    except (av.error.FFmpegError, OSError, ValueError) as exc:
        raise write_error(exc, path) from exc
    try:
        yield target
    except BaseException:
        with suppress(av.error.FFmpegError, OSError, ValueError):  # the first error is the one that matters
            target.close()
        raise
    try:
        target.close()
    except (av.error.FFmpegError, OSError) as exc:
        raise write_error(exc, path) from exc


def check_finished(output: Path) -> None:
    """Muxers leave out streams without packets, and do not fail; read the first packet of each.

    Raises:
        RenderError: picture or sound is not there.
    """
    try:
        with opened(output) as container:
            wanted = {s.index for s in (*container.streams.video[:1], *container.streams.audio[:1])}
            for packet in container.demux(*(container.streams[index] for index in wanted)):
                if packet.size:
                    wanted.discard(packet.stream.index)
                if not wanted:
                    break
            missing = bool(wanted) or not container.streams.video or not container.streams.audio
    except MediaError as exc:
        raise RenderError(f"a file was written that cannot be read: {exc}") from exc
    if missing:
        raise RenderError("the output was put together without picture or sound; please report this.")
