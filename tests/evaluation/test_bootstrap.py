import math

import numpy as np
import pytest

from lipdub.evaluation.bootstrap import interval, mean_interval

VALUES = np.random.default_rng(2).normal(3, 2, 40)


@pytest.mark.parametrize("draw", [lambda g: g.normal(5, 2, 47), lambda g: g.gamma(4, 1.25, 47)])
def test_nineteen_of_twenty_intervals_hold_the_true_mean(draw):
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        found = mean_interval(draw(generator), resamples=200)
        held += found.low <= 5 <= found.high
    assert 0.90 <= held / 300 <= 0.98  # of 3000 sets of 47 numbers, 0.93 do


def test_a_wider_confidence_is_held_more_often():
    low = mean_interval(VALUES, confidence=0.5)
    high = mean_interval(VALUES, confidence=0.99)
    assert high.low < low.low < low.value < low.high < high.high


def test_the_interval_is_as_wide_as_theory_has_it():
    found = mean_interval(VALUES)
    assert found.value == pytest.approx(VALUES.mean())
    error = VALUES.std() / np.sqrt(40)
    assert found.low == pytest.approx(VALUES.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(VALUES.mean() + 1.96 * error, abs=0.15 * error)


def test_one_seed_gives_one_interval_and_another_one_another():
    assert mean_interval(VALUES) == mean_interval(VALUES)
    assert mean_interval(VALUES, seed=1).low != mean_interval(VALUES).low


def test_clips_that_were_not_measured_are_left_out():
    assert mean_interval([*VALUES[:20], math.nan, *VALUES[20:]]) == mean_interval(VALUES)
    assert mean_interval([1.0, 3.0]).clips == 2


def test_of_one_clip_or_none_there_is_no_interval():
    one, none = mean_interval([4.0, math.nan]), mean_interval([math.nan])
    assert one[0] == 4 and one.clips == 1 and math.isnan(one.low) and math.isnan(one.high)
    assert none.clips == 0 and all(map(math.isnan, none[:3]))


def test_equal_pictures_have_an_infinite_psnr_and_so_has_the_interval():
    assert mean_interval([math.inf, math.inf]) == (math.inf, math.inf, math.inf, 2)


def test_any_statistic_is_drawn_over_clips():
    found = interval(lambda chosen: float(np.median(VALUES[chosen])), 40, resamples=500)
    assert found.value == np.median(VALUES)
    assert found.low < found.value < found.high
    assert found.clips == 40
    same = interval(lambda chosen: float(VALUES[chosen].mean()), 40)
    assert same == pytest.approx(mean_interval(VALUES))


def test_centred_draws_lie_about_the_value():
    """A statistic that falls with the number of different clips, as FID does: draws are all above it."""

    def distinct(chosen):
        return 100.0 / len(set(chosen.tolist())) + 0.01 * chosen[0]

    plain = interval(distinct, 20, resamples=200)
    centred = interval(distinct, 20, resamples=200, centred=True)
    assert plain.low > plain.value
    assert centred.low < centred.value < centred.high
    assert centred.high - centred.low == pytest.approx(plain.high - plain.low)
