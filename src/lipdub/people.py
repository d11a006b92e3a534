"""From faces in single shots to people: who is who throughout a movie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from lipdub.errors import OptionError
from lipdub.faces.crop import Box
from lipdub.faces.detect import SAME_FACE_IOU, overlap
from lipdub.faces.identity import DIMENSIONS, Embedding
from lipdub.faces.sighting import JAW, KEPT, NOSE_BASE, Sightings
from lipdub.faces.track import Track
from lipdub.plan import DECIMALS, Person

SAME_PERSON = 0.5
"""Cosine from which two tracks are of one person. Measured (`benchmarks/people.py`, 198 tracks of 57 people):
tracks of one person lie above 0.56; put together from 0.5, 0.2 % of the pairs of different people are merged,
and from 0.45, 12 %, since one look-alike joins two crowds."""
LOST_SECONDS = 2.0
"""A face of which nothing is known is taken for the one that was in its place, in its shot, so long ago
at most."""
LARGE_ENOUGH = 160
"""Pixels of a face's height above which a picture of it is no better for being larger."""

UNKNOWN = "SFace cannot be had: people are not known again after a cut, and have a number in each shot."


@dataclass(frozen=True, slots=True)
class People:
    """Who is in a movie.

    Attributes:
        persons: those who are longest on screen first; their numbers count from 1.
        numbers: id of a track: number of its person.
        who: number of a person: its embedding, of length 1, if it is known.
    """

    persons: tuple[Person, ...]
    numbers: Mapping[int, int]
    who: Mapping[int, Embedding]


@dataclass(slots=True)
class _Group:
    """Tracks of one person."""

    tracks: list[Track] = field(default_factory=list)
    total: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(DIMENSIONS))

    def seconds(self, time_base: Fraction, frame: Fraction) -> Fraction:
        """How long the person is on screen."""
        return sum(
            (int(track.pts[-1] - track.pts[0]) * time_base + frame for track in self.tracks), Fraction(0)
        )

    def meets(self, other: "_Group") -> bool:
        """Whether both are in the picture at the same time."""
        one, two = (np.array([track.pts[[0, -1]] for track in g.tracks]) for g in (self, other))
        return bool(((one[:, None, 0] <= two[None, :, 1]) & (one[:, None, 1] >= two[None, :, 0])).any())

    def add(self, other: "_Group") -> None:
        self.tracks += other.tracks
        self.total += other.total


def find_people(
    tracks: Sequence[Track],
    who: Mapping[int, Embedding],
    time_base: Fraction,
    frame: Fraction,
    same: float = SAME_PERSON,
) -> People:
    """Find out which tracks show the same person.

    Two faces that are in the picture at the same time are never one person.

    Args:
        tracks: faces.
        who: id of a track: the embedding of its person, of length 1, if it is known.
        time_base: unit of pts, in seconds.
        frame: seconds that a frame is shown.
        same: cosine of embeddings from which they are of one person.
    """
    known = sorted((t for t in tracks if t.id in who), key=lambda t: (-len(t.pts), t.id))
    groups = _joined(_gathered(known, who, same), same)
    _add_unknown(groups, [t for t in tracks if t.id not in who], int(LOST_SECONDS / time_base))
    lasting = {id(group): group.seconds(time_base, frame) for group in groups}
    groups.sort(key=lambda g: (-lasting[id(g)], min((int(t.pts[0]), t.id) for t in g.tracks)))
    numbered = list(enumerate(groups, 1))
    return People(
        persons=tuple(_person(number, group, lasting[id(group)]) for number, group in numbered),
        numbers={track.id: number for number, group in numbered for track in group.tracks},
        who={number: _unit(group.total) for number, group in numbered if group.total.any()},
    )


def person_like(face: Embedding, people: People, picture: str, same: float = SAME_PERSON) -> int:
    """The number of the person whom a face in a picture shows.

    Raises:
        OptionError: nobody in the movie is like it.
    """
    if not people.who:
        raise OptionError(f"--faces {picture}: nobody in the movie is seen clearly enough to be compared.")
    alike = {number: float(_unit(face) @ who) for number, who in people.who.items()}
    best = max(alike, key=lambda number: (alike[number], -number))
    if alike[best] < same:
        raise OptionError(
            f"--faces {picture}: nobody in the movie is like it; face {best} is most, by {alike[best]:.2f},"
            f" and {same:.2f} is needed; give a clearer picture, or numbers as the sheet of faces shows them."
        )
    return best


def _gathered(tracks: Sequence[Track], who: Mapping[int, Embedding], same: float) -> list[_Group]:
    """Each track, in this order, with those before it that it is most like."""
    groups: list[_Group] = []
    for track in tracks:
        vector = who[track.id].astype(np.float64)
        new = _Group([track], len(track.pts) * vector)
        alike = _cosines(groups) @ _unit(vector)
        likely = (groups[i] for i in np.argsort(-alike, kind="stable") if alike[i] >= same)
        found = next((group for group in likely if not group.meets(new)), None)
        if found:
            found.add(new)
        else:
            groups.append(new)
    return groups


def _add_unknown(groups: list[_Group], tracks: Sequence[Track], lost: int) -> None:
    """Add tracks of which nothing is known to who was in their place, or as people of their own."""
    in_shot: dict[int, list[_Group]] = {}
    for group in groups:
        for shot in {track.shot for track in group.tracks}:
            in_shot.setdefault(shot, []).append(group)
    for track in sorted(tracks, key=lambda t: (int(t.pts[0]), t.id)):
        new, there = _Group([track]), in_shot.setdefault(track.shot, [])
        found = [g for g in there if any(_goes_on(t, track, lost) for t in g.tracks) and not g.meets(new)]
        if found:
            found[0].add(new)
        else:
            groups.append(new)
            there.append(new)


def _goes_on(one: Track, two: Track, lost: int) -> bool:
    """Whether one track, of the same shot, ends shortly before the other begins, in the same place."""
    first, second = sorted((one, two), key=lambda t: int(t.pts[0]))
    return (
        one.shot == two.shot
        and int(second.pts[0] - first.pts[-1]) <= lost
        and overlap(first.boxes[-1], second.boxes[0]) >= SAME_FACE_IOU
    )


def _joined(groups: list[_Group], same: float) -> list[_Group]:
    """Groups that turned out to be alike, joined: those that are most alike first."""
    while True:
        units = _cosines(groups)
        alike = np.triu(units @ units.T, 1)
        pairs = sorted(np.argwhere(alike >= same).tolist(), key=lambda pair: (-alike[tuple(pair)], pair))
        found = next(((a, b) for a, b in pairs if not groups[a].meets(groups[b])), None)
        if found is None:
            return groups
        groups[found[0]].add(groups[found[1]])
        groups = groups[: found[1]] + groups[found[1] + 1 :]


def _cosines(groups: Sequence[_Group]) -> npt.NDArray[np.float32]:
    """Who groups are, as vectors of length 1: [n, 128]."""
    return np.array([_unit(group.total) for group in groups], np.float32).reshape(-1, DIMENSIONS)


def _unit(vector: npt.NDArray[np.floating]) -> Embedding:
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length if length else vector, dtype=np.float32)


def _person(number: int, group: _Group, seconds: Fraction) -> Person:
    _, pts, box = max((_best_frame(track) for track in group.tracks), key=lambda best: (best[0], -best[1]))
    x, y, width, height, roll = np.round(box, DECIMALS).tolist()
    return Person(number, round(float(seconds), 3), pts, (x, y, width, height, roll))


def _best_frame(track: Track) -> tuple[float, int, Box]:
    """The frame of a track that shows a person best: how well, its pts, and the box in it."""
    scores = np.where(track.seen, showing(track.faces), -1.0)
    best = int(np.argmax(scores))
    return float(scores[best]), int(track.pts[best]), track.boxes[best]


def showing(faces: Sightings) -> npt.NDArray[np.float64]:
    """How well a person can recognise each face, [n] in 0 to 1: frontal, large, sharp, not covered."""
    ears_and_nose = faces["points"][:, [0, len(JAW) - 1, KEPT.index(NOSE_BASE)], 0].astype(np.float64)
    left, right, nose = ears_and_nose.T
    aside = np.abs(nose - (left + right) / 2) / np.maximum(np.abs(right - left), 1e-6)
    frontal = np.clip(1 - 2 * aside, 0, 1)
    size = np.clip(faces["box"][:, 3] / LARGE_ENOUGH, 0, 1)
    sharpness = np.nan_to_num(faces["sharpness"].astype(np.float64), nan=0.0)
    sharp = sharpness / sharpness.max() if sharpness.any() else np.ones(len(faces))
    clear = 1 - np.nan_to_num(faces["covered"].astype(np.float64), nan=0.0)
    return np.asarray(np.nan_to_num(frontal * size * sharp * clear), np.float64)
