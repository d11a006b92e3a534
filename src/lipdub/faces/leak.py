"""How much of the old lips the new ones betray."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FEWEST = 10
"""Frames below which a correlation says nothing."""
MOVING = 0.005
"""Old lips whose aperture varies less than this cannot leak."""


class Leak(NamedTuple):
    """How the new lips' aperture goes with the old one's.

    Attributes:
        correlation: −1 to 1. Of lips that hardly move it says little: landmarks of a mouth that another frame
            lent still tremble with the old chin, and that correlates.
        share: how much of the old movement comes back, the slope of new over old: 1 is all of it, 0 is none.
    """

    correlation: float
    share: float


NOTHING = Leak(float("nan"), float("nan"))


def leak(old: npt.ArrayLike, new: npt.ArrayLike) -> Leak:
    """Compare the old lips' aperture with the new ones', frame by frame, at lag 0.

    1: the mouth is the old one still; 0: it knows nothing of it. New lips that do not move betray nothing. A
    dub that happens to say the same at the same time correlates too, so means over clips are compared.

    Args:
        old, new: [n], apertures (see `lipdub.faces.crop.lip_aperture`); frames where one is NaN are left out.

    Returns:
        NaN where the old lips hardly move, or fewer than `FEWEST` frames are known.
    """
    both = np.array([old, new], dtype=np.float64)
    both = both[:, np.isfinite(both).all(axis=0)]
    if both.shape[1] < FEWEST or both[0].std() < MOVING:
        return NOTHING
    was, now = both - both.mean(axis=1, keepdims=True)
    common, sizes = float(was @ now), float(np.linalg.norm(was) * np.linalg.norm(now))
    return Leak(common / sizes if sizes > 1e-12 else 0.0, common / float(was @ was))
