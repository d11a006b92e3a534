"""The noise schedule the network was trained with, and the steps sampling takes through it."""

import numpy as np
from numpy.typing import NDArray

from lipdub.errors import OptionError

TRAINING_STEPS = 1000
BETA_FIRST, BETA_LAST = 1e-4, 0.02


def linear_betas() -> NDArray[np.float64]:
    """β_t for t = 0 … 999, [1000] (DDPM, arXiv 2006.11239, section 4)."""
    return np.linspace(BETA_FIRST, BETA_LAST, TRAINING_STEPS).astype(np.float64)


def alphas_cumprod() -> NDArray[np.float64]:
    """ᾱ_t = Π (1 − β_s) over s ≤ t, [1000], falling from 0.9999 to 4e-5 (DDPM, eq. 4)."""
    return np.asarray(np.cumprod(1.0 - linear_betas()), np.float64)


def ddim_timesteps(steps: int) -> tuple[int, ...]:
    """`steps` timesteps spread evenly over 0 … 999, ascending, the first being 0.

    25 steps are 0, 40, …, 960, as published; a number that does not divide 1000 is spread to the nearest
    integer below. Raises `OptionError` unless 1 ≤ steps ≤ 1000.
    """
    if not 1 <= steps <= TRAINING_STEPS:
        raise OptionError(f"The number of diffusion steps must be from 1 to {TRAINING_STEPS}, not {steps}.")
    return tuple(k * TRAINING_STEPS // steps for k in range(steps))
