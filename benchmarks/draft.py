"""The draft weights: how they are trained, and what they measure on people they were not trained on.

    python benchmarks/draft.py train     --work DIR --shards DIR --expert FILE
    python benchmarks/draft.py measure   --work DIR --held-out DIR --set grid [--clips N]
    python benchmarks/draft.py presets   --work DIR --held-out DIR [--clips N]
    python benchmarks/draft.py published --work DIR [--reference first] [--clips N]
    python benchmarks/draft.py hearing   --work DIR --shards DIR
    python benchmarks/draft.py estimates --work DIR --shards DIR
    python benchmarks/draft.py sheet     --work DIR
    python benchmarks/draft.py table     --work DIR

`train` goes on where it was stopped, through all stages of `draft_recipe.py`; DIR of `--shards` has the folders that
`lipdub prepare` made of the footage (see `SHARDS`). `measure` paints every frame of clips that nobody was trained on, with
their own sound and the face of another clip of the speaker; `published` paints the authors' examples, on which the true
mouth is somebody else's. Both keep what they found of each clip, and go on from there. All but `train` are of the weights
of the package, or of --weights FILE, in the steps of the preset draft, or in --steps N; what they find lies in a folder
of DIR that is named after both.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from draft_clips import measure, presets
from draft_examples import published
from draft_inside import estimates, hearing
from draft_page import sheet, tell
from draft_recipe import train
from lipdub.cache import sha256_of
from lipdub.options import PRESETS
from lipdub.weights import locate

COMMANDS = {
    "train": train,
    "measure": measure,
    "presets": presets,
    "hearing": hearing,
    "estimates": estimates,
    "published": published,
    "sheet": sheet,
    "table": tell,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--expert", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--set", dest="name", default="grid")
    parser.add_argument("--clips", type=int)
    parser.add_argument("--steps", type=int, default=PRESETS["draft"].steps)
    parser.add_argument("--reference", default="first")
    given = parser.parse_args()
    if given.what != "train":
        given.weights = given.weights or locate("draft")
        given.work /= f"{sha256_of(given.weights)[:12]}-{given.steps}"
    given.work.mkdir(parents=True, exist_ok=True)
    COMMANDS[given.what](given)


if __name__ == "__main__":
    main()
