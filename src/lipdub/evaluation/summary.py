"""From what was measured of each clip to a table of systems."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lipdub.evaluation.bootstrap import Interval, interval, mean_interval
from lipdub.evaluation.fid import fid
from lipdub.evaluation.measure import Measured
from lipdub.evaluation.tables import Column, ResultTable, Row

Clip = Mapping[str, Measured]
"""What was measured of one clip, by systems."""

REAL = "real video"
"""The system that changes nothing."""
FID_RESAMPLES = 100
"""Draws of clips for the interval of FID, each of which takes a tenth of a second."""
FEWEST_FEATURES = 2

METRICS = (
    Column("fid", "FID", better="down"),
    Column("ssim", "SSIM", better="up", digits=3),
    Column("psnr", "PSNR", better="up"),
    Column("lpips", "LPIPS", better="down", digits=3),
    Column("lmd", "LMD", better="down"),
    Column("sync_c", "Sync-C", better="up"),
    Column("sync_d", "Sync-D", better="down"),
    Column("expert_gain", "expert: cosine above that of other sounds", better="up", digits=3),
    Column("identity", "identity", better="up", digits=3),
    Column("truth", "aperture, correlation with the true speaker", better="up"),
    Column("truth_best", "the same at its best lag, ±5 frames", better="up"),
    Column("leak", "leak", better="down"),
    Column("leak_share", "leak, slope"),
    Column("flicker", "flicker"),
)
"""What may be measured, in the order of the paper's Table 2, and what does not flatter behind it."""
LIKENESS = frozenset({"ssim", "psnr", "lpips"})
"""How like the real video pictures are; if that says something else, its lips should not be repeated."""


def summarise(
    clips: Sequence[Clip], group: str, notes: Mapping[str, str] | None = None, *, alike: bool = True
) -> ResultTable:
    """The table of all systems over all clips.

    Columns that were measured of no clip are left out. A system that is missing in some clips is averaged
    over the others, as its counts tell.

    Args:
        clips: of each clip, by systems; `REAL` is the row that comes first.
        group: of the columns: the mode.
        notes: of rows, by systems.
        alike: the real video is what the systems should show; otherwise `LIKENESS` is neither good nor bad.
    """
    names = list(dict.fromkeys([REAL, *(name for clip in clips for name in clip)]))
    rows = [Row(name, _cells(clips, name), (notes or {}).get(name, "")) for name in names]
    measured = {key for row in rows for key, cell in row.cells.items() if cell.clips}
    columns = [
        replace(metric, group=group, better=metric.better if alike or metric.key not in LIKENESS else "")
        for metric in METRICS
        if metric.key in measured
    ]
    kept = [Row(r.system, {k: c for k, c in r.cells.items() if k in measured}, r.note) for r in rows]
    return ResultTable(columns, kept)


def _cells(clips: Sequence[Clip], system: str) -> dict[str, Interval]:
    own = [clip[system] for clip in clips if system in clip]
    keys = [metric.key for metric in METRICS if metric.key != "fid"]
    cells = {key: mean_interval([each.figures.get(key, np.nan) for each in own]) for key in keys}
    return {"fid": fid_interval(clips, system), **cells}


def fid_interval(clips: Sequence[Clip], system: str) -> Interval:
    """FID of a system against the real video of the same clips; none where either has no features."""
    both = [(clip[system].features, clip[REAL].features) for clip in clips if system in clip and REAL in clip]
    pairs = [(ours, real) for ours, real in both if ours is not None and real is not None]
    if sum(len(ours) for ours, _ in pairs) < FEWEST_FEATURES:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    if all(np.array_equal(ours, real) for ours, real in pairs):
        return Interval(0.0, 0.0, 0.0, len(pairs))

    def distance(chosen: np.ndarray[tuple[int], np.dtype[np.intp]]) -> float:
        ours, real = (np.concatenate([pairs[i][side] for i in chosen]) for side in (0, 1))
        return fid(ours, real)

    return interval(distance, len(pairs), resamples=FID_RESAMPLES, centred=True)
