"""How much of the old lips the new ones betray."""

import numpy as np
import numpy.typing as npt

FEWEST = 10
"""Frames below which a correlation says nothing."""
MOVING = 0.005
"""Old lips whose aperture varies less than this cannot leak."""


def leak(old: npt.ArrayLike, new: npt.ArrayLike) -> float:
    """Correlation of the old lips' aperture with the new ones', frame by frame, at lag 0.

    1: the mouth is the old one still; 0: it knows nothing of it. New lips that do not move betray nothing. A
    dub that happens to say the same at the same time correlates too, so means over clips are compared.

    Args:
        old, new: [n], apertures (see `lipdub.faces.crop.lip_aperture`); frames where one is NaN are left out.

    Returns:
        −1 to 1; NaN where the old lips hardly move, or fewer than `FEWEST` frames are known.
    """
    both = np.array([old, new], dtype=np.float64)
    both = both[:, np.isfinite(both).all(axis=0)]
    if both.shape[1] < FEWEST or both[0].std() < MOVING:
        return float("nan")
    away = both - both.mean(axis=1, keepdims=True)
    size = float(np.prod(np.sqrt((away**2).sum(axis=1))))
    return float(away[0] @ away[1]) / size if size > 1e-12 else 0.0
