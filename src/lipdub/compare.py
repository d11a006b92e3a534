"""One frame, before and after, in seconds: to check faces and sound before an expensive render."""

import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from lipdub.checks import check_cues, check_faces, check_reference, checked_plan, files_of, soundtrack
from lipdub.deciding import decide
from lipdub.engine import Engine, load_engine, restoring
from lipdub.errors import MediaError, OptionError, OutputError
from lipdub.media.frames import read_frame_at, upright_image
from lipdub.media.planes import as_planar, copy_frame, pts_of
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.media.soundtrack import lip_sound
from lipdub.options import SyncOptions, choose, face_numbers
from lipdub.outputs import check_output, publish, workspace
from lipdub.overlay import draw, reason_of
from lipdub.pipeline import Pathlike
from lipdub.plan import Plan
from lipdub.planning import repeated
from lipdub.progress import Progress, silent
from lipdub.render import Inpainter, Shown, render
from lipdub.speech import Voices
from lipdub.stems import hear_stems

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
LOOK_AROUND = Fraction(3, 2)
"""Seconds before and after the frame that are analysed, for a steady box and to tell who speaks."""
LOOK_AROUND_REFERENCE = Fraction(5, 2)
"""The same where the reference is another frame."""
SOUND_AFTER = Fraction(1)


@dataclass(frozen=True, slots=True)
class PreviewResult:
    """The picture that was made.

    Attributes:
        output: its path; before, after, and what was decided, side by side.
        seconds: exact time of the frame shown.
        changed: whether a face was found in it.
        notes: what a user should know, a sentence each.
        weights: name or path of the weights.
    """

    output: Path
    seconds: float
    changed: bool
    notes: tuple[str, ...]
    weights: str

    def as_json(self) -> dict[str, Any]:
        """The result in types of JSON."""
        return {
            "output": str(self.output),
            "seconds": self.seconds,
            "changed": self.changed,
            "notes": list(self.notes),
            "weights": self.weights,
        }


def preview(
    video: Pathlike,
    audio: Pathlike,
    output: Pathlike,
    *,
    at: Fraction,
    options: SyncOptions | None = None,
    inpainter: Inpainter | None = None,
    progress: Progress = silent,
    **choices: Any,
) -> PreviewResult:
    """Dub one frame and draw it beside the original, and what was decided beside both.

    Only the surroundings of the frame are analysed, so the boxes at its edges, the choice of a reference, and
    the numbers of people (unless cues or numbers are given) may differ from those of the whole movie.

    Args:
        video: the movie, or a picture of a face.
        audio: the dub.
        output: a PNG, JPEG or WebP.
        at: seconds as a player shows them.
        options, choices: as for `lipdub.sync`.
        inpainter: what paints the mouths instead of the network that `options` names.
        progress: told how far the work is.

    Raises:
        LipdubError: see `lipdub.errors`.
    """
    options, output = choose(options, choices), Path(output)
    if output.suffix.lower() not in PICTURES:
        raise OutputError(f"{output}: the name of a preview must end in one of {', '.join(PICTURES)}.")
    movie, track = probe_video(video), soundtrack(Path(audio), options)
    check_output(output, (movie.path, track.dub.path, *files_of(options)), options.overwrite)
    check_reference(options)
    check_faces(options)
    check_cues(movie, options)
    given = checked_plan(movie, options)
    frame = _frame_at(movie, at)
    pts = pts_of(frame)
    engine = Engine(inpainter, "given", None) if inpainter else load_engine(options, progress)
    engine = restoring(engine, options, progress) if inpainter else engine
    options = options.painted_with(engine.weights)
    frame = copy_frame(as_planar(frame))
    with tempfile.TemporaryDirectory(prefix="lipdub-") as folder:
        work = Path(folder)
        pcm, lips = lip_sound(track, work / "dub.pcm")
        plan = given or _plan_around(movie, movie.seconds(pts), options, work, pcm, progress)
        if movie.still:
            plan = repeated(plan, range(pts, pts + 1))
        stems = hear_stems(plan.stems, track.offset, work, end=at + SOUND_AFTER)
        before = upright_image(frame, movie)
        shown = Shown(copy_frame(frame), pts)
        after = next(render(plan, movie, Voices([pcm, *stems]), engine.inpainter, [shown])).frame
        del pcm, lips, stems
    scale = before.shape[0] / movie.geometry.upright_size[1]
    decided = draw(before, plan, pts, scale)
    _save(np.hstack([before, upright_image(after, movie), decided]), output, options.overwrite)
    changed = bool(plan.at(pts))
    notes = engine.notes_on(given) + (plan.notes if changed else _why(plan, pts))
    return PreviewResult(output, float(movie.seconds(pts)), changed, notes, engine.weights)


def _why(plan: Plan, pts: int) -> tuple[str, ...]:
    """Why nothing changes in a frame."""
    reasons = tuple(f"face {reason_of(left)}." for left in plan.left_at(pts))
    return reasons or ("no usable face in this frame: it stays as it is.",)


def _frame_at(movie: VideoInfo, at: Fraction) -> av.VideoFrame:
    if movie.until is not None and at >= movie.until:
        raise OptionError(f"--at lies after the end of {movie.path} ({float(movie.until):.2f} s).")
    pts = int((at + movie.origin) // movie.time_base)
    if movie.still:
        frame = read_frame_at(movie, 0)
        frame.pts = pts
        return frame
    try:
        return read_frame_at(movie, pts)
    except MediaError as exc:
        raise OptionError(f"{movie.path} shows no frame at {float(at):.3f} s.") from exc


def _plan_around(
    movie: VideoInfo,
    now: Fraction,
    options: SyncOptions,
    work: Path,
    pcm: npt.NDArray[np.int16],
    progress: Progress,
) -> Plan:
    reach = LOOK_AROUND_REFERENCE if options.shown_reference in {"first", "random", "pose"} else LOOK_AROUND
    if options.cues is not None or face_numbers(options.faces) is not None:
        return decide(movie, options, work, pcm, progress)  # numbers are those of the whole movie
    nearby = replace(options, start=max(now - reach, Fraction(0)), end=now + reach)
    return decide(movie, nearby, work, pcm, progress, recorded=False)


def _save(rgb: npt.NDArray[np.uint8], output: Path, overwrite: bool) -> None:
    done, data = cv2.imencode(output.suffix.lower(), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    if not done:
        raise OutputError(f"{output}: the picture cannot be encoded as {output.suffix}.")
    with workspace(output) as work:
        finished = work / f"preview{output.suffix}"
        finished.write_bytes(data.tobytes())
        publish(finished, output, overwrite)
