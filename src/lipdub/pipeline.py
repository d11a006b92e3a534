"""The main job: probe → analyse → plan → render → remux."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.checks import check_job, encoding_for
from lipdub.deciding import decide, show_decisions
from lipdub.engine import LANDMARKER, Engine, fetch, load_engine, restoring
from lipdub.errors import OptionError
from lipdub.identity import segments_of
from lipdub.journal import Journal
from lipdub.media.encoding import Encoding
from lipdub.media.probe import VideoInfo
from lipdub.media.recipe import Remux
from lipdub.media.remux import remux
from lipdub.media.sound import choose_sound
from lipdub.media.soundtrack import Hearing, Soundtrack, hear
from lipdub.media.streams import choose_streams
from lipdub.media.timing import Order, avi_rate, common_step, rounding_note
from lipdub.options import SyncOptions, choose
from lipdub.outputs import publish
from lipdub.picture import Painting, Picture, make_picture
from lipdub.plan import Plan
from lipdub.planning import repeated
from lipdub.progress import Progress, silent
from lipdub.render import Inpainter
from lipdub.sampling import NETWORK_RATE
from lipdub.speech import Voices, length_notes, output_length
from lipdub.speech.length import SAME_LENGTH
from lipdub.stems import hear_stems, short_stems
from lipdub.workfolder import folder_for, note_finished, remove_left_over, work_folder

Pathlike: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a job did.

    Attributes:
        output: the finished movie.
        frames: pictures in it.
        changed: pictures with a new mouth.
        seconds: how long it took.
        notes: what a user should know, a sentence each.
        weights: name or path of the weights.
        weights_sha256: their hash; None for an inpainter handed in.
    """

    output: Path
    frames: int
    changed: int
    seconds: float
    notes: tuple[str, ...]
    weights: str
    weights_sha256: str | None

    def as_json(self) -> dict[str, Any]:
        """The result in types of JSON."""
        return {
            "output": str(self.output),
            "frames": self.frames,
            "changed": self.changed,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
            "weights": self.weights,
            "weights_sha256": self.weights_sha256,
        }


def sync(
    video: Pathlike,
    audio: Pathlike,
    output: Pathlike,
    *,
    options: SyncOptions | None = None,
    plan: Plan | Pathlike | None = None,
    inpainter: Inpainter | None = None,
    engine: Engine | None = None,
    progress: Progress = silent,
    **choices: Any,
) -> SyncResult:
    """Give a movie the lips of a dubbed soundtrack, and change nothing else.

    Args:
        video: the movie, or a picture of a face.
        audio: the dub: a sound file, or a movie whose sound is taken.
        output: the movie to make; its suffix names the container.
        options: all choices; those given by name, as in ``steps=10``, come on top.
        plan: what to change, or the path of a file that says it; None to decide it here.
        inpainter: what paints the mouths instead of the network that `options` names.
        engine: that network, loaded before, to be used again.
        progress: told how far the work is.
        choices: fields of `SyncOptions`.

    Raises:
        LipdubError: see `lipdub.errors`. Nothing is left under the output's name then.
    """
    began = time.monotonic()
    given = plan if isinstance(plan, Plan) else None
    named = {} if plan is None or given else {"plan": str(plan)}
    options, output = choose(options, choices | named), Path(output)
    folder = folder_for(output, options.work_dir)
    remove_left_over(folder, output)
    movie, track, given = check_job(Path(video), Path(audio), output, options, given)
    if inpainter is not None:
        engine = restoring(Engine(inpainter, "given", None), options, progress)
    with work_folder(folder, output, fresh=options.fresh, keep=options.keep_work) as work:
        engine = engine or load_engine(options, progress)
        options = options.painted_with(engine.weights)
        if given is None:  # after the network, in whose place others are offered where no hub is reached
            fetch(LANDMARKER, progress)
        sound = hear(track, work / "dub.pcm", progress)
        made = given or decide(movie, options, work, sound.pcm, progress)
        stems = hear_stems(made.stems, track.offset, work)
        job = _Job(movie, track, sound, stems, output, options, work, progress)
        made = repeated(made, job.shown) if movie.still else made
        picture, encoding = _render(job, made, engine)
        if options.debug_video is not None:
            show_decisions(made, movie, options, sound.pcm, progress)
        output, notes = _put_together(job, picture, encoding)
    said = [*engine.notes_on(given), *made.notes, *short_stems(made, stems), *encoding.notes]
    notes = [*said, *_picture_notes(picture, made), *notes]
    taken = time.monotonic() - began
    return SyncResult(
        output, picture.frames, picture.changed, taken, tuple(notes), engine.weights, engine.sha256
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """What the stages of one job share; `work` is the folder of unfinished files."""

    movie: VideoInfo
    track: Soundtrack
    sound: Hearing
    stems: Sequence[npt.NDArray[np.int16]]
    output: Path
    options: SyncOptions
    work: Path
    progress: Progress

    @property
    def stop(self) -> Fraction | None:
        """Seconds at which the picture ends, if it may end before the movie does."""
        return self.sound.end if self.movie.still or self.options.length != "video" else None

    @property
    def until(self) -> Fraction | None:
        """Seconds up to which the picture goes on, if it goes on after the movie's end."""
        return self.sound.end if self.options.length == "sound" and not self.movie.still else None

    @property
    def frames(self) -> int | None:
        """How many pictures the output will have, if that is known."""
        if self.movie.still:
            return ceil(self.sound.end * self.movie.rate)
        return self.movie.frames if self.options.length == "video" else None

    @property
    def shown(self) -> range:
        """The pts, which count its frames, at which a still picture may change."""
        start, end = self.options.start or 0, self.sound.end
        if self.options.end is not None:
            end = min(end, self.options.end)
        return range(ceil(start * self.movie.rate), ceil(end * self.movie.rate))


def _render(job: _Job, plan: Plan, engine: Engine) -> tuple[Picture, Encoding]:
    encoding = encoding_for(job.movie, job.output, job.options)
    sounds = [job.sound.pcm, *job.stems]
    painting = Painting(
        movie=job.movie,
        encoding=encoding,
        segments=segments_of(job.movie, encoding, plan, sounds, engine, job.options, job.stop, job.progress),
        mel=Voices(sounds),
        inpainter=engine.inpainter,
        still_length=job.stop if job.movie.still else None,
        until=job.until,
        frames=job.frames,
        progress=job.progress,
    )
    return make_picture(painting, Journal(job.work)), encoding


def _picture_notes(picture: Picture, plan: Plan) -> list[str]:
    notes = []
    if picture.moved:
        notes.append(f"{picture.moved} frames had the time of the frame before them and moved by one tick.")
    missed = len(plan.edits) - picture.edits
    if missed > 0:
        notes.append(f"{missed} edits of the plan are for frames that the movie does not have.")
    return notes


def _put_together(job: _Job, picture: Picture, encoding: Encoding) -> tuple[Path, list[str]]:
    """Remux and publish; returns the output's name and what is to be said of it."""
    suffix = job.output.suffix
    movie_end = _movie_end(job, picture)
    length = output_length(movie_end, job.sound.end, job.options.length)
    if job.track.background is None and job.track.offset >= length:
        raise OptionError(f"--audio-offset moves the whole dub after the end of {job.movie.path}.")
    missing = length - job.sound.end
    track = job.track
    sound = choose_sound(track.heard, suffix, abs(missing) <= SAME_LENGTH, missing, track.offset)
    carried, notes = choose_streams(job.movie, suffix, job.options.keep_original_audio)
    if job.options.keep_original_audio and all(s.kind != "audio" for s in job.movie.streams):
        notes.append("the movie has no sound of its own to keep.")
    step, slots = _grid(job.movie, picture.joined.order)
    rounded = rounding_note(suffix, step, slots)
    notes += [rounded] if rounded else []
    finished = job.work / f"finished{suffix}"
    notes += remux(
        Remux(
            info=job.movie,
            picture=picture.joined,
            dub=track.dub,
            sound=sound,
            length=length,
            hevc=encoding.encoder.name == "libx265",
            carried=carried,
            language=job.options.language,
            slots=slots,
            offset=track.offset,
            background=track.background,
            limited=job.sound.clips,
        ),
        finished,
        suffix,
        job.progress,
    )
    if not job.options.keep_work:
        note_finished(job.work, finished)
    written = publish(finished, job.output, job.options.overwrite)
    if written != job.output:
        notes.append(f"{job.output} appeared while it was being made; this is {written} instead.")
    said = length_notes(
        job.sound.lips,
        movie_end,
        sound_end=_dub_end(job),
        offset=track.offset,
        mode=job.options.length,
    )
    return written, [*sound.notes, *notes, *job.sound.notes, *said]


def _dub_end(job: _Job) -> Fraction:
    """Seconds at which what is said ends: music under it may go on, and be cut without a word."""
    if job.track.background is None or job.options.length != "video":
        return job.sound.end
    return Fraction(len(job.sound.lips), NETWORK_RATE) + job.track.offset


def _movie_end(job: _Job, picture: Picture) -> Fraction:
    """Seconds at which the movie ends; where the picture was cut, as its container says."""
    cut = job.stop is not None and picture.movie_end >= job.stop and not job.movie.still
    return max(picture.movie_end, job.movie.until or Fraction(0)) if cut else picture.movie_end


def _grid(movie: VideoInfo, order: Order) -> tuple[Fraction, Fraction]:
    """Seconds of which all times of the picture are multiples, and the frame rate of an AVI that has them."""
    step = common_step([order.step * movie.time_base, movie.origin])
    return step, avi_rate(movie.rate, step, order.closest * movie.time_base)
