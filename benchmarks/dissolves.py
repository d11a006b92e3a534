"""Dissolves and fades: how exactly their ends are found, and whether anything else is taken for one."""

import sys

import cv2
import numpy as np

import shots
from common import put, table
from lipdub.faces.shots import CutDetector, shrunk
from lipdub.faces.transitions import Kind, TransitionWatch, clearness, distinct

FRAMES = (5, 12, 25, 50)
"""Mixed frames of the made dissolves."""


def measured(frames):
    """The transitions and the first frames of the shots of a movie [N, H, W, 3] BGR in memory."""
    is_cut, watch, found, begun = CutDetector(), TransitionWatch(), [], []
    for i, frame in enumerate(frames):
        cut = is_cut(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        begun += [i] if cut else []
        found += watch(i, shrunk(is_cut.state.last), cut)
    return distinct([*found, *watch.finish()]), begun


def wanted(edit, faded):
    """First and last frames, beside the mixed ones, of what is in a made edit."""
    ((begin, end),) = edit.cuts
    if not faded:
        return [(begin - 1, end)]
    middle = (begin + end - 1) / 2
    return [(begin, int(np.floor(middle))), (int(np.ceil(middle)), end - 1)]


def made(seed, count):
    """Made edits by kind; whether they are fades."""
    pool = [s for s in shots.shots() if len(s) > shots.SHOT + 2 * shots.FPS]
    kinds = [(f"dissolves, {n} frames", shots.dissolve(n / shots.FPS), False) for n in FRAMES]
    kinds += [
        (f"fades through black, {n} frames", shots.through_black(n / shots.FPS), True) for n in FRAMES[1:]
    ]
    for number, (kind, mix, faded) in enumerate(kinds):
        rngs = [np.random.default_rng((seed, 100 + number, i)) for i in range(count)]
        yield kind, faded, [shots.joined(pool, rng, mix) for rng in rngs]


def row(kind, faded, edits):
    errors, missed, other = [], 0, 0
    for edit in edits:
        found = list(measured(edit.frames)[0])
        for first, last in wanted(edit, faded):
            near = [one for one in found if one.first < last and one.last > first]
            best = min(near, key=lambda o: abs(o.first - first) + abs(o.last - last), default=None)
            if best is None:
                missed += 1
                continue
            found.remove(best)
            errors.append((abs(best.first - first), abs(best.last - last)))
        other += sum(one.last - one.first - 1 for one in found)
    count = len(errors) + missed
    ends = [
        f"{np.mean(e):.1f}, {np.median(e):.0f}, {np.quantile(e, 0.9):.0f}, {np.max(e)}"
        for e in np.transpose(errors)
    ]
    return [kind, f"{len(errors)}/{count}", *ends, other]


def real():
    """Rows of the clips: frames, transitions, and frames in which an edit would be weaker or none."""
    for name in shots.REAL:
        frames = shots.read(shots.FOOTAGE / "scenes" / name)
        found, begun = measured(frames)
        clear = clearness(np.arange(len(frames)), begun, found)
        told = ", ".join(f"{Kind(t.kind).name.lower()} {t.first}–{t.last}" for t in found) or "–"
        yield [name, len(frames), told, int((clear < 1).sum())]


def main() -> None:
    seed, count = (int(sys.argv[1]) if len(sys.argv) > 1 else shots.SEED), shots.EDITS // 2
    rows = []
    for kind, faded, edits in made(seed, count):
        rows.append(row(kind, faded, edits))
        print(*rows[-1], sep=" | ", flush=True)
    clips = list(real())
    text = (
        "## Dissolves\n\n"
        "By how many frames the recorded ends of a transition are off: mean, median, nine of ten, worst. An end is the last "
        "frame of the old picture alone, or the first of the new one alone. "
        f"{count} edits of each kind, made of real clips as in `benchmarks/shots.py`, {shots.FPS} frames a second. *Other*: frames "
        "that were taken for a further transition, in all edits of the kind.\n\n"
        + table(["", "found", "begins", "ends", "other"], rows)
        + "\n\nThe real clips, in which there is no dissolve: frames that would be changed less, or not at all.\n\n"
        + table(["", "frames", "transitions", "frames changed less"], clips)
    )
    if len(sys.argv) > 1:
        print(text)
    else:
        put("dissolves", text)


if __name__ == "__main__":
    main()
