"""What a person looks like: for each frame of a track, the frame shown to the network as its reference."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.faces.track import Track
from lipdub.likeness import (
    Appearance,
    View,
    choose_portraits,
    find_portraits,
    in_sentences,
    poses_of,
)
from lipdub.media.probe import VideoInfo
from lipdub.plan import SAME

FAR_SECONDS = 1
"""A random reference is at least this far away, so that it does not show the same word."""
HELD_SECONDS = 4
"""A random reference is kept this long, since every change of it can be seen."""

Chosen: TypeAlias = npt.NDArray[np.int64]
"""[n, 2], for each frame of a track, its reference: the id of a track, and an index in that; `SAME` twice
where a frame is its own."""


class Change(NamedTuple):
    """A face that will change.

    Attributes:
        track: the face.
        person: number of whose it is; where that is not known, a negative one of its own.
        sounds: [n], what it says in each frame (see `lipdub.plan.Edit`), or `UNTOUCHED`.
        opacity: [n] in 0 to 1.
    """

    track: Track
    person: int
    sounds: npt.NDArray[np.int32]
    opacity: npt.NDArray[np.float64]


def choose_references(
    changes: Sequence[Change],
    kind: str,
    info: VideoInfo,
    seed: int,
    views: Mapping[int, Sequence[View]] | None = None,
    talk: Mapping[int, npt.ArrayLike] | None = None,
) -> dict[int, Chosen]:
    """The reference of each frame of each face, by the id of its track.

    Args:
        changes: the faces that will change.
        kind: ``same``, ``first``, ``random`` or ``pose``.
        info: the movie.
        seed: of what random references are drawn from.
        views, talk: see `pose_references`; they are not needed for other kinds.
    """
    if kind == "pose":
        return pose_references(changes, views or {}, info, talk)
    return {change.track.id: _of_same_track(change.track, kind, info, seed) for change in changes}


def _of_same_track(track: Track, kind: str, info: VideoInfo, seed: int) -> Chosen:
    count = len(track.pts)
    if kind == "same":
        return np.full((count, 2), SAME)
    frames = np.zeros(count, np.int64)
    if kind == "random":
        frames = random_references(track.pts, info.time_base, Random(seed + track.id))
    return np.column_stack([np.full(count, track.id), frames])


def nearest_reference(track: Track, chosen: Chosen, time_base: Fraction) -> Fraction:
    """How near, in seconds, a reference of the same track comes to a frame it is shown for."""
    return int(np.abs(track.pts - track.pts[chosen[:, 1]]).min()) * time_base


def pose_references(
    changes: Sequence[Change],
    views: Mapping[int, Sequence[View]],
    info: VideoInfo,
    talk: Mapping[int, npt.ArrayLike] | None = None,
) -> dict[int, Chosen]:
    """For each frame, one of the same person, sharp and with the mouth at rest, with the head held alike.

    It may be of another shot. Within a shot it changes in pauses of what the face says, never in a sentence,
    also where the face is lost for a while and found again; each shot begins with a choice of its own.

    Args:
        changes: the faces that will change.
        views: number of a person: all that the movie shows of it.
        info: the movie.
        talk: see `lipdub.likeness.in_sentences`.

    Returns:
        For each face, by the id of its track.
    """
    portraits = {person: find_portraits(own) for person, own in views.items()}
    chosen: dict[int, Chosen] = {}
    for group in _in_shots(changes):
        found = portraits[group[0].person]
        rows = choose_portraits(found, _appearance(group, info, talk))
        picked = np.column_stack([found.tracks[rows], found.frames[rows]])
        ends = np.cumsum([len(change.track.pts) for change in group])
        parts = np.split(picked, ends[:-1])
        chosen |= {change.track.id: part for change, part in zip(group, parts, strict=True)}
    return chosen


def _in_shots(changes: Sequence[Change]) -> list[list[Change]]:
    """The faces of each person in each shot, in the order in which they are seen."""
    groups: dict[tuple[int, int], list[Change]] = {}
    for change in sorted(changes, key=lambda c: int(c.track.pts[0])):
        groups.setdefault((change.track.shot, change.person), []).append(change)
    return list(groups.values())


def _appearance(
    group: Sequence[Change], info: VideoInfo, talk: Mapping[int, npt.ArrayLike] | None
) -> Appearance:
    """A person in a shot, from its tracks there, which are one after the other."""
    pts = np.concatenate([change.track.pts for change in group])
    seconds = np.asarray(pts * float(info.time_base) - float(info.origin), np.float64)
    sounds = np.concatenate([change.sounds for change in group])
    return Appearance(
        shot=group[0].track.shot,
        height=float(np.median(np.concatenate([change.track.boxes[:, 3] for change in group]))),
        seconds=seconds,
        poses=np.concatenate([poses_of(change.track) for change in group]),
        edited=np.concatenate([change.opacity for change in group]) > 0,
        speaks=in_sentences(sounds, seconds, talk),
    )


def random_references(
    pts: npt.NDArray[np.int64], time_base: Fraction, random: Random
) -> npt.NDArray[np.int64]:
    """For each frame of a track, the index of another frame at least a second away, chosen at random.

    A choice is kept for `HELD_SECONDS` or until a frame comes too near to it. In a track too short for that,
    the frame farthest away is taken.
    """
    far, held = math.ceil(FAR_SECONDS / time_base), math.ceil(HELD_SECONDS / time_base)
    chosen = np.empty(len(pts), np.int64)
    current, since = -1, 0
    for i, now in enumerate(pts.tolist()):
        if current < 0 or now - since >= held or abs(int(pts[current]) - now) < far:
            current, since = _pick_far(pts, now, far, held, random), now
        chosen[i] = current
    return chosen


def _pick_far(pts: npt.NDArray[np.int64], now: int, far: int, held: int, random: Random) -> int:
    """A frame that is far enough away, and stays so for as long as it is held if possible."""
    before = int(np.searchsorted(pts, now - far, side="right"))
    lasting = int(np.searchsorted(pts, now + far + held))
    count = before + len(pts) - lasting
    if not count:
        return int(np.argmax(np.abs(pts - now)))
    pick = random.randrange(count)
    return pick if pick < before else pick - before + lasting
