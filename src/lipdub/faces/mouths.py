"""What the picture of a mouth tells: how sharp it is, and whether something is in front of it."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import Box, turn
from lipdub.faces.warp import warp

Image = npt.NDArray[np.uint8]

LARGEST, SMALLEST = 128, 16
"""Faces are looked at in their own size, up to the network's."""
ROWS, COLUMNS = 16, 10
"""The crop is seen as so many cells; the lowest ten rows of them, from the eyes down, are looked at."""
LOOKED_AT = 10
CHEEKS = slice(0, 3), slice(2, 8)
MOUTH = slice(2, 10), slice(2, 8)
SURFACE_SHAPE = (4, 3, 5)
"""Four by three places from the nose to the chin; of each the L, a, b of its colour beside that of the
cheeks, and the logarithms of its gradients across and down."""
BLUR = 1.5
"""Sigma, in pixels of the looked-at size, of the blur that a picture is compared with. Of 0.8, 1.5 and 3,
it is the one that tells most blurred mouths from sharp ones."""
EDGE_BLUR = 0.7
"""Sigma, in the same pixels, of the blur under which gradients are compared with those of other frames: of
0.7, 1.5 and 3, it tells motion best. It takes the grain, which moves with nothing."""
EDGE_ANGLES = 4
"""Motion is looked for along so many directions, from across over 45 degrees to down."""
SURFACE_BLUR = 1.5
"""The same at 128 pixels, for the gradients of places: lines of the face, not its grain."""
FAINT = 0.05, 0.3
"""Gradients, in levels of 100, below which one is as good as none: of the mouth, and of a place."""

LIGHTNESS = 0.5
"""Weight of the square of a difference of lightness: light moves over a face more than its colour does."""
OTHER_COLOUR, OTHER_EDGES = 8.0, 0.5
"""A place differs by 1 for so much of colour, or of the logarithm of gradients. A hand in the face's own
colour is told by the lines of the face that it hides."""
WHOLE, LOW = 2.6, 4.2
"""Mean difference, of all places and of the lower lip and chin, that is taken for certainty. Of 3,239 frames
of the clips these were chosen on, 18 are above half of it; some of them do show a hand or a microphone
(`benchmarks/gates.py` says what is found elsewhere)."""
TURNED_ALIKE = 8.0
"""Degrees within which heads are compared. A cover shifts landmarks, and with them the pose, by a few: with
5, of covers for a third of a track a quarter was missed, compared with each other only; with 8, 6 %."""
ALIKE_SHARE = 0.3
"""At least so many of a track's frames are compared with, those whose pose is nearest."""
COMPARED = 256
"""At most so many, spread over the track, so that a long shot costs little."""
POSE_STEP = 2.0
"""Poses are taken together in steps of so many degrees, for the same reason."""
SOFTER = 0.15
"""Share by which a mouth must be less sharp than usual: else light or a turn took its gradients, not blur."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class Mouth(NamedTuple):
    """What is kept of the picture of a mouth.

    Attributes:
        sharpness: 0 (as if blurred already) to 1; it does not change with contrast.
        edges: [EDGE_ANGLES], mean of the gradients along each direction, in levels of 100.
        surface: `SURFACE_SHAPE`, colours and gradients from place to place.
    """

    sharpness: float
    edges: npt.NDArray[np.float32]
    surface: npt.NDArray[np.float32]


def look_at_mouth(image: Image, box: Box) -> Mouth:
    """Measure the picture of a mouth.

    Args:
        image: [H, W, 3] RGB.
        box: [5], the face's crop in that picture.
    """
    part = _lower_face(image, box)
    grey = part @ LUMA
    mouth = grey[len(grey) * 2 // LOOKED_AT :, grey.shape[1] // 10 : grey.shape[1] - grey.shape[1] // 10]
    return Mouth(sharpness(mouth), _edges(mouth), _surface(part))


def sharpness(mouth: npt.NDArray[np.float32]) -> float:
    """How much of its gradients a picture [h, w] loses when it is blurred, in the direction that loses less.

    A picture that is blurred already has little to lose (after Crété-Roffet et al., 2007).
    """
    blurred = cv2.GaussianBlur(mouth, (0, 0), BLUR)
    left = [
        float(np.abs(np.diff(blurred, axis=axis)).sum() / max(np.abs(np.diff(mouth, axis=axis)).sum(), 1e-6))
        for axis in (0, 1)
    ]
    return 1 - min(max(left), 1.0)


def covered(surface: npt.NDArray[np.floating], pose: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """How surely something other than the face is in front of the mouth.

    Each frame is compared with the median of those of its track in which the head is turned alike. What hides
    the mouth in more than half of them is taken for the face.

    Args:
        surface: [n, *SURFACE_SHAPE], through a track; NaN where it is not known.
        pose: [n, 2], yaw and pitch in degrees.

    Returns:
        [n], 0 to 1, where 0.5 is about as likely as not; NaN where `surface` or `pose` is.
    """
    flat = np.asarray(surface, np.float64).reshape(len(surface), -1)
    turned = np.asarray(pose, np.float64)
    known = np.isfinite(flat).all(axis=1) & np.isfinite(turned).all(axis=1)
    sure = np.full(len(flat), np.nan)
    if known.any():
        away = (flat[known] - _usual(flat[known], turned[known])).reshape(-1, *SURFACE_SHAPE)
        colour = np.sqrt(away[..., :3] ** 2 @ np.array([LIGHTNESS, 1, 1]))
        other = colour / OTHER_COLOUR + np.abs(away[..., 3:]).mean(axis=-1) / OTHER_EDGES
        whole, low = other.mean(axis=(1, 2)), other[:, 2:, 1].mean(axis=1)
        sure[known] = np.minimum(np.maximum(whole / WHOLE, low / LOW), 1)
    return sure


def lost_detail(edges: npt.NDArray[np.floating], sharp: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Which share of its usual gradients a mouth has lost, along the direction that lost most.

    Motion leaves the gradients across it, and scales down those along it without making them broader, so that
    `sharpness` alone does not tell it.

    Args:
        edges: [n, EDGE_ANGLES], through a track; NaN where they are not known.
        sharp: [n], its `sharpness`.

    Returns:
        [n], 0 to 1; 0 where the mouth is about as sharp as usual, NaN where it is not known.
    """
    logs, sharp = np.log(np.asarray(edges, np.float64) + FAINT[0]), np.asarray(sharp, np.float64)
    known = np.isfinite(logs).all(axis=1) & np.isfinite(sharp)
    lost = np.full(len(logs), np.nan)
    if known.any():
        drop = (np.median(logs[known], axis=0) - logs[known]).max(axis=1)
        softer = sharp[known] < (1 - SOFTER) * np.median(sharp[known])
        lost[known] = np.where(softer, 1 - np.exp(-np.maximum(drop, 0)), 0)
    return lost


def _usual(flat: npt.NDArray[np.float64], pose: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What a mouth usually shows with its head turned as in each frame: [n, k], for values [n, k]."""
    rows = np.unique(np.linspace(0, len(flat) - 1, COMPARED).astype(int))
    steps, which = np.unique(np.round(pose / POSE_STEP), axis=0, return_inverse=True)
    medians = np.empty((len(steps), flat.shape[1]))
    for median, step in zip(medians, steps, strict=True):
        away = np.linalg.norm(pose[rows] - step * POSE_STEP, axis=1)
        median[:] = np.median(flat[rows[away <= max(TURNED_ALIKE, np.quantile(away, ALIKE_SHARE))]], axis=0)
    return medians[which.ravel()]


def _lower_face(image: Image, box: Box) -> npt.NDArray[np.float32]:
    """The crop from the eyes down, [S · 10/16, S, 3] RGB in 0–1."""
    size = int(np.clip(round(box[3] / ROWS) * ROWS, SMALLEST, LARGEST))
    top, height = size * (ROWS - LOOKED_AT) // ROWS, size * LOOKED_AT // ROWS
    near, place, shrunk = _near(image, box, size)
    scale = turn(box[4]) * box[2:4] / size / shrunk
    centre = (box[:2] + box[2:4] / 2 - place) / shrunk - 0.5
    corner = centre + scale @ (np.array([0, top]) - (size - 1) / 2)
    part = warp(np.asarray(near / 255, np.float32), np.column_stack([scale, corner]), (size, height))
    return np.asarray(np.clip(part, 0, 1), dtype=np.float32)


def _near(
    image: Image, box: Box, size: int
) -> tuple[Image, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The part of a picture round a box that is looked at, shrunk as far as no detail of `size` is lost.

    Returns:
        The part, where its corner lies, and how many pixels one of its pixels is wide and high.
    """
    corners = (np.array([[0, 0.3], [1, 0.3], [0, 1], [1, 1]]) - 0.5) * box[2:4] @ turn(box[4]).T
    corners += box[:2] + box[2:4] / 2
    limit = np.array(image.shape[1::-1])
    low = np.clip(np.floor(corners.min(axis=0)) - 2, 0, limit - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 2, low + 1, limit).astype(int)
    near = image[low[1] : high[1], low[0] : high[0]]
    width, height = np.maximum(np.ceil((high - low) * min(1.0, size / box[3])), 1).astype(int).tolist()
    shrunk = cv2.resize(near, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.uint8), low.astype(np.float64), (high - low) / np.array([width, height])


def _edges(mouth: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    across, down = _gradients(mouth * np.float32(100), EDGE_BLUR)
    angles = np.pi * np.arange(EDGE_ANGLES) / EDGE_ANGLES
    along = [np.abs(across * np.float32(np.cos(a)) + down * np.float32(np.sin(a))).mean() for a in angles]
    return np.array(along, dtype=np.float32)


def _gradients(
    grey: npt.NDArray[np.float32], sigma: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Levels a pixel, across and down."""
    blurred = cv2.GaussianBlur(grey, (0, 0), sigma)
    across, down = (cv2.Sobel(blurred, cv2.CV_32F, dx, 1 - dx, ksize=3, scale=1 / 8) for dx in (1, 0))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _surface(part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    same_size = cv2.resize(part, (LARGEST, LARGEST * LOOKED_AT // ROWS), interpolation=cv2.INTER_LINEAR)
    colours = np.asarray(cv2.cvtColor(same_size, cv2.COLOR_RGB2LAB), np.float32)
    edges = np.abs(np.stack(_gradients(np.ascontiguousarray(colours[..., 0]), SURFACE_BLUR), axis=2))
    cells, strokes = (
        cv2.resize(p, (COLUMNS, LOOKED_AT), interpolation=cv2.INTER_AREA) for p in (colours, edges)
    )
    cells = cells - np.median(cells[CHEEKS].reshape(-1, 3), axis=0)
    places = np.dstack([cells, strokes])[MOUTH].reshape(4, 2, 3, 2, 5).mean(axis=(1, 3))
    places[..., 3:] = np.log(places[..., 3:] + FAINT[1])
    return np.asarray(places, dtype=np.float32)
