"""How sure a mean over clips is: percentile bootstrap (Efron 1979)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
"""Share of the intervals that should hold the true value; what papers print. Of 3000 made sets each, 93 % did
with 47 clips, 93 % with 30, and 89 % with 10: intervals over few clips are too narrow."""
RESAMPLES = 2000
"""Draws: the ends of the interval then tremble by 1.4 % of its width (30 values) from seed to seed."""
SEED = 7
"""One seed for all, so that a table can be made again."""


class Interval(NamedTuple):
    """A measured value and how sure it is.

    Attributes:
        value: the statistic over all clips; NaN if none was measured.
        low, high: ends of the interval; NaN below 2 clips.
        clips: how many were measured.
    """

    value: float
    low: float
    high: float
    clips: int


def mean_interval(
    values: npt.ArrayLike, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """The mean over clips and its interval.

    Clips are drawn, not frames: the frames of one clip are much alike, and would make the interval far too
    narrow.

    Args:
        values: [n], one number a clip; NaN where a clip could not be measured, which leaves it out.
        confidence: 0 to 1.
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return interval(lambda chosen: float(known[chosen].mean()), len(known), confidence, resamples, seed)


def interval(
    statistic: Callable[[npt.NDArray[np.intp]], float],
    count: int,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    *,
    centred: bool = False,
) -> Interval:
    """A statistic over clips that is no mean, such as FID, and its interval.

    Args:
        statistic: given which clips, 0 to count − 1, some more than once, returns its value over them.
        count: of the clips.
        confidence: 0 to 1.
        resamples: how often clips are drawn, as many as there are, with replacement.
        centred: for a statistic that depends on how many different clips it sees, as FID does, which falls
            with them: a draw sees 63 % of them, so only how far draws lie apart is told, about the value.
    """
    if not count:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    value = statistic(np.arange(count))
    if count < 2:
        return Interval(value, float("nan"), float("nan"), count)
    generator = np.random.default_rng(seed)
    drawn = np.array([statistic(generator.integers(count, size=count)) for _ in range(resamples)])
    drawn += value - np.median(drawn) if centred else 0.0
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(drawn, ends, method="nearest")  # between infinite values there is nothing
    return Interval(value, float(low), float(high), count)
