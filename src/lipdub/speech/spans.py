"""Stretches of speech."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.sampling import NETWORK_RATE

SampleSpans: TypeAlias = npt.NDArray[np.int64]
"""[n, 2]: the first sample of each stretch and the one after its last, at 16 kHz; ascending and apart."""

WINDOW = 512
"""Samples that the voice activity network gives one probability for."""
BEGINS, ENDS = 0.5, 0.35
"""Speech begins above the first probability and lasts while it is above the second: Silero's own values."""
SHORTEST = NETWORK_RATE * 96 // 1000
"""Samples of the shortest speech that counts: three windows. One or two are clicks."""


def hysteresis(values: npt.NDArray[np.floating], begins: float, ends: float) -> npt.NDArray[np.bool_]:
    """Where values [n] are above `ends`, in stretches that somewhere rise above `begins`."""
    result = np.zeros(len(values), np.bool_)
    for low, high in runs(values > ends).tolist():
        result[low:high] = values[low:high].max() > begins
    return result


def runs(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """[n, 2]: first index of each run of true values, and the one after its last."""
    return np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]))).reshape(-1, 2)


def speech_in(probabilities: npt.NDArray[np.floating]) -> SampleSpans:
    """Where there is speech, from the probability of each window of 512 samples."""
    found = runs(hysteresis(probabilities, BEGINS, ENDS)) * WINDOW
    return found[found[:, 1] - found[:, 0] >= SHORTEST]
