"""Decide what will change: which face in which frame, with which reference, how much.

Whatever decides *what* to change happens here; it is a pure function of the analysis.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import numpy.typing as npt

from lipdub.faces.analyse import Analysis
from lipdub.faces.crop import from_crop
from lipdub.faces.mask import MASK_CENTRE
from lipdub.faces.sighting import JAW
from lipdub.faces.track import Track
from lipdub.media.probe import VideoInfo
from lipdub.plan import DECIMALS, EDIT, SAME, Plan, Reference, edits_at

FAR_SECONDS = 1
"""A random reference is at least this far away, so that it does not show the same word."""
HELD_SECONDS = 4
"""A random reference is kept this long, since every change of it can be seen."""
FADE_SECONDS = 0.12
"""Within a shot, an edit comes and goes over this time."""
MIN_FACE_PIXELS = 16
MIN_SEEN_SECONDS = 0.2
"""A face seen for less, in a shot that goes on without it, is taken for lettering or the like: no false face
in 11 clips of real footage lasted longer than four frames."""


def make_plan(
    analysis: Analysis,
    info: VideoInfo,
    reference: str = "same",
    picture: Reference | None = None,
    seed: int = 7,
) -> Plan:
    """Decide what will change: in each shot, the face that fills most of it.

    Args:
        analysis: what the movie shows.
        info: the movie.
        reference: ``same``, ``first`` or ``random``; ignored if `picture` is given.
        picture: the reference for all frames.
        seed: of the choice of random references.
    """
    usable = [t for t in analysis.tracks if _large_enough(t) and _believable(t, analysis, info)]
    tracks = largest_in_each_shot(usable)
    references: list[Reference] = [picture] if picture else []
    notes: list[str] = []
    rows: list[npt.NDArray[np.void]] = []
    for track in tracks:
        indices = _references(
            track, reference, bool(picture), references, info, Random(seed + track.id), notes
        )
        rows.append(_edits(track, indices, analysis, info))
    edits = np.sort(np.concatenate(rows), order="pts") if rows else np.empty(0, EDIT)
    if not len(edits):
        notes.append(f"no usable face in what was looked at of {info.path.name}: it stays as it is.")
    size = info.geometry.width, info.geometry.height
    return Plan(
        info.path.name, size, info.time_base, info.origin, tuple(references), edits, notes=tuple(notes)
    )


def repeated(plan: Plan, shown: range) -> Plan:
    """The plan of a still picture, made for one frame, for all frames that are shown of it and change.

    A plan that tells its frames apart stays as it is.
    """
    if plan.edits["pts"].any():
        return plan
    edits = np.repeat(plan.edits, len(shown))
    edits["pts"] = np.tile(np.array(shown), len(plan.edits))
    return replace(plan, edits=np.sort(edits, order="pts"))


def largest_in_each_shot(tracks: Sequence[Track]) -> list[Track]:
    """The tracks to change: in each shot the one of most weight, and those that never meet it in time."""
    chosen: list[Track] = []
    for track in sorted(tracks, key=lambda t: -t.weight):
        if all(track.pts[-1] < other.pts[0] or track.pts[0] > other.pts[-1] for other in chosen):
            chosen.append(track)
    return sorted(chosen, key=lambda t: int(t.pts[0]))


def _large_enough(track: Track) -> bool:
    return float(np.median(track.boxes[:, 3])) >= MIN_FACE_PIXELS


def _believable(track: Track, analysis: Analysis, info: VideoInfo) -> bool:
    """Whether a face was seen for long enough, or in all of its shot."""
    first, last = track.pts[track.seen][[0, -1]]
    lasting = float((last - first) * info.time_base) >= MIN_SEEN_SECONDS and track.seen.mean() >= 0.5
    return bool(lasting) or len(track.pts) == len(_shot_pts(track, analysis))


def _edits(
    track: Track, references: npt.NDArray[np.int32], analysis: Analysis, info: VideoInfo
) -> npt.NDArray[np.void]:
    mouth = np.array([from_crop(np.array([MASK_CENTRE]), box)[0] for box in track.boxes]).reshape(-1, 2)
    inside = ((mouth >= 0) & (mouth < info.geometry.upright_size)).all(axis=1)
    pts = track.pts[inside]
    return edits_at(
        pts,
        track.boxes[inside],
        face=track.id,
        reference=references[inside],
        opacity=_opacity(pts, _shot_pts(track, analysis), float(info.time_base)),
        jaw=track.faces["points"][inside, : len(JAW)],
    )


def _shot_pts(track: Track, analysis: Analysis) -> npt.NDArray[np.int64]:
    """All frames of the shot that a track is in."""
    cuts = np.array([*analysis.shots, np.iinfo(np.int64).max])
    shot = int(np.searchsorted(cuts, track.pts[0], side="right"))
    low, high = np.searchsorted(analysis.pts, [cuts[shot - 1], cuts[shot]])
    return analysis.pts[low:high]


def _opacity(
    pts: npt.NDArray[np.int64], shot: npt.NDArray[np.int64], time_base: float
) -> npt.NDArray[np.float64]:
    """1, but for a short fade where the mouth comes or goes within a shot."""
    absent = np.setdiff1d(shot, pts)
    if not len(absent):
        return np.ones(len(pts))
    after = np.searchsorted(absent, pts)
    nearest = np.minimum(
        np.abs(pts - absent[np.maximum(after - 1, 0)]),
        np.abs(absent[np.minimum(after, len(absent) - 1)] - pts),
    )
    return np.minimum(np.asarray(nearest * time_base / FADE_SECONDS, dtype=np.float64), 1)


def _references(
    track: Track,
    kind: str,
    picture: bool,
    references: list[Reference],
    info: VideoInfo,
    random: Random,
    notes: list[str],
) -> npt.NDArray[np.int32]:
    """For each frame of the track, the index of its reference; new ones are appended to `references`."""
    if picture:
        return np.zeros(len(track.pts), np.int32)
    if kind == "same":
        return np.full(len(track.pts), SAME, np.int32)
    if kind == "first":
        references.append(_reference(track, 0))
        return np.full(len(track.pts), len(references) - 1, np.int32)
    chosen = random_references(track.pts, info.time_base, random)
    nearest = int(np.abs(track.pts - track.pts[chosen]).min())
    if nearest * info.time_base < FAR_SECONDS:
        at = float(info.seconds(int(track.pts[0])))
        notes.append(
            f"the face at {at:.2f} s is seen for less than two seconds: its reference is nearer than one."
        )
    indices = {frame: len(references) + i for i, frame in enumerate(dict.fromkeys(chosen.tolist()))}
    references += [_reference(track, frame) for frame in indices]
    return np.array([indices[frame] for frame in chosen.tolist()], np.int32)


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


def _reference(track: Track, frame: int) -> Reference:
    x, y, width, height, roll = np.round(track.boxes[frame], DECIMALS).tolist()
    return Reference((x, y, width, height, roll), int(track.pts[frame]))
