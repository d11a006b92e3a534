"""What the landmarks of the mouth say: how far it is from the true one, and whether it moves with it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import lip_aperture
from lipdub.faces.leak import leak

MOUTH = (
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91,
    78, 81, 13, 311, 308, 402, 14, 178,
)  # fmt: skip
"""Those of MediaPipe's landmarks that lie where the 20 mouth points of the 68-point scheme do, in its order
(48 to 67): the outer lips from the corner at the left of the picture, then the inner ones."""
BOX_PIXELS = 158
"""Height of the box of `framing_box` in the frames of 224×224 pixels in which papers measure."""
REACH = 5
"""Frames by which the best lag is looked for to either side, 0.2 s at 25 fps. Ten published results of three
methods are apart by 0 to 2 frames (medians, `benchmarks/published.py`); further away, chance finds
ever better ones."""


class Agreement(NamedTuple):
    """How an aperture goes with the true one.

    Attributes:
        correlation: at lag 0, −1 to 1.
        best: the largest at any lag looked at. The best of many is above 0 by chance alone: of unrelated
            lips too, so a row of them belongs beside it.
        lag: where that is, in frames; above 0 the lips come later than the true ones.
    """

    correlation: float
    best: float
    lag: int


def mouth_distance(
    points: npt.NDArray[np.floating],
    true: npt.NDArray[np.floating],
    heights: npt.ArrayLike | None = None,
) -> float:
    """Landmark distance of the mouth, LMD (Chen et al. 2018), mean over frames and the points `MOUTH`.

    As the field does it, the mouths of each frame are laid on one another by their mean points, and nothing
    else is undone: turned or larger mouths count as distant. Distances are in pixels of the picture, which
    for the papers' numbers has 224×224; with `heights`, pictures of any size are measured as if a face had
    the size it has there.

    Args:
        points, true: [n, 478, 2], pixels; a frame with a NaN in either is left out.
        heights: [n], of the true faces' `framing_box`, in pixels.

    Returns:
        Pixels, 0 and more; NaN where no frame has both faces.
    """
    mouths = [_centred(np.asarray(p, np.float64)[:, list(MOUTH)]) for p in (points, true)]
    scale = 1.0 if heights is None else BOX_PIXELS / np.asarray(heights, np.float64)
    frames = np.linalg.norm(mouths[0] - mouths[1], axis=2).mean(axis=1) * scale
    known = frames[np.isfinite(frames)]
    return float(known.mean()) if known.size else float("nan")


def apertures(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Aperture of the lips in each frame (see `lip_aperture`).

    Args:
        points: [n, 478, 2], pixels; NaN where there is no face.

    Returns:
        [n], 0 to about 0.3; NaN where there is no face.
    """
    return np.array([lip_aperture(face) for face in points], dtype=np.float64)


def aperture_agreement(aperture: npt.ArrayLike, true: npt.ArrayLike, reach: int = REACH) -> Agreement:
    """Correlate an aperture with that of the person who really spoke the sound, frame by frame.

    Args:
        aperture, true: [n], at one frame rate; frames where one is NaN are left out.
        reach: frames by which one is shifted against the other, to either side.

    Returns:
        NaN (and lag 0) where the true lips hardly move, or too few frames are known (see `leak`); 0 for lips
        that do not move at all.
    """
    ours, theirs = np.asarray(aperture, np.float64), np.asarray(true, np.float64)
    lags = sorted(range(-reach, reach + 1), key=abs)  # of equal ones, the smallest lag is kept
    found = [_correlation(ours, theirs, lag) for lag in lags]
    best, lag = _largest(found, lags)
    return Agreement(found[0], best, lag)


def _largest(values: Sequence[float], lags: Sequence[int]) -> tuple[float, int]:
    known = [(value, lag) for value, lag in zip(values, lags, strict=True) if np.isfinite(value)]
    return max(known, key=lambda pair: pair[0], default=(float("nan"), 0))


def _correlation(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64], lag: int) -> float:
    late, early = (ours[lag:], theirs) if lag >= 0 else (ours, theirs[-lag:])
    length = min(len(late), len(early))
    return leak(early[:length], late[:length]).correlation


def _centred(mouths: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(mouths - mouths.mean(axis=1, keepdims=True))
