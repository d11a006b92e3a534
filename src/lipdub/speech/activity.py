"""How much speech there is in a sound, told by its loudness alone."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

from lipdub.sampling import NETWORK_RATE
from lipdub.speech.mel import Pcm, unit_samples
from lipdub.speech.spans import SampleSpans, runs

FRAME = NETWORK_RATE * 30 // 1000
"""Samples of a frame: 30 ms, over which the loudness of speech hardly changes."""

ABSOLUTE_FLOOR_DB = -50.0  # of full scale: quieter than any dialogue that is meant to be heard
ABOVE_NOISE_DB = 9.0  # speech stands out of the noise between words by at least so much
NOISE_PERCENTILE = 10.0  # even hurried speech pauses a tenth of the time, if only before its plosives
CHUNK_FRAMES = 4096  # two minutes, 16 MB


@dataclass(frozen=True, slots=True)
class Speech:
    """Speech in a part of a sound.

    Attributes:
        seconds: how much there is, a multiple of 0.03; 0.0 for none.
        first, last: seconds at which the first begins and the last ends; both 0 for none.
    """

    seconds: float
    first: Fraction
    last: Fraction


def speech_seconds(pcm: Pcm, start: Fraction = Fraction(0), end: Fraction | None = None) -> float:
    """Estimate how many seconds of speech lie between `start` and `end` (see `speech_between`).

    Returns:
        Seconds, a multiple of 0.03; 0.0 for silence.
    """
    return speech_between(pcm, start, end).seconds


def speech_between(pcm: Pcm, start: Fraction = Fraction(0), end: Fraction | None = None) -> Speech:
    """Estimate how much speech lies between `start` and `end`, and where.

    A frame of 30 ms counts as speech when it is louder than -50 dB of full scale, and 9 dB louder than the
    noise floor, which is the 10th percentile of the loudness of the whole sound. It cannot tell speech from
    music; it is meant for a dub, which is mostly speech and pauses. A steady tone or noise is no speech.

    Args:
        pcm: 16 kHz mono, [n]: float32 in [-1, 1], or int16; may be a `numpy.memmap`, read in pieces.
        start: seconds; frames that begin earlier are not counted.
        end: seconds; frames that begin then or later are not counted. None for the sound's own end.
    """
    loud = _loud(pcm)
    first = max(0, ceil(start * NETWORK_RATE / FRAME))
    last = len(loud) if end is None else max(0, ceil(end * NETWORK_RATE / FRAME))
    heard = first + np.flatnonzero(loud[first:last])
    if not len(heard):
        return Speech(0.0, Fraction(0), Fraction(0))
    begins, ends = (Fraction(int(n) * FRAME, NETWORK_RATE) for n in (heard[0], heard[-1] + 1))
    return Speech(len(heard) * FRAME / NETWORK_RATE, begins, ends if end is None else min(ends, end))


def loud_spans(pcm: Pcm) -> SampleSpans:
    """Where there is speech, told by the loudness alone (see `speech_between`)."""
    return runs(_loud(pcm)) * FRAME


def _loud(pcm: Pcm) -> NDArray[np.bool_]:
    """Which of the whole frames stand out of the noise, [n // 480]."""
    loudness = _loudness(pcm)
    if not len(loudness):
        return np.zeros(0, np.bool_)
    noise = float(np.percentile(loudness, NOISE_PERCENTILE))
    return np.asarray(loudness > max(ABSOLUTE_FLOOR_DB, noise + ABOVE_NOISE_DB))


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
