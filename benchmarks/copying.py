"""What compositing alone does: a network that copies, on real clips.

With a network that returns its reference's lower half (the frame itself), the lips should be the source scaled
down to the network's size and up again, with a texture of their own, and everything else the source.
"""

import time
from itertools import islice

import cv2
import numpy as np

from common import FOOTAGE, CopyReference, Silence, psnr, put, table
from lipdub.engine import load_landmarker
from lipdub.faces.analyse import analyse
from lipdub.faces.mask import mouth_mask
from lipdub.media.frames import read_frames
from lipdub.media.geometry import invert
from lipdub.media.planes import as_planar, copy_frame, plane_views, pts_of
from lipdub.media.probe import probe_video
from lipdub.planning import make_plan
from lipdub.render import Shown, canvas_of, render

CLIPS = [
    "speaker_portrait_1080p.mp4", "speaker_beard_1080p.mp4", "speaker_2213fps.mp4", "face_noface.mov",
    "noface_face.mov", "carphone_176x144.mp4", "six_cuts_dubbed_film.mp4", "two_faces_interview.mp4",
]  # fmt: skip
EVERY = 10
SECONDS = 10


def luma(frame, canvas):
    return plane_views(frame, canvas.colour.form)[0]


def whole_mask(canvas, edit, size, shape):
    """The mask over the whole picture, by itself, not by the paste."""
    matrix = canvas.crop_to_coded(edit.box, size)
    return mouth_mask(invert(matrix), (shape[1], shape[0]), size, edit.outline)


def down_and_up(plane, box, size):
    """The box scaled to S×S by area and back by cubic interpolation, with OpenCV's resize alone."""
    x, y, width, height = (round(v) for v in box[:4])
    part = plane[max(y, 0) : y + height, max(x, 0) : x + width].astype(np.float32)
    interpolation = cv2.INTER_AREA if height > size else cv2.INTER_CUBIC
    small = cv2.resize(part, (size, size), interpolation=interpolation)
    back = cv2.INTER_CUBIC if height > size else cv2.INTER_AREA
    result = plane.astype(np.float32)
    result[max(y, 0) : y + height, max(x, 0) : x + width] = cv2.resize(
        small, part.shape[::-1], interpolation=back
    )
    return result


def edge_step(plane, band):
    """Mean step between neighbouring pixels, in both directions, within a band."""
    y, x = (np.abs(np.diff(plane.astype(np.float64), axis=axis)) for axis in (0, 1))
    return (y[band[1:]].mean() + x[band[:, 1:]].mean()) / 2


def measure(path, landmarker):
    info, network = probe_video(path), CopyReference()
    began = time.process_time()
    analysis = analyse(info, landmarker, end=SECONDS)
    analysed = time.process_time() - began
    plan = make_plan(analysis, info)
    canvas, rows, spent = canvas_of(info), [], 0.0
    frames = islice(read_frames(info, end=SECONDS), None)
    for number, frame in enumerate(frames):
        edits = plan.at(frame.pts)
        if number % EVERY or not edits or edits[0].opacity < 1:
            continue
        before = copy_frame(as_planar(frame))
        began = time.process_time()
        after = next(render(plan, info, Silence(), network, [Shown(frame, pts_of(frame))])).frame
        spent += time.process_time() - began
        source, result = luma(before, canvas), luma(after, canvas)
        mask = whole_mask(canvas, edits[0], network.size, source.shape)
        core, band = mask > 0.99, (mask > 0) & (mask < 0.3)
        if core.sum() < 16:
            continue
        rows.append(
            (
                edits[0].height,
                min(psnr(result[core], source[core]), 99),
                psnr(down_and_up(source, edits[0].box, network.size)[core], source[core]),
                int(np.abs(result[mask == 0].astype(int) - source[mask == 0]).max()),
                edge_step(result, band) / max(edge_step(source, band), 1e-9),
            )
        )
    values = np.array(rows)
    return len(analysis.pts), len(plan.edits), values, analysed / len(analysis.pts), spent / max(len(rows), 1)


def main():
    lines = []
    with load_landmarker() as landmarker:
        for name in CLIPS:
            frames, changed, values, analysed, pasted = measure(FOOTAGE / "scenes" / name, landmarker)
            height, ours, reference, outside, step = (values[:, k] for k in range(5))
            lines.append(
                (name, f"{changed}/{frames}", f"{np.median(height):.0f}", f"{np.median(ours):.1f} ± {ours.std():.1f}",
                 f"{np.median(reference):.1f}", "identical" if outside.max() == 0 else f"differs by {outside.max():.0f}",
                 f"{np.median(step):.3f}", f"{1e3 * analysed:.0f}", f"{1e3 * pasted:.0f}")
            )  # fmt: skip
            print(*lines[-1], flush=True)
    head = (
        "clip (first 10 s)", "frames changed", "box height, px", "PSNR inside the mask, dB", "scaled down and up, dB",
        "outside the mask", "step in the mask's rim / source", "analysis, CPU ms/frame", "crop + paste, CPU ms/frame",
    )  # fmt: skip
    put(
        "copying",
        "## A network that copies\n\n"
        "Before encoding, luma, every tenth frame: median ± standard deviation. *Scaled down and up* is the same "
        "region of the source through OpenCV's `resize` alone, which is what the lips can be; skin keeps "
        "more, and a face no larger than the network's picture all (99 dB stands for identical).\n\n"
        + table(head, lines),
    )


if __name__ == "__main__":
    main()
