"""Watch faces for whether they speak: pictures of them for the active-speaker network, and its scores back.

The network is handed in, since nothing here imports torch.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import Box, from_crop, turn
from lipdub.faces.detect import Image
from lipdub.faces.looks import Look
from lipdub.faces.sighting import Sightings
from lipdub.faces.track import Tracker
from lipdub.faces.warp import warp

SIZE = 112
"""Pixels of a picture, in height and width."""
PER_SECOND = 25
"""Pictures a second that the network was trained on."""
FEWEST = 13
"""Pictures of a face worth a score: half a second. Silent faces seen for less scored up to 0.8."""
BOX_PIXELS = 158
"""Height of the crop in the network's framing, whose 224×224 frames are those of the training framing."""
CENTRE = (0.5, 112 / BOX_PIXELS)
"""Middle of those frames, in fractions of the crop: the upper lip. The pictures are their central half."""

Pictures: TypeAlias = npt.NDArray[np.uint8]
"""[n, 112, 112] grey, 0–255."""


class Scorer(Protocol):
    """The active-speaker network and the movie's own sound."""

    def __call__(self, pictures: Pictures, start: float) -> npt.NDArray[np.float32]:
        """Scores [n] of one face's pictures, 25 a second, the first `start` seconds into the movie."""
        ...


def face_picture(image: Image, box: Box) -> Pictures:
    """What the network sees of a face: the mouth and what is round it, upright.

    Args:
        image: [H, W, 3] RGB.
        box: the crop, in pixels of this picture. It may reach beyond its edges, which are continued.

    Returns:
        [112, 112].
    """
    step = max(float(box[3]), 1.0) / BOX_PIXELS
    centre = from_crop(np.array([CENTRE]), box)[0]
    linear = turn(float(box[4])) * step
    first = centre + linear @ np.full(2, (1 - SIZE) / 2) - 0.5
    corners = first + np.array([(0, 0), (SIZE, 0), (0, SIZE), (SIZE, SIZE)]) @ linear.T
    height, width = image.shape[:2]
    low = np.clip(np.floor(corners.min(axis=0)) - 2, 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 3, low + 1, [width, height]).astype(int)
    region = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    grey = region @ np.array([0.299, 0.587, 0.114], np.float32)
    picture = warp(grey, np.column_stack([linear, first - low]), (SIZE, SIZE))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


class _Seen(NamedTuple):
    """One face in one frame: its row is number `row` of `faces`."""

    faces: Sightings
    row: int
    seconds: float
    picture: Pictures


class SpeakerWatch:
    """The faces of the part that is looked at just now; scored at its end, so that memory stays bounded.

    Every part is scored for itself, so an analysis that goes on gives the scores of one that was not stopped.

    Args:
        scorer: the network.
        max_gap: pts for which a face may be gone.
    """

    def __init__(self, scorer: Scorer, max_gap: int) -> None:
        self._scorer, self._max_gap = scorer, max_gap
        self._forget()

    def add(self, look: Look, seconds: float, pictures: Sequence[Pictures]) -> None:
        """Take the next frame, at `seconds` of the movie, with the picture of each of its faces."""
        tracks = self._tracker.add(look.pts, look.faces, look.cut)
        for row, (track, picture) in enumerate(zip(tracks, pictures, strict=True)):
            self._runs[track].append(_Seen(look.faces, row, seconds, picture))

    def score(self) -> None:
        """Enter how surely each face speaks in the looks that were taken, and forget the pictures."""
        for run in self._runs.values():
            seconds = np.array([seen.seconds for seen in run])
            grid, nearest = sampled(seconds)
            if len(grid) < FEWEST:
                continue
            scores = self._scorer(np.stack([run[i].picture for i in nearest]), float(grid[0]))
            for seen, value in zip(run, np.interp(seconds, grid, scores), strict=True):
                seen.faces["speaking"][seen.row] = value
        self._forget()

    def _forget(self) -> None:
        self._tracker = Tracker(self._max_gap)
        self._runs: defaultdict[int, list[_Seen]] = defaultdict(list)


def sampled(
    seconds: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Times 25 a second from the first of some times [n], ascending, to the last, and the nearest of them.

    Returns:
        [m] seconds, and [m] indices into `seconds`.
    """
    count = int(np.floor((seconds[-1] - seconds[0]) * PER_SECOND + 1e-6)) + 1
    grid = seconds[0] + np.arange(count) / PER_SECOND
    middles = (seconds[1:] + seconds[:-1]) / 2
    return grid, np.searchsorted(middles, grid)
