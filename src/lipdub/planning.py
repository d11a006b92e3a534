"""Decide what will change: which face in which frame, with which reference, how much.

Whatever decides *what* to change happens here; it is a pure function of the analysis.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import numpy.typing as npt

from lipdub.faces.analyse import Analysis
from lipdub.faces.sighting import JAW
from lipdub.faces.track import Track
from lipdub.gating import gate
from lipdub.media.probe import VideoInfo
from lipdub.plan import DECIMALS, EDIT, SAME, Plan, Reference, edits_at
from lipdub.references import FAR_SECONDS, Frames, choose_references, nearest_reference


def make_plan(
    analysis: Analysis,
    info: VideoInfo,
    reference: str = "same",
    picture: Reference | None = None,
    seed: int = 7,
    talk: npt.ArrayLike = (),
) -> Plan:
    """Decide what will change: in each shot, the face that fills most of it.

    Args:
        analysis: what the movie shows.
        info: the movie.
        reference: ``same``, ``first``, ``random`` or ``pose``; ignored if `picture` is given.
        picture: the reference for all frames.
        seed: of the choice of random references.
        talk: [m, 2], seconds of the movie from which to which the dub speaks; empty if that is not known.
    """
    gated = {track.id: gate(track, _shot_pts(track, analysis), info) for track in analysis.tracks}
    tracks = largest_in_each_shot([t for t in analysis.tracks if gated[t.id].opacity.any()])
    references: list[Reference] = [picture] if picture else []
    notes: list[str] = []
    rows: list[npt.NDArray[np.void]] = []
    for track in tracks:
        opacity = gated[track.id].opacity
        indices = np.zeros(len(track.pts), np.int32)
        if picture is None:
            random = Random(seed + track.id)
            chosen = choose_references(track, reference, opacity == 1, info, random, talk)
            indices = _indices(track, chosen, opacity > 0, references)
            notes += _near_note(track, chosen, info) if reference == "random" else []
        rows.append(_edits(track, indices, opacity))
    edits = np.sort(np.concatenate(rows), order="pts") if rows else np.empty(0, EDIT)
    if not len(edits):
        notes.append(f"no usable face in what was looked at of {info.path.name}: it stays as it is.")
    return Plan(
        movie=info.path.name,
        size=(info.geometry.width, info.geometry.height),
        time_base=info.time_base,
        origin=info.origin,
        references=tuple(references),
        edits=edits,
        left=tuple(left for track in analysis.tracks for left in gated[track.id].left),
        notes=tuple(notes),
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


def _edits(
    track: Track, references: npt.NDArray[np.int32], opacity: npt.NDArray[np.float64]
) -> npt.NDArray[np.void]:
    open_ = opacity > 0
    return edits_at(
        track.pts[open_],
        track.boxes[open_],
        face=track.id,
        reference=references[open_],
        opacity=opacity[open_],
        jaw=track.faces["points"][open_, : len(JAW)],
    )


def _shot_pts(track: Track, analysis: Analysis) -> npt.NDArray[np.int64]:
    """All frames of the shot that a track is in."""
    cuts = np.array([*analysis.shots, np.iinfo(np.int64).max])
    shot = int(np.searchsorted(cuts, track.pts[0], side="right"))
    low, high = np.searchsorted(analysis.pts, [cuts[shot - 1], cuts[shot]])
    return analysis.pts[low:high]


def _indices(
    track: Track, chosen: Frames, used: npt.NDArray[np.bool_], references: list[Reference]
) -> npt.NDArray[np.int32]:
    """The number of each frame's reference in the plan, to which those that are used are added."""
    indices = {SAME: SAME}
    for frame in dict.fromkeys(chosen[used].tolist()):
        if frame != SAME:
            indices[frame] = len(references)
            references.append(_reference(track, frame))
    return np.array([indices.get(frame, SAME) for frame in chosen.tolist()], np.int32)


def _near_note(track: Track, chosen: Frames, info: VideoInfo) -> list[str]:
    if nearest_reference(track, chosen, info.time_base) >= FAR_SECONDS:
        return []
    at = float(info.seconds(int(track.pts[0])))
    return [f"the face at {at:.2f} s is seen for less than two seconds: its reference is nearer than one."]


def _reference(track: Track, frame: int) -> Reference:
    x, y, width, height, roll = np.round(track.boxes[frame], DECIMALS).tolist()
    return Reference((x, y, width, height, roll), int(track.pts[frame]))
