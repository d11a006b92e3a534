"""The log of a run, and its pictures."""

import errno
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lipdub.errors import OutputError, RenderError
from lipdub.training.drawing import COLUMNS, CURVE, PANEL, curves, sheet, thinned, write_png
from lipdub.training.logs import Log, is_told, read_log


def test_a_log_goes_on_at_its_step(tmp_path: Path) -> None:
    with Log(tmp_path, 0) as log:
        for step in (1, 2, 3):
            log.add({"step": step, "loss": 1 / 3})
    with Log(tmp_path, 2) as log:
        log.add({"step": 3, "loss": 0.5, "gradient": float("inf")})
        assert [row["step"] for row in log.rows] == [1, 2, 3]
    assert read_log(tmp_path / "log.jsonl") == [
        {"step": 1, "loss": 0.333333}, {"step": 2, "loss": 0.333333}, {"step": 3, "loss": 0.5}
    ]  # fmt: skip


def test_lines_are_due_first_last_and_between() -> None:
    assert [step for step in range(1, 13) if is_told(step, 5, 12)] == [1, 5, 10, 12]
    assert is_told(1, 50, 1)


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "loss": 1.0}\n{"step": 2, "lo')
    with Log(tmp_path, 5) as log:
        log.add({"step": 6, "loss": 2.0})
    assert [row["step"] for row in read_log(path)] == [1, 6]


def test_a_full_disk_leaves_the_lines_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Log(tmp_path, 0) as log:
        log.add({"step": 1, "loss": 0.5})
        opened = Path.open

        def full(self: Path, mode: str = "r", *args: Any, **named: Any) -> Any:
            if "w" in mode or "a" in mode:
                raise OSError(errno.ENOSPC, "No space left on device")
            return opened(self, mode, *args, **named)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", full)
            with pytest.raises(RenderError, match="the disk is full"):
                log.add({"step": 2, "loss": 0.5})
            with pytest.raises(RenderError, match="the disk is full"):
                Log(tmp_path, 1)
    assert read_log(tmp_path / "log.jsonl") == [{"step": 1, "loss": 0.5}]


def test_tensorboard_is_told_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, float, int]] = []

    class Board:
        def add_scalar(self, name: str, value: float, step: int) -> None:
            told.append((name, value, step))

        def close(self) -> None:
            told.append(("closed", 0, 0))

    monkeypatch.setattr("lipdub.training.logs._tensorboard", lambda *_: Board())
    with Log(tmp_path, 0) as log:
        log.add({"step": 4, "loss": 2.0, "simple": 1.0})
    assert told == [("loss", 2.0, 4), ("simple", 1.0, 4), ("closed", 0, 0)]


def test_curves_fall_where_values_fall() -> None:
    rows = [{"step": k, "loss": 10.0 - k, "late": 1.0} if k > 4 else {"step": k, "loss": 10.0 - k}
            for k in range(9)]  # fmt: skip
    picture = curves(rows, ["loss", "late", "absent"])
    assert picture.shape == (PANEL[1], COLUMNS * PANEL[0], 3)
    there = (np.abs(picture[:, : PANEL[0]].astype(int) - CURVE).sum(2) < 60).nonzero()
    heights = [there[0][there[1] == x].mean() for x in sorted(set(there[1]))]
    assert heights[-1] > heights[0] + 100  # further down in the picture
    assert (np.diff(heights) > -2).all()
    assert curves([], ["loss"]).shape == (PANEL[1], PANEL[0], 3)


def test_many_points_are_thinned_by_means() -> None:
    points = np.stack((np.arange(1000.0), np.tile([0.0, 2.0], 500)), axis=1)
    assert thinned(points, 100).shape == (100, 2)
    np.testing.assert_allclose(thinned(points, 100)[:, 1], 1)
    assert thinned(points[:3], 100) == pytest.approx(points[:3])


def test_a_sheet_has_a_row_for_each_name(tmp_path: Path) -> None:
    rows = [np.full((4, 16, 16, 3), value, np.float32) for value in (-1.0, 0.0, 2.0)]
    picture = sheet(rows, ["a", "b", "c"])
    assert picture.shape == (3 * (16 + 18), 4 * 16, 3)
    assert [int(picture[34 * k + 30, 5, 0]) for k in range(3)] == [0, 128, 255]
    picture[20, 3] = (255, 10, 0)
    write_png(tmp_path / "new" / "sheet.png", picture)
    assert cv2.imread(str(tmp_path / "new" / "sheet.png"))[20, 3].tolist() == [0, 10, 255]


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"The picture .*sheet.png cannot be written"):
        write_png(tmp_path / "file" / "sheet.png", np.zeros((2, 2, 3), np.uint8))
