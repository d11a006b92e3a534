"""Where a face can be changed, and why not elsewhere: one table of bounds, and fades around what is beyond.

Pure functions of what was seen. Nothing here looks at a picture.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lipdub.faces.mouths import lost_detail
from lipdub.faces.track import Track
from lipdub.media.probe import VideoInfo
from lipdub.plan import DECIMALS, Left
from lipdub.speech.spans import hysteresis, runs

FADE_SECONDS = 0.12
"""Within a shot, an edit comes and goes over this time, beside the frames that are left alone."""
BRIEF_SECONDS = 0.1
"""What is measured in the picture must last for so long: one or two frames are noise, or seen by nobody."""
MIN_SEEN_SECONDS = 0.2
"""A face seen for less, in a shot that goes on without it, is taken for lettering or the like: no false face
in 11 clips of real footage lasted longer than four frames."""
GLIMPSE = f"seen for less than {MIN_SEEN_SECONDS} seconds"
TOO_SHORT = "too short a time between two of these"
ROWS = 4096
"""Frames looked up at once, so that two hours need little memory."""
GRID = 9
"""The lower half of the crop is looked up at so many places across and down."""

Measure = npt.NDArray[np.float64]
"""[n], one value a frame; NaN where it was not measured."""


class Gate(NamedTuple):
    """A bound: the gate closes above it, and opens again below another one.

    Attributes:
        measure: of each frame; the more, the worse.
        closes, opens: the bounds; a stretch above the second is closed if it rises above the first somewhere.
        reason: said of what is left alone, with the worst value.
        brief: seconds for which it is ignored.
    """

    measure: Callable[[Track, VideoInfo], Measure]
    closes: float
    opens: float
    reason: str
    brief: float = 0.0


class Measured(NamedTuple):
    """What the gates say of a track, whatever is wanted of it.

    Attributes:
        values: [g, n], of each gate in each frame.
        closed: [g, n], where it is closed.
    """

    values: Measure
    closed: npt.NDArray[np.bool_]


class Gated(NamedTuple):
    """How much of a track is changed.

    Attributes:
        opacity: [n] in 0 to 1; 0 where the face is left alone.
        left: why, a row for each stretch of such frames.
    """

    opacity: Measure
    left: tuple[Left, ...]


def _outside(track: Track, info: VideoInfo) -> Measure:
    """Which share of the crop's lower half lies outside the picture."""
    steps = (np.arange(GRID) + 0.5) / GRID
    places = np.stack(np.meshgrid(steps, 0.5 + steps / 2), -1).reshape(-1, 2)
    boxes, size = track.boxes, np.array(info.geometry.upright_size)
    middles, reach = boxes[:, :2] + boxes[:, 2:4] / 2, np.linalg.norm(boxes[:, 2:4], axis=1)[:, None] / 2
    share = np.zeros(len(boxes))
    near = np.flatnonzero(((middles < reach) | (middles > size - reach)).any(axis=1))
    for rows in np.array_split(near, len(near) // ROWS + 1):
        x, y = np.moveaxis((places - 0.5) * boxes[rows, None, 2:4], 2, 0)
        cos, sin = (f(np.radians(boxes[rows, 4:5])) for f in (np.cos, np.sin))
        points = middles[rows, None] + np.stack([cos * x - sin * y, sin * x + cos * y], axis=2)
        share[rows] = 1 - ((points >= 0) & (points < size)).all(axis=2).mean(axis=1)
    return share


def _clear(track: Track) -> Measure:
    """How clearly each frame shows this shot alone."""
    return np.broadcast_to(track.clear, len(track.pts))


def _column(name: str, size: Callable[[Measure], Measure]) -> Callable[[Track, VideoInfo], Measure]:
    return lambda track, info: size(np.asarray(track.faces[name], dtype=np.float64))


def _lost(track: Track, info: VideoInfo) -> Measure:
    return lost_detail(track.faces["edges"], track.faces["sharpness"])


# The one table of thresholds.
GATES = (
    # Of 893 faces of VoxCeleb2, from which the network learned, 1 % are turned by over 46°, 0.1 % by 58°.
    Gate(_column("yaw", np.abs), 50, 45, "turned too far away (yaw {:.0f}°)", BRIEF_SECONDS),
    # Of the same faces, none is tilted by more than 15°; of 793 in eleven scenes, 0.1 % by more than 23°.
    Gate(_column("pitch", np.abs), 25, 21, "looks too far up or down ({:.0f}°)", BRIEF_SECONDS),
    # The corner of the mouth touches the border where 0.3 of the crop's lower half is beyond it.
    Gate(_outside, 0.3, 0.2, "leaves the picture"),
    # Of pasted papers, hands (in the face's own colour, too) and microphones on the mouth, 98 to 100 % are
    # above, of microphones at the lower lip 66 to 88 %; of 3,565 real frames only four, and they show a hand.
    # Of real hands and microphones that touch lips or chin, a fifth (`benchmarks/gates.py`).
    Gate(_column("covered", np.asarray), 0.55, 0.45, "mouth covered", BRIEF_SECONDS),
    # For what is blurred all the time: no face of these frames was less sharp for longer than a moment.
    Gate(_column("sharpness", lambda s: 1 - s), 0.9, 0.88, "too blurred", BRIEF_SECONDS),
    # With the bound before: 94 % of motion by 12 % of the crop's height, and all by 23 %; 70 % of a blur of 2
    # pixels in a face of 128, and all of 3; none of the same real frames.
    Gate(_lost, 0.33, 0.28, "less sharp than the rest of the shot", BRIEF_SECONDS),
    # The mouth is five pixels wide then: what the network paints cannot be told from what is there.
    Gate(lambda track, info: -track.boxes[:, 3], -16, -18, "smaller than 16 pixels"),
    # Half of what is seen there, or more, is another shot, or black: there is no one face to give a mouth to.
    Gate(lambda track, info: 1 - _clear(track), 0.999, 0.998, "in a dissolve or a fade"),
)  # fmt: skip


def measure(track: Track, info: VideoInfo) -> Measured:
    """Look where each gate is closed, for `gate`, which may be asked more than once."""
    seconds = np.asarray(track.pts * float(info.time_base), np.float64)
    values = np.array([gate.measure(track, info) for gate in GATES])
    return Measured(values, np.array([_closed(g, v, seconds) for g, v in zip(GATES, values, strict=True)]))


def gate(
    track: Track,
    shot: npt.NDArray[np.int64],
    info: VideoInfo,
    unwanted: npt.NDArray[np.bool_] | None = None,
    why: str = "",
    measured: Measured | None = None,
) -> Gated:
    """Decide how much of a face is changed, frame by frame.

    The frames that are beyond a bound are untouched: the edit fades out before them, and in after them. In a
    dissolve it goes with the shot. At cuts and at the ends of the film nothing fades.

    Args:
        track: the face.
        shot: [m] pts of all frames of its shot.
        info: the movie.
        unwanted: [n], frames that are not to be changed, whatever can be seen.
        why: the reason, in a few words.
        measured: what `measure` says of the track, if that is known already.
    """
    if not _believable(track, shot, info):
        left = Left(track.id, int(track.pts[0]), int(track.pts[-1]), GLIMPSE)
        return Gated(np.zeros(len(track.pts)), (left,))
    seconds = np.asarray(track.pts * float(info.time_base), np.float64)
    shown = np.asarray(shot * float(info.time_base), np.float64)
    given = np.zeros(len(track.pts), bool) if unwanted is None else unwanted
    values, closed = measured or measure(track, info)
    values, closed = np.vstack([values, given]), np.vstack([closed, given])
    away = _without_flicker(~np.isin(shot, track.pts[~closed.any(axis=0)]), shown)
    opacity = np.minimum(_fades(seconds, shown[away]), np.round(_clear(track), DECIMALS))
    reasons = (*(gate.reason for gate in GATES), why)
    return Gated(opacity, tuple(_reasons(track, np.isin(track.pts, shot[away]), reasons, closed, values)))


def _closed(gate: Gate, values: Measure, seconds: Measure) -> npt.NDArray[np.bool_]:
    """Where a gate is closed: with hysteresis, and not for moments."""
    closed = hysteresis(values, gate.closes, gate.opens)
    for low, high in runs(closed).tolist():
        if high < len(values) and low > 0 and seconds[high] - seconds[low] < gate.brief:
            closed[low:high] = False
    return closed


def _without_flicker(away: npt.NDArray[np.bool_], seconds: Measure) -> npt.NDArray[np.bool_]:
    """The frames of a shot to leave alone: those given, and what is too short beside them to fade."""
    away = away.copy()
    for low, high in runs(~away).tolist():
        sides = int(low > 0) + int(high < len(away))
        lasting = seconds[min(high, len(away) - 1)] - seconds[low]
        if lasting < sides * FADE_SECONDS - 1e-6:
            away[low:high] = True
    return away


def _reasons(
    track: Track,
    away: npt.NDArray[np.bool_],
    reasons: Sequence[str],
    closed: npt.NDArray[np.bool_],
    values: Measure,
) -> Iterator[Left]:
    """Why each stretch is left alone: the gate that is closed in most of it."""
    for low, high in runs(away).tolist():
        counts = closed[:, low:high].sum(axis=1)
        worst = int(np.argmax(counts))
        reason = TOO_SHORT
        if counts[worst]:
            value = values[worst][low:high][closed[worst, low:high]].max()
            reason = reasons[worst].format(value)
        yield Left(track.id, int(track.pts[low]), int(track.pts[high - 1]), reason)


def _believable(track: Track, shot: npt.NDArray[np.int64], info: VideoInfo) -> bool:
    """Whether a face was seen for long enough, or in all of its shot."""
    first, last = track.pts[track.seen][[0, -1]]
    lasting = float((last - first) * info.time_base) >= MIN_SEEN_SECONDS and track.seen.mean() >= 0.5
    return bool(lasting) or len(track.pts) == len(shot)


def _fades(seconds: Measure, absent: Measure) -> Measure:
    """0 where a frame is absent, and up to 1 with the time to the nearest that is."""
    if not len(absent):
        return np.ones(len(seconds))
    after = np.searchsorted(absent, seconds)
    nearest = np.minimum(
        np.abs(seconds - absent[np.maximum(after - 1, 0)]),
        np.abs(absent[np.minimum(after, len(absent) - 1)] - seconds),
    )
    return np.asarray(np.minimum(np.round(nearest / FADE_SECONDS, DECIMALS), 1))
