"""How well experts tell fitting sounds from others, on clips they have not seen.

    python benchmarks/expert.py EXPERT … SHARDS …

Files are experts, folders are shards; each pair of them is a row of the table. Name folders of clips that were held
out of the training.
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

MOST = 24
"""Clips of a folder that are measured, evenly chosen: all windows of each are embedded, which takes minutes."""
COMMANDS = """```
lipdub prepare shared/footage/training/grid -o shards-grid        # all but the last 50 clips, which are heldout-grid
lipdub prepare shared/footage/training/words -o shards-words      # all but c04, c13, c23, c30: heldout-words
lipdub prepare shared/footage/training/others -o shards-others    # every second file; the others: heldout-others
lipdub train-expert shards-grid -o grid.safetensors --width 8 --batch-size 24 --lr 1e-3 --precision bf16 \\
    --workers 1 --choice 1 --steps 1000
lipdub train-expert shards-grid shards-words shards-others -o all.safetensors --init-from grid.safetensors \\
    --batch-size 24 --lr 1e-3 --precision bf16 --workers 1 --choice 1
```

After 200 updates of the first training, on 10 of the held-out clips, with and without the term that compares the sounds of
a clip with each other (--choice 1 and 0): pairs 0.812 (0.787–0.829) and 0.828 (0.788–0.855), true sound nearer 0.877
(0.845–0.900) and 0.887 (0.849–0.913). It is no help there, and off by default."""
EXPLAINED = (
    "Means over clips, with 95 % intervals (bootstrap over clips). *Pairs*: share of right answers, with the cosine "
    "above 0.5 for yes, where half the pairs are true and half have the sound of another window of the same clip, at "
    "least five frames away. *True sound nearer*: than that of another window of the clip (no threshold), and than "
    "that of another clip. *Offset*: found within one frame among shifts of up to 15 frames, by one window of five "
    "frames and by a whole clip. The words last 1.2 s, which leaves fewer shifts and wrong windows that are near; "
    "their sound comes 1 to 2 frames late by lips and loudness, and not in all folders alike. The others are "
    "few, mixed, and partly generated."
)
HEAD = (
    "expert", "held-out clips", "clips", "speakers", "pairs, chance 0.5", "true sound nearer, same clip, chance 0.5",
    "other clip, chance 0.5", "offset, window", "offset, clip",
)  # fmt: skip


def shown(interval, chance=None):
    said = f"{interval.value:.3f} ({interval.low:.3f}–{interval.high:.3f})"
    return said if chance is None else f"{said}, chance {chance.value:.3f}"


def measured(path, folder):
    clips = Clips([folder])
    chosen = clips[:: -(-len(clips) // MOST)]
    found = score(load_sync_expert(path), chosen)
    return (
        path.stem, folder.name, len(chosen), len({clip.speaker for clip in chosen}), shown(found.accuracy),
        shown(found.better), shown(found.stranger), shown(found.window_offset, found.window_chance),
        shown(found.clip_offset, found.clip_chance),
    )  # fmt: skip


def described(path):
    kept = json.loads(read_weights(path)[1].get(METADATA, "{}"))
    expert = load_sync_expert(path)
    size = f"width {expert.width}, {sum(p.numel() for p in expert.parameters()):,} parameters"
    return f"{path.stem} ({size}, {kept.get('step', 'an unknown number of')} updates)"


def main() -> None:
    torch.set_num_threads(1)
    given = [Path(name) for name in sys.argv[1:]]
    paths, folders = [p for p in given if p.is_file()], [p for p in given if p.is_dir()]
    rows = []
    for path in paths:
        for folder in folders:
            rows.append(measured(path, folder))
            print(rows[-1], flush=True)
    put(
        "expert",
        f"## The sync expert on held-out clips\n\n{EXPLAINED}\n\n"
        f"Experts: {'; '.join(described(path) for path in paths)}. The published width is 32. Trained on two processor "
        f"cores shared with other work, within an hour and a half:\n\n{COMMANDS}\n\n{table(HEAD, rows)}",
    )


if __name__ == "__main__":
    main()
