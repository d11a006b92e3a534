"""Does the box betray the old mouth? Correlation of box height with lip aperture, on real footage."""

import numpy as np

from common import FOOTAGE, put, table
from lipdub.engine import load_landmarker
from lipdub.faces.crop import framing_box, lip_aperture
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import probe_video

# The 36 points of MediaPipe's face oval.
OVAL = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
]  # fmt: skip
SETS = {
    "VoxCeleb2 (published/, left panel)": ("published/*.mp4", 1, 3, 224),
    "about 30 speakers (training/words)": ("training/words/*/*.*", 12, 2, None),
    "one speaker (training/grid)": ("training/grid/*.mkv", 40, 2, None),
    "others (training/others)": ("training/others/*.*", 1, 3, None),
}
TRAINED_HEIGHT = 158
MOVING = 0.01
"""Clips whose aperture varies less than this say nothing about a correlation."""


def series(path, every, columns, landmarker):
    """Per frame: aperture, height of our box, height of the box by the whole oval."""
    info = probe_video(path)
    rows = []
    for number, frame in enumerate(read_frames(info)):
        if number % every:
            continue
        image = upright_image(frame, info)[:, :columns]
        for face in landmarker(image)[:1]:
            oval = face.landmarks[OVAL, 1]
            height = 1.095 * float(oval.max() - oval.min())
            rows.append((lip_aperture(face.landmarks), framing_box(face.landmarks)[3], height))
    return np.array(rows).reshape(-1, 3)


def main():
    rows = []
    with load_landmarker() as landmarker:
        for name, (pattern, step, every, columns) in SETS.items():
            clips = [series(p, every, columns, landmarker) for p in sorted(FOOTAGE.glob(pattern))[::step]]
            moving = [c for c in clips if len(c) >= 15 and c[:, 0].std() >= MOVING]
            ours, oval = ([np.corrcoef(c[:, 0], c[:, k])[0, 1] for c in moving] for k in (1, 2))
            jitter = [np.median(np.abs(np.diff(c[:, 1], 2))) / c[:, 1].mean() for c in moving]
            size = ""
            if columns:
                heights = [np.median(c[:, 1]) / TRAINED_HEIGHT for c in clips if len(c)]
                size = f"{np.median(heights):.3f} ± {np.std(heights):.3f}"
            low, high = np.percentile(ours, [25, 75])
            rows.append(
                (name, len(moving), sum(map(len, moving)), f"{np.median(ours):+.2f} ({low:+.2f} … {high:+.2f})",
                 f"{np.median(oval):+.2f}", f"{100 * np.median(jitter):.2f} %", size)
            )  # fmt: skip
    head = (
        "footage",
        "clips",
        "frames",
        "our box: median (quartiles)",
        "box by the whole oval",
        "jitter",
        "height / 158",
    )
    put(
        "framing",
        "## Framing: the box and the old lip aperture\n\n"
        "Correlation, within each clip, of the height of the crop with the aperture of the source's lips; before "
        "smoothing. Jitter: median second difference of the height over the height. Last column: height of the "
        "box over the height of the crop the network was trained on, where that is known.\n\n"
        + table(head, rows),
    )


if __name__ == "__main__":
    main()
