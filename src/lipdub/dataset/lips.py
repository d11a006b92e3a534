"""What a sound could tell of lips: how far they are open, compared with how this person usually has them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lipdub.dataset.clips import Clip

LIPS = 5
"""Apertures, of the frame and of those around it: a mouth that opens is not one that closes."""
STEADY = 0.005
"""A person whose aperture varies less does not speak."""


def measured_lips(clips: Sequence[Clip]) -> list[NDArray[np.float32] | None]:
    """The lips of each clip as the sound could tell them; None where they were not seen or do not move.

    Args:
        clips: from shards that `lipdub prepare` made.

    Returns:
        For each clip [n, 5], of each of its n frames the apertures of the frames around it, less the clip's
        mean, over the speaker's deviation.
    """
    curves = [_curve(clip) for clip in clips]
    own: dict[str, list[NDArray[np.float64]]] = {}
    for clip, curve in zip(clips, curves, strict=True):
        if curve is not None:
            own.setdefault(clip.speaker, []).append(curve)
    spreads = {speaker: float(np.concatenate(found).std()) for speaker, found in own.items()}
    return [
        _around(curve / spreads[clip.speaker])
        if curve is not None and spreads[clip.speaker] >= STEADY
        else None
        for clip, curve in zip(clips, curves, strict=True)
    ]


def _curve(clip: Clip) -> NDArray[np.float64] | None:
    """The aperture of each frame less the clip's mean, gaps filled; None where it is known of too few."""
    aperture = np.asarray(clip.meta["aperture"], np.float64)
    known = np.isfinite(aperture)
    if known.sum() < LIPS:
        return None
    aperture = np.interp(np.arange(len(aperture)), np.flatnonzero(known), aperture[known])
    return np.asarray(aperture - aperture.mean())


def _around(curve: NDArray[np.float64]) -> NDArray[np.float32]:
    """[n] → [n, 5]: before the first frame it is as in the first, after the last as in the last."""
    padded = np.pad(curve, LIPS // 2, mode="edge").astype(np.float32)
    return np.lib.stride_tricks.sliding_window_view(padded, LIPS)
