"""Look at a movie with all that is at hand: who is in it, who speaks, and where there is speech."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import av

from lipdub.cache import cache_root
from lipdub.checks import pictured
from lipdub.engine import (
    DETECTOR,
    EMBEDDER,
    LANDMARKER,
    fetch,
    load_embedder,
    load_landmarker,
)
from lipdub.errors import MediaError, OptionError
from lipdub.faces.analyse import Analysis, analyse
from lipdub.faces.detect import FaceLandmarker, scaled
from lipdub.faces.identity import Embedder, Embedding
from lipdub.faces.looks import Looks
from lipdub.faces.sighting import SIGHTING
from lipdub.identity import content_sha256
from lipdub.listening import spans_by, speech_network
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.options import REFERENCES, SyncOptions
from lipdub.plan import Reference
from lipdub.progress import Progress, silent
from lipdub.sampling import NETWORK_RATE
from lipdub.segments import digest
from lipdub.speaker import LOOKS, NETWORK, Original, find_speaker
from lipdub.turns import Spans

KEPT_ANALYSES = 50
"""Movies of which the cache remembers what was seen."""
OVERLOOKED = (
    "small faces in large pictures may be overlooked: YuNet is not on this machine"
    " (`lipdub fetch-weights yunet`)."
)
NUMBERED_HERE = (
    "only a part of the movie was looked at, and people are numbered as they are seen there; after a"
    " `lipdub plan` of the whole movie, numbers are those of its sheet of faces."
)
SPEECHLESS = "no speech was found in the movie's own sound, so it does not tell who speaks."


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in a movie, and in the pictures that options name.

    Attributes:
        analysis: shots, faces, people.
        original: [n, 2], seconds from which to which the movie's own sound has speech; None without sound.
        reference: what the person looks like, in the picture that ``--reference`` names.
        person: who is in the picture that ``--faces`` names.
        knows_people: whether faces were told apart.
        notes: what a user should know, a sentence each.
    """

    analysis: Analysis
    original: Spans | None
    reference: Reference | None
    person: Embedding | None
    knows_people: bool
    notes: tuple[str, ...]


def look_at(
    movie: VideoInfo,
    options: SyncOptions,
    work: Path,
    start: Fraction | None = None,
    end: Fraction | None = None,
    progress: Progress = silent,
    *,
    recorded: bool = True,
) -> Findings:
    """Find out who is in a movie, and who speaks when.

    Args:
        movie: as probed; of a still picture, one frame is looked at.
        options: of the job.
        work: folder for the movie's sound, 2 MB a minute.
        start, end: seconds; only frames from start up to end are looked at, unless an earlier run saw all.
        progress: told after every frame.
        recorded: go on from what earlier runs saw of this part, and record what is seen now.

    Raises:
        LipdubError: see `lipdub.errors`.
    """
    sound = None if movie.still else Original(movie, work / "original.pcm")
    scorer, notes = (None, []) if sound is None else find_speaker(sound, progress)
    embedder = load_embedder(progress)
    with load_landmarker(progress) as landmarker:
        reference = person = record = None
        if options.shown_reference not in REFERENCES:
            reference = picture_reference(Path(options.shown_reference), landmarker)
        if pictured(options):
            person = pictured_face(options.faces, landmarker, embedder)
        if not movie.still:
            optional = {NETWORK: scorer, EMBEDDER: embedder, DETECTOR: landmarker.detector}
            used = [name for name, network in optional.items() if network is not None]
            whole = record_for(movie, None, None, used, fresh=options.fresh, progress=progress)
            if whole.is_complete or (start, end) == (None, None):
                start, end, record = None, None, whole
            elif recorded:
                record = record_for(movie, start, end, used, fresh=options.fresh, progress=progress)
            if (start, end) != (None, None):
                notes.append(NUMBERED_HERE)
        notes += [OVERLOOKED] if landmarker.detector is None else []
        analysis = analyse(movie, landmarker, start, end, progress, record, scorer, embedder)
    spans, heard = (None, []) if sound is None else original_speech(sound, record, progress)
    if spans is not None and not len(spans):
        spans, heard = None, [*heard, SPEECHLESS]
    return Findings(analysis, spans, reference, person, embedder is not None, (*notes, *heard))


def original_speech(
    sound: Original, record: Looks | None, progress: Progress = silent
) -> tuple[Spans | None, list[str]]:
    """Where the movie's own sound has speech, in seconds, [n, 2], and what is to be said of it.

    It is decoded only if the record does not know it yet.
    """
    if not sound.is_there:
        return None, []
    file, notes = speech_network(progress)
    name = f"speech-{content_sha256(file)[:16] if file else 'loud'}"
    known = record.recall(name) if record else None
    if known is None:
        if sound.pcm is None:
            return None, []
        known = spans_by(file, sound.pcm) / NETWORK_RATE
        if record:
            record.keep(name, known)
    return known, notes


def record_for(
    movie: VideoInfo,
    start: Fraction | None,
    end: Fraction | None,
    networks: Sequence[str] = (),
    *,
    fresh: bool,
    progress: Progress = silent,
) -> Looks:
    """The record of what was seen of a movie, in the user's cache; the oldest ones are removed.

    It is found by the content of the movie, so it serves all languages, whatever the files are called.

    Args:
        movie: the movie.
        start, end: what part of it is looked at.
        networks: names of those, besides the landmarker, that look at it.
        fresh: forget what is known.
        progress: told how far the movie is read.
    """
    folder = cache_root() / "analyses"
    parts = {
        "versions": [*map(version, ("lipdub", "mediapipe", "opencv-python", "torch")), av.library_versions],
        "movie": content_sha256(movie.path, progress),
        "stream": movie.index,
        "range": (start, end),
        "networks": {name: content_sha256(fetch(name)) for name in (LANDMARKER, *networks)},
        "kept": (SIGHTING.descr, LOOKS),
    }
    own = folder / digest(parts)[:32]
    if fresh:
        shutil.rmtree(own, ignore_errors=True)
    with suppress(OSError):
        others = sorted((p for p in folder.iterdir() if p != own), key=lambda p: p.stat().st_mtime)
        for old in others[: max(0, len(others) + 1 - KEPT_ANALYSES)]:
            shutil.rmtree(old, ignore_errors=True)
    return Looks(own)


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
