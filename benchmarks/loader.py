"""Does the data keep up? Images a second of the loader alone, and of a training step alone.

python benchmarks/loader.py SHARDS [DEVICE]
"""

import os
import sys
import time
from itertools import islice

import cv2
import torch

from common import put, table
from lipdub.dataset.clips import Clips
from lipdub.dataset.sampling import NONE, SMALL_SET
from lipdub.diffusion import select_device
from lipdub.models import Diff2LipConfig
from lipdub.training.expert_options import ExpertOptions
from lipdub.training.expert_run import new_run, update
from lipdub.training.loader import Pairs, Scenes, Taking, batches_of

BATCH, BATCHES = 16, 6
IMAGES = 6
"""In a scene: five frames and a reference."""
WORKERS = (0, 1, 2)


def loaded(samples, workers):
    """Samples a second of the loader alone, after its workers have begun; CPU milliseconds a sample with none."""
    batches = batches_of(samples, BATCH, workers=workers, pin=False)
    next(batches)
    wall, cpu = time.perf_counter(), time.process_time()
    # What workers had ready before is a part of what they make in the time measured: they are kept waiting no more.
    count = BATCHES + 4 * workers
    for _ in islice(batches, count):
        pass
    return BATCH * count / (time.perf_counter() - wall), (time.process_time() - cpu) / (BATCH * count) * 1000


def main() -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    clips = Clips([sys.argv[1]])
    device, dtype = select_device(*sys.argv[2:3])
    rows = []
    for size in (64, 128):
        for name, changes in (("no", NONE), ("yes", SMALL_SET)):
            samples = Scenes(clips, Taking(size, augmentation=changes))
            cost = loaded(samples, 0)[1]
            speeds = [f"{IMAGES * loaded(samples, workers)[0]:.0f}" for workers in WORKERS]
            rows.append((f"{size}×{size}", name, f"{cost:.1f} ms", f"{IMAGES * 1000 / cost:.0f}", *speeds))
    steps = [expert_step(clips, width, device, dtype) for width in (8, 32)]
    steps += [network_step(name, size, device) for name, size in (("tiny64", 64), ("paper128", 128))]
    put(
        "loader",
        "## Loading training data\n\n"
        "Six JPEG pictures (five frames and a reference), the sound and six mel windows a sample, read from shards that the "
        f"system has in memory; {len(clips)} clips, {os.cpu_count()} processors that other work was using too "
        f"(load {os.getloadavg()[0]:.0f}): CPU time is what to go by, images a second of wall time are a lower bound.\n\n"
        + table(
            ("pictures", "changed at random", "CPU a sample", "images a CPU second",
             *(f"images/s, {w} workers" if w else "images/s, same process" for w in WORKERS)),
            rows,
        )
        + f"\n\nA step alone, on {device.type}, one thread, forward and backward:\n\n"
        + table(("step", "sequences", "CPU a step" if device.type == "cpu" else "time a step", "images a second"), steps),
    )  # fmt: skip


def timed(step, device):
    """Seconds of the second call: of the processor where it computes, else of the clock."""
    step()
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    begun = clock()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - begun


def expert_step(clips, width, device, dtype):
    run = new_run(ExpertOptions(width=width), device, dtype)
    batch = next(batches_of(Pairs(clips, Taking(96), 4, 5), BATCH, pin=False))
    seconds = timed(lambda: update(run, batch, 1.0), device)
    return f"expert, width {width}, {str(dtype)[6:]}", BATCH, f"{seconds:.2f} s", f"{5 * BATCH / seconds:.0f}"


def network_step(name, size, device):
    """Diff2Lip's own forward and backward pass alone, which is the least a step can be."""
    from lipdub.models import Diff2Lip

    tiny = Diff2LipConfig(64, width=32, multipliers=(1, 2, 3, 4), head_width=32)
    network = Diff2Lip(tiny if name == "tiny64" else Diff2LipConfig()).to(device).train()
    x_t, condition, reference = torch.randn(3, 5, 3, size, size, device=device)
    mels, t = torch.randn(5, 80, 16, device=device), torch.randint(0, 1000, (5,), device=device)
    seconds = timed(lambda: network(x_t, t, condition, reference, mels).square().mean().backward(), device)
    return f"Diff2Lip {name}", 1, f"{seconds:.2f} s", f"{5 / seconds:.1f}"


if __name__ == "__main__":
    main()
