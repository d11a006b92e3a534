"""Trainings small enough for tests, here or in other processes: ``python -m tests.support.training JOB``."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from lipdub.models import Diff2LipConfig
from lipdub.progress import Step
from lipdub.training.config import TrainOptions, choose

SMALL = Diff2LipConfig(
    image_size=16, width=32, multipliers=(1, 2), res_blocks=1, attention_resolutions=(8,), head_width=32,
    audio_multipliers=(1,),
)  # fmt: skip
FEW = {
    "preset": "reconstruction", "weighting_l2": "signal", "steps": 6, "batch_size": 2, "save_every": 2,
    "sample_every": 0, "log_every": 1, "workers": 0, "lr": 1e-3, "device": "cpu", "precision": "fp32",
}  # fmt: skip
GAN = {"preset": "paper", "without": ("sync", "lpips")}


def small_options(folder: Path, **choices: Any) -> TrainOptions:
    """Options of a training of milliseconds a step; its sizes lie in a file in the folder."""
    sizes = folder / "sizes.json"
    sizes.write_text(SMALL.to_json())
    return choose({**FEW, "network": str(sizes), **choices})


def in_another(job: dict[str, Any], folder: Path, *, processes: int = 1) -> subprocess.CompletedProcess[str]:
    """Train in a process of its own, or in several that torchrun starts.

    Args:
        job: `shards`, `run`, `choices` of `small_options`, and `end`: a signal and the step after which the
            process sends it to itself.
        folder: for the job's file.
        processes: how many.
    """
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [
        sys.executable,
        *(torchrun if processes > 1 else []),
        "-m",
        "tests.support.training",
        str(path),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def main(path: Path) -> None:
    from lipdub.training import loop

    torch.set_num_threads(1)
    job = json.loads(path.read_text())
    kind, when = job.get("end") or (None, None)

    def progress(step: Step) -> None:
        if step.done == when:
            os.kill(os.getpid(), signal.Signals[kind])

    options = small_options(path.parent, **job["choices"])
    try:
        loop.train(job["shards"], job["run"], options, progress)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
