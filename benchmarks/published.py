"""What the authors' own examples measure: source, Wav2Lip, PC-AVS and Diff2Lip on the same speech.

`python benchmarks/published.py FOLDER` keeps the landmarks there, so that a stopped run goes on.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from common import FOOTAGE, put
from lipdub.engine import load_landmarker
from lipdub.evaluation.bootstrap import mean_interval
from lipdub.evaluation.images import flicker, psnr, ssim
from lipdub.evaluation.landmarks import aperture_agreement, apertures
from lipdub.evaluation.tables import Column, ResultTable, Row, to_markdown
from lipdub.faces.leak import leak
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import probe_video

PANELS = {"source (real video)": 0, "Wav2Lip": 234, "PC-AVS": 458, "Diff2Lip": 682}
SIDE = 224
EVERY = 3
"""PSNR and SSIM are taken of each third frame: neighbours are much alike, and it takes a third of the time."""

OUTSIDE, UPPER, LOWER = (np.zeros((SIDE, SIDE), bool) for _ in range(3))
UPPER[:79, 50:174] = LOWER[79:158, 50:174] = True  # the fixed crop of the method, 158 high and 124 wide
OUTSIDE[:, :50] = OUTSIDE[:, 174:] = True

COLUMNS = (
    Column("truth", "aperture, correlation with the truth", better="up"),
    Column("truth_best", "at its best lag, ±5 frames", better="up"),
    Column("leak", "leak: correlation with the source", better="down"),
    Column("leak_share", "leak: slope"),
    Column("flicker", "flicker, lower half"),
    Column("psnr_outside", "PSNR beside the face, dB", better="up", digits=1),
    Column("psnr_upper", "upper half, dB", better="up", digits=1),
    Column("psnr_lower", "lower half, dB", digits=1),
    Column("ssim_outside", "SSIM beside the face", better="up", digits=3),
    Column("ssim_upper", "upper half", better="up", digits=3),
    Column("ssim_lower", "lower half", digits=3),
)


def frames_of(path):
    """[frames, 4, 224, 224, 3]: the panels."""
    info = probe_video(path)
    images = (upright_image(frame, info) for frame in read_frames(info))
    return np.array([[image[:, x : x + SIDE] for x in PANELS.values()] for image in images])


def points_of(path, frames, landmarker, folder):
    """[frames, 4, 478, 2]: landmarks in each panel, NaN where no face is seen."""
    kept = folder / f"{path.stem}.npy"
    if not kept.exists():
        points = np.full((*frames.shape[:2], 478, 2), np.nan, np.float32)
        for place in np.ndindex(frames.shape[:2]):
            for face in landmarker(frames[place])[:1]:
                points[place] = face.landmarks
        np.save(folder / "unfinished.npy", points)
        (folder / "unfinished.npy").replace(kept)
    return np.load(kept)


def lips(aperture, source, truth):
    """The measures of one panel's apertures."""
    length = min(len(truth), len(aperture))
    agreement = aperture_agreement(aperture[:length], truth[:length])
    betrayed = leak(source, aperture)
    return {
        "truth": agreement.correlation, "truth_best": agreement.best, "lag": agreement.lag,
        "leak": betrayed.correlation, "leak_share": betrayed.share,
    }  # fmt: skip


def pictures(panel, source):
    """The measures of one panel's pictures."""
    grey = (
        [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images[::EVERY]] for images in (panel, source)
    )
    pairs = list(zip(*grey, strict=True))
    found = {"flicker": flicker(panel, source, LOWER)}
    for name, mask in (("outside", OUTSIDE), ("upper", UPPER), ("lower", LOWER)):
        found[f"psnr_{name}"] = np.mean([psnr(a, b, mask) for a, b in pairs])
        found[f"ssim_{name}"] = np.mean([ssim(a, b, mask) for a, b in pairs])
    return found


def measure(path, truth, landmarker, folder):
    """{metric: value} of each panel of a clip."""
    frames = frames_of(path)
    opened = [apertures(p) for p in points_of(path, frames, landmarker, folder).swapaxes(0, 1)]
    return [
        lips(opened[k], opened[0], truth) | pictures(frames[:, k], frames[:, 0]) for k in range(len(PANELS))
    ]


def gains(clips):
    """How much better than the source each method agrees with the truth, clip by clip."""
    values = np.array([[panel["truth"] for panel in clip] for clip in clips])
    for k, name in enumerate(PANELS):
        if k:
            gain = mean_interval(values[:, k] - values[:, 0])
            yield f"{name} {gain.value:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]"


def lags(clips):
    """Median over the clips of the lag at which each panel agrees best with the truth."""
    known = [clip for clip in clips if np.isfinite(clip[0]["truth"])]
    return {name: np.median([clip[k]["lag"] for clip in known]) for k, name in enumerate(PANELS)}


def main():
    paths = sorted((FOOTAGE / "published").glob("*.mp4"))
    truths = np.load(FOOTAGE / "published" / "true_apertures.npz")
    with tempfile.TemporaryDirectory() as fresh, load_landmarker() as landmarker:
        folder = Path(sys.argv[1] if sys.argv[1:] else fresh)
        clips = []
        for path in paths:
            truth = truths[path.name] if path.name in truths else np.zeros(0)
            clips.append(measure(path, truth, landmarker, folder))
            print(
                path.name, *(f"{p['truth']:+.2f} {p['lag']} {p['leak']:+.2f}" for p in clips[-1]), flush=True
            )
    note = f"The truth is known for {len(truths.files)} of the {len(paths)} clips only: no more can be said of the others' sync."
    rows = [
        Row(name, {c.key: mean_interval([clip[k][c.key] for clip in clips]) for c in COLUMNS}, note)
        for k, name in enumerate(PANELS)
    ]
    put(
        "published",
        "## The authors' own examples\n\n"
        f"{len(paths)} of the authors' cross examples, 224×224, each beside the source that it changes. The truth is the aperture "
        "of the person who really spoke the sound. *Leak* is measured against "
        "the source's aperture, *flicker* is the change from frame to frame over the source's, PSNR and SSIM are of the luma, against "
        "the source in the columns beside the face and in the halves of the crop; the lower half is what is repainted, "
        "so there more is not better.\n\n"
        + to_markdown(ResultTable(COLUMNS, rows))
        + f"\nAgreement with the truth above the source's, clip by clip: {'; '.join(gains(clips))}. "
        "Where it is best, the lips come later than the true ones by so many frames (median; the source's is what chance makes of it): "
        + ", ".join(f"{name} {lag:+g}" for name, lag in lags(clips).items())
        + ".",
    )


if __name__ == "__main__":
    main()
