"""Of all that a movie shows of a person: the frames with the mouth at rest, and which of them suits when.

Pure functions of what was seen and of what is said. A *sentence* is a stretch in which a face speaks, with
pauses shorter than `PAUSE_SECONDS`; while it lasts, the network is shown one and the same frame.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lipdub.faces.track import Track
from lipdub.plan import SILENCE, UNTOUCHED
from lipdub.speech.spans import runs
from lipdub.turns import Mask, Seconds, Spans, inside, spans, without_holes

CELL_DEGREES = 6.0
"""Of all frames of a shot whose pose lies in one square of this size, one can be a reference. Poses are
measured to a degree or two, and so there are as few candidates as poses."""
BETTER_DEGREES = 6.0
"""In a pause, a reference is changed only for one that is nearer by so much."""
OTHER_SHOT_DEGREES = 5.0
"""A candidate of another shot counts as if the head were turned away by so much more, for its light, framing
and focus. Measured on 821 closed mouths of 32 people: in two shots, lower faces differ as much as they do in
one if the head is turned by 3 to 8 degrees more, or by 2 to 4 if their mean colour is made the same."""
OPEN_DEGREES = 200.0
"""A mouth that is open by one face height more counts as if the head were turned away by so much more: 2
degrees for each hundredth. On the same faces, opening changes the lower face as much as 1.3 degrees do; it
counts for more, since an open mouth is what a reference is not to show."""
KEPT_SECONDS = 2.0
"""No reference is changed sooner, whatever the heads do; a cut brings a new one all the same."""
PAUSE_SECONDS = 0.3
"""Shorter silence is part of a sentence."""
NOT_OPEN = 0.5
"""A mouth as open as this share of a person's frames, or less, can be a reference; of one pose, the most
closed."""
SHARP = 0.25
"""A reference is sharper than this share of its track's frames."""
DETAIL = 0.75
"""A face of another shot is at least so many times as high as the one it is a reference for, since there is
less to be seen in a smaller one; up to what the network sees:"""
SEEN_HEIGHT = 128
COARSE_DEGREES = 1000.0
"""More than any head can turn: a smaller one is only taken where there is no other."""


class View(NamedTuple):
    """What one track shows of a person.

    Attributes:
        track: the face.
        good: [n], the frames that show it well.
    """

    track: Track
    good: Mask


class Portraits(NamedTuple):
    """The frames of a person that can be references, one for each pose in each shot.

    Attributes:
        tracks: [k], ids of their tracks.
        frames: [k], indices in them.
        shots: [k].
        poses: [k, 2], yaw and pitch in degrees.
        heights: [k], of the face, in pixels.
        apertures: [k], of the lips, in face heights.
    """

    tracks: npt.NDArray[np.int64]
    frames: npt.NDArray[np.int64]
    shots: npt.NDArray[np.int64]
    poses: npt.NDArray[np.float64]
    heights: npt.NDArray[np.float64]
    apertures: npt.NDArray[np.float64]


class Appearance(NamedTuple):
    """A person in one shot, frame by frame.

    Attributes:
        shot: its number.
        height: of the face, in pixels.
        seconds: [n], ascending.
        poses: [n, 2], yaw and pitch in degrees.
        edited: [n], whether it will change.
        speaks: [n], whether the frame lies in a sentence.
    """

    shot: int
    height: float
    seconds: Seconds
    poses: npt.NDArray[np.float64]
    edited: Mask
    speaks: Mask


def find_portraits(views: Sequence[View]) -> Portraits:
    """The most neutral of the sharp frames of each pose in each shot; of all frames if none is good."""
    kept = [_sharp(view) for view in views]
    if not any(len(frames) for frames in kept):
        kept = [np.arange(len(view.track.pts)) for view in views]
    counts = [len(frames) for frames in kept]
    tracks, shots = (np.repeat([getattr(v.track, name) for v in views], counts) for name in ("id", "shot"))
    aperture = _column("aperture", views, kept)
    poses = np.column_stack([_column(name, views, kept) for name in ("yaw", "pitch")])
    cells = np.column_stack([shots, np.floor(poses / CELL_DEGREES)])
    order = np.argsort(aperture, kind="stable")
    order = order[aperture[order] <= np.quantile(aperture, NOT_OPEN)]
    _, firsts = np.unique(cells[order], axis=0, return_index=True)
    best = np.sort(order[firsts])
    heights = np.concatenate([v.track.boxes[rows, 3] for v, rows in zip(views, kept, strict=True)])
    return Portraits(
        tracks[best], np.concatenate(kept)[best], shots[best], poses[best], heights[best], aperture[best]
    )


def poses_of(track: Track) -> npt.NDArray[np.float64]:
    """Yaw and pitch [n, 2] of a track in degrees; 0 where they were not measured."""
    return np.column_stack([np.nan_to_num(track.faces[name]) for name in ("yaw", "pitch")]).astype(np.float64)


def in_sentences(
    sounds: npt.NDArray[np.int32], seconds: Seconds, talk: Mapping[int, npt.ArrayLike] | None = None
) -> Mask:
    """In which frames a face is in the middle of a sentence.

    Args:
        sounds: [n], what it says in each frame (see `lipdub.plan.Edit`), or `UNTOUCHED`.
        seconds: [n], when they are shown, ascending.
        talk: number of a sound: [m, 2], the seconds from which to which it has speech, ascending; a sound
            that is not in it, such as the stem of a cue, is taken to be speech throughout.
    """
    speaks = np.zeros(len(sounds), np.bool_)
    for sound in set(sounds.tolist()) - {UNTOUCHED, SILENCE}:
        heard = _sentences((talk or {}).get(sound))
        speaks |= (sounds == sound) & (True if heard is None else inside(seconds, heard))
    if not len(speaks):
        return speaks
    return inside(seconds, without_holes(spans(speaks, seconds), PAUSE_SECONDS))


def choose_portraits(portraits: Portraits, seen: Appearance) -> npt.NDArray[np.int64]:
    """For each frame of a person in a shot, the portrait in which the head is held most alike.

    It is the nearest to how the head is usually held, where an open mouth and another shot count as farther
    away. It changes in pauses alone, in the middle of them. Where nothing is known of speech, all is one
    sentence, and a shot has one reference.

    Args:
        portraits: of this person, of whatever shot.
        seen: the person in this shot.

    Returns:
        [n] indices of portraits.
    """
    unlike = _unlikeness(portraits, seen)
    breaks = _pauses(seen.speaks)
    chosen = np.empty(len(seen.seconds), np.int64)
    first, current = 0, -1
    while first < len(chosen):
        kept = int(np.searchsorted(seen.seconds, seen.seconds[first] + KEPT_SECONDS))
        last = int(min([len(chosen), *breaks[breaks >= kept][:1]]))
        away = np.linalg.norm(portraits.poses - _usual_pose(seen, slice(first, last)), axis=1) + unlike
        best = int(np.argmin(away))
        if current < 0 or away[current] > away[best] + BETTER_DEGREES:
            current = best
        chosen[first:last] = current
        first = last
    return chosen


def _unlikeness(portraits: Portraits, seen: Appearance) -> npt.NDArray[np.float64]:
    """How much each portrait [k] differs from a person in a shot, besides the pose, in degrees of it."""
    other = portraits.shots != seen.shot
    coarse = other & (portraits.heights < DETAIL * min(seen.height, SEEN_HEIGHT))
    elsewhere = other * OTHER_SHOT_DEGREES + coarse * COARSE_DEGREES
    return np.asarray(portraits.apertures * OPEN_DEGREES + elsewhere, np.float64)


def _sharp(view: View) -> npt.NDArray[np.int64]:
    """The good frames of a track without the least sharp."""
    good = np.flatnonzero(view.good & view.track.seen)
    sharpness = np.nan_to_num(view.track.faces["sharpness"][good].astype(np.float64))
    return good[sharpness >= np.quantile(sharpness, SHARP)] if len(good) else good


def _column(
    name: str, views: Sequence[View], rows: Sequence[npt.NDArray[np.int64]]
) -> npt.NDArray[np.float64]:
    """One column of the faces in some rows of each track, all in one."""
    parts = [np.nan_to_num(view.track.faces[name][own]) for view, own in zip(views, rows, strict=True)]
    return np.concatenate(parts).astype(np.float64)


def _sentences(talk: npt.ArrayLike | None) -> Spans | None:
    if talk is None:
        return None
    return without_holes(np.asarray(talk, np.float64).reshape(-1, 2), PAUSE_SECONDS)


def _pauses(speaks: Mask) -> npt.NDArray[np.int64]:
    """The frame in the middle of each pause between two sentences."""
    silent = runs(~speaks)
    inner = silent[(silent[:, 0] > 0) & (silent[:, 1] < len(speaks))]
    return np.asarray((inner.sum(axis=1) + 1) // 2)


def _usual_pose(seen: Appearance, part: slice) -> npt.NDArray[np.float64]:
    """How the head is held in a part of a shot: where it speaks and changes, or else changes, or at all."""
    edited = seen.edited[part]
    counts = (edited & seen.speaks[part], edited)
    rows = next((mask for mask in counts if mask.any()), np.ones_like(edited))
    return np.asarray(np.median(seen.poses[part][rows], axis=0))
