"""What is known of the person who really said what drives the lips."""

from io import BytesIO
from pathlib import Path
from typing import TypeAlias
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from lipdub.dataset.lists import AUDIO_SUFFIXES, VIDEO_SUFFIXES, Pair, listed_file, name_below
from lipdub.dataset.sources import sound_beside
from lipdub.errors import DatasetError, MediaError
from lipdub.evaluation.embedders import RATE
from lipdub.evaluation.landmarks import apertures
from lipdub.evaluation.measure import Seen, see
from lipdub.evaluation.views import nearest
from lipdub.faces.detect import FaceLandmarker
from lipdub.progress import Progress, silent
from lipdub.protocol.takes import take_of, views_of

Aperture: TypeAlias = npt.NDArray[np.float64]
"""[n], of the lips, one a frame at 25 fps."""
Apertures: TypeAlias = dict[str, Aperture]
"""Of true speakers, by names of pairs or of sounds."""
Truth: TypeAlias = Aperture | Path | None
"""What is known of the true speaker: the lips, the movie that shows him, nothing."""

NEAR = 1 / RATE
"""Seconds: a frame of the true speaker further away says nothing of a moment."""


def pair_name(pair: Pair, root: Path) -> str:
    """The name of a pair in files: ids of the sound and of the video, two underscores between them."""
    return f"{file_id(pair.audio, root)}__{file_id(pair.video, root)}"


def file_id(path: Path, root: Path) -> str:
    """The name of a listed file below the root (elsewhere its path), no suffix, folders joined by points."""
    name = name_below(path, root)
    suffix = next((s for s in (*AUDIO_SUFFIXES, *VIDEO_SUFFIXES) if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)].replace("/", ".")


def read_truths(path: Path) -> Apertures:
    """Lip apertures of true speakers, from an ``npz`` file: name → [n], one a frame at 25 fps.

    Raises:
        DatasetError: it is none.
    """
    try:
        with np.load(BytesIO(path.read_bytes())) as arrays:
            found = {name: np.asarray(arrays[name], np.float64) for name in arrays.files}
    except (OSError, EOFError, ValueError, TypeError, BadZipFile) as exc:
        raise DatasetError(f"{path} is no npz file of apertures; give what numpy.savez wrote.") from exc
    for name, values in found.items():
        if values.ndim != 1:
            raise DatasetError(f"{path}: {name} is not a row of apertures, but has shape {values.shape}.")
    return found


def truth_of(pair: Pair, root: Path, truths: Apertures) -> Truth:
    """What is known of the person who says a pair's sound.

    An aperture that has the name of the pair or of the sound; else the movie that the sound was taken from,
    if it lies where the list's names lead.
    """
    names = (pair_name(pair, root), file_id(pair.audio, root))
    keys = {file_id(Path(key), Path()): key for key in truths}
    for name in names:
        if name in keys:
            return truths[keys[name]]
    own = next((s for s in AUDIO_SUFFIXES if pair.audio.name.lower().endswith(s)), "")
    bare = pair.audio.with_name(pair.audio.name[: len(pair.audio.name) - len(own)])
    return listed_file(bare, VIDEO_SUFFIXES)


def is_one_clip(pair: Pair, video: Path, audio: Path, root: Path) -> bool:
    """Whether the sound of a pair is that of its own video, by the names in the list and the places of both.

    Args:
        pair: as it is listed.
        video, audio: its files.
        root: folder that the list's names start from.
    """
    named = file_id(pair.audio, root) == file_id(pair.video, root)
    return named or audio == video or audio == sound_beside(video)


def aperture_at(truth: Aperture, seconds: npt.NDArray[np.float64]) -> Aperture:
    """The aperture [m] at moments [m] of one that is known at 25 fps from moment 0; NaN after its end."""
    frames = np.rint(seconds * RATE).astype(int)
    known = (frames >= 0) & (frames < len(truth))
    found = np.full(len(seconds), np.nan)
    found[known] = truth[frames[known]]
    return found


def seen_at(
    movie: Path, seconds: npt.NDArray[np.float64], landmarker: FaceLandmarker, progress: Progress = silent
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]] | None:
    """Aperture [m] and landmarks [m, 478, 2] of the true speaker at moments [m]; None if no face is seen."""
    try:
        take = take_of(movie, landmarker, progress)
    except MediaError:
        return None
    return at_moments(see(views_of(take), landmarker), take.seconds, seconds)


def at_moments(
    seen: Seen, times: npt.NDArray[np.float64], seconds: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Aperture and landmarks of the frames that are nearest to moments; NaN where none is near."""
    chosen = nearest(times, seconds)
    points = seen.points[chosen].copy()
    points[np.abs(times[chosen] - seconds) > NEAR] = np.nan
    return apertures(points), points
