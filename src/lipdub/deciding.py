"""From a movie to a plan: analyse it, and decide what will change."""

import shutil
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import av

from lipdub.cache import cache_root
from lipdub.casting import make_cast
from lipdub.checks import check_cues, check_debug_video, check_faces, check_reference, files_of, pictured
from lipdub.contactsheet import PICTURES, contact_sheet, write_picture
from lipdub.cues import read_cues
from lipdub.debugvideo import write_debug_video
from lipdub.engine import EMBEDDER, LANDMARKER, fetch, load_embedder, load_landmarker
from lipdub.errors import MediaError, OptionError
from lipdub.faces.analyse import analyse
from lipdub.faces.detect import FaceLandmarker, scaled
from lipdub.faces.identity import Embedder, Embedding
from lipdub.faces.looks import Looks
from lipdub.identity import content_sha256
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.options import REFERENCES, SyncOptions, face_numbers
from lipdub.outputs import check_output, content_key, publish, workspace
from lipdub.people import UNKNOWN
from lipdub.plan import Plan, Reference
from lipdub.planfile import save_plan
from lipdub.planning import make_plan, usable_tracks, within
from lipdub.progress import Progress, silent
from lipdub.segments import digest

KEPT_ANALYSES = 50
"""Movies of which the cache remembers what was seen."""


def decide(
    movie: VideoInfo, options: SyncOptions, progress: Progress = silent, *, recorded: bool = True
) -> Plan:
    """Analyse a movie and plan what to change.

    A still picture is looked at once: its plan is for one frame (see `lipdub.planning.repeated`).

    Args:
        movie: as probed.
        options: of the job.
        progress: told after every frame.
        recorded: go on from what earlier runs saw of this movie, and record what is seen now.
    """
    # Numbers of people are those of the whole movie, whatever part of it will change.
    whole = movie.still or options.cues is not None or face_numbers(options.faces) is not None
    start, end = (None, None) if whole else (options.start, options.end)
    with load_landmarker(progress) as landmarker:
        picture = None
        if options.reference not in REFERENCES:
            picture = picture_reference(Path(options.reference), landmarker)
        embedder = load_embedder(progress)
        person = pictured_face(options.faces, landmarker, embedder) if pictured(options) else None
        record = None
        if recorded and not movie.still:
            record = record_for(movie, start, end, fresh=options.fresh, people=embedder is not None)
        analysis = analyse(movie, landmarker, start, end, progress, record, embedder=embedder)
    sheet = None if options.cues is None else read_cues(Path(options.cues), movie.rate)
    faces = "largest" if (options.faces, sheet) == ("auto", None) else options.faces
    cast = make_cast(analysis, usable_tracks(analysis, movie), movie, faces, person, sheet)
    if embedder is None and len(analysis.shots) > 1 and cast.people.persons:
        cast = replace(cast, notes=(*cast.notes, UNKNOWN))
    plan = make_plan(analysis, movie, options.reference, picture, options.seed, cast)
    plan = plan if movie.still else within(plan, options.start, options.end)
    return replace(plan, key=content_key(movie.path))


def record_for(
    movie: VideoInfo, start: Fraction | None, end: Fraction | None, *, fresh: bool, people: bool = False
) -> Looks:
    """The record of what was seen of a movie, in the user's cache; the oldest ones are removed.

    It is found by the content of the movie, so it serves all languages, whatever the files are called.
    """
    folder = cache_root() / "analyses"
    parts = {
        "versions": [version("lipdub"), version("mediapipe"), av.library_versions],
        "movie": content_sha256(movie.path),
        "stream": movie.index,
        "range": (start, end),
        "landmarker": content_sha256(fetch(LANDMARKER)),
        "embedder": content_sha256(fetch(EMBEDDER)) if people else None,
    }
    own = folder / digest(parts)[:32]
    if fresh:
        shutil.rmtree(own, ignore_errors=True)
    with suppress(OSError):
        others = sorted((p for p in folder.iterdir() if p != own), key=lambda p: p.stat().st_mtime)
        for old in others[: max(0, len(others) + 1 - KEPT_ANALYSES)]:
            shutil.rmtree(old, ignore_errors=True)
    return Looks(own)


def write_plan(
    video: Path,
    output: Path,
    options: SyncOptions,
    progress: Progress = silent,
    sheet: Path | None = None,
) -> Plan:
    """Analyse a movie and write what `sync` would change as JSON.

    Args:
        video: the movie.
        output: the plan.
        options: of the job.
        progress: told after every frame.
        sheet: picture to draw, of everybody in the movie.

    Raises:
        LipdubError: see `lipdub.errors`.
    """
    movie = probe_video(video)
    check_output(output, (video, *files_of(options)), options.overwrite)
    if sheet is not None:
        check_output(sheet, (video, output, *files_of(options)), options.overwrite)
    check_reference(options)
    check_debug_video(options, (video, output, *files_of(options)))
    check_faces(options)
    check_cues(movie, options)
    plan = decide(movie, options, progress)
    if sheet is not None:
        write_picture(contact_sheet(movie, plan.people), sheet, options.overwrite)
    with workspace(output) as work:
        save_plan(plan, work / "plan.json")
        publish(work / "plan.json", output, options.overwrite)
    if options.debug_video is not None:
        write_debug_video(
            plan,
            movie,
            Path(options.debug_video),
            start=options.start,
            end=options.end,
            overwrite=options.overwrite,
            progress=progress,
        )
    return plan


def sheet_of(options: SyncOptions, sheet: Path | None) -> tuple[SyncOptions, Path | None]:
    """The options and the sheet of faces that a plan is asked for.

    ``--faces PICTURE`` names whom to dub; where there is no such picture yet, it is the sheet to draw.
    """
    named = Path(options.faces)
    if sheet is None and pictured(options) and named.suffix.lower() in PICTURES and not named.exists():
        return replace(options, faces=SyncOptions().faces), named
    return options, sheet


def pictured_face(name: str, landmarker: FaceLandmarker, embedder: Embedder | None) -> Embedding:
    """Who the largest face in a picture is.

    Raises:
        MediaError: it is not a picture, or shows no face.
        OptionError: nothing is there that could tell.
    """
    if embedder is None:
        raise OptionError(
            f"--faces {name}: whom it shows cannot be told without SFace; run `lipdub fetch-weights sface`."
        )
    info = probe_video(Path(name))
    image = upright_image(next(iter(read_frames(info))), info)
    faces = landmarker(image)
    if not faces:
        raise MediaError(f"{name}: no face was found in the picture of whom to dub; choose a clearer one.")
    return embedder(image, max(faces, key=lambda face: float(face.box[3])).landmarks)


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
    x, y, width, height, roll = largest.box.tolist()
    return Reference((x, y, width, height, roll), picture=str(path.resolve()))
