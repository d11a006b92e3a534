"""A table of results, rows of systems and columns of metrics, as CSV, JSON and Markdown."""

import csv
import io
import json
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lipdub.evaluation.bootstrap import Interval

ARROWS = {"up": "↑", "down": "↓", "": ""}
GAP = "  "
WIDTH, TITLE = 100, 30
"""Characters of a line on a terminal, and of the metrics' titles in it at most, which else are broken."""
ENDLESS = "∞: no difference at all, as between a picture and itself."
LEGEND = "Mean [95 % interval, bootstrap over clips] (clips). ↑: more is better, ↓: less is better."


@dataclass(frozen=True, slots=True)
class Column:
    """A metric.

    Attributes:
        key: its name in CSV and JSON, such as ``cross_lmd``.
        title: at the head of the table, such as ``LMD``.
        group: the mode it was measured in, such as ``cross``; columns of one group stand together.
        better: where good systems lie; empty where neither more nor less is good.
        digits: behind the point.
    """

    key: str
    title: str
    group: str = ""
    better: Literal["up", "down", ""] = ""
    digits: int = 2


@dataclass(frozen=True, slots=True)
class Row:
    """A system and what was measured of it.

    Attributes:
        system: its name, such as ``real video``.
        cells: intervals by the keys of columns; what was not measured is not there.
        note: what a reader must know of this row, such as that the truth is not known.
    """

    system: str
    cells: Mapping[str, Interval] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Systems against metrics.

    Raises:
        ValueError: two columns have one key, or a row has a cell of none of the columns.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]

    def __post_init__(self) -> None:
        keys = [column.key for column in self.columns]
        if len(set(keys)) < len(keys):
            raise ValueError(f"two columns have the same key: {', '.join(keys)}")
        unknown = {key for row in self.rows for key in row.cells} - set(keys)
        if unknown:
            raise ValueError(f"no column has the key {', '.join(sorted(unknown))}")


def to_csv(table: ResultTable) -> str:
    """One line a system; of each metric its value, ``_low``, ``_high`` and ``_clips``, unrounded.

    What is not known is left empty.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = ("", "_low", "_high", "_clips")
    writer.writerow(["system", *(c.key + end for c in table.columns for end in ends), "note"])
    for row in table.rows:
        numbers = [n for column in table.columns for n in _numbers(row.cells.get(column.key))]
        writer.writerow([row.system, *("" if n is None else n for n in numbers), row.note])
    return text.getvalue()


def to_json(table: ResultTable) -> str:
    """An object with the columns, and the rows with their cells, unrounded; null is what is not known.

    A value that is infinite, such as the PSNR of equal pictures, is the text ``inf`` or ``-inf``: JSON has no
    such number.
    """
    columns = [{"key": c.key, "title": c.title, "group": c.group, "better": c.better} for c in table.columns]
    names = ("value", "low", "high", "clips")
    rows = [
        {
            "system": row.system,
            "cells": {
                key: dict(zip(names, map(_plain, _numbers(cell)), strict=True))
                for key, cell in row.cells.items()
            },
            "note": row.note,
        }
        for row in table.rows
    ]
    return json.dumps({"columns": columns, "rows": rows}, ensure_ascii=False, indent=2, allow_nan=False)


def to_markdown(table: ResultTable) -> str:
    """A table shaped like Table 2 of Diff2Lip: systems down, groups of metrics with arrows across.

    The first column of a group bears its name; notes stand below, each once.
    """
    lines = [_line(["", *_heads(table.columns)]), "|" + "---|" * (1 + len(table.columns))]
    notes = _notes(table)
    for row in table.rows:
        cells = [_cell(row.cells.get(column.key), column.digits) for column in table.columns]
        lines.append(_line([_marked(row, notes), *cells]))
    below = [LEGEND, *(f"({i}) {note}" for i, note in enumerate(notes, 1))]
    return "\n".join(lines) + "\n\n" + "  \n".join(below) + "\n"


def to_terminal(table: ResultTable, width: int = WIDTH) -> str:
    """The table for a terminal: metrics down, systems across, further systems below where all are too wide.

    What is infinite, such as the PSNR of equal pictures, is shown as ∞.

    Args:
        table: what is shown.
        width: characters of a line at most; but no cell is cut.
    """
    titles = [[""], *(textwrap.wrap(head, TITLE) for head in _heads(table.columns))]
    notes = _notes(table)
    systems = [
        [_marked(row, notes), *(_shown(row.cells.get(c.key), c.digits) for c in table.columns)]
        for row in table.rows
    ]
    first = max(len(line) for title in titles for line in title)
    blocks = [_block(titles, some, first) for some in _beside(systems, width - first)]
    endless = [ENDLESS] if any("∞" in cell for system in systems for cell in system) else []
    below = [LEGEND, *endless, *(f"({i}) {note}" for i, note in enumerate(notes, 1))]
    return "\n".join([*blocks, *(textwrap.fill(text, width) for text in below)])


def _notes(table: ResultTable) -> list[str]:
    """Each once."""
    return list(dict.fromkeys(row.note for row in table.rows if row.note))


def _marked(row: Row, notes: Sequence[str]) -> str:
    return f"{row.system} ({notes.index(row.note) + 1})" if row.note else row.system


def _beside(systems: Sequence[list[str]], width: int) -> Iterator[list[list[str]]]:
    """The systems in groups that are not wider, unless one of them alone is."""
    some: list[list[str]] = []
    for system in systems:
        if some and sum(map(_width, [*some, system])) > width:
            yield some
            some = []
        some.append(system)
    yield some


def _width(system: Sequence[str]) -> int:
    return len(GAP) + max(map(len, system))


def _block(titles: Sequence[Sequence[str]], systems: Sequence[Sequence[str]], first: int) -> str:
    """Lines of some systems beside the titles; the rest of a broken title stands alone."""
    lines = []
    for number, (title, *more) in enumerate(titles):
        cells = [system[number].ljust(_width(system) - len(GAP)) for system in systems]
        lines += [GAP.join([title.ljust(first), *cells]).rstrip(), *(f"  {line}" for line in more)]
    return "\n".join([*lines, ""])


def _heads(columns: Sequence[Column]) -> list[str]:
    groups = ["", *(column.group for column in columns)]
    return [
        f"{column.group if column.group != before else ''} {column.title}{ARROWS[column.better]}".strip()
        for before, column in zip(groups, columns, strict=False)
    ]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _cell(cell: Interval | None, digits: int) -> str:
    if cell is None or math.isnan(cell.value):
        return "–"
    ends = "" if math.isnan(cell.low) else f" [{cell.low:.{digits}f}, {cell.high:.{digits}f}]"
    return f"{cell.value:.{digits}f}{ends} ({cell.clips})"


def _shown(cell: Interval | None, digits: int) -> str:
    if cell is not None and math.isinf(cell.value):
        return f"{'-' if cell.value < 0 else ''}∞ ({cell.clips})"
    return _cell(cell, digits)


def _numbers(cell: Interval | None) -> list[float | None]:
    """Value, low, high and clips; None for what is not known."""
    if cell is None:
        return [None] * 4
    return [None if math.isnan(number) else number for number in cell]


def _plain(number: float | None) -> float | str | None:
    return str(number) if number is not None and math.isinf(number) else number
