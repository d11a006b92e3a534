"""Where one shot ends and the next begins: cuts, dissolves, fades through black."""

from dataclasses import dataclass, field
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Grey: TypeAlias = npt.NDArray[np.float32]

THUMBNAIL = (64, 36)
SMALL = (32, 18)
"""Size of the pictures that are remembered: a dissolve changes all of the picture, so little is enough."""
HARD_CHANGE = 0.03
"""Mean change of the thumbnail (0–1) from one frame to the next below which nothing is a cut: a cut between
two dark shots changes 0.04."""
ABOVE_USUAL = 3.0
"""A cut changes the picture this many times more than the frames before it did."""
SAME_STRUCTURE = 0.9
"""A picture that correlates this well with the one before it only became lighter or darker."""
MEMORY = 0.8
"""Of the usual change, the share that each new frame leaves: it looks back over about five frames."""
MOVED = 0.88
"""A part of the picture that correlates this well with a part of the one before it has moved. The parts of
7,875 pairs of unrelated pictures correlate up to 0.84 (99 %), those of a crash zoom 0.91 and more."""
MOVED_SMALL = 0.93
"""The same for the small pictures, of which more is alike by chance; nine of ten dissolves stay below it."""
ZOOMS = (0.65, 0.73, 0.82, 0.9, 1.0)
"""Sizes at which the one is looked for in the other, and the other in the one."""
FLAT = 0.02
"""A picture whose standard deviation is below this shows nothing."""

SPANS = (4, 8, 16, 32, 63)
"""Frames over which a dissolve is looked for: the longest is two seconds and a half of film."""
OTHER_PICTURE = 0.7
"""Correlation with the picture before the dissolve below which the new one dominates: 0.71 half-way between
two pictures that have nothing in common."""
DISSOLVE_CHANGE = 0.03
"""Mean change (0–1) below which two pictures are one."""
MIXED = 0.35
"""The frames of a dissolve differ from a mixture of its ends by no more than this share of what these do."""
EVERYWHERE = 0.65
"""Median of the change over its mean: a dissolve changes all of the picture (0.67 to 1.1), a movement mostly
a part of it (below 0.58 in three of four)."""
STILL_MIXING = 0.01
"""A dissolve goes on as long as each frame adds this much of the difference between its ends."""


def _none(*shape: int) -> Grey:
    return np.zeros(shape, np.float32)


@dataclass(frozen=True, slots=True)
class CutMemory:
    """What a `CutDetector` remembers.

    Attributes:
        last: [36, 64], thumbnail of the last frame; [0, 0] before the first.
        usual: change from frame to frame of late.
        past: [n, 18, 32], the last frames of this shot that showed something.
        direction: [18, 32], what the dissolve that is under way adds; zero if none is.
        flat: the last frame showed nothing.
    """

    last: Grey = field(default_factory=lambda: _none(0, 0))
    usual: float = 0.0
    past: Grey = field(default_factory=lambda: _none(0, *SMALL[::-1]))
    direction: Grey = field(default_factory=lambda: _none(*SMALL[::-1]))
    flat: bool = False


class CutDetector:
    """Tell, frame by frame, whether a frame begins a new shot.

    A cut is a change of the small grey picture that is large beside the changes just before it, that is not
    one of brightness alone (lightning), and that no shift or zoom of the picture explains (a whip pan, a
    crash zoom). A flash that leaves nothing of the picture to be seen is a shot of its own.

    A dissolve is found where the new picture begins to dominate: the frames since the old one are mixtures of
    both, which those of a movement are not. A fade through black ends a shot where another picture appears.

    Measured against PySceneDetect in `benchmarks/shots.py`.
    """

    def __init__(self) -> None:
        self.state = CutMemory()

    def __call__(self, image: npt.NDArray[np.uint8]) -> bool:
        """Whether this frame [H, W, 3] begins a new shot; the first frame does."""
        grey = thumbnail(image)
        small = shrunk(grey)
        before, flat = self.state, float(small.std()) < FLAT
        change = float(np.abs(grey - before.last).mean()) if before.last.size else 0.0
        hard = not before.last.size or _is_cut(grey, before, change)
        soft = not hard and not flat and _is_transition(small, before)
        self.state = CutMemory(
            grey,
            MEMORY * before.usual + (1 - MEMORY) * change,
            _past(small, before, flat, hard or soft),
            _direction(small, before, hard, soft),
            flat,
        )
        return hard or soft


def thumbnail(image: npt.NDArray[np.uint8]) -> Grey:
    """The picture [H, W, 3] in small and grey, 0–1: [36, 64]."""
    step = max(1, min(image.shape[0] // (6 * THUMBNAIL[1]), image.shape[1] // (6 * THUMBNAIL[0])))
    small = cv2.resize(image[::step, ::step], THUMBNAIL, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) / 255, np.float32)


def shrunk(grey: Grey) -> Grey:
    """A thumbnail as it is remembered: [18, 32]."""
    return np.asarray(cv2.resize(grey, SMALL, interpolation=cv2.INTER_AREA), np.float32)


def _is_cut(grey: Grey, before: CutMemory, change: float) -> bool:
    if before.flat and len(before.past):
        return False  # out of a fade: see `_is_transition`
    sudden = change > max(HARD_CHANGE, ABOVE_USUAL * before.usual)
    return sudden and correlation(grey, before.last) < SAME_STRUCTURE and not is_moved(before.last, grey)


def _is_transition(small: Grey, before: CutMemory) -> bool:
    if not len(before.past) or before.direction.any():
        return False
    if before.flat:  # what appears out of black is another picture than went
        return max(correlation(small, before.past[0]), correlation(small, before.past[-1])) < OTHER_PICTURE
    return any(is_mixture(before.past[-span:], small) for span in SPANS if span <= len(before.past))


def is_mixture(past: Grey, now: Grey) -> bool:
    """Whether a picture [h, w] has come out of another, the first of [n, h, w], by being laid over it."""
    added = now - past[0]
    change = np.abs(added)
    if change.mean() < DISSOLVE_CHANGE or np.median(change) < EVERYWHERE * change.mean():
        return False
    if correlation(now, past[0]) > OTHER_PICTURE:
        return False
    energy = float((added**2).sum())
    rest = past[1:] - past[0]
    share = (rest * added).sum(axis=(1, 2)) / energy
    differs = np.sqrt(((rest - share[:, None, None] * added) ** 2).sum(axis=(1, 2)) / energy)
    between = (share > 0.15) & (share < 0.85)
    steps = np.diff(share, prepend=0.0, append=1.0)
    steady = steps.min() > -0.1 and steps.max() < 0.6
    return bool(
        between.any()
        and steady
        and differs[between].mean() < MIXED
        and not is_moved(past[0], now, MOVED_SMALL)
    )


def is_moved(last: Grey, now: Grey, alike: float = MOVED) -> bool:
    """Whether a large part of one picture is found in the other, elsewhere or in another size."""
    if min(last.std(), now.std()) < FLAT:
        return False
    return any(_best_match(b, a) > alike for a, b in ((last, now), (now, last)))


def _best_match(whole: Grey, zoomed: Grey) -> float:
    """The best correlation of the middle or a side of one picture, made smaller, with a part of the other."""
    best = -1.0
    for zoom in ZOOMS:
        part = cv2.resize(zoomed, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
        height, width = part.shape
        rows = slice(round(0.15 * height), round(0.85 * height))
        for left in (0.0, 0.2, 0.4):
            piece = np.ascontiguousarray(part[rows, round(left * width) : round((left + 0.6) * width)])
            best = max(best, float(cv2.matchTemplate(whole, piece, cv2.TM_CCOEFF_NORMED).max()))
    return best


def _past(small: Grey, before: CutMemory, flat: bool, begins: bool) -> Grey:
    kept = before.past[:0] if begins or before.direction.any() else before.past
    return kept if flat else np.concatenate([kept, small[None]])[-SPANS[-1] - 1 :]


def _direction(small: Grey, before: CutMemory, hard: bool, soft: bool) -> Grey:
    """What the dissolve that begins or goes on with this frame adds; zero if there is none."""
    if hard:
        return np.zeros_like(small)
    if soft and not before.flat:
        span = min(len(before.past), SPANS[-1])
        return np.asarray(small - before.past[-span])
    if before.direction.any() and len(before.past):
        step = ((small - before.past[-1]) * before.direction).sum() / (before.direction**2).sum()
        return before.direction if step > STILL_MIXING else np.zeros_like(small)
    return np.zeros_like(small)


def correlation(a: Grey, b: Grey) -> float:
    """Correlation of two pictures, whatever their brightness and contrast; 0 if one of them is flat."""
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-3))
