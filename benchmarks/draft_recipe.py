"""How the draft weights are trained: sizes, data, stages. Part of `draft.py`."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

NETWORK = {
    "image_size": 128, "width": 32, "multipliers": [2, 4, 6], "res_blocks": 1,
    "attention_resolutions": [8], "head_width": 32, "audio_width": 64, "audio_multipliers": [1, 1, 2],
    "patch": 4, "audio_patch": 4, "prediction": "residual",
}  # fmt: skip
"""With patches of 4 the finest map has 32x32 places, so that an update takes half the time it does with patches of 2
and half the channels. The audio encoder of the paper's shape, at half its channels, was underfitted after 1,600 updates
(0.78 and 0.29 of held-out lips, grid and words); in patches of 4, and wider, an update takes a quarter of the time and
1,500 of them reach 0.84 and 0.42."""
SHARDS = ("shards-grid", "shards-words", "shards-filmed")
"""The first 350 clips of grid, all folders of words but c04, c13, c23, c30, and the filmed others."""
COMMON = [
    "--device", "cpu", "--precision", "bf16", "--augment", "--workers", "0", "--ema", "0.998", "--keep-hearing",
    "--save-every", "250", "--sample-every", "500", "--keep", "2", "--batch-size", "4",
]  # fmt: skip
WEIGHTS = ["--weight", "l2=10", "--weight", "sync=0.3", "--clip", "10"]
"""With residuals, L_sync's gradient at the paper's weights is 12 times that of L2 (0.14 and 0.012 at 64 pixels). L2 alone
(40 times its weight) makes better pictures whose lips stand still; these keep both."""
STAGES: tuple[tuple[str, int, list[str]], ...] = (
    ("hear", 1, ["--hear", "5000", "--preset", "reconstruction", "--steps", "1"]),
    ("lips", 2, ["--preset", "sync", "--without", "simple", "--lr", "5e-4", "--steps", "4000"]),
    ("skin", 2, ["--preset", "lpips", "--lpips", "alex", "--lr", "3e-4", "--steps", "1800"]),
    ("all", 2, ["--preset", "paper", "--lpips", "alex", "--lr", "2e-4", "--steps", "1000"]),
)
"""Name, processes, options: each begins with the weights of the one before."""


def train(given: argparse.Namespace) -> None:
    """All stages; a stage that was stopped goes on."""
    sizes = given.work / "network.json"
    sizes.write_text(json.dumps(NETWORK))
    begin = ["--network", str(sizes)]
    shards = [str(given.shards / each) for each in SHARDS]
    for name, processes, options in STAGES:
        folder = given.work / name
        torchrun = [
            str(Path(sys.executable).with_name("torchrun")),
            "--nproc-per-node",
            str(processes),
            "--no-python",
        ]
        subprocess.run(
            [*torchrun, "lipdub", "train", *shards, "-o", str(folder), *begin, *COMMON, *WEIGHTS, *options,
             "--expert", str(given.expert)], check=True,
        )  # fmt: skip
        begin = ["--init-from", str(folder / "weights.safetensors")]
