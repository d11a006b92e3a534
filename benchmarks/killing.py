"""Kill runs with SIGKILL at random and at chosen moments, run them again, and compare the outputs byte by byte.

The whole road on a real clip: the real landmarker, the small network with weights by name, on the CPU. Segments are
of one second and parts of the analysis of 25 frames, so that there are many of both. ``python killing.py [SEED]``
"""

import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from common import FOOTAGE, ROOT, put, table

sys.path.insert(0, str(ROOT))
os.chdir(ROOT)

from tests.support.killing import MOMENTS, Job, run_job
from tests.support.weights import save_tiny_checkpoint

CLIP = FOOTAGE / "scenes" / "speaker_2213fps.mp4"
DUB = FOOTAGE / "speech" / "french_synthetic.wav"
RANDOM = 20


def main(seed: int) -> None:
    moments = random.Random(seed)
    kills = [round(moments.uniform(0.02, 0.98), 3) for _ in range(RANDOM)]
    kills += [(moment, 3 if moment in {"settle", "entry", "torn entry"} else 1) for moment in MOMENTS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = save_tiny_checkpoint(folder / "tiny.safetensors")
        options = {"weights": str(weights), "steps": 1, "device": "cpu", "end": "2"}
        job = Job(
            str(CLIP), str(DUB), str(folder / "out.mp4"), options, kills, "1", 25, str(folder / "cache")
        )
        first, *trials = run_job(job, folder)
    rows = []
    for trial in trials:
        kill = trial["kill"]
        when = f"{100 * kill:.0f} % of the run" if isinstance(kill, float) else f"at “{kill[0]}” {kill[1]}"
        came = trial["stage"] if trial["killed"] else "it had ended"
        same = "yes" if trial["same"] else "NO"
        rows.append((when, came, same, "yes" if trial["clean"] else "no", f"{trial['seconds']:.1f}"))
        print(rows[-1], flush=True)
    stages = Counter(row[1].split(" (")[0] for row in rows)
    text = (
        f"## Killed and run again\n\n{len(trials)} runs over `{CLIP.name}` (135 frames of 700×700, 44 of them analysed and painted), "
        f"each killed with SIGKILL and run again; an uninterrupted run took {first['seconds']:.1f} s. "
        f"{sum(t['same'] for t in trials)} of {len(trials)} outputs are byte-identical to it. The kills fell into: "
        f"{', '.join(f'{stage} {count}' for stage, count in stages.most_common())}.\n\n"
    )
    head = ("killed", "how far it was", "output identical", "work folder gone", "second run took, s")
    put("killing", text + table(head, rows))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
