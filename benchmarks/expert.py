"""How well an expert tells fitting sounds from others, on clips it has not seen.

    python benchmarks/expert.py EXPERT SHARDS …

Each folder of shards is a row of the table; name folders of clips that were held out of the training.
"""

import json
import sys
from pathlib import Path

import torch

from common import put, table
from lipdub.dataset.clips import Clips
from lipdub.models.checkpoint import read_weights
from lipdub.models.sync_expert import load_sync_expert
from lipdub.training.expert_run import METADATA
from lipdub.training.expert_scores import score

COMMANDS = """```
lipdub prepare shared/footage/training/grid -o shards-grid      # its last 50 clips by name: heldout-grid
lipdub train-expert shards-grid --held-out heldout-grid -o expert.safetensors --width 8 --batch-size 24 \\
    --lr 1e-3 --precision bf16 --workers 1
```"""
EXPLAINED = (
    "Means over clips, with 95 % intervals (bootstrap over clips). *Pairs*: share of right answers, with the cosine "
    "above 0.5 for yes, where half the pairs are true and half have the sound of another window of the same clip, at "
    "least five frames away. *True sound nearer*: than that of another window of the clip (no threshold), and than "
    "that of another clip. *Offset*: found within one frame among shifts of up to 15 frames, by one window of five "
    "frames and by a whole clip."
)


def shown(interval, chance=None):
    said = f"{interval.value:.3f} ({interval.low:.3f}–{interval.high:.3f})"
    return said if chance is None else f"{said}, chance {chance.value:.3f}"


def main() -> None:
    torch.set_num_threads(1)
    path, folders = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
    expert = load_sync_expert(path)
    kept = json.loads(read_weights(path)[1].get(METADATA, "{}"))
    rows = []
    for folder in folders:
        clips = Clips([folder])
        found = score(expert, clips)
        rows.append((
            folder.name, len(clips), len(set(clips.speakers)), shown(found.accuracy), shown(found.better),
            shown(found.stranger), shown(found.window_offset, found.window_chance),
            shown(found.clip_offset, found.clip_chance),
        ))  # fmt: skip
        print(rows[-1], flush=True)
    learnt = ", ".join(f"{name} {value}" for name, value in kept.get("recipe", {}).items() if name != "clips")
    put(
        "expert",
        f"## The sync expert on held-out clips\n\n{EXPLAINED}\n\n"
        f"The expert: width {expert.width} ({sum(p.numel() for p in expert.parameters()):,} parameters; 32 as published), "
        f"after {kept.get('step', '?')} updates ({learnt}), on two processor cores shared with others:\n\n{COMMANDS}\n\n"
        + table(
            ("held-out clips", "clips", "speakers", "pairs, chance 0.5", "true sound nearer, same clip, chance 0.5",
             "other clip, chance 0.5", "offset, window", "offset, clip"),
            rows,
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
