"""What a person looks like: for each frame of a track, the frame shown to the network as its reference."""

import math
from fractions import Fraction
from random import Random
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lipdub.faces.smoothing import smooth
from lipdub.faces.track import Track
from lipdub.media.probe import VideoInfo
from lipdub.plan import SAME
from lipdub.speech.spans import runs

FAR_SECONDS = 1
"""A random reference is at least this far away, so that it does not show the same word."""
HELD_SECONDS = 4
"""A random reference is kept this long, since every change of it can be seen."""

CELL_DEGREES = 6.0
"""Of all frames whose pose lies in one square of this size, one can be a reference. Poses are measured to a
degree or two, and so the references of a track are as few as its poses."""
BETTER_DEGREES = 6.0
"""In a pause, a reference is changed only for one that is nearer by so much."""
BOUND_DEGREES = 20.0
"""Within a sentence, a reference is changed only if the head turns so far away from it, and"""
BOUND_SECONDS = 0.5
"""stays there for so long."""
KEPT_SECONDS = 2.0
"""No reference is changed sooner, whatever the heads do."""
AHEAD_SECONDS = 10.0
"""A reference suits how the head is held over this time to come, or until the next pause."""
PAUSE_SECONDS = 0.3
"""Shorter silence is part of a sentence."""
POSE_SIGMA = 0.2
"""Seconds: a reference follows where the head is, not each nod."""
NOT_OPEN = 0.5
"""A mouth as open as this share of the track's frames, or less, can be a reference; of one pose, the most
closed."""
SHARP = 0.25
"""A reference is sharper than this share of the track's frames."""

Frames = npt.NDArray[np.int64]
"""[n], for each frame of a track, the index of its reference in the same track."""


class Candidates(NamedTuple):
    """Frames that can be references.

    Attributes:
        frames: [k], ascending.
        poses: [k, 2], yaw and pitch in degrees.
    """

    frames: Frames
    poses: npt.NDArray[np.float64]


def choose_references(
    track: Track,
    kind: str,
    usable: npt.NDArray[np.bool_],
    info: VideoInfo,
    random: Random,
    talk: npt.ArrayLike = (),
) -> Frames:
    """For each frame of a track, the index of its reference in the same track, or `SAME`.

    Args:
        track: the face.
        kind: ``same``, ``first``, ``random`` or ``pose``.
        usable: [n], the frames that show the face well.
        info: the movie.
        random: what random references are drawn from.
        talk: [m, 2], seconds of the movie from which to which somebody speaks; empty if that is not known.
    """
    if kind == "same":
        return np.full(len(track.pts), SAME)
    if kind == "first":
        return np.zeros(len(track.pts), np.int64)
    if kind == "random":
        return random_references(track.pts, info.time_base, random)
    seconds = np.asarray(track.pts * float(info.time_base) - float(info.origin), np.float64)
    return pose_references(track, usable, seconds, talk)


def nearest_reference(track: Track, chosen: Frames, time_base: Fraction) -> Fraction:
    """How near, in seconds, a reference comes to a frame it is shown for."""
    return int(np.abs(track.pts - track.pts[chosen]).min()) * time_base


def pose_references(
    track: Track, usable: npt.NDArray[np.bool_], seconds: npt.NDArray[np.float64], talk: npt.ArrayLike = ()
) -> Frames:
    """For each frame, a neutral, sharp frame in which the head is held in much the same way.

    References change in pauses of what is said. Where it is not known when somebody speaks, and within
    sentences, they change only if the head turns far away and stays there.

    Args:
        track: the face.
        usable: [n], the frames that show the face well.
        seconds: [n], when its frames are shown.
        talk: [m, 2], seconds from which to which somebody speaks, ascending; empty if that is not known.
    """
    poses = np.column_stack([np.nan_to_num(track.faces[name]) for name in ("yaw", "pitch")]).astype(float)
    candidates = find_candidates(track, poses, usable)
    followed = smooth(poses, seconds, POSE_SIGMA)
    breaks = np.searchsorted(seconds, _pauses(np.asarray(talk, np.float64).reshape(-1, 2)))
    chosen = np.empty(len(poses), np.int64)
    first, current = 0, -1
    while first < len(poses):
        kept = int(np.searchsorted(seconds, seconds[first] + KEPT_SECONDS))
        stop = int(min([len(poses), *breaks[np.searchsorted(breaks, kept) :][:1]]))
        ahead = int(np.searchsorted(seconds, seconds[first] + AHEAD_SECONDS))
        wanted = np.median(followed[first : min(stop, ahead)], axis=0)
        current = _nearest(candidates.poses, wanted, current)
        last = kept + _leaves(followed[kept:stop] - candidates.poses[current], seconds[kept:stop])
        chosen[first:last] = candidates.frames[current]
        first = last
    return chosen


def find_candidates(
    track: Track, poses: npt.NDArray[np.float64], usable: npt.NDArray[np.bool_]
) -> Candidates:
    """The most neutral of the sharp frames of each pose [n, 2]; of all frames if none is usable."""
    good = usable & track.seen
    good = good if good.any() else np.ones(len(poses), bool)
    sharpness, aperture = (np.asarray(track.faces[name], np.float64) for name in ("sharpness", "aperture"))
    sharpness = np.nan_to_num(sharpness)
    good &= sharpness >= np.quantile(sharpness[good], SHARP)
    good &= aperture <= np.quantile(aperture[good], NOT_OPEN)
    order = np.flatnonzero(good)
    cells = np.floor(poses[order] / CELL_DEGREES)
    ranks = np.lexsort((order, aperture[order], cells[:, 1], cells[:, 0]))
    _, firsts = np.unique(cells[ranks], axis=0, return_index=True)
    frames = np.sort(order[ranks][firsts])
    return Candidates(frames, poses[frames])


def _pauses(talk: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The middle of each pause between what is said, in seconds."""
    begins, ends = talk[:-1, 1], talk[1:, 0]
    return np.asarray(((begins + ends) / 2)[ends - begins >= PAUSE_SECONDS])


def _nearest(poses: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64], current: int) -> int:
    """The pose nearest to the one that is wanted; the current one, unless that is clearly farther away."""
    away = np.linalg.norm(poses - wanted, axis=1)
    best = int(np.argmin(away))
    return current if current >= 0 and away[current] <= away[best] + BETTER_DEGREES else best


def _leaves(away: npt.NDArray[np.float64], seconds: npt.NDArray[np.float64]) -> int:
    """Index from which a head is beyond `BOUND_DEGREES` for `BOUND_SECONDS`, or how many there are."""
    for low, high in runs(np.linalg.norm(away, axis=1) > BOUND_DEGREES).tolist():
        if seconds[high - 1] - seconds[low] >= BOUND_SECONDS:
            return int(low)
    return len(away)


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
