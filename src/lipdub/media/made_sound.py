"""Sound that ffmpeg makes for an output: the dub in its place, mixed, padded and cut; tracks of the movie."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from lipdub.media.mix import filled_up, fit_for, from_zero, limited, placed, summed
from lipdub.media.reading import as_file
from lipdub.media.recipe import Remux


def dub_sound(job: Remux) -> Any:
    """The dub, or its mix with the background, from time 0 to the end of the picture, for ffmpeg."""
    dub = ffmpeg.input(as_file(job.dub.path), **_dub_input(job))
    sound = placed(dub["a:0"], job.dub, job.offset)
    if job.background is not None:
        options = {"thread_queue_size": 16} | from_zero(job.background.origin)
        below = ffmpeg.input(as_file(job.background.path), **options)
        sound = summed(sound, placed(below["a:0"], job.background), job.heard)
        sound = limited(sound) if job.limited else sound
    return fit_for(job.sound.codec, filled_up(sound, job.heard, job.length), job.heard.channels)


def track_sound(path: Path, index: int, origin: Fraction, codec: str, channels: int) -> Any:
    """A sound track of a movie, silent where sound is missing, for an encoder.

    Args:
        path: the movie.
        index: of the track.
        origin: the time, in the movie's own clock, that a player shows as 0 seconds.
        codec: the encoder.
        channels: of the track.
    """
    movie = ffmpeg.input(as_file(path), **from_zero(origin))
    filled = movie[str(index)].filter("aresample", **{"async": 1, "first_pts": 0})
    return fit_for(codec, filled, channels)


def copied_track(path: Path, index: int, shift: Fraction) -> Any:
    """A sound track as it is, `shift` seconds later."""
    return ffmpeg.input(as_file(path), **from_zero(-shift))[str(index)]


def piped(sound: Any, form: str, **options: Any) -> list[str]:
    """The words of a command that writes a sound into a pipe, in this format of libavformat's."""
    words = {"f": form, "v": "error", "nostdin": None, "copyts": None, "map_metadata": -1}
    command: list[str] = ffmpeg.output(sound, "pipe:1", **options, **words).compile(cmd=_binary())
    return command


def _binary() -> str:
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _dub_input(job: Remux) -> dict[str, Any]:
    """How the dub is read.

    Not with an end (``-t``): with ``-copyts`` it would end an input without a start time, like WAV or ADTS,
    at its first packet. The size of the queue is ffmpeg's own; with it, ffmpeg-python takes a dub that is the
    movie itself for another input, as the numbers of the inputs below need it.
    """
    return {"thread_queue_size": 8} | from_zero(job.dub.origin)
