"""What is kept of a face that was seen in one frame: a row of numbers, since films have many frames."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import lip_aperture, to_crop
from lipdub.faces.detect import Face, Image, scaled
from lipdub.faces.mouths import EDGE_ANGLES, SURFACE_SHAPE, look_at_mouth
from lipdub.faces.pose import head_pose

JAW = (132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361)
"""Landmarks along the lower face, from one ear lobe round the chin to the other."""
MOUTH = (61, 291, 0, 17, 13, 14)
"""Corners of the mouth, outer lips above and below, inner lips above and below."""
NOSE_BASE = 2
KEPT = (*JAW, *MOUTH, NOSE_BASE)
"""Landmarks that are kept of every face."""

SIGHTING = np.dtype(
    [("box", "f8", 5), ("points", "f2", (len(KEPT), 2)), ("aperture", "f4"), ("yaw", "f4"), ("pitch", "f4"),
     ("sharpness", "f4"), ("edges", "f2", EDGE_ANGLES), ("covered", "f4"), ("surface", "f2", SURFACE_SHAPE),
     ("speaking", "f4")]
)  # fmt: skip
"""A face in one frame; NaN stands for what was not measured.

box: the crop (see `lipdub.faces.crop.Box`).
points: the landmarks `KEPT`, in fractions of the crop's width and height, upright.
aperture: of the inner lips (see `lip_aperture`).
yaw, pitch: of the head, in degrees (see `lipdub.faces.pose.head_pose`).
sharpness: of the mouth's picture, 0 to 1 (see `lipdub.faces.mouths`).
edges: gradients of the mouth's picture along some directions, from which a blur is told.
covered: how surely something hides the mouth, 0 to 1; known when its track is.
surface: colours and gradients on and round the mouth, from which that is told.
speaking: score of the active-speaker network, positive where the face speaks.
"""

Sightings: TypeAlias = npt.NDArray[np.void]
"""[n] of `SIGHTING`."""


def sightings(faces: Sequence[Face], image: Image | None = None, factor: float = 1.0) -> Sightings:
    """What is kept of the faces of one frame.

    Args:
        faces: as they were found in `image`.
        image: [H, W, 3] RGB; without it, nothing is known of the mouths' pictures.
        factor: the upright picture is so many times as large as `image`.
    """
    rows = np.full(len(faces), np.nan, SIGHTING)
    for row, face in zip(rows, faces, strict=True):
        row["box"] = scaled(face, factor).box
        row["points"] = to_crop(face.landmarks[list(KEPT)], face.box)
        row["aperture"] = lip_aperture(face.landmarks)
        row["yaw"], row["pitch"] = head_pose(face.landmarks)
        if image is not None:
            row["sharpness"], row["edges"], row["surface"] = look_at_mouth(image, face.box)
    return rows
