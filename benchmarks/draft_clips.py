"""What the draft paints on clips that nobody was trained on, and how it is judged. Part of `draft.py`."""

import argparse
import json

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ablation import apertures
from lipdub.dataset.augmenting import show
from lipdub.dataset.clips import Clip, Clips
from lipdub.dataset.sampling import Look
from lipdub.diffusion.inpaint import inpaint, make_noise
from lipdub.evaluation.bootstrap import mean_interval
from lipdub.evaluation.landmarks import aperture_agreement
from lipdub.faces.detect import FaceLandmarker
from lipdub.models import Diff2Lip, load_checkpoint
from lipdub.options import PRESETS
from lipdub.training.hearing import mels_of_frames
from lipdub.training.loader import as_images
from lipdub.weights import locate

BATCH, STRIP, LONG, ALIKE = 25, 6, 100, 32
TRIED = slice(2, None, 10)
"""Held-out clips on which trainings were compared and settings chosen; no figure of what is painted is of them."""
SHARP_ROWS, SHARP_COLUMNS = slice(70, 118), slice(28, 100)
"""Of a face of 128x128 pixels, where the mouth is: its lower half without chin and cheeks."""

Pictures = list[npt.NDArray[np.uint8]]


def measure(given: argparse.Namespace) -> None:
    """Held-out clips of one set, each with the face of another clip of the same speaker."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    network = load_checkpoint(given.weights)
    everyone = list(Clips([given.held_out]))
    path = given.work / f"{given.name}.jsonl"
    known = {json.loads(line)["clip"] for line in path.read_text().splitlines()} if path.exists() else set()
    clips = [clip for clip in some_of(untried(everyone), given.clips) if clip.key not in known]
    lent = faces_lent(clips, everyone)
    with FaceLandmarker(locate("face_landmarker")) as landmarker, path.open("a") as file:
        for clip in clips:
            stored, faces, made = repainted(network, clip, lent[clip.key], given.steps)
            row = judged(clip, stored, faces, made, landmarker)
            chosen = np.linspace(0, clip.frames - 1, STRIP).round().astype(int)
            strip = np.vstack([np.hstack([each[k] for k in chosen]) for each in (faces, made)])
            (given.work / "strips").mkdir(exist_ok=True)
            np.save(given.work / "strips" / f"{given.name}-{clip.key}.npy", strip)
            file.write(json.dumps({"clip": clip.key, "speaker": clip.speaker, **row}) + "\n")
            file.flush()
            print(clip.key, {k: round(v, 3) for k, v in row.items()}, flush=True)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for key in ("truth", "late", "still", "sharp", "sharp_gradient", "aperture_ratio", "l1"):
        found = mean_interval([row[key] for row in rows])
        print(f"{key}: {found.value:.3f} ({found.low:.3f} … {found.high:.3f}) of {found.clips}")


def untried(clips: list[Clip]) -> list[Clip]:
    """Those on which nothing was chosen."""
    tried = {clip.key for clip in clips[TRIED]}
    return [clip for clip in clips if clip.key not in tried]


def some_of(clips: list[Clip], count: int | None) -> list[Clip]:
    """So many clips, evenly taken; None are all."""
    return clips[:: max(1, len(clips) // count)][:count] if count else clips


def faces_lent(clips: list[Clip], lenders: list[Clip]) -> dict[str, tuple[Clip, int, int]]:
    """For each clip, the frame that is shown: the first of another clip of its speaker, the one that looks most alike.

    If there is no other, frames of its own.

    Returns:
        The clip, the frame for the first half of the clip, and that for the second: in a clip's own case its last
        and its first, half the clip away at least.
    """
    looks = {clip.key: _upper_half(clip) for clip in lenders}
    lent = {}
    for clip in clips:
        others = [other for other in lenders if other.speaker == clip.speaker and other.key != clip.key]
        away = [np.abs(looks[other.key] - looks[clip.key]).mean() for other in others]
        lent[clip.key] = (others[int(np.argmin(away))], 0, 0) if others else (clip, clip.frames - 1, 0)
    return lent


def _upper_half(clip: Clip) -> npt.NDArray[np.float32]:
    """What is not repainted of its first frame, small."""
    face = show(clip.picture(0), clip.margin, ALIKE, Look())
    return face[: ALIKE // 2].astype(np.float32)


def repainted(
    network: Diff2Lip, clip: Clip, lent: tuple[Clip, int, int], steps: int
) -> tuple[Pictures, Pictures, Pictures]:
    """The stored pictures of a clip, its faces, and the faces with lips by the network."""
    size = network.config.image_size
    stored = [clip.picture(k) for k in range(clip.frames)]
    faces = [show(picture, clip.margin, size, Look()) for picture in stored]
    other, early, late = lent
    shown = {k: show(other.picture(k), other.margin, size, Look()) for k in {early, late}}
    references = [shown[early if k < clip.frames / 2 else late] for k in range(clip.frames)]
    mels = torch.from_numpy(mels_of_frames(clip))
    return stored, faces, relipped(network, faces, references, mels, steps)


def judged(
    clip: Clip, stored: Pictures, faces: Pictures, made: Pictures, landmarker: FaceLandmarker
) -> dict[str, float]:
    """How the painted lips go with the true ones, and how sharp they are."""
    true = np.array(clip.meta["aperture"], np.float64)
    ours, seen = (apertures(each, stored, clip.margin, landmarker) for each in (made, faces))
    sharp = [np.mean([sharpness(face) for face in each], axis=0) for each in (made, faces)]
    return {
        "truth": aperture_agreement(ours, true).correlation,
        "late": aperture_agreement(np.roll(ours, len(ours) // 2), true).correlation,
        "still": aperture_agreement(seen, true).correlation,
        "aperture_ratio": float(np.nanstd(ours) / np.nanstd(seen)),
        "sharp": float(sharp[0][0] / sharp[1][0]),
        "sharp_gradient": float(sharp[0][1] / sharp[1][1]),
        "l1": float(np.abs(lower(made) - lower(faces)).mean()),
    }


def lower(faces: Pictures) -> npt.NDArray[np.float32]:
    """The halves that are repainted."""
    return np.stack(faces)[:, len(faces[0]) // 2 :].astype(np.float32)


def relipped(
    network: Diff2Lip, faces: Pictures, references: Pictures, mels: torch.Tensor, steps: int
) -> Pictures:
    """The faces with lips that go with the sound."""
    images, shown = as_images(faces), as_images(references)
    noise = make_noise(network.config.image_size)
    with torch.inference_mode():
        parts = [
            inpaint(
                network,
                images[k : k + BATCH],
                shown[k : k + BATCH],
                mels[k : k + BATCH],
                noise,
                steps=steps,
            )
            for k in range(0, len(faces), BATCH)
        ]
    made = ((torch.cat(parts) + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return list(made)


def presets(given: argparse.Namespace) -> None:
    """What steps buy: agreement, sharpness, error, and the distance from what `LONG` steps paint."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    network = load_checkpoint(given.weights)
    everyone = list(Clips([given.held_out]))
    clips = some_of(untried(everyone), given.clips)
    lent = faces_lent(clips, everyone)
    rows = {}
    with FaceLandmarker(locate("face_landmarker")) as landmarker:
        for clip in clips:
            made_in = {}
            for steps in (*sorted({p.steps for p in PRESETS.values()}), LONG):
                stored, faces, made_in[steps] = repainted(network, clip, lent[clip.key], steps)
                row = judged(clip, stored, faces, made_in[steps], landmarker)
                rows.setdefault(steps, []).append(row)
            for steps, made in made_in.items():
                away = np.abs(lower(made) - lower(made_in[LONG])).mean()
                rows[steps][-1]["away"] = float(away)
            print(clip.key, flush=True)
    (given.work / "presets.json").write_text(json.dumps(rows))


def sharpness(face: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Variance of the Laplacian and mean square of the gradient, of the mouth in a face of 128x128 pixels."""
    grey = cv2.cvtColor(cv2.resize(face, (128, 128), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    grey = grey.astype(np.float64)
    laplacian = cv2.Laplacian(grey, cv2.CV_64F)[SHARP_ROWS, SHARP_COLUMNS]
    slopes = [cv2.Sobel(grey, cv2.CV_64F, *way)[SHARP_ROWS, SHARP_COLUMNS] for way in ((1, 0), (0, 1))]
    return float(laplacian.var()), float(np.mean(slopes[0] ** 2 + slopes[1] ** 2))
