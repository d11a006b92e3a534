"""Smooth series in time without lag."""

import numpy as np
import numpy.typing as npt

Series = npt.NDArray[np.float64]
"""[n, d]."""

REACH = 3.0
"""A window ends so many sigmas away, where its weight is 1 % of the middle's."""
ROWS = 64
"""Frames smoothed at once: as many multiplications as 32 or 128 would need, or fewer, and little memory."""
SINGULAR = 1e-9
"""A determinant below this says that the times in a window are too few to fit the curve."""

MEDIAN_OF_NORMAL = 0.6745
"""Median absolute value of normal noise of standard deviation 1."""
TIGHT_SECONDS, WIDE_SECONDS = 0.08, 0.15
"""Sigmas of the parabola that follows a movement, and of the line that holds a still head still."""
MOVEMENT = 2.0
"""The two are half and half where they differ by this many times the noise of the series.

`benchmarks/steadiness.py` compares this with single filters and other pairs: beside one line of sigma 0.06,
the published tools' five frames, noise shakes less than half as much and a nod of 2 Hz loses a third less.
"""


def smooth(values: Series, seconds: npt.NDArray[np.float64], sigma: float, degree: int = 1) -> Series:
    """The value, at each time, of the line or parabola that fits best around it.

    The fit is weighted by a Gaussian in time that looks as far ahead as back, so there is no lag, and a
    movement that is such a curve is followed up to both ends. Where the times in the window are too few for
    the degree, a lower one is taken.

    Args:
        values: [n, d].
        seconds: [n], ascending; need not be evenly spaced.
        sigma: width of the Gaussian in seconds.
        degree: 1 (line) or 2 (parabola).
    """
    result = np.empty(values.shape)
    for first in range(0, len(values), ROWS):
        now = seconds[first : first + ROWS]
        low, high = np.searchsorted(seconds, [now[0] - REACH * sigma - 1e-9, now[-1] + REACH * sigma + 1e-9])
        away = (seconds[low:high] - now[:, None]) / sigma
        result[first : first + ROWS] = _kernel(away, degree) @ values[low:high]
    return result


def steady(values: Series, seconds: npt.NDArray[np.float64]) -> Series:
    """Smooth much where nothing moves, and little where something does; without lag.

    Between a wide fit and a tight one, each column takes more of the tight one the more the two differ,
    measured by the column's own noise.

    Args:
        values: [n, d].
        seconds: [n], ascending; need not be evenly spaced.
    """
    wide = smooth(values, seconds, WIDE_SECONDS)
    change = smooth(values, seconds, TIGHT_SECONDS, degree=2) - wide
    usual = (MOVEMENT * noise(values, seconds)) ** 2
    moving = change**2
    return np.asarray(wide + change * moving / np.maximum(moving + usual, np.finfo(np.float64).tiny))


def noise(values: Series, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Standard deviation [d] of what shakes from one value to the next, whatever moves.

    By the median distance of values [n, d] from the straight line between their neighbours in time.
    """
    if len(values) < 3:
        return np.zeros(values.shape[1])
    before, after = np.diff(seconds)[:-1, None], np.diff(seconds)[1:, None]
    share = before / np.maximum(before + after, np.finfo(np.float64).tiny)
    away = values[1:-1] - (1 - share) * values[:-2] - share * values[2:]
    size = np.sqrt(1 + share**2 + (1 - share) ** 2)
    return np.asarray(np.median(np.abs(away) / size, axis=0) / MEDIAN_OF_NORMAL)


def _kernel(away: npt.NDArray[np.float64], degree: int) -> npt.NDArray[np.float64]:
    """What each value counts for the fit's value at 0.

    Args:
        away: [n, m], how far each value is away from each place, in sigmas.
        degree: of the fit.

    Returns:
        [n, m].
    """
    weight = np.exp(-0.5 * away * away) * (np.abs(away) <= REACH + 1e-6)
    powers = [weight]
    for _ in range(2 * degree):
        powers.append(powers[-1] * away)
    s0, s1, s2, *more = (p.sum(axis=1)[:, None] for p in powers)
    kernel = np.asarray(weight / s0)
    line = s0 * s2 - s1 * s1
    fits = line > SINGULAR
    kernel = np.where(fits, (s2 * powers[0] - s1 * powers[1]) / np.where(fits, line, 1), kernel)
    if degree == 2:
        s3, s4 = more
        parts = s2 * s4 - s3 * s3, s2 * s3 - s1 * s4, s1 * s3 - s2 * s2
        whole = s0 * parts[0] + s1 * parts[1] + s2 * parts[2]
        fits = whole > SINGULAR
        curve = sum(part * power for part, power in zip(parts, powers, strict=False))
        kernel = np.where(fits, curve / np.where(fits, whole, 1), kernel)
    return kernel
