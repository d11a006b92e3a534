"""What the draft hears, and how far its one-step estimates are off. Part of `draft.py`."""

import argparse
import json

import numpy as np
import numpy.typing as npt
import torch

from draft_clips import untried
from draft_recipe import SHARDS
from lipdub.dataset.clips import Clip, Clips
from lipdub.dataset.lips import STEADY
from lipdub.diffusion.corruption import corrupt, roots
from lipdub.diffusion.denoiser import x0_of
from lipdub.models import Diff2Lip, load_checkpoint
from lipdub.training.hearing import mels_of_frames
from lipdub.training.loader import Scenes, Taking

HELD_OUT = ("grid", "words", "generated")
"""Of folders `heldout-NAME`, beside those of `SHARDS`."""
RIDGE = 30.0
ESTIMATED, ESTIMATED_STEPS = 12, (50, 200, 400, 600, 800, 999)


def hearing(given: argparse.Namespace) -> None:
    """What the style tells of the lips, by a straight line through it: of random weights, and of the trained ones."""
    torch.set_num_threads(1)
    learnt = [clip for name in SHARDS for clip in list(Clips([given.shards / name]))[::12]]
    held = {name: untried(list(Clips([given.shards / f"heldout-{name}"])))[::3] for name in HELD_OUT}
    trained = load_checkpoint(given.weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        fresh = Diff2Lip(trained.config).eval()
    rows = {}
    for which, network in (("random weights", fresh), ("trained", trained)):
        styles, lips = zip(*(_style_and_lips(network, clip) for clip in learnt), strict=True)
        centred = np.concatenate([style - style.mean(0) for style in styles])
        spread = centred.std(0) + 1e-9
        known = centred / spread
        # Ridge regression; the clips' means, which tell persons apart, are left out on both sides.
        line = np.linalg.solve(
            known.T @ known + RIDGE * np.eye(known.shape[1]), known.T @ np.concatenate(lips)
        )
        steps = torch.arange(0, 1000, 10)
        with torch.inference_mode():
            time = network.time_embed(steps).std(0).mean().item()
        rows[which] = {"style": float(np.concatenate(styles).std(0).mean()), "time": time}
        for name, clips in held.items():
            pairs = (_style_and_lips(network, clip) for clip in clips)
            found = [
                np.corrcoef(style / spread @ line, each)[0, 1] for style, each in pairs if each.std() > STEADY
            ]
            rows[which][name] = [float(value) for value in found]
        print(which, {k: round(float(np.mean(v)), 4) for k, v in rows[which].items()}, flush=True)
    (given.work / "hearing.json").write_text(json.dumps(rows))


def _style_and_lips(network: Diff2Lip, clip: Clip) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The style of each frame's sound, and the aperture less the clip's mean; frames without one are left out."""
    aperture = np.array(clip.meta["aperture"], np.float64)
    with torch.inference_mode():
        style = network.audio_style(torch.from_numpy(mels_of_frames(clip))).numpy().astype(np.float64)
    known = np.isfinite(aperture)
    return style[known], aperture[known] - aperture[known].mean()


def estimates(given: argparse.Namespace) -> None:
    """How far the one-step estimates of the clean face are off, by diffusion step: what judged terms look at."""
    torch.set_num_threads(1)
    network = load_checkpoint(given.weights)
    rows = {}
    for name in HELD_OUT:
        clips = Clips([given.shards / f"heldout-{name}"])
        scenes = Scenes(clips, Taking(network.config.image_size, 3))
        found = [scenes[k] for k in range(min(ESTIMATED, len(clips)))]
        clean, mel = (torch.stack([each[key][2] for each in found]) for key in ("frames", "mels"))
        reference = torch.stack([each["reference"] for each in found])
        half = clean.shape[2] // 2
        errors = {"reference": (clean - reference)[:, :, half:]}
        for t in ESTIMATED_STEPS:
            draw = torch.Generator().manual_seed(t)
            noise, fill = (torch.randn(clean.shape, generator=draw) for _ in range(2))
            step = torch.full((len(clean),), t)
            seen = corrupt(clean, step, noise, fill)
            with torch.inference_mode():
                said = network(seen.x_t, step, seen.condition, reference, mel)[:, :3]
            x_0 = x0_of(network.config.prediction, seen.x_t, said, reference, *roots(step, clean))
            errors[str(t)] = (x_0 - clean)[:, :, half:]
        rows[name] = {key: float(error.square().mean().sqrt() * 127.5) for key, error in errors.items()}
        print(name, {key: round(value, 1) for key, value in rows[name].items()}, flush=True)
    (given.work / "estimates.json").write_text(json.dumps(rows))
