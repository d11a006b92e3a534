"""The main job: probe → analyse → plan → render → remux."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt

from lipdub.checks import check_job
from lipdub.deciding import decide
from lipdub.engine import LANDMARKER, Engine, fetch, load_engine
from lipdub.media.encode import PictureWriter
from lipdub.media.encoding import choose_encoding
from lipdub.media.frames import read_frames
from lipdub.media.planes import pts_of
from lipdub.media.probe import AudioInfo, VideoInfo
from lipdub.media.remux import Remux, choose_streams, remux
from lipdub.media.sound import NETWORK_RATE, choose_sound, decode_for_network
from lipdub.options import SyncOptions, choose
from lipdub.outputs import publish, workspace
from lipdub.plan import Plan
from lipdub.planning import repeated
from lipdub.progress import Progress, Step, silent
from lipdub.render import Inpainter, render
from lipdub.speech import MelReader, speech_seconds

Pathlike: TypeAlias = str | os.PathLike[str]

SAME_LENGTH = Fraction(1, 1000)
"""Seconds by which dub and picture may differ and still count as equally long."""
HEARD = Fraction(1, 10)
"""Seconds of silence at the end that are worth a word."""


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
    output = Path(output)
    options = choose(
        options, choices if plan is None or isinstance(plan, Plan) else choices | {"plan": str(plan)}
    )
    given = plan if isinstance(plan, Plan) else None
    movie, dub, given = check_job(Path(video), Path(audio), output, options, given)
    if given is None:
        fetch(LANDMARKER, progress)
    if inpainter is not None:
        engine = Engine(inpainter, "given", None)
    engine = engine or load_engine(options, progress)
    with workspace(output) as work:
        pcm = decode_for_network(dub, work / "dub.pcm")
        job = _Job(movie, dub, output, options, work, pcm, progress)
        made = given or decide(movie, options, progress)
        if movie.still:
            made = repeated(made, job.shown)
        picture = _render(job, made, engine.inpainter)
        output, notes = _put_together(job, picture)
    return SyncResult(
        output=output,
        frames=picture.frames,
        changed=picture.changed,
        seconds=time.monotonic() - began,
        notes=(*made.notes, *picture.notes, *notes),
        weights=engine.weights,
        weights_sha256=engine.sha256,
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """What the stages of one job share; `pcm` is the dub at 16 kHz, `work` the folder of unfinished files."""

    movie: VideoInfo
    dub: AudioInfo
    output: Path
    options: SyncOptions
    work: Path
    pcm: npt.NDArray[np.int16]
    progress: Progress

    @property
    def sound_length(self) -> Fraction:
        """Seconds of sound."""
        return Fraction(len(self.pcm), NETWORK_RATE)

    @property
    def frames(self) -> int | None:
        """How many pictures the output will have, if that is known."""
        return ceil(self.sound_length * self.movie.rate) if self.movie.still else self.movie.frames

    @property
    def shown(self) -> range:
        """The pts, which count its frames, at which a still picture may change."""
        start, end = self.options.start or 0, self.sound_length
        if self.options.end is not None:
            end = min(end, self.options.end)
        return range(ceil(start * self.movie.rate), ceil(end * self.movie.rate))


@dataclass(frozen=True, slots=True)
class _Picture:
    """The new picture: its file, numbers of frames, end in seconds, and what is to be said of it."""

    path: Path
    encoder: str
    frames: int
    changed: int
    end: Fraction
    notes: tuple[str, ...]


def _render(job: _Job, plan: Plan, inpainter: Inpainter) -> _Picture:
    encoding = choose_encoding(job.movie, job.output.suffix)
    path = job.work / f"picture.{encoding.encoder.carrier}"
    clock = _Clock(job.movie, plan)
    with PictureWriter(path, job.movie, encoding) as writer:
        frames = clock.watch(read_frames(job.movie, still_length=job.sound_length))
        mel = MelReader(job.pcm)
        for frame in render(plan, job.movie, mel, inpainter, frames, job.progress, job.frames):
            writer.write(frame)
    notes = list(encoding.notes)
    if writer.moved:
        notes.append(f"{writer.moved} frames had the time of the frame before them and moved by one tick.")
    missed = len(plan.edits) - clock.edits
    if missed > 0:  # of two frames with one time, both are changed
        notes.append(f"{missed} edits of the plan are for frames that the movie does not have.")
    return _Picture(path, encoding.encoder.name, clock.frames, clock.changed, clock.end, tuple(notes))


class _Clock:
    """Count frames as they pass, and know when the last one ends."""

    def __init__(self, movie: VideoInfo, plan: Plan) -> None:
        self._movie = movie
        self._plan = plan
        self.frames = self.changed = self.edits = 0
        self.end = Fraction(0)

    def watch(self, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        for frame in frames:
            self.frames += 1
            length = frame.duration * self._movie.time_base if frame.duration else 1 / self._movie.rate
            self.end = max(self.end, self._movie.seconds(pts_of(frame)) + length)
            edits = len(self._plan.at(pts_of(frame)))
            self.edits += edits
            self.changed += edits > 0
            yield frame


def _put_together(job: _Job, picture: _Picture) -> tuple[Path, list[str]]:
    """Remux and publish; returns the output's name and what is to be said of it."""
    job.progress(Step("remux", 0, 1, "files"))
    suffix = job.output.suffix
    missing = picture.end - job.sound_length
    sound = choose_sound(job.dub, suffix, abs(missing) <= SAME_LENGTH, missing)
    carried, notes = choose_streams(job.movie, suffix, job.options.keep_original_audio)
    if job.options.keep_original_audio and all(s.kind != "audio" for s in job.movie.streams):
        notes.append("the movie has no sound of its own to keep.")
    finished = job.work / f"finished{suffix}"
    remux(
        Remux(
            info=job.movie,
            picture=picture.path,
            dub=job.dub,
            sound=sound,
            length=picture.end,
            hevc=picture.encoder == "libx265",
            carried=carried,
            language=job.options.language,
        ),
        finished,
        suffix,
    )
    written = publish(finished, job.output, job.options.overwrite)
    if written != job.output:
        notes.append(f"{job.output} appeared while it was being made; this is {written} instead.")
    job.progress(Step("remux", 1, 1, "files"))
    return written, [*sound.notes, *notes, *length_notes(job.pcm, picture.end)]


def length_notes(pcm: npt.NDArray[np.int16], end: Fraction) -> list[str]:
    """What to say where the dub is longer or shorter than the picture."""
    surplus = Fraction(len(pcm), NETWORK_RATE) - end
    if surplus < -HEARD:
        return [f"the dub ends {float(-surplus):.2f} s before the picture; silence follows."]
    if surplus <= SAME_LENGTH:
        return []
    lost = f"{speech_seconds(pcm, end):.1f} s of speech are lost"
    return [f"the dub is {float(surplus):.2f} s longer than the picture and was cut; {lost}."]
