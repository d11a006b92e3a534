"""How the draft weights are trained: sizes, data, stages. Part of `draft.py`."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch

from lipdub.models.checkpoint import read_weights, save_tensors
from lipdub.models.config import METADATA_KEY

NETWORK = {
    "image_size": 128, "width": 32, "multipliers": [2, 4, 6], "res_blocks": 1,
    "attention_resolutions": [8], "head_width": 32, "audio_width": 64, "audio_multipliers": [1, 1, 2],
    "patch": 4, "audio_patch": 4, "prediction": "residual",
}  # fmt: skip
"""With patches of 4 the finest map has 32x32 places, so that an update takes half the time it does with patches of 2
and half the channels. The audio encoder of the paper's shape, at half its channels, was underfitted after 1,600 updates
(0.78 and 0.29 of held-out lips, grid and words); in patches of 4, and wider, an update takes a quarter of the time and
1,500 of them reach 0.84 and 0.42."""
SMALL = NETWORK | {"image_size": 64, "patch": 2}
"""The same maps, of half as many pixels."""
SHARDS = ("shards-grid", "shards-words", "shards-filmed")
"""The first 350 clips of grid, all folders of words but c04, c13, c23, c30, and the filmed others."""
COMMON = [
    "--device", "cpu", "--precision", "bf16", "--augment", "--workers", "0", "--keep-hearing", "--clip", "10",
    "--save-every", "250", "--sample-every", "500", "--keep", "2", "--batch-size", "4",
]  # fmt: skip
HEAR = ["--hear", "4200", "--preset", "reconstruction", "--steps", "1"]
LIPS = [
    "--preset", "sync", "--without", "simple", "--weight", "l2=20", "--weight", "sync=0.3", "--mouth", "4",
    "--lr", "5e-4", "--ema", "0.998", "--steps", "3200",
]  # fmt: skip
SKIN = [
    "--preset", "lpips", "--lpips", "alex", "--weight", "simple=0.05", "--weight", "l2=40", "--weight", "sync=0.3",
    "--weight", "lpips=0.5", "--mouth", "4", "--lr", "4e-4", "--ema", "0.998", "--steps", "900",
]  # fmt: skip
ALL = [
    "--preset", "paper", "--lpips", "alex", "--weight", "simple=0.02", "--weight", "l2=20", "--weight", "sync=1",
    "--weight", "lpips=0.5", "--weight", "gan=0.02", "--mouth", "8", "--lr", "3e-4", "--ema", "0.995", "--steps", "400",
]  # fmt: skip
"""With residuals, L_sync's gradient at the paper's weights is 12 times that of L2. L2 alone makes lips that stand still
(movement 0.03 of the truth after 600 steps, with --mouth 12), much L_sync makes coloured patterns that please the
expert, the more the larger the picture: after 800 steps at 128 pixels, with l2=10, lips moved 0.12 of the truth, below
stripes. So lips are learnt on small pictures, skin on large ones (where movement fell from 0.37 to 0.12), and lips a
little louder again at the end."""
STAGES: tuple[tuple[str, int, dict[str, object], list[str]], ...] = (
    ("hear", 1, SMALL, HEAR),
    ("lips", 2, SMALL, LIPS),
    ("skin", 2, NETWORK, SKIN),
    ("all", 2, NETWORK, ALL),
)
"""Name, processes, sizes, options; each begins with the weights of the one before. So were the weights of the package
made, but for 850 steps of L2 alone, on large pictures, between the first stage and the second: nine minutes of one
core for the hearing (at a learning rate of 1.2e-3, where --hear has 1e-3), then seventy of two. They are the mean of the
last two stages, the style three times as loud (`pack_draft.py`). Both, and which stage, were chosen on 4 grid and 14 word
clips of those held out."""


def train(given: argparse.Namespace) -> None:
    """All stages; a stage that was stopped goes on."""
    before = None
    for name, processes, sizes, options in STAGES:
        folder = given.work / name
        if before is None:
            begin = ["--network", str(_written(given.work / f"{name}.json", sizes))]
        else:
            begin = ["--init-from", str(_resized(before, given.work / f"{name}-start.safetensors", sizes))]
        shards = [str(given.shards / each) for each in SHARDS]
        torchrun = [
            str(Path(sys.executable).with_name("torchrun")),
            "--nproc-per-node",
            str(processes),
            "--no-python",
        ]
        subprocess.run(
            [*torchrun, "lipdub", "train", *shards, "-o", str(folder), *begin, *COMMON, *options,
             "--expert", str(given.expert)], check=True,
        )  # fmt: skip
        before = folder / "weights.safetensors"


def _written(path: Path, sizes: dict[str, object]) -> Path:
    path.write_text(json.dumps(sizes))
    return path


def _resized(weights: Path, target: Path, sizes: dict[str, object]) -> Path:
    """The same network for other pictures: their pixels are multiplied, its maps are as large as they were."""
    tensors, metadata = read_weights(weights)
    config = json.loads(metadata[METADATA_KEY])
    times = int(sizes["image_size"]) // config["image_size"]
    if times > 1:
        grown = {
            "input_blocks.0.0.weight": (1, 1 / times**2),
            "out.2.weight": (0, 1.0),
            "out.2.bias": (0, 1.0),
        }
        for name, (channels, share) in grown.items():
            tensors[name] = share * _finer(tensors[name], channels, config["patch"], times)
    save_tensors(tensors, metadata | {METADATA_KEY: json.dumps(config | sizes)}, target)
    return target


def _finer(weight: torch.Tensor, channels: int, patch: int, times: int) -> torch.Tensor:
    """What belongs to a pixel of a patch, along an axis, now belongs to times x times of a finer one."""
    parts = weight.movedim(channels, 0).unflatten(0, (-1, patch, patch))
    finer = parts.repeat_interleave(times, 1).repeat_interleave(times, 2)
    return finer.flatten(0, 2).movedim(0, channels).contiguous()
