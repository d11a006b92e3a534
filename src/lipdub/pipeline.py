"""The main job: probe → analyse → plan → render → remux."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt

from lipdub.engine import Engine, load_engine, load_landmarker
from lipdub.errors import InputError, MediaError, OptionError
from lipdub.faces.analyse import analyse
from lipdub.faces.detect import FaceLandmarker, scaled
from lipdub.media.encode import PictureWriter, choose_encoding
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import AudioInfo, VideoInfo, probe_audio, probe_video
from lipdub.media.remux import FORMATS, Remux, choose_streams, remux
from lipdub.media.sound import NETWORK_RATE, choose_sound, decode_for_network
from lipdub.options import REFERENCES, SyncOptions
from lipdub.outputs import check_output, publish, workspace
from lipdub.plan import Plan, Reference
from lipdub.planfile import load_plan, save_plan
from lipdub.planning import make_plan
from lipdub.progress import Progress, Step, silent
from lipdub.render import Inpainter, render
from lipdub.speech import MelReader, speech_seconds

Pathlike: TypeAlias = str | os.PathLike[str]

SAME_LENGTH = Fraction(1, 1000)
"""Seconds by which dub and picture may differ and still count as equally long."""


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
    plan: Plan | None = None,
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
        options: all choices; or give them by name, as in ``steps=10``.
        plan: what to change, if not to be decided here.
        inpainter: what paints the mouths instead of the network that `options` names.
        engine: that network, loaded before, to be used again.
        progress: told how far the work is.
        choices: fields of `SyncOptions`.

    Raises:
        LipdubError: see `lipdub.errors`. Nothing is left under the output's name then.
    """
    options, began = options or SyncOptions(**choices), time.monotonic()
    output = Path(output)
    movie, dub, plan = check_job(Path(video), Path(audio), output, options, plan)
    if inpainter is not None:
        engine = Engine(inpainter, "given", None)
    engine = engine or load_engine(options, progress)
    with workspace(output) as work:
        pcm = decode_for_network(dub, work / "dub.pcm")
        job = _Job(movie, dub, output, options, work, pcm, progress)
        plan = plan or decide(movie, options, job.sound_length, progress)
        picture = _render(job, plan, engine.inpainter)
        notes = _put_together(job, picture)
    return SyncResult(
        output=output,
        frames=picture.frames,
        changed=len(np.unique(plan.edits["pts"])),
        seconds=time.monotonic() - began,
        notes=(*engine.notes, *plan.notes, *picture.notes, *notes),
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
        return round(self.sound_length * self.movie.rate) if self.movie.still else self.movie.frames


def check_job(
    video: Path, audio: Path, output: Path, options: SyncOptions, plan: Plan | None = None
) -> tuple[VideoInfo, AudioInfo, Plan | None]:
    """Look at everything that can be wrong with a job before any work is done.

    Returns:
        What the movie is, what the dub is, and the plan that was given, if one was.

    Raises:
        InputError: something is wrong; the sentence says what.
    """
    if output.suffix.lower() not in FORMATS:
        raise InputError(f"{output}: the name must end in one of {', '.join(FORMATS)}.")
    movie, dub = probe_video(video), probe_audio(audio)
    check_output(output, (video, audio), options.overwrite)
    if options.start is not None and movie.duration is not None and options.start >= movie.duration:
        raise OptionError(f"--start lies after the end of {video} ({float(movie.duration):.2f} s).")
    check_reference(options)
    if plan is None and options.plan is not None:
        plan = load_plan(Path(options.plan))
    if plan is not None:
        plan.check(movie)
    return movie, dub, plan


def check_reference(options: SyncOptions) -> None:
    """Make sure that a reference picture is there.

    Raises:
        OptionError: it is not.
    """
    if options.reference not in REFERENCES and not Path(options.reference).is_file():
        known = ", ".join(REFERENCES)
        raise OptionError(f"--reference takes {known} or a picture; there is no file {options.reference}.")


def decide(
    movie: VideoInfo, options: SyncOptions, still_length: Fraction | None = None, progress: Progress = silent
) -> Plan:
    """Analyse a movie and plan what to change.

    Args:
        movie: as probed.
        options: of the job.
        still_length: seconds for which a still picture is shown.
        progress: told after every frame.
    """
    with load_landmarker(progress) as landmarker:
        picture = None
        if options.reference not in REFERENCES:
            picture = picture_reference(Path(options.reference), landmarker)
        analysis = analyse(movie, landmarker, options.start, options.end, still_length, progress)
    return make_plan(analysis, movie, options.reference, picture, options.seed)


def write_plan(video: Path, output: Path, options: SyncOptions, progress: Progress = silent) -> Plan:
    """Analyse a movie and write what `sync` would change as JSON.

    Raises:
        LipdubError: see `lipdub.errors`.
    """
    movie = probe_video(video)
    check_output(output, (video,), options.overwrite)
    check_reference(options)
    plan = decide(movie, options, progress=progress)
    with workspace(output) as work:
        save_plan(plan, work / "plan.json")
        publish(work / "plan.json", output, options.overwrite)
    return plan


def picture_reference(path: Path, landmarker: FaceLandmarker) -> Reference:
    """The largest face in a picture, as a reference.

    Raises:
        MediaError: it is not a picture, or shows no face.
    """
    info = probe_video(path)
    image = upright_image(next(iter(read_frames(info))), info)
    faces = landmarker(image)
    if not faces:
        raise MediaError(f"{path}: no face was found in the reference picture; choose a clearer one.")
    factor = info.geometry.upright_size[1] / image.shape[0]
    largest = max((scaled(face, factor) for face in faces), key=lambda face: float(face.box[3]))
    x, y, width, height = largest.box.tolist()
    return Reference((x, y, width, height), picture=str(path.resolve()))


@dataclass(frozen=True, slots=True)
class _Picture:
    """The new picture: its file, number of frames, end in seconds, and what is to be said of it."""

    path: Path
    encoder: str
    frames: int
    end: Fraction
    notes: tuple[str, ...]


def _render(job: _Job, plan: Plan, inpainter: Inpainter) -> _Picture:
    encoding = choose_encoding(job.movie, job.output.suffix)
    path = job.work / f"picture.{encoding.encoder.carrier}"
    clock = _Clock(job.movie)
    with PictureWriter(path, job.movie, encoding) as writer:
        frames = clock.watch(read_frames(job.movie, still_length=job.sound_length))
        mel = MelReader(job.pcm)
        for frame in render(plan, job.movie, mel, inpainter, frames, job.progress, job.frames):
            writer.write(frame)
    notes = list(encoding.notes)
    if writer.moved:
        notes.append(f"{writer.moved} frames had the time of the frame before them and moved by one tick.")
    return _Picture(path, encoding.encoder.name, clock.frames, clock.end, tuple(notes))


class _Clock:
    """Count frames as they pass, and know when the last one ends."""

    def __init__(self, movie: VideoInfo) -> None:
        self._movie = movie
        self.frames = 0
        self.end = Fraction(0)

    def watch(self, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        for frame in frames:
            self.frames += 1
            length = frame.duration * self._movie.time_base if frame.duration else 1 / self._movie.rate
            now = self._movie.seconds(frame.pts or 0)  # never None: reading gave every frame a time
            self.end = max(self.end, now + length)
            yield frame


def _put_together(job: _Job, picture: _Picture) -> list[str]:
    """Remux and publish; returns what is to be said of it."""
    job.progress(Step("remux", 0, 1, "files"))
    suffix = job.output.suffix
    sound = choose_sound(job.dub, suffix, abs(job.sound_length - picture.end) <= SAME_LENGTH)
    carried, notes = choose_streams(job.movie, suffix, job.options.keep_original_audio)
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
    publish(finished, job.output, job.options.overwrite)
    job.progress(Step("remux", 1, 1, "files"))
    return [*sound.notes, *notes, *length_notes(job.pcm, picture.end)]


def length_notes(pcm: npt.NDArray[np.int16], end: Fraction) -> list[str]:
    """What to say where the dub goes on after the picture's end."""
    surplus = Fraction(len(pcm), NETWORK_RATE) - end
    if surplus <= SAME_LENGTH:
        return []
    lost = f"{speech_seconds(pcm, end):.1f} s of speech are lost"
    return [f"the dub is {float(surplus):.2f} s longer than the picture and was cut; {lost}."]
