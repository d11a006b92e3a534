"""Who says what in which frame: from whose lips move, what the movie says and what the dub says.

A *turn* is a stretch in which somebody speaks in the movie. The dub belongs to the person whose turn it falls
into or lies next to; what nobody on screen says belongs to nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.faces.lips import lip_scores
from lipdub.faces.smoothing import smooth
from lipdub.faces.track import Track
from lipdub.media.probe import VideoInfo
from lipdub.plan import DUB, SILENCE, UNTOUCHED
from lipdub.speech.spans import hysteresis, runs

NOBODY = -1
"""Who has a turn while somebody speaks who is not on screen."""

SMOOTHING_SECONDS = 0.12
"""Sigma of the Gaussian over scores: about a syllable, which the network's score follows up and down."""
BEGINS, ENDS = 1.0, 0.0
"""A turn begins where the score rises above the first and lasts while it is above the second. The network was
trained to 0, but silent listeners of the real clips reached 0.9 for a moment."""
SURE = 1.0
"""Of several who speak at once, those score at least this who really do, besides the one who scores most.
On two clips in which people interrupt each other, 2 finds 86 and 80 % of the speech, 1 finds 98 and 97 %, and
of what is found as much is right (96 %)."""
HOLE_SECONDS = 0.4
"""A pause within a sentence; shorter than the half second from which people hear the end of one."""
BLIP_SECONDS = 0.3
"""Speech that is shorter is a laugh or a click; "yes" takes about 0.3 s."""
NEAR_SECONDS = 1.0
"""A dub starts that much earlier or later than the speech it replaces, where it was not cut to fit."""
UNSEEN_SECONDS = 0.5
"""Speech that goes on for longer while nobody on screen speaks is somebody else's."""
FLICKER_SECONDS = 0.25
"""Between two edits, no fewer frames are left alone: two fades of 0.12 s would meet there."""

Mask: TypeAlias = npt.NDArray[np.bool_]
Seconds: TypeAlias = npt.NDArray[np.float64]
Spans: TypeAlias = npt.NDArray[np.float64]
"""[n, 2]: first and last second of stretches of speech, ascending and apart."""
NONE: Spans = np.empty((0, 2))


@dataclass(frozen=True, slots=True)
class Seen:
    """One face through one shot.

    Attributes:
        shot: number of the shot.
        seconds: [n] of its frames, ascending, as a player shows them.
        score: [n], positive where the face speaks; NaN where that is not known.
        area: of the face, in any unit that is the same for all.
    """

    shot: int
    seconds: Seconds
    score: npt.NDArray[np.float64]
    area: float = 1.0


def seen(tracks: Sequence[Track], info: VideoInfo, original: Spans | None) -> list[Seen]:
    """What `who_says` needs to know of the faces of a movie.

    A track that the active-speaker network did not score is judged by the movement of its lips, if the
    movie's own sound is known.

    Args:
        tracks: of the analysis.
        info: the movie.
        original: see `who_says`.
    """
    faces = []
    for track in tracks:
        seconds = np.asarray(track.pts * float(info.time_base) - float(info.origin), np.float64)
        score = track.faces["speaking"].astype(np.float64)
        if original is not None and not np.isfinite(score).any():
            score = lip_scores(track.faces["aperture"], seconds, inside(seconds, original))
        faces.append(Seen(track.shot, seconds, score, track.weight / len(track.pts)))
    return faces


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody speaks from second `first` to `last`; `who` is an index into the faces, or `NOBODY`."""

    who: int
    first: float
    last: float


def who_says(
    faces: Sequence[Seen],
    original: Spans | None = None,
    dub: Spans | None = None,
    *,
    keep_unspoken: bool = False,
) -> list[npt.NDArray[np.int32]]:
    """What each face says in each of its frames.

    Args:
        faces: all faces of all shots.
        original: where the movie's own sound has speech, in seconds of the movie; None if it is not known.
        dub: where the dub has speech, in seconds of the movie; None if there is no dub yet.
        keep_unspoken: leave alone where only the old speaker speaks, instead of closing the lips.

    Returns:
        For each face [n] of `DUB`, `SILENCE` or `UNTOUCHED`.
    """
    said = [np.full(len(face.seconds), UNTOUCHED, np.int32) for face in faces]
    speech = None if dub is None else without_holes(dub, HOLE_SECONDS)
    for here in _by_shot(faces):
        turns = turns_in_shot(faces, here, original)
        for i, words in zip(here, _said_in_shot(faces, here, turns, speech), strict=True):
            said[i] = np.where(words == SILENCE, UNTOUCHED, words) if keep_unspoken else words
    return [_without_flicker(words, face.seconds) for words, face in zip(said, faces, strict=True)]


def all_say(
    faces: Sequence[Seen],
    original: Spans | None = None,
    dub: Spans | None = None,
    *,
    keep_unspoken: bool = False,
) -> list[npt.NDArray[np.int32]]:
    """Like `who_says`, where it is known that these faces, and nobody else, say the dub, all of it."""
    old = NONE if original is None or keep_unspoken else without_holes(original, HOLE_SECONDS)
    new = np.array([[-np.inf, np.inf]]) if dub is None else without_holes(dub, HOLE_SECONDS)
    return [_without_flicker(_said(face, old, new, dub), face.seconds) for face in faces]


def _by_shot(faces: Sequence[Seen]) -> list[list[int]]:
    """Indices of the faces of each shot."""
    shots: dict[int, list[int]] = {}
    for i, face in enumerate(faces):
        shots.setdefault(face.shot, []).append(i)
    return list(shots.values())


def turns_in_shot(faces: Sequence[Seen], here: Sequence[int], original: Spans | None) -> list[Turn]:
    """All turns in one shot, ascending; none where nothing is known of who speaks.

    Args:
        faces: all faces.
        here: indices of those in the shot.
        original: see `who_says`.
    """
    times = np.unique(np.concatenate([faces[i].seconds for i in here]))
    scores = {i: smoothed(faces[i]) for i in here}
    speaking = {i: hysteresis(scores[i], BEGINS, ENDS) for i in here}
    best = np.full(len(times), -np.inf)
    for i in here:
        at = np.searchsorted(times, faces[i].seconds)
        best[at] = np.maximum(best[at], np.where(speaking[i], scores[i], -np.inf))
    turns: list[Turn] = []
    for i in here:
        rival = best[np.searchsorted(times, faces[i].seconds)]
        own = speaking[i] & ((scores[i] >= rival) | (scores[i] >= SURE))
        turns += [Turn(i, first, last) for first, last in tidy(spans(own, faces[i].seconds)).tolist()]
    if original is not None:
        turns += _unseen(turns, faces, here, original)
    return sorted(turns, key=lambda turn: (turn.first, turn.last))


def smoothed(face: Seen) -> npt.NDArray[np.float64]:
    """A face's score, steady, and where it is not known that of the nearest frame; −inf if there is none."""
    known = np.flatnonzero(np.isfinite(face.score))
    if not len(known):
        return np.full(len(face.score), -np.inf)
    nearest = np.searchsorted((known[1:] + known[:-1]) / 2, np.arange(len(face.score)))
    filled = face.score[known[nearest]].astype(np.float64)
    return smooth(filled[:, None], face.seconds, SMOOTHING_SECONDS)[:, 0]


def spans(mask: Mask, seconds: Seconds) -> Spans:
    """Where frames are marked: from the first second of each stretch to that of the frame after it."""
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
    return np.append(seconds, seconds[-1] + step)[runs(mask)]


def without_holes(stretches: Spans, hole: float) -> Spans:
    """Stretches [n, 2], joined where less than `hole` seconds lie between them."""
    if not len(stretches):
        return stretches
    apart = stretches[1:, 0] - stretches[:-1, 1] >= hole
    firsts = stretches[np.concatenate([[True], apart]), 0]
    lasts = stretches[np.concatenate([apart, [True]]), 1]
    return np.column_stack([firsts, lasts])


def tidy(stretches: Spans) -> Spans:
    """Stretches without short holes, and then without those that are short themselves."""
    joined = without_holes(stretches, HOLE_SECONDS)
    return joined[joined[:, 1] - joined[:, 0] >= BLIP_SECONDS]


def inside(seconds: Seconds, stretches: Spans) -> Mask:
    """Which of the times [n] lie in one of the stretches."""
    return np.asarray(np.searchsorted(stretches.ravel(), seconds, side="right") % 2 == 1)


def cut_out(stretches: Spans, removed: Spans) -> Spans:
    """What is left of stretches without others."""
    left = []
    for first, last in stretches.tolist():
        for low, high in removed.tolist():
            if low < last and high > first:
                left += [(first, low)] if low > first else []
                first = high
        left += [(first, last)] if first < last else []
    return np.array(left, np.float64).reshape(-1, 2)


def claims(turns: Sequence[Turn], dub: Spans) -> list[Turn]:
    """Speech of the dub outside all turns, as turns of those it belongs to.

    It is theirs whose turn it goes on from, up to the next one; or it runs into, or lies next to, within a
    second. Somebody who is not on screen has turns too, so what is theirs is nobody's here.

    Args:
        turns: of one shot, ascending.
        dub: where the dub has speech, without holes.
    """
    taken = merged([(turn.first, turn.last) for turn in turns])
    found = []
    for first, last in cut_out(dub, taken).tolist():
        before = max((t for t in turns if t.last <= first + 1e-9), key=lambda t: t.last, default=None)
        after = min((t for t in turns if t.first >= last - 1e-9), key=lambda t: t.first, default=None)
        lag = first - before.last if before else np.inf
        lead = after.first - last if after else np.inf
        if before and lag <= min(lead, NEAR_SECONDS):
            found.append(Turn(before.who, first, last))
        elif after and lead <= NEAR_SECONDS:
            found.append(Turn(after.who, max(first, after.first - NEAR_SECONDS), last))
    return found


def _unseen(turns: Sequence[Turn], faces: Sequence[Seen], here: Sequence[int], original: Spans) -> list[Turn]:
    """Turns of somebody who is not on screen: speech of the movie that is in nobody's turn."""
    spoken = _between(original, *_extent(faces, here))
    rest = cut_out(spoken, merged([(turn.first, turn.last) for turn in turns]))
    return [Turn(NOBODY, a, b) for a, b in rest.tolist() if b - a >= UNSEEN_SECONDS]


def merged(stretches: Sequence[tuple[float, float]]) -> Spans:
    """Stretches that may overlap, as ascending ones that are apart."""
    apart: list[list[float]] = []
    for first, last in sorted(stretches):
        if apart and first <= apart[-1][1]:
            apart[-1][1] = max(apart[-1][1], last)
        else:
            apart.append([first, last])
    return np.array(apart, np.float64).reshape(-1, 2)


def _said_in_shot(
    faces: Sequence[Seen], here: Sequence[int], turns: Sequence[Turn], dub: Spans | None
) -> list[npt.NDArray[np.int32]]:
    """What each face of one shot says; where nothing is known of who speaks, the largest says the dub."""
    if not turns and not any(np.isfinite(faces[i].score).any() for i in here):
        largest = max(here, key=lambda i: faces[i].area * len(faces[i].seconds))
        whole = np.array([[-np.inf, np.inf]]) if dub is None else dub
        return [_said(faces[i], NONE, whole if i == largest else NONE, dub) for i in here]
    start, stop = _extent(faces, here)
    nearby = NONE if dub is None else _between(dub, start, stop)
    claimed = claims(turns, nearby)
    return [_said(faces[i], _of(turns, i), _of(claimed, i), dub) for i in here]


def _said(face: Seen, own: Spans, claimed: Spans, dub: Spans | None) -> npt.NDArray[np.int32]:
    """What one face says, [n], in its own turns and where it claims what the dub says outside all turns."""
    said = np.full(len(face.seconds), UNTOUCHED, np.int32)
    speaks = inside(face.seconds, own)
    said[speaks] = SILENCE
    said[inside(face.seconds, claimed) | (speaks & (dub is None or inside(face.seconds, dub)))] = DUB
    return said


def _of(turns: Sequence[Turn], who: int) -> Spans:
    return merged([(turn.first, turn.last) for turn in turns if turn.who == who])


def _extent(faces: Sequence[Seen], here: Sequence[int]) -> tuple[float, float]:
    """Seconds of the first and the last frame that shows one of the faces."""
    ends = np.array([faces[i].seconds[[0, -1]] for i in here])
    return float(ends[:, 0].min()), float(ends[:, 1].max())


def _between(stretches: Spans, start: float, stop: float) -> Spans:
    """The stretches that are not all before or all after."""
    return stretches[(stretches[:, 1] > start) & (stretches[:, 0] <= stop)]


def _without_flicker(said: npt.NDArray[np.int32], seconds: Seconds) -> npt.NDArray[np.int32]:
    """Between two edits, a few frames that are left alone say the dub, which is silent there."""
    edited = spans(said != UNTOUCHED, seconds)
    bridged = inside(seconds, without_holes(edited, FLICKER_SECONDS))
    return np.where(bridged & (said == UNTOUCHED), DUB, said).astype(np.int32)
