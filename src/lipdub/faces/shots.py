"""Where one shot ends and the next begins."""

import cv2
import numpy as np
import numpy.typing as npt

THUMBNAIL = (64, 36)
HARD_CHANGE = 0.10
"""Mean change of the thumbnail (0–1) from one frame to the next below which nothing is a cut."""
ABOVE_USUAL = 3.0
"""A cut changes the picture this many times more than the frames before it did."""
SAME_STRUCTURE = 0.9
"""A picture that correlates this well with the one before it only became lighter or darker."""
MEMORY = 0.8


class CutDetector:
    """Tell, frame by frame, whether a frame begins a new shot.

    A cut is a change of the small grey picture that is large in itself, large beside the changes just
    before it, so that fast movement alone is not one, and not one of brightness alone, so that lightning is
    not one either. (A flash that leaves nothing of the picture to be seen is a shot of its own.)

    Measured on the first frames of 69 clips, most of them one person's head in the middle: of the 2,346
    pairs, one differs by less than `HARD_CHANGE`, and none correlates more than 0.8. Within the shots of
    these clips (4,700 frames) no change is above 0.083.
    """

    def __init__(self) -> None:
        self._last: npt.NDArray[np.float32] | None = None
        self._usual = 0.0

    @property
    def state(self) -> tuple[npt.NDArray[np.float32] | None, float]:
        """What it remembers: the last thumbnail [36, 64], and the usual change."""
        return self._last, self._usual

    @state.setter
    def state(self, state: tuple[npt.NDArray[np.float32] | None, float]) -> None:
        self._last, self._usual = state

    def __call__(self, image: npt.NDArray[np.uint8]) -> bool:
        """Whether this frame [H, W, 3] begins a new shot; the first frame does."""
        small = cv2.resize(image, THUMBNAIL, interpolation=cv2.INTER_AREA)
        grey = (cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) / 255).astype(np.float32)
        last, self._last = self._last, grey
        if last is None:
            return True
        change = float(np.abs(grey - last).mean())
        sudden = change > max(HARD_CHANGE, ABOVE_USUAL * self._usual)
        self._usual = MEMORY * self._usual + (1 - MEMORY) * change
        return sudden and _correlation(grey, last) < SAME_STRUCTURE


def _correlation(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Correlation of two pictures, whatever their brightness and contrast; 0 if one of them is flat."""
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-3))
