"""From a movie to a plan: look at it, and decide what will change."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipdub.after import LOOP_SECONDS
from lipdub.casting import Cast, make_cast
from lipdub.checks import (
    check_cues,
    check_debug_video,
    check_faces,
    check_reference,
    files_of,
    pictured,
    soundtrack,
)
from lipdub.contactsheet import PICTURES, check_picture_name, contact_sheet, is_free, write_picture
from lipdub.cues import read_cues
from lipdub.debugvideo import write_debug_video
from lipdub.faces.track import Track
from lipdub.gating import Measured
from lipdub.listening import speech_seconds
from lipdub.looking import Findings, look_at
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.media.soundtrack import lip_sound
from lipdub.options import SyncOptions, face_numbers
from lipdub.outputs import check_output, content_key, publish, workspace
from lipdub.people import UNKNOWN
from lipdub.plan import DUB, SILENCE, Plan
from lipdub.planfile import save_plan
from lipdub.planning import Sounds, make_plan, measured, usable_tracks, within
from lipdub.progress import Progress, silent
from lipdub.turns import Spans, all_say, merged, seen, who_says

NO_SPEECH = "no speech was found in the dub: it is taken to be speech from its beginning to its end."


def decide(
    movie: VideoInfo,
    options: SyncOptions,
    work: Path,
    pcm: npt.NDArray[np.int16] | None = None,
    progress: Progress = silent,
    *,
    recorded: bool = True,
) -> Plan:
    """Analyse a movie and plan what to change.

    A still picture is looked at once: its plan is for one frame (see `lipdub.planning.repeated`).

    Args:
        movie: as probed.
        options: of the job.
        work: folder for unfinished files.
        pcm: 16 kHz mono that drives the lips, [n], from the movie's time 0 on; None if it is not known yet.
        progress: told after every frame.
        recorded: go on from what earlier runs saw of this movie, and record what is seen now.

    Raises:
        LipdubError: see `lipdub.errors`.
    """
    # Numbers of people are those of the whole movie, whatever part of it will change.
    whole = movie.still or options.cues is not None or face_numbers(options.faces) is not None
    start, end = (None, None) if whole else (options.start, options.end)
    found = look_at(movie, options, work, start, end, progress, recorded=recorded)
    dub, notes = (None, []) if pcm is None or movie.still else _speech_of_dub(pcm, movie, options, progress)
    gates = measured(found.analysis, movie)
    cast = _cast(found, movie, options, dub, gates)
    cast = replace(cast, notes=tuple(dict.fromkeys((*found.notes, *notes, *cast.notes))))
    talk = {} if dub is None else {DUB: dub}
    reference = options.shown_reference, found.reference
    plan = make_plan(found.analysis, movie, *reference, options.seed, cast, talk=talk, gates=gates)
    plan = plan if movie.still else within(plan, options.start, options.end, 1 / movie.rate)
    return replace(plan, key=content_key(movie.path))


def _speech_of_dub(
    pcm: npt.NDArray[np.int16], movie: VideoInfo, options: SyncOptions, progress: Progress
) -> tuple[Spans | None, list[str]]:
    """Where the dub has speech, in seconds of the movie, and what is to be said of it.

    Where the picture goes on after the movie's end, with its last seconds, these must suit what is said then.
    """
    spans, notes = speech_seconds(pcm, progress)
    if not len(spans):
        return None, [*notes, NO_SPEECH]
    if options.length == "sound" and movie.until is not None and spans[-1, 1] > movie.until:
        end = float(movie.until)
        spans = merged([*map(tuple, spans.tolist()), (end - LOOP_SECONDS, end)])
    return spans, notes


def _cast(
    found: Findings,
    movie: VideoInfo,
    options: SyncOptions,
    dub: Spans | None,
    gates: Mapping[int, Measured],
) -> Cast:
    """Who says what."""
    sheet = None if options.cues is None else read_cues(Path(options.cues), movie.rate)
    tracks = usable_tracks(found.analysis, movie, gates)
    faces = "largest" if movie.still and options.faces == "auto" else options.faces
    said = None if movie.still else _said(tracks, found, movie, options, dub)
    cast = make_cast(found.analysis, tracks, movie, faces, found.person, sheet, said)
    if not found.knows_people and len(found.analysis.shots) > 1 and cast.people.persons:
        cast = replace(cast, notes=(*cast.notes, UNKNOWN))
    return cast


def _said(
    tracks: list[Track], found: Findings, movie: VideoInfo, options: SyncOptions, dub: Spans | None
) -> dict[int, Sounds] | None:
    """What each face says, by the id of its track; None if nothing tells.

    Of all faces, and of several that are named, each says what falls into its turns; if one alone is named,
    it says all of the dub. Beside a cue sheet it is what they say of a silent dub.
    """
    faces = seen(tracks, movie, found.original)
    named = face_numbers(options.faces)
    if options.cues is not None:
        if not any(np.isfinite(face.score).any() for face in faces):
            return None
        said = who_says(faces, found.original)
        if not options.keep_unspoken:
            said = [np.where(own == DUB, SILENCE, own) for own in said]
    elif options.faces == "auto" or (named is not None and len(named) > 1):
        said = who_says(faces, found.original, dub, keep_unspoken=options.keep_unspoken)
    else:
        said = all_say(faces, found.original, dub, keep_unspoken=options.keep_unspoken)
    return {track.id: sounds for track, sounds in zip(tracks, said, strict=True)}


def write_plan(
    video: Path,
    output: Path,
    options: SyncOptions,
    progress: Progress = silent,
    sheet: Path | None = None,
    audio: Path | None = None,
) -> Plan:
    """Analyse a movie and write what `sync` would change as JSON.

    Args:
        video: the movie.
        output: the plan.
        options: of the job.
        progress: told after every frame.
        sheet: picture to draw, of everybody in the movie.
        audio: the dub; without it, faces change whenever they speak in the movie.

    Raises:
        LipdubError: see `lipdub.errors`.
    """
    movie = probe_video(video)
    track = None if audio is None else soundtrack(audio, options)
    files = (video, *files_of(options), *(() if audio is None else (audio,)))
    check_output(output, files, options.overwrite)
    if sheet is not None:
        check_picture_name(sheet)
        check_output(sheet, (output, *files), options.overwrite)
    check_reference(options)
    check_debug_video(options, (output, *files))
    check_faces(options)
    check_cues(movie, options)
    with workspace(output) as work:
        pcm = None if track is None else lip_sound(track, work / "dub.pcm")[0]
        plan = decide(movie, options, work, pcm, progress)
        if sheet is not None:
            write_picture(contact_sheet(movie, plan.people), sheet, options.overwrite)
        if options.debug_video is not None:
            show_decisions(plan, movie, options, pcm, progress)
        save_plan(plan, work / "plan.json")
        publish(work / "plan.json", output, options.overwrite)
    return plan


def show_decisions(
    plan: Plan,
    movie: VideoInfo,
    options: SyncOptions,
    pcm: npt.NDArray[np.int16] | None,
    progress: Progress = silent,
) -> None:
    """Write the debug video that the options name.

    Raises:
        LipdubError: see `lipdub.debugvideo.write_debug_video`.
    """
    write_debug_video(
        plan,
        movie,
        Path(str(options.debug_video)),
        start=options.start,
        end=options.end,
        pcm=pcm,
        overwrite=options.overwrite,
        progress=progress,
    )


def sheet_of(options: SyncOptions, sheet: Path | None) -> tuple[SyncOptions, Path | None]:
    """The options and the sheet of faces that a plan is asked for.

    ``--faces PICTURE`` names whom to dub; where there is no such picture yet, or it is a sheet of faces, it
    is the sheet to draw.
    """
    named = Path(options.faces)
    if sheet is None and pictured(options) and named.suffix.lower() in PICTURES and is_free(named):
        return replace(options, faces=SyncOptions().faces), named
    return options, sheet
