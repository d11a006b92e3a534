"""Damaged movies, sounds, plans and pictures by the thousand, and what becomes of each.

``python fuzz.py --cases 2000 --seed 0 --jobs 2``; case N of a run is number seed + N, and
``python -m tests.support.fuzzing FOLDER NUMBER`` does it again. The exit code is 1 if any case went wrong.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from common import ROOT, put, table

sys.path.insert(0, str(ROOT))

from tests.support.bombs import MOVIE_BOMBS, SOUND_BOMBS
from tests.support.fuzzing import GOOD, Outcome, run_cases, warm_up
from tests.support.specimens import MOVIES, SOUNDS


def names(cases: int, seed: int) -> Iterator[int | str]:
    """Every undamaged file, every file made by hand, and then chance."""
    yield from (f"clean {name}" for name in MOVIES | SOUNDS)
    yield from (f"movie {name}" for name in MOVIE_BOMBS)
    yield from (f"sound {name}" for name in SOUND_BOMBS)
    yield from range(seed, seed + cases)


def run(cases: int, seed: int, jobs: int, log: Path | None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    asked = list(names(cases, seed))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-files-") as folder:
        warm_up(Path(folder), asked)
        for outcome in run_cases(asked, Path(folder), jobs):
            outcomes.append(outcome)
            if log:
                with log.open("a") as file:
                    file.write(json.dumps(asdict(outcome)) + "\n")
            if not outcome.good:
                print(f"{outcome.verdict}: {outcome.what} [{outcome.name}]\n    {outcome.detail}", flush=True)
            if len(outcomes) % 100 == 0:
                bad = sum(not o.good for o in outcomes)
                print(
                    f"{len(outcomes)}/{len(asked)}, {bad} wrong, {time.monotonic() - began:.0f} s", flush=True
                )
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--log", type=Path, help="a file that gets a line of JSON for each case")
    parser.add_argument("--dry", action="store_true", help="do not write the benchmark page")
    given = parser.parse_args()
    outcomes = run(given.cases, given.seed, given.jobs, given.log)
    counts = Counter(outcome.verdict for outcome in outcomes)
    bad = [outcome for outcome in outcomes if not outcome.good]
    print(f"{len(outcomes)} cases: {', '.join(f'{n} {kind}' for kind, n in counts.most_common())}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
