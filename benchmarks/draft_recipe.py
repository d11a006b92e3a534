"""How the draft weights are trained: sizes, data, stages. Part of `draft.py`."""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from lipdub.dataset.clips import Clip, Clips
from lipdub.models import Diff2Lip, load_checkpoint
from lipdub.models.checkpoint import read_weights, save_checkpoint, save_tensors
from lipdub.models.config import METADATA_KEY
from lipdub.training.hearing import mels_of_frames
from pack_draft import merged

NETWORK = {
    "image_size": 128, "width": 32, "multipliers": [2, 4, 6], "res_blocks": 1,
    "attention_resolutions": [8], "head_width": 32, "audio_width": 64, "audio_multipliers": [1, 1, 2],
    "patch": 4, "audio_patch": 4, "prediction": "residual", "lips": 5,
}  # fmt: skip
"""With patches of 4 the finest map has 32x32 places, so that an update takes half the time it does with patches of 2
and half the channels. The audio encoder of the paper's shape, at half its channels, was underfitted after 1,600 updates
(0.78 and 0.29 of held-out lips, grid and words); in patches of 4, and wider, an update takes a quarter of the time and
1,500 of them reach 0.84 and 0.42."""
FREE = NETWORK | {"lips": 0}
"""The same, whose style is as wide as the embedding of time."""
SMALL = FREE | {"image_size": 64, "patch": 2}
"""The same maps, of half as many pixels."""
SHARDS = ("shards-grid", "shards-words", "shards-filmed")
"""The first 350 clips of grid, all folders of words but c04, c13, c23, c30, and the filmed others."""
RIDGE = 0.01
"""Of the regression in `_joined`, for each frame."""
COMMON = [
    "--device", "cpu", "--precision", "bf16", "--augment", "--workers", "0", "--keep-hearing", "--clip", "10",
    "--save-every", "250", "--sample-every", "0", "--keep", "2", "--batch-size", "4",
]  # fmt: skip
HEAR = ["--preset", "reconstruction", "--steps", "1"]
"""One step after the hearing, which leaves weights."""
EVENLY = ["--balance", "0.75"]
"""So that the words are a little more of what is heard and seen, and grid a little less."""
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

Stage = tuple[str, int, dict[str, object], list[str]]
"""Name, processes, sizes, options; each begins with the weights of the one before."""
FREELY: tuple[Stage, ...] = (
    ("hear", 1, SMALL, [*HEAR, "--hear", "4200"]),
    ("lips", 2, SMALL, LIPS),
    ("skin", 2, FREE, SKIN),
    ("all", 2, FREE, ALL),
)
"""A network that is told of the sound whatever it likes. It painted people it had trained on; of others it lost much of
what it had heard (0.48 heard, 0.31 painted), and when it was told the true lips, it painted 0.40 of them."""
TOLD = [
    *EVENLY, "--tell-lips", "1", "--elsewhere", "0.5", "--preset", "reconstruction", "--without", "simple",
    "--weight", "l2=20", "--mouth", "8", "--lr", "5e-4", "--ema", "0.998", "--steps", "1250",
]  # fmt: skip
TOLD_SKIN = [
    *EVENLY, "--tell-lips", "1", "--elsewhere", "0.4", "--preset", "lpips", "--lpips", "alex", "--without", "sync",
    "--weight", "simple=0.05", "--weight", "l2=20", "--weight", "lpips=2", "--mouth", "16",
    "--lr", "5e-4", "--ema", "0.998",
]  # fmt: skip
TOLD_ALL = [
    *EVENLY, "--tell-lips", "1", "--elsewhere", "0.4", "--preset", "paper", "--lpips", "alex",
    "--weight", "simple=0.05", "--weight", "l2=20", "--weight", "lpips=2", "--weight", "sync=0.1", "--weight", "gan=0.02",
    "--mouth", "16", "--lr", "3e-4", "--ema", "0.995", "--steps", "689",
]  # fmt: skip
HEAR_LIPS: Stage = ("hear-lips", 1, NETWORK, [*HEAR, *EVENLY, "--hear", "7500"])
BY_LIPS: tuple[Stage, ...] = (
    ("told", 2, NETWORK, TOLD),
    ("told-skin", 2, NETWORK, [*TOLD_SKIN, "--steps", "1543"]),
    ("told-all", 2, NETWORK, TOLD_ALL),
    ("told-on", 2, NETWORK, [*TOLD_SKIN, "--steps", "5250"]),
)
"""A network that is told of the sound nothing but how far it opens lips, and that is shown, while it learns to paint,
lips whose opening is measured. After 250 updates it painted 0.80 of true lips that it was told of, on three clips of
people never seen, after 750 0.86; random weights told of true lips painted lips that stood still after 1,000. The first
3,250 updates of `told-on` took it from 0.80 to 0.87 on 14 word clips, and from 0.62 to 0.85 on two generated ones. The
network begins with the weights of the other one, louder, and its own hearing (`_joined`). So were the weights of the package made, but
that `told` ran before coarse and fine had shares of their own (`diffusion.denoiser`), that a hearing of 4,200 updates was
joined first, which one of 7,500 replaced at the end (no stage that is told changes it, or depends on it), that
`told-all` ran in one process, and that `lips` had 850 updates of L2 alone, on large pictures, before it. Eleven minutes
of one core for the hearing, then fifteen, twenty-four, twenty-three and ninety of two or one for the rest, beside what
the first network had taken. How loud (`pack_draft.py --louder 2.5`) was chosen on clips of `draft_clips.TRIED`."""


def train(given: argparse.Namespace) -> None:
    """All stages; a stage that was stopped goes on."""
    *_, skin, all_losses = _run(FREELY, given, None)
    freely = given.work / "freely.safetensors"
    save_checkpoint(merged([skin, all_losses], louder=3), freely)
    (hearing,) = _run([HEAR_LIPS], given, None)
    joined = given.work / "joined.safetensors"
    save_checkpoint(
        _joined(load_checkpoint(freely), load_checkpoint(hearing), clips_of(given.shards)), joined
    )
    _run(BY_LIPS, given, joined)


def clips_of(shards: Path) -> list[Clip]:
    """A tenth of what is trained on."""
    return [clip for name in SHARDS for clip in list(Clips([shards / name]))[::10]]


def _run(stages: Sequence[Stage], given: argparse.Namespace, before: Path | None) -> list[Path]:
    """The weights of each stage."""
    made = []
    for name, processes, sizes, options in stages:
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
        made.append(before)
    return made


@torch.no_grad()
def _joined(painter: Diff2Lip, hearing: Diff2Lip, clips: Sequence[Clip], ridge: float = RIDGE) -> Diff2Lip:
    """`hearing`, by way of lips, that paints what `painter` does.

    Its last layer makes of the lips that it hears the style that `painter` made of the sound, as nearly as a linear
    function can (ridge regression over the clips: 0.70 of the variance).
    """
    mels = [torch.from_numpy(mels_of_frames(clip)) for clip in clips]
    lips = torch.cat([hearing.before_style(each) for each in mels]).double()
    styles = torch.cat([painter.audio_style(each) for each in mels]).double()
    mean_lips, mean_style = lips.mean(0), styles.mean(0)
    lips, styles = lips - mean_lips, styles - mean_style
    held = ridge * len(lips) * torch.eye(lips.shape[1], dtype=lips.dtype)
    slopes = torch.linalg.solve(lips.T @ lips + held, lips.T @ styles)
    painted = {k: v for k, v in painter.state_dict().items() if not k.startswith("audio_encoder")}
    hearing.load_state_dict({**hearing.state_dict(), **painted})
    weight, bias = hearing.audio_encoder_to_style[-1].parameters()
    weight.copy_(slopes.T[:, :, None, None])
    bias.copy_(mean_style - mean_lips @ slopes)
    return hearing


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
