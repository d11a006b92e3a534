"""Write a small job into a folder: movie.mp4, dub.wav, plan.json, tiny.safetensors.

``python -m tests.support.small_job FOLDER``; the weights follow from parameter names and mean nothing.
"""

import sys
from pathlib import Path

from lipdub import save_plan
from tests.support.jobs import plan_by_hand
from tests.support.media import click_file, movie
from tests.support.weights import save_tiny_checkpoint


def write_job(folder: Path) -> None:
    """Make the folder and the files in it."""
    folder.mkdir(parents=True, exist_ok=True)
    source = movie(folder / "movie.mp4", size=(160, 96), count=10)
    click_file(folder / "dub.wav", seconds=0.4, times=(0.2,), rate=48_000)
    save_plan(plan_by_hand(source, frames=slice(2, 6)), folder / "plan.json")
    save_tiny_checkpoint(folder / "tiny.safetensors")


if __name__ == "__main__":
    write_job(Path(sys.argv[1]))
