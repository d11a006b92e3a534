"""The paper's ablation in the small: a tiny Diff2Lip with and without L_sync, and other weightings by t.

Each arm goes on from one base, trained without any judge, for the same number of steps. At the end the
arms re-lip clips that nobody was trained on, with their own sound and a reference at least a second away, and
the lips are compared with the true ones.

    python benchmarks/ablation.py base    --work DIR --shards DIR --steps N
    python benchmarks/ablation.py arm     --work DIR --shards DIR --steps N --arm "sync, signal" --expert FILE
    python benchmarks/ablation.py measure --work DIR --held-out DIR --arm "sync, signal" --expert FILE
    python benchmarks/ablation.py table   --work DIR

`arm` and `measure` are run for each of `ARMS`, side by side if there are cores; `base` and `arm` go on where they
were stopped.
"""

import argparse
import json
import shutil
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

sys.path.insert(0, str(Path(__file__).parent))
from common import put, table
from lipdub.dataset.augmenting import show
from lipdub.dataset.clips import Clip, Clips
from lipdub.dataset.sampling import Look
from lipdub.diffusion.corruption import q_sample
from lipdub.diffusion.denoiser import Denoiser
from lipdub.diffusion.inpaint import compose, make_noise
from lipdub.diffusion.sampling import ddim
from lipdub.diffusion.schedule import alphas_cumprod
from lipdub.evaluation.bootstrap import mean_interval
from lipdub.evaluation.landmarks import aperture_agreement
from lipdub.faces.crop import ASPECT, lip_aperture
from lipdub.faces.detect import FaceLandmarker
from lipdub.models import Diff2Lip, load_checkpoint
from lipdub.models.sync_expert import load_sync_expert
from lipdub.speech.reader import MelReader
from lipdub.training import loop
from lipdub.training.config import choose
from lipdub.training.loader import as_images, expert_start, mels_of
from lipdub.training.logs import read_log
from lipdub.training.losses import lips_for_expert
from lipdub.weights import locate

SIZES = {
    "image_size": 32, "width": 32, "multipliers": [1, 2, 2], "res_blocks": 1, "attention_resolutions": [8],
    "head_width": 32, "audio_width": 32, "audio_multipliers": [1, 1, 2],
}  # fmt: skip
"""1.6 million parameters. At 32 pixels a face's aperture can still be read: see the first row of the table."""
COMMON = {
    "batch_size": 2, "lr": 1e-3, "weighting_l2": "signal", "precision": "bf16", "device": "cpu", "workers": 0,
    "log_every": 20, "save_every": 200, "sample_every": 200, "keep": 1,
}  # fmt: skip
ARMS = {
    "plain": {"preset": "reconstruction"},
    "sync, gate": {"preset": "sync", "weighting": "gate"},
    "sync, signal": {"preset": "sync", "weighting": "signal"},
    "sync, none": {"preset": "sync", "weighting": "none"},
}
FRAMES = 75
"""Of each clip."""
START = (0, 100, 200, 300, 400, 500)
"""DDIM steps of a network so little trained. It begins from its reference, noised to the last of these steps
(SDEdit, arXiv 2108.01073): further up, where eps must be right to a thousandth, its faces are nothing but noise. The
reference stands still, so that it cannot tell how the lips move."""
LAST = 50
"""Frames before the 50th are shown the last frame of the clip, the others the first: both a second away at
least. A reference that stands still cannot make lips move."""
CANVAS = 255
"""Height, in pixels, at which the landmarker sees a stored picture."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["base", "arm", "measure", "table"])
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--expert", type=Path)
    parser.add_argument("--arm", choices=list(ARMS))
    parser.add_argument("--steps", type=int, default=1500, help="in all")
    parser.add_argument(
        "--l2", choices=["signal", "none"], default="signal", help="weighting of L2, of the base"
    )
    parser.add_argument("--clips", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    given.work.mkdir(parents=True, exist_ok=True)
    (given.work / "sizes.json").write_text(json.dumps(SIZES))
    {"base": base, "arm": arm, "measure": measure, "table": tell}[given.what](given)


def base(given: argparse.Namespace) -> None:
    choices = {**COMMON, **ARMS["plain"], "network": str(given.work / "sizes.json"), "steps": given.steps}
    folder = given.work / "base"
    if given.l2 == "none":
        folder, choices["weighting_l2"] = given.work / "base-none", "none"
    loop.train([given.shards], folder, choose(choices))


def folder_of(given: argparse.Namespace) -> Path:
    return given.work / given.arm.replace(", ", "-")


def arm(given: argparse.Namespace) -> None:
    folder = folder_of(given)
    if not folder.exists():
        shutil.copytree(given.work / "base", folder)
    choices = {**COMMON, **ARMS[given.arm], "steps": given.steps}
    if choices["preset"] == "sync":
        choices["expert"] = str(given.expert)
    loop.train([given.shards], folder, choose(choices))


def measure(given: argparse.Namespace) -> None:
    saved = loop.checkpoints.latest(folder_of(given))
    clips = Clips([given.held_out])[: given.clips]
    row = {
        "arm": given.arm,
        "step": saved.step,
        **measured(saved.path.parent / "weights.safetensors", clips, given.expert),
    }
    with (given.work / "results.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)


def measured(weights: Path, clips: list[Clip], expert: Path | None) -> dict[str, object]:
    """How the lips that a network makes go with the true ones, clip by clip, and with the expert's opinion."""
    network = load_checkpoint(weights)
    found: dict[str, list[float]] = {
        "own": [],
        "other": [],
        "bound": [],
        "cosine": [],
        "true_cosine": [],
        "l1": [],
        "heard": [],
    }
    judge = load_sync_expert(expert) if expert else None
    with FaceLandmarker(locate("face_landmarker")) as landmarker:
        for number, clip in enumerate(clips):
            true = np.array(clip.meta["aperture"], np.float64)[:FRAMES]
            stored = [clip.picture(k) for k in range(min(clip.frames, FRAMES))]
            small = [show(picture, clip.margin, network.config.image_size, Look()) for picture in stored]
            other = clips[(number + 1) % len(clips)]
            made = {}
            for name, speech in (("own", clip), ("other", other)):
                made[name] = relipped(network, small, MelReader(speech.sound()))
                found[name].append(agreement(made[name], stored, clip.margin, landmarker, true))
            found["bound"].append(agreement(small, stored, clip.margin, landmarker, true))
            half = len(small[0]) // 2
            apart = zip(made["own"], made["other"], strict=True)
            found["heard"].append(
                float(np.mean([np.abs(a[half:] - b[half:].astype(float)).mean() for a, b in apart]))
            )
            pairs = zip(made["own"], small, strict=True)
            found["l1"].append(
                float(np.mean([np.abs(a[half:] - b[half:].astype(float)).mean() for a, b in pairs]))
            )
            if judge is not None:
                found["cosine"].append(cosine(judge, made["own"], clip))
                found["true_cosine"].append(cosine(judge, small, clip))
    return {name: [round(value, 4) for value in values] for name, values in found.items()}


def relipped(
    network: Diff2Lip, pictures: list[npt.NDArray[np.uint8]], sound: MelReader
) -> list[npt.NDArray[np.uint8]]:
    """New faces; see the constants for the references."""
    images = as_images(pictures)
    n = len(images)
    mels = torch.from_numpy(sound.windows([Fraction(k, 25) for k in range(n)]))
    references = images[[n - 1 if k < LAST else 0 for k in range(n)]]
    noise = make_noise(network.config.image_size).expand(25, -1, -1, -1)
    with torch.inference_mode():
        parts = [
            painted(network, images[k : k + 25], references[k : k + 25], mels[k : k + 25], noise)
            for k in range(0, n, 25)
        ]
    shown = ((torch.cat(parts) + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return list(shown)


def painted(
    network: Diff2Lip, images: torch.Tensor, references: torch.Tensor, mels: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """Faces [25, 3, S, S]; see `START`."""
    noise = noise[: len(images)]
    denoise = Denoiser(network, compose(images, noise), references, mels)
    x = q_sample(references, torch.full((len(images),), START[-1]), noise)
    return compose(images, ddim(denoise, x, START, alphas_cumprod().tolist()))


def apertures(
    faces: list[npt.NDArray[np.uint8]],
    stored: list[npt.NDArray[np.uint8]],
    margin: float,
    landmarker: FaceLandmarker,
) -> npt.NDArray[np.float64]:
    """Of the lips of faces that are laid into their stored pictures, [n]; NaN where none is seen."""
    found = []
    inner = round(CANVAS / (1 + 2 * margin))
    edge = (CANVAS - inner) // 2
    wide = [round(pixels * ASPECT) for pixels in (CANVAS, inner, edge)]
    for face, around in zip(faces, stored, strict=True):
        canvas = cv2.resize(around, (wide[0], CANVAS), interpolation=cv2.INTER_CUBIC)
        canvas[edge : edge + inner, wide[2] : wide[2] + wide[1]] = cv2.resize(
            face, (wide[1], inner), interpolation=cv2.INTER_CUBIC
        )
        seen = landmarker(cv2.copyMakeBorder(canvas, 60, 60, 60, 60, cv2.BORDER_REPLICATE))
        found.append(lip_aperture(seen[0].landmarks) if seen else float("nan"))
    return np.array(found)


def agreement(
    faces: list[npt.NDArray[np.uint8]],
    stored: list[npt.NDArray[np.uint8]],
    margin: float,
    landmarker: FaceLandmarker,
    true: npt.NDArray[np.float64],
) -> float:
    """Correlation, at lag 0, of these apertures with the true ones."""
    return aperture_agreement(apertures(faces, stored, margin, landmarker), true).correlation


def cosine(judge: torch.nn.Module, faces: list[npt.NDArray[np.uint8]], clip: Clip) -> float:
    """The expert's mean cosine over windows that do not overlap."""
    firsts = list(range(0, len(faces) - 4, 5))
    lips = lips_for_expert(as_images([faces[first + k] for first in firsts for k in range(5)]))
    mels = mels_of(clip, [expert_start(first) for first in firsts], Look())
    with torch.inference_mode():
        v, s = judge(lips, torch.from_numpy(mels)[:, None])
    return float(torch.cosine_similarity(v.float(), s.float()).mean())


def results(work: Path) -> list[dict[str, object]]:
    path = work / "results.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def tell(given: argparse.Namespace) -> None:
    rows = results(given.work)
    lines = []
    for row in sorted(rows, key=lambda row: (row["step"], list(ARMS).index(row["arm"]))):
        own, other = mean_interval(row["own"]), mean_interval(row["other"])
        lines.append([
            row["arm"], row["step"], f"{own.value:.3f} ({own.low:.3f} … {own.high:.3f})", f"{other.value:.3f}",
            f"{np.mean(row['cosine']):.3f}" if row["cosine"] else "–", f"{np.mean(row['heard']):.4f}",
            f"{np.mean(row['l1']):.1f}",
        ])  # fmt: skip
    true = [np.mean(row["true_cosine"]) for row in rows if row["true_cosine"]]
    head = [
        "arm", "step", "correlation, own sound", "another clip's sound", "expert's cosine", "change by the sound",
        "error",
    ]  # fmt: skip
    text = [
        "## With and without the expert, in the small",
        f"A network of 1.6 million parameters at 32×32 pixels, one speaker (grid), {COMMON['batch_size']} sequences of "
        f"five frames an update, on one core of a shared CPU; {len(rows[-1]['own'])} clips that nobody was trained on. All arms go on "
        f"from one base; they differ in L_sync, and in how it is weighted by t. L2 is weighted by ᾱ_t in all. "
        "Correlation of the aperture with the true one at lag 0 (bootstrap over clips); change and error in grey levels "
        "of the lower half: between the two sounds, and from the true frame. Sampling has the steps "
        f"{', '.join(map(str, START))} and begins with the reference, noised to the last. Where the sound changes the "
        "picture by less than a grey level, the network does not listen yet, and correlations, alike for both sounds, "
        "are chance."
        " The rows at step 2000 are of four clips. The expert of the sync arm was an early one (pairs 0.81) up to about step 2900, then the one of the section on the expert, which also gives the cosine here.",
        table(head, lines),
        f"The true pictures at this size come to a correlation of {mean_interval(rows[0]['bound']).value:.3f}"
        + (f", a cosine of {true[0]:.3f}." if true else "."),
    ]
    text += compared(given.work)
    put("ablation", "\n\n".join(text))


def compared(work: Path) -> list[str]:
    """L_simple of the base with L2 weighted and not, of the same sequences with the same noise."""
    logs = [
        {row["step"]: row["simple"] for row in read_log(work / name / "log.jsonl")}
        for name in ("base", "base-none")
    ]
    common = sorted(set(logs[0]) & set(logs[1]))
    if not common:
        return []
    parts = np.array_split(np.array(common), 4)
    rows = [
        [f"{part[0] - 19} … {part[-1]}", *(f"{np.mean([log[step] for step in part]):.4f}" for log in logs)]
        for part in parts
    ]
    return [
        "L_simple in training, where L2 is weighted by ᾱ_t and where it is not, as published (same sequences, same noise):",
        table(["steps", "weighted", "not weighted"], rows),
    ]


if __name__ == "__main__":
    main()
