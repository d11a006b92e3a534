"""Decide what will change: which face in which frame, saying what, with which reference, how much.

Whatever decides *what* to change happens here; it is a pure function of the analysis and of what is said.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import numpy.typing as npt

from lipdub.casting import Cast, make_cast
from lipdub.faces.analyse import Analysis
from lipdub.faces.track import Track
from lipdub.gating import FADE_SECONDS, Gated, Measured, gate, measure
from lipdub.media.probe import VideoInfo
from lipdub.plan import DECIMALS, EDIT, SAME, UNTOUCHED, Left, Plan, Reference, edits_at
from lipdub.references import FAR_SECONDS, Frames, choose_references, nearest_reference

Sounds = npt.NDArray[np.int32]
"""[n], what a face says in each frame of its track (see `lipdub.plan.Edit`); `UNTOUCHED` where it is left."""

ROUNDING = 1e-6
"""Seconds: times are compared as floats."""
SAYS_NOTHING = "says nothing of the dub"
NOT_CHOSEN = "not among those to dub"


def make_plan(
    analysis: Analysis,
    info: VideoInfo,
    reference: str = "same",
    picture: Reference | None = None,
    seed: int = 7,
    cast: Cast | None = None,
    talk: npt.ArrayLike = (),
    gates: Mapping[int, Measured] | None = None,
) -> Plan:
    """Decide what will change: by default, in each shot, the face that fills most of it.

    Args:
        analysis: what the movie shows.
        info: the movie.
        reference: ``same``, ``first``, ``random`` or ``pose``; ignored if `picture` is given.
        picture: the reference for all frames.
        seed: of the choice of random references.
        cast: who says what.
        talk: [m, 2], seconds of the movie from which to which the dub speaks; empty if that is not known.
        gates: what `measured` says of the analysis, if that is known already.
    """
    gates = measured(analysis, info) if gates is None else gates
    cast = cast or make_cast(analysis, usable_tracks(analysis, info, gates), info, "largest")
    chosen = {track.id for track in cast.tracks}
    references: list[Reference] = [picture] if picture else []
    notes, left = list(cast.notes), list[Left]()
    rows: list[npt.NDArray[np.void]] = []
    for track in analysis.tracks:
        face = cast.people.numbers.get(track.id, 0)
        sounds = _sounds(track, cast, info) if track.id in chosen else None
        gated = _gated(track, sounds, analysis, info, gates[track.id])
        left += [replace(row, face=face) for row in gated.left]
        if sounds is None or not gated.opacity.any():
            continue
        indices = np.zeros(len(track.pts), np.int32)
        if picture is None:
            random = Random(seed + track.id)
            frames = choose_references(track, reference, gated.opacity == 1, info, random, talk)
            indices = _indices(track, frames, gated.opacity > 0, references)
            notes += _near_note(track, frames, info) if reference == "random" else []
        rows.append(_edits(track, face, indices, sounds, gated.opacity))
    edits = np.sort(np.concatenate(rows), order="pts", kind="stable") if rows else np.empty(0, EDIT)
    if not len(edits):
        notes.append(_nothing(cast, info))
    return Plan(
        movie=info.path.name,
        size=(info.geometry.width, info.geometry.height),
        time_base=info.time_base,
        origin=info.origin,
        references=tuple(references),
        edits=edits,
        stems=cast.stems,
        people=cast.people.persons,
        left=tuple(sorted(left, key=lambda row: (row.first, row.face))),
        notes=tuple(notes),
    )


def measured(analysis: Analysis, info: VideoInfo) -> dict[int, Measured]:
    """What the gates say of each face, by the id of its track: once for all that is asked of them."""
    return {track.id: measure(track, info) for track in analysis.tracks}


def usable_tracks(
    analysis: Analysis, info: VideoInfo, gates: Mapping[int, Measured] | None = None
) -> list[Track]:
    """The faces that can be changed in some of their frames at least.

    Args:
        analysis: what the movie shows.
        info: the movie.
        gates: what `measured` says of it, if that is known already.
    """
    gates = measured(analysis, info) if gates is None else gates
    shots = ((track, _shot_pts(track, analysis)) for track in analysis.tracks)
    return [t for t, shot in shots if gate(t, shot, info, measured=gates[t.id]).opacity.any()]


def within(plan: Plan, start: Fraction | None, end: Fraction | None, frame: Fraction) -> Plan:
    """The plan without what changes before `start` or from `end` on; there, edits fade in and out.

    Args:
        plan: of the whole movie.
        start, end: seconds as a player shows them; None for the movie's own.
        frame: seconds that a frame lasts.
    """
    seconds = plan.edits["pts"] * float(plan.time_base) - float(plan.origin)
    ramp = np.ones(len(seconds))
    if start:
        ramp = np.minimum(ramp, (seconds - float(start) + float(frame)) / FADE_SECONDS)
    if end is not None:
        ramp = np.minimum(ramp, (float(end) - seconds) / FADE_SECONDS)
    low, high = (None if time is None else _first_pts(plan, time) for time in (start, end))
    pts = plan.edits["pts"]
    first = 0 if low is None else int(np.searchsorted(pts, low))
    last = len(pts) if high is None else int(np.searchsorted(pts, high))
    edits, ramp = plan.edits[first:last].copy(), ramp[first:last]
    edits["opacity"] *= np.round(np.clip(ramp, 0, 1), DECIMALS)
    return replace(plan, edits=edits)


def _first_pts(plan: Plan, seconds: Fraction) -> int:
    """The first pts that lies at or after a time."""
    return math.ceil((seconds + plan.origin) / plan.time_base)


def repeated(plan: Plan, shown: range) -> Plan:
    """The plan of a still picture, made for one frame, for all frames that are shown of it and change.

    A plan that tells its frames apart stays as it is.
    """
    if plan.edits["pts"].any():
        return plan
    edits = np.repeat(plan.edits, len(shown))
    edits["pts"] = np.tile(np.array(shown), len(plan.edits))
    return replace(plan, edits=np.sort(edits, order="pts"))


def _sounds(track: Track, cast: Cast, info: VideoInfo) -> Sounds:
    """What a face says, with room for a fade before its first word and after its last."""
    said = cast.said.get(track.id)
    if said is None:
        return np.zeros(len(track.pts), np.int32)
    spoken = np.flatnonzero(said != UNTOUCHED)
    if not len(spoken):
        return said
    seconds = np.asarray(track.pts * float(info.time_base), np.float64)
    after = np.searchsorted(spoken, np.arange(len(said)))
    before, next_ = spoken[np.maximum(after - 1, 0)], spoken[np.minimum(after, len(spoken) - 1)]
    nearest = np.where(np.abs(seconds - seconds[before]) <= np.abs(seconds[next_] - seconds), before, next_)
    return np.where(np.abs(seconds - seconds[nearest]) < FADE_SECONDS - ROUNDING, said[nearest], said)


def _gated(
    track: Track, sounds: Sounds | None, analysis: Analysis, info: VideoInfo, known: Measured
) -> Gated:
    shot = _shot_pts(track, analysis)
    if sounds is None:
        return gate(track, shot, info, np.ones(len(track.pts), bool), NOT_CHOSEN, known)
    return gate(track, shot, info, sounds == UNTOUCHED, SAYS_NOTHING, known)


def _edits(
    track: Track,
    face: int,
    references: npt.NDArray[np.int32],
    sounds: Sounds,
    opacity: npt.NDArray[np.float64],
) -> npt.NDArray[np.void]:
    open_ = opacity > 0
    return edits_at(
        track.pts[open_],
        track.boxes[open_],
        face=face,
        reference=references[open_],
        sound=sounds[open_],
        opacity=opacity[open_],
        outline=track.faces["points"][open_],
    )


def _nothing(cast: Cast, info: VideoInfo) -> str:
    """Why nothing changes."""
    if cast.people.persons:
        return (
            f"nobody who is seen in {info.path.name} says anything of the dub, so it stays as it is;"
            " with --faces largest, or --faces and a number, that face says it."
        )
    return f"no usable face in what was looked at of {info.path.name}: it stays as it is."


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
