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
from lipdub.plan import Plan, Reference, make_plan, save_plan
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
    movie, dub = check_job(Path(video), Path(audio), Path(output), options)
    if inpainter:
        engine = Engine(inpainter, "given", None)
    engine = engine or load_engine(options, progress)
    with workspace(Path(output)) as work:
        pcm = decode_for_network(dub, work / "dub.pcm")
        still_length = Fraction(len(pcm), NETWORK_RATE)
        plan = plan or decide(movie, options, still_length, progress)
        plan.check(movie)
        picture = _render(
            movie, plan, pcm, engine.inpainter, still_length, work, Path(output).suffix, progress
        )
        notes = _put_together(movie, dub, picture, pcm, options, work, Path(output), progress)
    notes = (*engine.notes, *plan.notes, *picture.notes, *notes)
    seconds = time.monotonic() - began
    changed = len(np.unique(plan.edits["pts"]))
    return SyncResult(Path(output), picture.frames, changed, seconds, notes, engine.weights, engine.sha256)


def check_job(video: Path, audio: Path, output: Path, options: SyncOptions) -> tuple[VideoInfo, AudioInfo]:
    """Look at everything that can be wrong with a job before any work is done.

    Raises:
        InputError: something is; the sentence says what.
    """
    if output.suffix.lower() not in FORMATS:
        raise InputError(f"{output}: the name must end in one of {', '.join(FORMATS)}.")
    movie, dub = probe_video(video), probe_audio(audio)
    check_output(output, (video, audio), options.overwrite)
    if options.start is not None and movie.duration is not None and options.start >= movie.duration:
        raise OptionError(f"--start lies after the end of {video} ({float(movie.duration):.2f} s).")
    check_reference(options)
    return movie, dub


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
    codec: str
    frames: int
    end: Fraction
    notes: tuple[str, ...]


def _render(
    movie: VideoInfo,
    plan: Plan,
    pcm: npt.NDArray[np.int16],
    inpainter: Inpainter,
    still_length: Fraction,
    work: Path,
    suffix: str,
    progress: Progress,
) -> _Picture:
    encoding = choose_encoding(movie, suffix)
    path = work / f"picture.{encoding.encoder.carrier}"
    total = round(still_length * movie.rate) if movie.still else movie.frames
    clock = _Clock(movie)
    with PictureWriter(path, movie, encoding) as writer:
        frames = clock.watch(read_frames(movie, still_length=still_length))
        for frame in render(plan, movie, MelReader(pcm), inpainter, frames, progress, total):
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
            self.end = max(self.end, self._movie.seconds(frame.pts) + length)
            yield frame


def _put_together(
    movie: VideoInfo,
    dub: AudioInfo,
    picture: _Picture,
    pcm: npt.NDArray[np.int16],
    options: SyncOptions,
    work: Path,
    output: Path,
    progress: Progress,
) -> list[str]:
    """Remux and publish; returns what is to be said of it."""
    progress(Step("remux", 0, 1, "files"))
    length = Fraction(len(pcm), NETWORK_RATE)
    sound = choose_sound(dub, output.suffix, abs(length - picture.end) <= SAME_LENGTH)
    carried, notes = choose_streams(movie, output.suffix, options.keep_original_audio)
    finished = work / f"finished{output.suffix}"
    hevc = picture.codec == "libx265"
    job = Remux(movie, picture.path, dub, sound, picture.end, hevc, carried, options.language)
    remux(job, finished, output.suffix)
    publish(finished, output, options.overwrite)
    progress(Step("remux", 1, 1, "files"))
    return [*sound.notes, *notes, *length_notes(pcm, picture.end)]


def length_notes(pcm: npt.NDArray[np.int16], end: Fraction) -> list[str]:
    """What to say where the dub goes on after the picture's end."""
    surplus = Fraction(len(pcm), NETWORK_RATE) - end
    if surplus <= SAME_LENGTH:
        return []
    lost = speech_seconds(pcm, end)
    return [
        f"the dub is {float(surplus):.2f} s longer than the picture and was cut; {lost:.1f} s of speech are lost."
    ]
