"""Tables of systems: the real video first, honest counts, and FID over the same clips for both."""

import numpy as np
import pytest

from lipdub.evaluation.fid import fid
from lipdub.evaluation.measure import Measured
from lipdub.evaluation.summary import REAL, fid_interval, summarise
from lipdub.evaluation.tables import to_markdown

random = np.random.default_rng(3)


def clip(shift: float, leak: float = 0.5, **others: Measured) -> dict[str, Measured]:
    real = random.standard_normal((6, 4)).astype(np.float32)
    made = Measured({"leak": leak, "ssim": 0.9}, real + np.float32(shift))
    return {"Ours": made, REAL: Measured({"leak": 1.0, "ssim": 1.0}, real), **others}


def test_rows_and_columns():
    clips = [clip(1, 0.2), clip(1, 0.4), clip(1, float("nan"), Other=Measured({"ssim": 0.5}))]
    table = summarise(clips, "cross", {"Ours": "a note"})
    assert [row.system for row in table.rows] == [REAL, "Ours", "Other"]
    assert [column.key for column in table.columns] == ["fid", "ssim", "leak"]
    assert all(column.group == "cross" for column in table.columns)
    ours, other = table.rows[1].cells, table.rows[2].cells
    assert ours["leak"].value == pytest.approx(0.3) and ours["leak"].clips == 2
    assert other["ssim"].clips == 1 and other["fid"].clips == 0
    assert table.rows[1].note == "a note" and "(1) a note" in to_markdown(table)


def test_likeness_is_good_only_where_the_real_video_is_the_goal():
    clips = [clip(1), clip(2)]
    better = [{c.key: c.better for c in summarise(clips, "", alike=alike).columns} for alike in (True, False)]
    assert better[0]["ssim"] == "up" and better[1]["ssim"] == ""
    assert better[0]["leak"] == better[1]["leak"] == "down"


def test_fid_of_a_shifted_copy_is_the_square_of_the_shift():
    clips = [clip(2) for _ in range(8)]
    found = fid_interval(clips, "Ours")
    assert found.value == pytest.approx(4 * 2**2, rel=1e-5) and found.clips == 8
    assert found.low == pytest.approx(found.value, rel=1e-4)
    assert fid_interval(clips, REAL).value == 0


def test_fid_is_over_all_clips_together_and_its_interval_is_about_it():
    clips = []
    for _ in range(10):
        pair = clip(0)
        noise = random.standard_normal((6, 4)).astype(np.float32)
        clips.append(pair | {"Ours": Measured({}, pair[REAL].features + noise)})
    found = fid_interval(clips, "Ours")
    ours, real = (np.concatenate([each[name].features for each in clips]) for name in ("Ours", REAL))
    assert found.value == pytest.approx(fid(ours, real))
    assert found.low < found.value < found.high


def test_without_features_there_is_no_fid():
    clips = [{REAL: Measured({"ssim": 1.0}), "Ours": Measured({"ssim": 0.5})}]
    assert fid_interval(clips, "Ours").clips == 0
    assert [column.key for column in summarise(clips, "").columns] == ["ssim"]
