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
    assert leak(OLD, OLD * scale + offset) == pytest.approx(1)
    assert leak(OLD, offset - OLD * scale) == pytest.approx(-1)


def test_another_mouth_leaks_nothing_and_a_mixture_its_part():
    assert abs(leak(OLD, OTHER)) < 0.1
    assert leak(OLD, OLD + OTHER) == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert leak(OLD, OLD + OTHER) == pytest.approx(np.corrcoef(OLD, OLD + OTHER)[0, 1])


def test_a_mouth_that_does_not_move_leaks_nothing():
    assert leak(OLD, np.full(400, 0.1)) == 0


def test_where_nothing_can_be_said():
    assert math.isnan(leak(np.full(400, 0.1), OTHER))
    assert math.isnan(leak(OLD[: FEWEST - 1], OTHER[: FEWEST - 1]))
    holes = np.where(np.arange(400) % 2, np.nan, OLD)
    assert leak(holes, OLD) == pytest.approx(1)
    assert math.isnan(leak(np.full(400, np.nan), OTHER))
