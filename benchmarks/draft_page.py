"""The section of the draft on the page of the benchmarks, and its contact sheet. Part of `draft.py`."""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from common import put, table
from draft_clips import LONG
from draft_examples import ROW
from draft_inside import ESTIMATED, HELD_OUT
from lipdub.evaluation.bootstrap import mean_interval
from lipdub.evaluation.kept import kept
from lipdub.options import PRESETS, REFERENCES

SETS = {
    "the GRID speaker, clips held out": (("grid",), "at least 0.75"),
    "people never seen": (("words", "generated"), "at least 0.40"),
    "of these, four word speakers": (("words",), ""),
    "of these, eight generated speakers": (("generated",), ""),
}
"""Whose clips, of which folders, and the bar."""
ON_SHEET = ("grid", "generated")
"""Sets of which frames may be shown."""
FIGURES = {
    "truth": "aperture, own sound",
    "late": "shifted by half the clip",
    "aperture_ratio": "movement / true movement",
    "sharp": "sharpness / true (Laplacian)",
    "sharp_gradient": "sharpness / true (gradient)",
    "l1": "error, grey levels",
}
TEXT = """Every frame of clips that nobody was trained on is painted in five steps, with the clip's own sound and the
face of another clip of the speaker, the one that looks most alike (or of the same, half of it away, where he has only one).
Correlation of the aperture of the lips with the true one at lag 0, mean over clips (95 % interval, bootstrap over clips);
*shifted by half the clip* is what chance makes of it. Sharpness is of the mouth at 128 pixels: variance of the Laplacian
and mean square of the gradient, over those of the true frames. Every tenth clip, on which settings were chosen, is left
out."""

FOUND = """What was found on the way, on few clips of those on which settings were chosen, unless more is said:

| what | figures |
|---|---|
| the weights before these, told of the sound whatever they liked (style): heard, painted, of four people never seen (29 clips) | 0.48, 0.31 |
| the same painter, told of the measured lips through a linear fit to its style, 3 clips of people never seen | 0.40 |
| after 250, 750 and (6 clips) 2,500 more updates with lips that are told | 0.80, 0.86, 0.88 |
| after 3,500 and 6,750 of them, told of the measured lips: four people never seen (14 clips); generated ones (2 clips) | 0.80, 0.87; 0.62, 0.85 |
| random weights with lips that are told, 1,000 updates of L2: movement of the GRID speaker's lips over the true one | 0.01 |
| the same weights, one share of x_t for coarse and fine, or two: sharpness by the Laplacian over the true one, grid (1), words (3) | 3.3, 2.1; 1.0, 1.0 |
| hearing by way of lips after 4,200 and 7,500 updates, all held-out clips: grid, words | 0.84, 0.49; 0.86, 0.50 |
| 4,600 updates with voices moved up and down by up to 4 mel bands: grid, words (not kept) | 0.76, 0.48 |
| how many times as far apart heard lips are put, 1.5, 2.5, 3.5 (after the same 6,750), 7 clips of people never seen: agreement; movement over the true one | 0.50, 0.52, 0.50; 1.08, 1.36, 1.53 |
| the same 2 and 2.5 (the weights of the package), 15 clips | 0.43, 0.43; 0.94, 1.05 |
| one frame of each of 16 held-out clips as `sync --preset draft --reference first` pasted it (own sound) and one as filmed, enlarged, shown to a vision model that knew no more | it took 15 of the 16 painted ones for painted and no other; of the painted mouths it called 4 plausible, 6 so-so, 6 not (earlier weights, 14 faces: 2, 5, 7): open ones have streaks or a grey or violet block for teeth, and a broken outline of the lower lip; closed ones pass; GRID 2, 2, 0; words 1, 4, 3; generated 1, 0, 3 |"""


def rows_of(work: Path, name: str) -> list[dict[str, float]]:
    """What was measured of a set."""
    path = work / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def sheet(given: argparse.Namespace) -> None:
    """The three clips of each set on which the lips agree best, and the three on which they agree worst."""
    parts = []
    for name in ON_SHEET:
        ranked = sorted(rows_of(given.work, name), key=lambda row: -row["truth"])
        for row in (*ranked[:3], *ranked[3:][-3:]):
            strip = np.load(given.work / "strips" / f"{name}-{row['clip']}.npy")
            label = np.full((16, strip.shape[1], 3), 255, np.uint8)
            text = f"{row['clip']}: correlation {row['truth']:+.2f} (true above, painted below)"
            cv2.putText(label, text, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
            parts += [label, strip]
    target = Path(__file__).with_name("draft.jpg")
    cv2.imwrite(str(target), np.vstack(parts)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])


def tell(given: argparse.Namespace) -> None:
    """The section of the page."""
    lines = []
    for words, (names, bar) in SETS.items():
        rows = [row for name in names for row in rows_of(given.work, name)]
        if rows:
            lines.append([f"{words}: {len(rows)} clips", bar, *(_cell(rows, key) for key in FIGURES)])
    head = ["clips", "bar", *FIGURES.values()]
    parts = ["## The draft weights", TEXT, table(head, lines), *_hearing_told(given.work)]
    parts += [*_estimates_told(given.work), *_presets_told(given.work), FOUND]
    put("draft", "\n\n".join([*parts, *_references_told(given.work)]))


def _hearing_told(work: Path) -> list[str]:
    path = work / "hearing.json"
    if not path.exists():
        return []
    lines = []
    for which, row in json.loads(path.read_text()).items():
        means = (mean_interval(row[name]) for name in HELD_OUT)
        cells = [f"{m.value:.2f} ({m.low:.2f} … {m.high:.2f})" for m in means]
        lines.append([which, f"{row['style']:.4f}", f"{row['time']:.3f}", *cells])
    text = (
        "What the network is told of the sound is the *style* that is added to the embedding of time. How much it varies "
        "from sound to sound, the embedding of time from step to step (deviation, mean over channels), and how a straight "
        "line through it, fitted on clips of the training, tells the aperture of held-out clips (correlation):"
    )
    return [text, table(["", "style", "time", *HELD_OUT], lines)]


def _estimates_told(work: Path) -> list[str]:
    path = work / "estimates.json"
    if not path.exists():
        return []
    rows = json.loads(path.read_text())
    lines = [[name, *(f"{value:.1f}" for value in row.values())] for name, row in rows.items()]
    text = (
        "How far the one-step estimate of the clean face is off, by diffusion step (RMS, grey levels of the lower half, "
        f"the first {ESTIMATED} held-out clips, tried ones too), beside the reference itself. With a network that says the noise, an error is "
        "157 times as large at step 999 as at 258; here none is enlarged, so the terms that judge the estimate see a face "
        "at every step, and need no weighting by step:"
    )
    return [text, table(["", *next(iter(rows.values()))], lines)]


def _presets_told(work: Path) -> list[str]:
    path = work / "presets.json"
    if not path.exists():
        return []
    rows = json.loads(path.read_text())
    names = {str(preset.steps): name for name, preset in PRESETS.items()}
    keys = {"truth": "aperture", "sharp": "sharpness", "l1": "error, grey levels"}
    lines = [
        [names.get(steps, "–"), steps, *(_cell(found, key) for key in (*keys, "away"))]
        for steps, found in rows.items()
    ]
    head = ["preset", "steps", *keys.values(), f"away from {LONG} steps, grey levels"]
    count = len(next(iter(rows.values())))
    text = (
        f"What steps buy, on {count} of the held-out clips (what becomes sharper with more of them is grain):"
    )
    return [text, table(head, lines)]


def _references_told(work: Path) -> list[str]:
    """How each reference does on the authors' examples."""
    keys = ("truth", "leak", "leak_share", "identity", "flicker", "lpips")
    lines = []
    for name in REFERENCES:
        files = sorted((work / f"published-{name}").glob("*.json"))
        rows = [kept(path.parent, path.stem)[ROW].figures for path in files]
        if rows:
            cells = [_cell([row for row in rows if key in row], key) for key in keys]
            lines.append([name, len(rows), *cells])
    text = (
        "On the authors' examples, by what the network is shown of the person (`--reference`); their own rows, of all "
        "47, stand in the section of the examples:"
    )
    return [text, table(["reference", "clips", *keys], lines)] if lines else []


def _cell(rows: list[dict[str, float]], key: str) -> str:
    found = mean_interval([row[key] for row in rows])
    return f"{found.value:.2f} ({found.low:.2f} … {found.high:.2f})"
