"""A portrait without anybody in it, and the real one where scikit-image is installed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lipdub.demo.portrait import SIDE


@pytest.fixture(scope="session")
def dotted() -> NDArray[np.uint8]:
    """Soft white dots on black, every 64 pixels: their places can be told to hundredths of a pixel."""
    y, x = np.mgrid[:SIDE, :SIDE]
    near = (x % 64 - 32) ** 2 + (y % 64 - 32) ** 2
    return np.repeat((250 * np.exp(-near / (2 * 3.0**2))).astype(np.uint8)[..., None], 3, axis=2)
