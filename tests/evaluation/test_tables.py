import csv
import io
import json
import math

import pytest

from lipdub.evaluation.bootstrap import Interval
from lipdub.evaluation.tables import (
    ENDLESS,
    LEGEND,
    Column,
    ResultTable,
    Row,
    to_csv,
    to_json,
    to_markdown,
    to_terminal,
)

NAN = math.nan
COLUMNS = (
    Column("recon_fid", "FID", "recon", "down"),
    Column("recon_psnr", "PSNR", "recon", "up", 1),
    Column("cross_leak", "leak", "cross", digits=3),
)
REAL = {"recon_fid": Interval(0.0, NAN, NAN, 1), "recon_psnr": Interval(*[math.inf] * 3, 9)}
OTHER = {"recon_fid": Interval(2.456, 2.1, 2.9, 47), "cross_leak": Interval(NAN, NAN, NAN, 0)}
TABLE = ResultTable(COLUMNS, (Row("real video", REAL), Row('a|b, "c"', OTHER, "the truth is not known")))


def test_markdown_is_shaped_like_the_papers_table():
    assert to_markdown(TABLE).splitlines() == [
        "|  | recon FID↓ | PSNR↑ | cross leak |",
        "|---|---|---|---|",
        "| real video | 0.00 (1) | inf [inf, inf] (9) | – |",
        '| a\\|b, "c" (1) | 2.46 [2.10, 2.90] (47) | – | – |',
        "",
        LEGEND + "  ",
        "(1) the truth is not known",
    ]


def test_a_terminal_shows_metrics_down_and_systems_across():
    assert to_terminal(TABLE).splitlines() == [
        '            real video  a|b, "c" (1)',
        "recon FID↓  0.00 (1)    2.46 [2.10, 2.90] (47)",
        "PSNR↑       ∞ (9)       –",
        "cross leak  –           –",
        "",
        LEGEND,
        ENDLESS,
        "(1) the truth is not known",
    ]


def test_a_terminal_is_not_too_narrow_for_many_systems():
    """All cells are there, whatever does not fit stands below, and long titles are broken."""
    names = [f"system {i}" for i in range(7)]
    column = Column("a", "a metric whose name says quite a lot of what was measured")
    rows = [
        Row(name, {"a": Interval(i, i - 0.5, i + 0.5, 10)}, "a note " * 30) for i, name in enumerate(names)
    ]
    text = to_terminal(ResultTable([column], rows))
    assert max(map(len, text.splitlines())) <= 100
    assert all(f"system {i} (1)" in text and f"{i}.00 [{i - 0.5:.2f}, " in text for i in range(7))
    wide = to_terminal(ResultTable([column], rows), 200).splitlines()
    assert all(name in wide[0] for name in names)
    assert " ".join(line[:30].strip() for line in wide[1:3]) == column.title


def test_rows_share_a_note_that_is_the_same():
    table = ResultTable(
        COLUMNS, [Row("a", note="few"), Row("b", note="none"), Row("c"), Row("d", note="few")]
    )
    text = to_markdown(table)
    assert [line.split(" | ")[0] for line in text.splitlines()[2:6]] == [
        "| a (1)",
        "| b (2)",
        "| c",
        "| d (1)",
    ]
    assert text.endswith("(1) few  \n(2) none\n")


def test_csv_holds_every_number_unrounded_and_leaves_empty_what_is_not_known():
    real, other = csv.DictReader(io.StringIO(to_csv(TABLE), newline=""))
    assert list(real)[:6] == [
        "system", "recon_fid", "recon_fid_low", "recon_fid_high", "recon_fid_clips", "recon_psnr",
    ]  # fmt: skip
    assert (real["recon_fid"], real["recon_fid_low"], real["recon_fid_clips"]) == ("0.0", "", "1")
    assert real["recon_psnr"] == "inf" and real["cross_leak_clips"] == ""
    assert other["system"] == 'a|b, "c"' and other["note"] == "the truth is not known"
    assert float(other["recon_fid"]) == 2.456
    assert (other["cross_leak"], other["cross_leak_clips"]) == ("", "0")


def test_json_holds_the_same_and_no_number_that_json_does_not_know():
    def refuse(name: str):
        raise AssertionError(name)

    read = json.loads(to_json(TABLE), parse_constant=refuse)
    assert read["columns"][0] == {"key": "recon_fid", "title": "FID", "group": "recon", "better": "down"}
    real, other = read["rows"]
    assert real["cells"]["recon_psnr"] == {"value": "inf", "low": "inf", "high": "inf", "clips": 9}
    assert other["cells"]["recon_fid"] == {"value": 2.456, "low": 2.1, "high": 2.9, "clips": 47}
    assert other["cells"]["cross_leak"] == {"value": None, "low": None, "high": None, "clips": 0}
    assert other["note"] == "the truth is not known"


def test_tables_that_would_lose_numbers_are_refused():
    with pytest.raises(ValueError, match="same key"):
        ResultTable((*COLUMNS, COLUMNS[0]), ())
    with pytest.raises(ValueError, match="no column has the key lmd"):
        ResultTable(COLUMNS, (Row("real", {"lmd": Interval(1, 1, 1, 1)}),))
