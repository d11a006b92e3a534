"""Where one shot ends and the next begins."""

import cv2
import numpy as np
import numpy.typing as npt

THUMBNAIL = (64, 36)
HARD_CHANGE = 0.10
"""Mean change of the thumbnail (0–1) from one frame to the next below which nothing is a cut."""
ABOVE_USUAL = 3.0
"""A cut changes the picture this many times more than the frames before it did."""
MEMORY = 0.8


class CutDetector:
    """Tell, frame by frame, whether a frame begins a new shot.

    A cut is a change of the small grey picture that is large in itself and large beside the changes
    just before it, so that fast movement alone is not one.
    """

    def __init__(self) -> None:
        self._last: npt.NDArray[np.float32] | None = None
        self._usual = 0.0

    def __call__(self, image: npt.NDArray[np.uint8]) -> bool:
        """Whether this frame [H, W, 3] begins a new shot; the first frame does."""
        small = cv2.resize(image, THUMBNAIL, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
        last, self._last = self._last, grey
        if last is None:
            return True
        change = float(np.abs(grey - last).mean())
        cut = change > HARD_CHANGE and change > ABOVE_USUAL * self._usual
        self._usual = 0.0 if cut else MEMORY * self._usual + (1 - MEMORY) * change
        return cut
