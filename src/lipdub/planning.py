"""Decide what will change: which face in which frame, saying what, with which reference, how much.

Whatever decides *what* to change happens here; it is a pure function of the analysis and of what is said.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from lipdub.casting import Cast, make_cast
from lipdub.faces.analyse import Analysis
from lipdub.faces.track import Track
from lipdub.gating import FADE_SECONDS, Gated, Measured, gate, measure
from lipdub.likeness import View
from lipdub.media.probe import VideoInfo
from lipdub.plan import DECIMALS, EDIT, SAME, UNTOUCHED, Left, Plan, Reference, edits_at
from lipdub.references import FAR_SECONDS, Change, Chosen, choose_references, nearest_reference

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
    talk: Mapping[int, npt.ArrayLike] | None = None,
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
        talk: number of a sound: [m, 2], seconds of the movie from which to which it has speech; a sound that
            is not in it is taken to be speech throughout.
        gates: what `measured` says of the analysis, if that is known already.
    """
    gates = measured(analysis, info) if gates is None else gates
    cast = cast or make_cast(analysis, usable_tracks(analysis, info, gates), info, "largest")
    changes, left = _changes(analysis, info, cast, gates)
    notes = list(cast.notes)
    references: tuple[Reference, ...]
    if picture:
        references, indices = (picture,), {c.track.id: np.zeros(len(c.track.pts), np.int32) for c in changes}
    else:
        views = _views(changes, analysis, info, cast, gates) if reference == "pose" else {}
        chosen = choose_references(changes, reference, info, seed, views, talk)
        references, indices = _numbered(changes, chosen, analysis.tracks)
        if reference == "random":
            notes += [note for c in changes for note in _near_note(c.track, chosen[c.track.id], info)]
    rows = [_edits(change, indices[change.track.id]) for change in changes]
    edits = np.sort(np.concatenate(rows), order="pts", kind="stable") if rows else np.empty(0, EDIT)
    if not len(edits):
        notes.append(_nothing(cast, info))
    return Plan(
        movie=info.path.name,
        size=(info.geometry.width, info.geometry.height),
        time_base=info.time_base,
        origin=info.origin,
        references=references,
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


def _changes(
    analysis: Analysis, info: VideoInfo, cast: Cast, gates: Mapping[int, Measured]
) -> tuple[list[Change], list[Left]]:
    """The faces that will change, and why others, or these at other times, are left alone."""
    chosen = {track.id for track in cast.tracks}
    changes, left = list[Change](), list[Left]()
    for track in analysis.tracks:
        number = cast.people.numbers.get(track.id, 0)
        sounds = _sounds(track, cast, info) if track.id in chosen else None
        gated = _gated(track, sounds, analysis, info, gates[track.id])
        left += [replace(row, face=number) for row in gated.left]
        if sounds is not None and gated.opacity.any():
            changes.append(Change(track, number or -1 - track.id, sounds, gated.opacity))
    return changes, left


def _gated(
    track: Track, sounds: Sounds | None, analysis: Analysis, info: VideoInfo, known: Measured
) -> Gated:
    shot = _shot_pts(track, analysis)
    if sounds is None:
        return gate(track, shot, info, np.ones(len(track.pts), bool), NOT_CHOSEN, known)
    return gate(track, shot, info, sounds == UNTOUCHED, SAYS_NOTHING, known)


def _views(
    changes: Sequence[Change],
    analysis: Analysis,
    info: VideoInfo,
    cast: Cast,
    gates: Mapping[int, Measured],
) -> dict[int, list[View]]:
    """All that the movie shows of the people whose faces change, also where they say nothing."""
    views: dict[int, list[View]] = {change.person: [] for change in changes}
    for track in analysis.tracks:
        own = views.get(cast.people.numbers.get(track.id) or -1 - track.id)
        if own is not None:
            shown = gate(track, _shot_pts(track, analysis), info, measured=gates[track.id])
            own.append(View(track, shown.opacity == 1))
    return views


def _numbered(
    changes: Sequence[Change], chosen: Mapping[int, Chosen], tracks: Sequence[Track]
) -> tuple[tuple[Reference, ...], dict[int, npt.NDArray[np.int32]]]:
    """The references that are used, and which of them each frame has, by the id of its track."""
    by_id = {track.id: track for track in tracks}
    numbers: dict[tuple[int, int], int] = {(SAME, SAME): SAME}
    references: list[Reference] = []
    indices = {}
    for change in changes:
        rows = [(track, frame) for track, frame in chosen[change.track.id].tolist()]
        used = [row for row, opacity in zip(rows, change.opacity.tolist(), strict=True) if opacity > 0]
        for track, frame in dict.fromkeys(used):
            if (track, frame) not in numbers:
                numbers[track, frame] = len(references)
                references.append(_reference(by_id[track], frame))
        indices[change.track.id] = np.array([numbers.get(row, SAME) for row in rows], np.int32)
    return tuple(references), indices


def _edits(change: Change, references: npt.NDArray[np.int32]) -> npt.NDArray[np.void]:
    track, open_ = change.track, change.opacity > 0
    return edits_at(
        track.pts[open_],
        track.boxes[open_],
        face=max(change.person, 0),
        reference=references[open_],
        sound=change.sounds[open_],
        opacity=change.opacity[open_],
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


def _near_note(track: Track, chosen: Chosen, info: VideoInfo) -> list[str]:
    if nearest_reference(track, chosen, info.time_base) >= FAR_SECONDS:
        return []
    at = float(info.seconds(int(track.pts[0])))
    return [f"the face at {at:.2f} s is seen for less than two seconds: its reference is nearer than one."]


def _reference(track: Track, frame: int) -> Reference:
    x, y, width, height, roll = np.round(track.boxes[frame], DECIMALS).tolist()
    return Reference((x, y, width, height, roll), int(track.pts[frame]))
