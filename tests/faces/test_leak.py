import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.faces.leak import FEWEST, leak

OLD = np.random.default_rng(0).uniform(0, 0.2, 400)
OTHER = np.random.default_rng(1).uniform(0, 0.2, 400)


@given(scale=st.floats(0.1, 10), offset=st.floats(-1, 1))
def test_the_same_mouth_leaks_wholly_however_wide_it_opens(scale: float, offset: float):
    assert leak(OLD, OLD * scale + offset) == pytest.approx((1, scale))
    assert leak(OLD, offset - OLD * scale) == pytest.approx((-1, -scale))


def test_another_mouth_leaks_nothing_and_a_mixture_its_part():
    assert max(np.abs(leak(OLD, OTHER))) < 0.1
    correlation, share = leak(OLD, OLD + OTHER)
    assert correlation == pytest.approx(np.corrcoef(OLD, OLD + OTHER)[0, 1])
    assert correlation == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert share == pytest.approx(np.polyfit(OLD, OLD + OTHER, 1)[0])


def test_a_mouth_that_does_not_move_leaks_nothing():
    assert leak(OLD, np.full(400, 0.1)) == pytest.approx((0, 0), abs=1e-9)


def test_a_mouth_that_only_trembles_with_the_old_one_correlates_but_brings_nothing_back():
    correlation, share = leak(OLD, 0.1 + 0.02 * OLD)
    assert correlation == pytest.approx(1)
    assert share == pytest.approx(0.02)


def test_where_nothing_can_be_said():
    assert all(map(math.isnan, leak(np.full(400, 0.1), OTHER)))
    assert all(map(math.isnan, leak(OLD[: FEWEST - 1], OTHER[: FEWEST - 1])))
    holes = np.where(np.arange(400) % 2, np.nan, OLD)
    assert leak(holes, OLD) == pytest.approx((1, 1))
    assert all(map(math.isnan, leak(np.full(400, np.nan), OTHER)))
