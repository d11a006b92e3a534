"""Who speaks, told by the movement of the lips alone: for want of the active-speaker network."""

import numpy as np
import numpy.typing as npt

from lipdub.faces.smoothing import smooth

MOVEMENT_SECONDS = 0.2
"""Sigma over which movement is measured: a syllable or two."""
SPEAKING = 0.015
"""Standard deviation of the aperture (see `lip_aperture`), above which lips speak. On four people of the real
clips it was 0.018 to 0.032 (medians) while they spoke, and 0.001, 0.007, 0.013 and 0.024 while not."""
STEEPNESS = 3.0
"""Score for twice as much movement as that: as sure as the network is of most speakers."""
SUREST = 4.0
HUSHED = -1.0
"""Score, at most, where the movie says nothing."""
HEARD_SECONDS = 0.3
"""Lips open and close that long before and after the sound."""


def lip_scores(
    aperture: npt.NDArray[np.floating],
    seconds: npt.NDArray[np.float64],
    heard: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """How surely a face speaks, on about the scale of the network's scores.

    Args:
        aperture: [n] of the lips; NaN where it was not measured.
        seconds: [n], ascending.
        heard: [n], whether the movie has speech then.

    Returns:
        [n], −4 to 4, positive where the lips move while there is speech; NaN if no aperture is known.
    """
    known = np.isfinite(aperture)
    if not known.any():
        return np.full(len(seconds), np.nan)
    filled = np.interp(seconds, seconds[known], aperture[known].astype(np.float64))[:, None]
    away = filled - smooth(filled, seconds, MOVEMENT_SECONDS)
    variance = smooth(away**2, seconds, MOVEMENT_SECONDS)[:, 0]
    movement = np.sqrt(np.maximum(variance, 1e-12))
    score = np.clip(STEEPNESS * np.log2(movement / SPEAKING), -SUREST, SUREST)
    times = seconds[heard]
    if not len(times):
        return np.minimum(score, HUSHED)
    after = np.searchsorted(times, seconds)
    before, next_ = times[np.maximum(after - 1, 0)], times[np.minimum(after, len(times) - 1)]
    near = np.minimum(np.abs(seconds - before), np.abs(next_ - seconds)) <= HEARD_SECONDS
    return np.where(near, score, np.minimum(score, HUSHED))
