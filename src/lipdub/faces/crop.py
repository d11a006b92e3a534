"""The framing that the network knows, from landmarks that the jaw does not move.

The network was trained on one fixed framing: a box 158 high and 124 wide on VoxCeleb2's 224×224
frames, from the forehead to the chin. A box that follows the chin would tell the network how wide the
old mouth is open, so the box is fitted to points of the upper face only: where each of them lies in
the training framing is known (`RIGID_POINTS`), and the box is the one that puts them there, in the
least-squares sense.

Measured on four sets of real footage (`benchmarks/framing.py`): within a clip, the height of this box
correlates between −0.12 and +0.15 with the aperture of the lips (medians over the clips of a set); that of
a box round the whole face oval, between +0.13 and +0.83.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Landmarks: TypeAlias = npt.NDArray[np.float32]
"""[478, 2]: x, y in pixels of the upright picture; 0 is the left or upper edge of the first pixel."""

Box: TypeAlias = npt.NDArray[np.float64]
"""[..., 5]: x, y of the upper left corner, width, height, measured like landmarks, before the box is turned
about its centre by its roll: degrees, clockwise as seen."""

ASPECT = 124 / 158
"""Width over height of the training framing."""

# Landmark: its place in the training framing, as a fraction of the width and of the height. Medians over the
# 4,893 frames of 173 of those clips, made symmetric. Eye corners, nose bridge, forehead, temples, cheekbones.
RIGID_POINTS = {
    33: (0.197, 0.376), 133: (0.383, 0.386), 362: (0.617, 0.386), 263: (0.803, 0.376),
    168: (0.500, 0.361), 6: (0.500, 0.404),
    10: (0.500, 0.094), 151: (0.500, 0.178), 9: (0.500, 0.270), 8: (0.500, 0.317),
    67: (0.262, 0.108), 297: (0.738, 0.108), 109: (0.374, 0.094), 338: (0.626, 0.094),
    103: (0.162, 0.138), 332: (0.838, 0.138), 54: (0.094, 0.183), 284: (0.906, 0.183),
    21: (0.052, 0.244), 251: (0.948, 0.244), 162: (0.033, 0.311), 389: (0.967, 0.311),
    127: (0.023, 0.395), 356: (0.977, 0.395),
    116: (0.066, 0.467), 345: (0.934, 0.467), 117: (0.135, 0.467), 346: (0.865, 0.467),
    50: (0.163, 0.557), 280: (0.837, 0.557),
}  # fmt: skip

# A turned head narrows the face and leaves its height: heights count for more than widths.
WIDTH_WEIGHT = 0.3

LEFT_EYE, RIGHT_EYE = (33, 133), (362, 263)
UPPER_LIP, LOWER_LIP, FOREHEAD, CHIN = 13, 14, 10, 152


def framing_box(landmarks: Landmarks) -> Box:
    """The box in the training framing around a face, from points the jaw does not move.

    Args:
        landmarks: [478, 2], pixels.

    Returns:
        [5]: x, y, width, height in pixels, roll in degrees, −180 to 180.
    """
    template = np.array(list(RIGID_POINTS.values()))
    points = landmarks[list(RIGID_POINTS)].astype(np.float64)
    roll = _roll(landmarks)
    upright = turn(-roll)
    offsets = (points - points.mean(axis=0)) @ upright.T
    wanted = (template - template.mean(axis=0)) * (ASPECT, 1)
    weights = np.array([WIDTH_WEIGHT, 1.0])
    height = float((offsets * wanted * weights).sum() / (wanted**2 * weights).sum())
    size = np.array([height * ASPECT, height])
    centre = points.mean(axis=0) + upright.T @ (size * (0.5 - template.mean(axis=0)))
    return np.concatenate([centre - size / 2, size, [roll]])


def turn(degrees: float) -> npt.NDArray[np.float64]:
    """The rotation [2, 2] that turns pictures clockwise, as seen, by so many degrees."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cos, -sin], [sin, cos]])


def from_crop(places: npt.NDArray[np.floating], box: Box) -> npt.NDArray[np.float64]:
    """Where places [n, 2], in fractions of the crop's width and height, lie in the picture: [n, 2]."""
    return np.asarray(box[:2] + box[2:4] / 2 + (places - 0.5) * box[2:4] @ turn(box[4]).T)


def to_crop(points: npt.NDArray[np.floating], box: Box) -> npt.NDArray[np.float64]:
    """Points [n, 2] of the picture in fractions of the crop's width and height: [n, 2]."""
    return np.asarray((points - box[:2] - box[2:4] / 2) @ turn(box[4]) / box[2:4] + 0.5)


def lip_aperture(landmarks: Landmarks) -> float:
    """Distance of the inner lips over the height of the face: about 0 (closed) to 0.3."""
    lips = np.linalg.norm(landmarks[UPPER_LIP] - landmarks[LOWER_LIP])
    return float(lips / np.linalg.norm(landmarks[FOREHEAD] - landmarks[CHIN]))


def _roll(landmarks: Landmarks) -> float:
    """Degrees, clockwise, by which the line between the eyes is turned."""
    left, right = (landmarks[list(eye)].mean(axis=0).astype(np.float64) for eye in (LEFT_EYE, RIGHT_EYE))
    x, y = right - left
    return float(np.degrees(np.arctan2(y, x)))
