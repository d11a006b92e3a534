"""Images a second of a training step alone, and of the loader alone, per core: ``python benchmarks/training.py SHARDS``.

Counted in seconds of processor time of one thread, so that what else runs on the machine does not matter. What a
step needs on a GPU is asked of the run itself: `images_per_second` and `waited`, the share of time that it stood still
for want of data, are in every line of its log.
"""

import sys
import time
from pathlib import Path

import cv2
import torch

sys.path.insert(0, str(Path(__file__).parent))
from common import put, table
from lipdub.dataset.clips import Clips
from lipdub.training.loader import Scenes, Taking
from lipdub.training.networks import SIZES
from lipdub.training.objective import Judges
from lipdub.training.state import new_run
from lipdub.training.step import Batch, Method, update
from lipdub.training.terms import Weights

SEQUENCES = 1
WEIGHTS = Weights(sync=0, lpips=0)


def main(shards: Path) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rows = []
    for name, sizes in SIZES.items():
        scenes = Scenes(Clips([shards]), Taking(sizes.image_size))
        loaded = rate(lambda number, scenes=scenes: scenes[number], 40) * 5
        for half in (None, torch.bfloat16):
            run = new_run(sizes, judge=True, half=half)
            method = Method(WEIGHTS, Judges(discriminator=run.judge), half=half)
            batch = batch_of(scenes)
            pace = rate(lambda _, run=run, batch=batch, method=method: update(run, [batch], method), 2)
            kind = "fp32" if half is None else "bf16"
            rows.append([f"{name}, {kind}", f"{pace * 5 * SEQUENCES:.2f}", f"{loaded:.0f}"])
            print(rows[-1], flush=True)
            del run
    text = [
        "## A training step, and the loader",
        "Images a second, of one core's processor time. The step has L_simple, L2 and L_GAN; the loader decodes six "
        "pictures of 160×160 and a fifth of a second of sound for every five images.",
        table(["network", "step", "loader"], rows),
    ]
    put("training", "\n\n".join(text))


def batch_of(scenes: Scenes) -> Batch:
    taken = [scenes[number] for number in range(SEQUENCES)]
    return Batch(
        torch.cat([one["frames"] for one in taken]),
        torch.stack([one["reference"] for one in taken]),
        torch.cat([one["mels"] for one in taken]),
        torch.stack([one["mel"] for one in taken]),
    )


def rate(work: object, count: int) -> float:
    """Calls a second of processor time; the first, which warms up, is not counted."""
    work(0)
    began = time.process_time()
    for number in range(1, count + 1):
        work(number)
    return count / (time.process_time() - began)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
