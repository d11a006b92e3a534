"""How many seconds of speech a sound holds."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lipdub.speech import speech_seconds

RATE = 16_000


def noise(seconds: float, level_db: float, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (samples * 10 ** (level_db / 20)).astype(np.float32)


def words(background_db: float) -> np.ndarray:
    """Ten seconds of background, in which bursts at -20 dB fill seconds 2–5 and 7–8."""
    sound = noise(10, background_db)
    for first, last in ((2, 5), (7, 8)):
        sound[first * RATE : last * RATE] += noise(last - first, -20, seed=first)
    return sound


@pytest.mark.parametrize(
    "sound", [noise(0, 0), noise(0.02, 0), np.zeros(RATE, np.int16), noise(5, -70), noise(5, -15)]
)
def test_silence_and_steady_noise_hold_no_speech(sound: np.ndarray) -> None:
    assert speech_seconds(sound) == 0.0


@pytest.mark.parametrize("background_db", [-200, -60, -40])
def test_bursts_are_counted_whatever_the_background(background_db: float) -> None:
    assert speech_seconds(words(background_db)) == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize(
    ("start", "left"), [(-1, 4), (0, 4), (4, 2), (Fraction(15, 2), 0.5), (8, 0), (99, 0)]
)
def test_only_what_lies_after_start_counts(start: Fraction | int, left: float) -> None:
    assert speech_seconds(words(-60), Fraction(start)) == pytest.approx(left, abs=0.1)


def test_level_and_type_of_the_samples_do_not_matter() -> None:
    sound = words(-60)
    assert speech_seconds((sound * 32767).astype(np.int16)) == pytest.approx(speech_seconds(sound), abs=0.05)
    assert speech_seconds(sound / 4) == pytest.approx(speech_seconds(sound), abs=0.05)


def test_a_long_file_is_the_sum_of_its_parts(tmp_path: Path) -> None:
    one = (words(-60)[: 480 * 333] * 32767).astype(np.int16)  # whole frames
    many = np.memmap(tmp_path / "sound.pcm", np.int16, "w+", shape=(40 * len(one),))  # four chunks
    many[:] = np.tile(one, 40)
    assert speech_seconds(many) == pytest.approx(40 * speech_seconds(one))
