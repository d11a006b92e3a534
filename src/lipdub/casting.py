"""The cast of a movie: who is in it, whose lips may change, and what they say by the cue sheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lipdub.choosing import candidates
from lipdub.cues import CueSheet, cued, unseen_note
from lipdub.faces.analyse import Analysis
from lipdub.faces.identity import Embedding
from lipdub.faces.track import Track
from lipdub.media.probe import VideoInfo
from lipdub.people import People, find_people, person_like
from lipdub.plan import Stem


@dataclass(frozen=True, slots=True)
class Cast:
    """Who says what.

    Attributes:
        people: everybody in the movie.
        tracks: whose lips may change.
        said: id of a track: what it says in each frame, [n] int32: `lipdub.plan.DUB`, `SILENCE`, the number
            of a stem, or `UNTOUCHED`; tracks that are not in it say the dub.
        stems: the sounds that `said` refers to.
        notes: what a user should know, a sentence each.
    """

    people: People
    tracks: Sequence[Track]
    said: Mapping[int, npt.NDArray[np.int32]] = field(default_factory=dict)
    stems: tuple[Stem, ...] = ()
    notes: tuple[str, ...] = ()


def make_cast(
    analysis: Analysis,
    tracks: Sequence[Track],
    info: VideoInfo,
    faces: str,
    picture: Embedding | None = None,
    sheet: CueSheet | None = None,
    speaking: Mapping[int, npt.NDArray[np.int32]] | None = None,
) -> Cast:
    """Find out who is in a movie, and choose who says what.

    Args:
        analysis: what the movie shows.
        tracks: those of its faces that can be believed.
        info: the movie.
        faces: as in `lipdub.options.SyncOptions.faces`.
        picture: the face in the picture that `faces` names, if it does.
        sheet: the cue sheet, if there is one.
        speaking: what each track says if there is no cue sheet (see `Cast.said`).

    Raises:
        OptionError: `faces` names somebody who is not there.
        CueError: the cue sheet does.
    """
    people = find_people(tracks, analysis.who, info.time_base, 1 / info.rate)
    pictured = None if picture is None else person_like(picture, people, faces)
    chosen = candidates(tracks, people.numbers, faces, pictured)
    if sheet is None:
        return Cast(people, chosen, speaking or {})
    sheet.check(people.numbers.values(), info.until)
    seconds = [_seconds(track, info) for track in chosen]
    said = cued(sheet, chosen, people.numbers, seconds, speaking)
    unseen = unseen_note(sheet, tracks, people.numbers, [_seconds(track, info) for track in tracks])
    return Cast(people, chosen, said, sheet.stems, sheet.notes + ((unseen,) if unseen else ()))


def _seconds(track: Track, info: VideoInfo) -> npt.NDArray[np.float64]:
    """When the frames of a track are shown."""
    return np.asarray(track.pts * float(info.time_base) - float(info.origin), np.float64)
