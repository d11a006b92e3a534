"""Are the lips in the mask? How much of the old lips is replaced, by how far the head turns and the mouth opens."""

from fractions import Fraction

import numpy as np

from common import FOOTAGE, put, table
from lipdub.engine import load_landmarker
from lipdub.faces.analyse import analyse
from lipdub.faces.mask import GRID, mask_field
from lipdub.faces.sighting import JAW, KEPT, MOUTH
from lipdub.gating import gate
from lipdub.media.probe import probe_video

SECONDS = Fraction(4)
YAWS = ((0, 10), (10, 20), (20, 30), (30, 40), (40, 50))
APERTURES = ((0, 0.05), (0.05, 0.08), (0.08, 0.12), (0.12, 0.5))
UPPER_LIP = 0
"""MediaPipe's point in the middle of the upper lip's rim."""
FRONTAL = 15
LIPS = slice(len(JAW), len(JAW) + len(MOUTH))


def replaced(points):
    """Mask at the landmarks of the mouth, [n]; 0 outside the crop."""
    places = points[LIPS]
    cells = np.clip((places * GRID).astype(int), 0, GRID - 1)
    inside = ((places >= 0) & (places < 1)).all(axis=1)
    return mask_field(points)[cells[:, 1], cells[:, 0]] * inside


def series(path, landmarker):
    """Of each face that would be changed: how far it turns, how open the mouth is, and the mask at its points."""
    info = probe_video(path)
    analysis = analyse(info, landmarker, end=SECONDS)
    for track in analysis.tracks:
        opacity = gate(track, track.pts, info).opacity
        for face in track.faces[(opacity > 0) & track.seen]:
            yield abs(float(face["yaw"])), float(face["aperture"]), replaced(face["points"].astype(float))


def rows(values, bounds, masks, shares):
    for low, high in bounds:
        these = (values >= low) & (values < high)
        if these.any():
            m = masks[these]
            yield (
                f"{low} to {high}",
                len(m),
                f"{m.mean():.2f}",
                *(f"{100 * share(m).mean():.0f} %" for share in shares),
            )


def main() -> None:
    found = []
    with load_landmarker() as landmarker:
        for path in sorted((FOOTAGE / "scenes").glob("*.m*")):
            found += series(path, landmarker)
    yaw, aperture = (np.array([row[k] for row in found]) for k in (0, 1))
    masks = np.array([row[2] for row in found])
    upper = masks[:, KEPT[LIPS].index(UPPER_LIP)]
    frontal = yaw < FRONTAL
    turned = rows(yaw, YAWS, masks, (lambda m: (m < 0.5).any(axis=1), lambda m: m.mean(axis=1) < 0.5))
    opened = rows(aperture[frontal], APERTURES, upper[frontal], (lambda m: m < 0.5,))
    put(
        "lips",
        "## Lips in the mask\n\nThe mask at the six landmarks kept of the mouth (corners, rims, inner lips): 1 is all new, 0 all "
        f"old. Frames of {len(list((FOOTAGE / 'scenes').glob('*.m*')))} clips (first {SECONDS} s) whose faces would be changed.\n\n"
        + table(
            ["yaw, degrees", "frames", "mean", "a point of it mostly old", "the mouth mostly old"], turned
        )
        + f"\n\nThe middle of the upper lip's rim, heads turned by less than {FRONTAL}°:\n\n"
        + table(["aperture", "frames", "mean", "mostly old"], opened),
    )


if __name__ == "__main__":
    main()
