"""Put the new picture, the dub and every other stream of the movie into one file.

What has to be decoded first (a dub that is padded or cut, sound in a codec that the container does not carry)
ffmpeg decodes, into a pipe. Everything is put together in one thread: see `lipdub.media.muxing`.
"""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

from lipdub.errors import MediaError
from lipdub.media.assembly import Assembly
from lipdub.media.boxes import disable_subtitles
from lipdub.media.containers import FORMATS, MP4_LIKE
from lipdub.media.ebml import write_display_size
from lipdub.media.losses import losses
from lipdub.media.muxing import write
from lipdub.media.outfile import Report, check_finished, muxer_options, written
from lipdub.media.reading import opened
from lipdub.media.recipe import Remux
from lipdub.media.streams import ATTACH
from lipdub.progress import Progress, silent

SHORTEST = Fraction(1, 1000)
"""Seconds of picture below which there is no room for sound."""


def remux(job: Remux, output: Path, suffix: str, progress: Progress = silent) -> list[str]:
    """Write the output file; the same inputs give the same bytes.

    Args:
        job: what it is made of.
        output: where to; the name need not have the suffix of its format.
        suffix: of the name the user asked for.
        progress: is told how many seconds of the movie are written.

    Returns:
        What else of the movie the container did not take, a sentence each.

    Raises:
        MediaError: by its time stamps, the picture is over at once.
        RenderError: something cannot be written, or picture or sound is missing in what was.
    """
    suffix = suffix.lower()
    if job.length < SHORTEST:
        raise MediaError(
            f"{job.info.path} lasts {float(job.length):.2g} s by its time stamps: they are damaged; export it"
            " again."
        )
    damaged: list[Fraction] = []
    with ExitStack() as stack:
        movie = stack.enter_context(opened(job.info.path))
        options = muxer_options(suffix, job.info.time_base, movie.chapters(), job.begins)
        target = stack.enter_context(written(output, FORMATS[suffix], options))
        work = Assembly(job, suffix, target, movie, stack)
        work.add_picture(stack.enter_context(opened(job.picture.segments[0].path)))
        work.add_dub()
        for carried in sorted(job.carried, key=lambda c: c.codec == ATTACH):  # attached files come last
            work.add(carried)
        work.add_tags()
        report = Report(job.length, progress)
        write(target, work.sources(damaged.append), report)
    if suffix in MP4_LIKE:
        disable_subtitles(output, work.subtitles)
    if work.displayed:
        write_display_size(output, *work.displayed)
    check_finished(output)
    report.finish()
    if job.info.still:
        return []
    notes = [
        f"{job.info.path.name} is damaged after {float(t):.1f} s; its other streams end there."
        for t in damaged
    ]
    return work.left_out + notes + losses(job.info.path, output, suffix, work.pairs)
