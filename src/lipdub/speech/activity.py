"""How much speech there is in a sound, told by its loudness alone."""

from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

from lipdub.speech.mel import SAMPLE_RATE, Pcm, unit_samples

FRAME = SAMPLE_RATE * 30 // 1000
"""Samples of a frame: 30 ms, over which the loudness of speech hardly changes."""

ABSOLUTE_FLOOR_DB = -50.0  # of full scale: quieter than any dialogue that is meant to be heard
ABOVE_NOISE_DB = 9.0  # speech stands out of the noise between words by at least so much
NOISE_PERCENTILE = 10.0  # even hurried speech pauses a tenth of the time, if only before its plosives
CHUNK_FRAMES = 4096  # two minutes, 16 MB


def speech_seconds(pcm: Pcm, start: Fraction = Fraction(0)) -> float:
    """Estimate how many seconds of speech lie after `start`.

    A frame of 30 ms counts as speech when it is louder than -50 dB of full scale, and 9 dB louder than the
    noise floor, which is the 10th percentile of the loudness of the whole sound. It cannot tell speech from
    music; it is meant for a dub, which is mostly speech and pauses. A steady tone or noise is no speech.

    Args:
        pcm: 16 kHz mono, [n]: float32 in [-1, 1], or int16; may be a `numpy.memmap`, read in pieces.
        start: seconds; frames that begin earlier are not counted.

    Returns:
        Seconds, a multiple of 0.03; 0.0 for silence.
    """
    loudness = _loudness(pcm)
    if not len(loudness):
        return 0.0
    noise = float(np.percentile(loudness, NOISE_PERCENTILE))
    threshold = max(ABSOLUTE_FLOOR_DB, noise + ABOVE_NOISE_DB)
    first = max(0, ceil(start * SAMPLE_RATE / FRAME))
    return int(np.count_nonzero(loudness[first:] > threshold)) * FRAME / SAMPLE_RATE


def _loudness(pcm: Pcm) -> NDArray[np.float32]:
    """Level of every whole frame, [n // 480], in dB of full scale; digital silence is -200."""
    frames = len(pcm) // FRAME
    loudness = np.empty(frames, np.float32)
    for first in range(0, frames, CHUNK_FRAMES):
        last = min(first + CHUNK_FRAMES, frames)
        samples = unit_samples(pcm[first * FRAME : last * FRAME]).reshape(-1, FRAME)
        power = np.mean(samples**2, axis=1)
        loudness[first:last] = 10 * np.log10(np.maximum(power, 1e-20))
    return loudness
