"""Moving lips while there is speech are speech; either alone is not."""

import numpy as np
import pytest

from lipdub.faces.lips import lip_scores


def talking(seconds: np.ndarray, opening: float = 0.05) -> np.ndarray:
    """Apertures of lips that open and close about five times a second, not evenly."""
    return opening * (1 + np.sin(2 * np.pi * (5 * seconds + np.sin(3 * seconds))))


@pytest.mark.parametrize("rate", [15, 25, 60])
def test_lips_that_move_to_speech_speak_at_any_frame_rate(rate: float):
    seconds = np.arange(0, 8, 1 / rate)
    first = seconds < 4
    aperture = np.where(first, talking(seconds), 0.01)
    scores = lip_scores(aperture, seconds, np.ones(len(seconds), bool))
    assert (scores[(seconds > 0.5) & (seconds < 3.5)] > 0.5).all()
    assert (scores[seconds > 4.7] < -1).all()


def test_lips_that_move_in_silence_or_hardly_move_do_not_speak():
    seconds = np.arange(0, 8, 0.04)
    chewing = lip_scores(talking(seconds), seconds, seconds < 4)
    assert (chewing[seconds < 4] > 0).all() and (chewing[seconds > 4.4] <= -1).all()
    assert (lip_scores(talking(seconds), seconds, np.zeros(200, bool)) <= -1).all()
    noise = np.random.default_rng(1).normal(0.02, 0.002, 200)
    assert (lip_scores(noise, seconds, np.ones(200, bool)) < 0).all()


def test_a_mouth_that_stays_wide_open_does_not_speak():
    seconds = np.arange(0, 4, 0.04)
    assert (lip_scores(np.full(100, 0.2), seconds, np.ones(100, bool)) < -3).all()


def test_apertures_that_were_not_measured_are_bridged():
    seconds = np.arange(0, 4, 0.04)
    aperture = talking(seconds)
    whole = lip_scores(aperture, seconds, np.ones(100, bool))
    aperture[40:42] = np.nan
    np.testing.assert_allclose(lip_scores(aperture, seconds, np.ones(100, bool)), whole, atol=1)
    assert np.isnan(lip_scores(np.full(100, np.nan), seconds, np.ones(100, bool))).all()
