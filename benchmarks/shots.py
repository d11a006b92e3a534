"""Cuts and dissolves: ours and PySceneDetect's, on real clips and on edits made of them.

PySceneDetect is not needed by lipdub; where it is not installed (``pip install scenedetect==0.7.2``), its rows are
left out. Every detector sees the same frames, 320 pixels wide.
"""

import importlib.util
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import cv2
import numpy as np

from common import FOOTAGE, put, table
from lipdub.faces.shots import CutDetector

SIZE = (320, 180)
FPS = 25
SHOT = 40
"""Frames of each of the two clips that are whole, before and after an edit."""
EDITS = 40
"""Edits of each kind."""
SEED = 2
"""The thresholds were chosen with seed 1."""

# By eye, on contact sheets of the frames around every candidate. In the film the frames 537 to 544 are a blow across
# the picture, a black frame and plain ones: whatever is found there is neither right nor wrong. So it is with frame 72
# of face_noface and the last frame of noface_face, single black frames, and with frame 400 of the interview, before
# which frames are missing.
REAL = {
    "six_cuts_dubbed_film.mp4": ([59, 227, 290, 400], range(536, 545)),
    "small_faces_cuts_2997.mp4": ([20, 82, 211], range(0)),
    "face_noface.mov": ([73], range(72, 73)),
    "noface_face.mov": ([96], range(168, 169)),
    "carphone_176x144.mp4": ([], range(0)),
    "speaker_2213fps.mp4": ([], range(0)),
    "speaker_beard_1080p.mp4": ([], range(0)),
    "speaker_portrait_1080p.mp4": ([], range(0)),
    "stage_small_face.mp4": ([], range(0)),
    "three_faces_1080p.mp4": ([], range(0)),
    "two_faces_interview.mp4": ([], range(400, 401)),
}


class Edit(NamedTuple):
    """A movie in memory, and where its cuts are.

    Attributes:
        frames: [N, H, W, 3] BGR.
        cuts: first and last frame of each transition; a hard cut has one frame.
        ignored: frames at which a cut is neither right nor wrong.
    """

    frames: np.ndarray
    cuts: list[tuple[int, int]]
    ignored: range = range(0)


class Score(NamedTuple):
    true: int
    found: int
    right: int
    errors: list[float]


def read(path, size=SIZE, limit=10_000):
    """Frames of a clip, cut to the shape of `size` and scaled to it; of the authors' panels, the source."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while len(frames) < limit:
        ok, frame = capture.read()
        if not ok:
            break
        frame = frame[:, :224] if "published" in str(path) else frame
        height, width = frame.shape[:2]
        rows = min(height, width * size[1] // size[0])
        top = (height - rows) // 3
        frames.append(cv2.resize(frame[top : top + rows], size, interpolation=cv2.INTER_AREA))
    return np.array(frames)


def shots():
    """Stretches of one shot each, of different people and places."""
    spans = {"six_cuts_dubbed_film.mp4": [(0, 58), (60, 226), (228, 289), (301, 399), (401, 465)],
             "small_faces_cuts_2997.mp4": [(20, 81), (83, 210), (211, 275)], "face_noface.mov": [(0, 71), (74, 169)]}  # fmt: skip
    for name in REAL:
        if name != "noface_face.mov":
            frames = read(FOOTAGE / "scenes" / name, limit=545)
            yield from (frames[a:b] for a, b in spans.get(name, [(0, len(frames))]))
    for path in (*sorted((FOOTAGE / "training" / "others").glob("*.mp4")), *published()):  # fmt: skip
        yield read(path, limit=150)


def published():
    """Of the authors' results, one for every fourth of the people in them."""
    people = {path.stem.split("__")[1][:7]: path for path in sorted((FOOTAGE / "published").glob("*.mp4"))}
    return [people[name] for name in sorted(people)][::4]


def two(pool, rng, length):
    """`length` frames of each of two different shots."""
    a, b = rng.choice(len(pool), 2, replace=False)
    starts = [rng.integers(0, len(pool[i]) - length + 1) for i in (a, b)]
    return [pool[i][s : s + length] for i, s in zip((a, b), starts, strict=True)]


def joined(pool, rng, mix):
    """Two shots of which the last and first frames are laid over one another with weights [n, 2]."""
    n = len(mix)
    a, b = two(pool, rng, SHOT + n)
    over = [cv2.addWeighted(x, wa, y, wb, 0) for x, y, (wa, wb) in zip(a[SHOT:], b[:n], mix, strict=True)]
    return Edit(np.array([*a[:SHOT], *over, *b[n:]]), [(SHOT, SHOT + n)])


def dissolve(seconds):
    up = np.arange(1, round(seconds * FPS) + 1) / (round(seconds * FPS) + 1)
    return np.stack([1 - up, up], axis=1)


def through_black(seconds):
    t = np.linspace(-1, 1, round(seconds * FPS))
    return np.stack([np.maximum(-t, 0), np.maximum(t, 0)], axis=1)


def darker(pool, rng):
    """A hard cut between two shots at a third of their brightness."""
    edit = joined(pool, rng, np.empty((0, 2)))
    return Edit(np.array(edit.frames / 3, np.uint8), edit.cuts)


def flash(pool, rng, strength, ignored=False):
    """One shot, for two frames of which a light is added; a strength of 1 leaves nothing of it."""
    frames = two(pool, rng, SHOT)[0].astype(np.float32)
    at = SHOT // 2
    frames[at : at + 2] = frames[at : at + 2] * (1 - strength) + 255 * strength
    return Edit(frames.astype(np.uint8), [], range(at, at + 3) if ignored else range(0))


def moving(wide, rng, speed, zoom):
    """A window that passes over a clip of twice its size, or comes closer; rests before and after."""
    clip = wide[rng.integers(len(wide))]
    start = rng.integers(0, len(clip) - SHOT + 1)
    frames, way = [], np.clip((np.arange(SHOT) - 12) * speed, 0, 1)
    for frame, s in zip(clip[start : start + SHOT], way, strict=True):
        share = 1 - 0.6 * s if zoom else 0.5
        w, h = (round(v * share) for v in (2 * SIZE[0], 2 * SIZE[1]))
        x = (2 * SIZE[0] - w) // 2 if zoom else round((2 * SIZE[0] - w) * s)
        y = (2 * SIZE[1] - h) // 3
        frames.append(cv2.resize(frame[y : y + h, x : x + w], SIZE, interpolation=cv2.INTER_AREA))
    return Edit(np.array(frames), [])


def edits(seed=SEED, count=EDITS) -> Iterator[tuple[str, list[Edit]]]:
    """All made edits, by kind."""
    pool = [s for s in shots() if len(s) > SHOT + 2 * FPS] + [
        s for s in shots() if SHOT + 2 * FPS >= len(s) > SHOT
    ]
    long = [s for s in pool if len(s) > SHOT + 2 * FPS]
    scenes = FOOTAGE / "scenes"
    wide = [read(scenes / n, (2 * SIZE[0], 2 * SIZE[1]), 200) for n in ("speaker_beard_1080p.mp4", "speaker_portrait_1080p.mp4", "three_faces_1080p.mp4", "two_faces_interview.mp4")]  # fmt: skip
    kinds = {
        "hard cuts": lambda rng: joined(pool, rng, np.empty((0, 2))),
        "hard cuts in the dark": lambda rng: darker(pool, rng),
        **{f"dissolves, {s} s": lambda rng, s=s: joined(long, rng, dissolve(s)) for s in (0.2, 0.5, 1.0, 2.0)},
        **{f"fades through black, {s} s": lambda rng, s=s: joined(long, rng, through_black(s)) for s in (0.5, 1.0, 2.0)},
        "flashes": lambda rng: flash(pool, rng, 0.6),
        "flashes of pure white": lambda rng: flash(pool, rng, 1.0, ignored=True),
        "fast pans, 0.1–0.5 s": lambda rng: moving(wide, rng, rng.uniform(0.08, 0.4), zoom=False),
        "crash zooms, 0.1–0.5 s": lambda rng: moving(wide, rng, rng.uniform(0.08, 0.4), zoom=True),
    }  # fmt: skip
    for number, (kind, make) in enumerate(kinds.items()):
        yield kind, [make(np.random.default_rng((seed, number, i))) for i in range(count)]


def score(edit: Edit, found: list[int]) -> Score:
    """A cut is right within one frame, a transition from a frame before its first to three after its last."""
    found = [f for f in found if f and f not in edit.ignored]
    left, errors = list(found), []
    for first, last in edit.cuts:
        near = [f for f in left if first - 1 <= f <= (last + 3 if last > first else first + 1)]
        if near:
            middle = (first + last) / 2
            best = min(near, key=lambda f: abs(f - middle))
            left.remove(best)
            errors.append(best - middle)
    return Score(len(edit.cuts), len(found), len(errors), errors)


def ours(frames):
    is_cut = CutDetector()
    return [i for i, frame in enumerate(frames) if is_cut(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))]


def pyscenedetect(*makers):
    """The cuts of one or more of its detectors, each with its published settings."""

    def found(frames):
        from scenedetect import FrameTimecode

        cuts = set()
        for make in makers:
            detector, timecode = make(), None
            for i, frame in enumerate(frames):
                timecode = FrameTimecode(i, Fraction(FPS))
                cuts |= {c.frame_num for c in detector.process_frame(timecode, frame)}
            cuts |= {c.frame_num for c in detector.post_process(timecode)}
        return sorted(cuts)

    return found


def detectors():
    """Name → function from frames [N, H, W, 3] BGR to the frames that begin a shot."""
    known = {"ours": ours}
    if importlib.util.find_spec("scenedetect"):
        from scenedetect import AdaptiveDetector, ContentDetector, ThresholdDetector

        known["PySceneDetect adaptive"] = pyscenedetect(AdaptiveDetector)
        known["PySceneDetect content"] = pyscenedetect(ContentDetector)
        known["PySceneDetect adaptive + threshold"] = pyscenedetect(AdaptiveDetector, ThresholdDetector)
    return known


def added(scores: list[Score]) -> Score:
    return Score(*(sum(values, [] if i == 3 else 0) for i, values in enumerate(zip(*scores, strict=True))))


def cell(s: Score) -> str:
    error = f", {np.mean(np.abs(s.errors)):.1f}" if s.errors else ""
    return f"{s.right}/{s.true}, {s.found - s.right} false{error}"


def summary(s: Score) -> str:
    return f"**precision {s.right / max(s.found, 1):.3f}, recall {s.right / max(s.true, 1):.3f}**"


def material(seed):
    real = [
        Edit(read(FOOTAGE / "scenes" / n), [(c, c) for c in cuts], rest) for n, (cuts, rest) in REAL.items()
    ]
    yield "the real clips", real
    yield from edits(seed)


def main() -> None:
    known = detectors()
    totals, spent, frames, rows = {n: [] for n in known}, dict.fromkeys(known, 0.0), 0, []
    for kind, made in material(int(sys.argv[1]) if len(sys.argv) > 1 else SEED):
        row = [kind]
        for name, detect in known.items():
            began = time.perf_counter()
            scores = added([score(edit, detect(edit.frames)) for edit in made])
            spent[name] += time.perf_counter() - began
            totals[name].append(scores)
            row.append(cell(scores))
        frames += sum(len(edit.frames) for edit in made)
        rows.append(row)
        print(*row, sep=" | ", flush=True)
    rows.append(["all", *(summary(added(totals[n])) for n in known)])
    rows.append(["ms a frame", *(f"{1000 * spent[n] / frames:.2f}" for n in known)])
    text = (
        "## Shots\n\n"
        "Transitions found of those that are there, false ones, and the mean distance in frames from a cut, or from the "
        f"middle of a dissolve. {EDITS} edits of each kind, made of real clips at {FPS} frames a second, {SIZE[0]}×{SIZE[1]}; "
        "the real clips whole, their cuts listed by eye. *In the dark*: a third of the brightness. *Flashes* leave two "
        "fifths of the picture; a flash of pure white may be a shot of its own. Pans cross a whole width of the picture, zooms "
        "end at 2.5 times the size. The thresholds of ours were chosen on edits of another seed.\n\n"
        + table(["", *known], rows)
    )  # fmt: skip
    if len(sys.argv) > 1:
        print(text)
    else:
        put("shots", text)


if __name__ == "__main__":
    main()
