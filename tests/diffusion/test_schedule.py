"""The noise schedule and the steps through it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.diffusion import ddim_timesteps
from lipdub.diffusion.schedule import alphas_cumprod, linear_betas
from lipdub.errors import OptionError
from tests.support.weights import golden


@pytest.mark.parametrize("steps", [5, 25])
def test_published_timesteps(steps: int) -> None:
    assert list(ddim_timesteps(steps)) == golden("tiny64")[f"timesteps_ddim{steps}"].tolist()


@given(st.integers(1, 1000))
def test_timesteps_are_evenly_spread(steps: int) -> None:
    timesteps = ddim_timesteps(steps)
    gaps = np.diff((*timesteps, 1000))
    assert len(timesteps) == steps
    assert timesteps[0] == 0
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("steps", [-1, 0, 1001])
def test_impossible_numbers_of_steps(steps: int) -> None:
    with pytest.raises(OptionError, match=f"not {steps}"):
        ddim_timesteps(steps)


def test_schedule() -> None:
    betas, alphas = linear_betas(), alphas_cumprod()
    assert (betas[0], betas[-1], len(betas)) == (1e-4, 0.02, 1000)
    np.testing.assert_allclose(np.diff(betas), (0.02 - 1e-4) / 999)
    assert alphas[0] == 1 - 1e-4
    np.testing.assert_allclose(np.log(alphas), np.cumsum(np.log1p(-betas)))
