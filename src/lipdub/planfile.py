"""Plans as JSON that a person can read, edit and give back."""

import json
import math
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lipdub.errors import PlanError
from lipdub.plan import EDIT, SAME, Edit, Plan, Reference

FORMAT = 1
LARGEST = 1e6
"""No picture has that many pixels in a row."""
MAX_BYTES = 1 << 28
"""Twice the plan of two hours with four faces at 60 frames a second; more is a movie given by mistake."""


def save_plan(plan: Plan, path: Path) -> None:
    """Write a plan as JSON that a person can read and edit."""
    edits = ",\n    ".join(json.dumps(edit) for edit in plan)
    head = {
        "lipdub_plan": FORMAT,
        "movie": plan.movie,
        "key": plan.key,
        "size": plan.size,
        "time_base": str(plan.time_base),
        "origin": str(plan.origin),
        "notes": plan.notes,
        "references": [{"box": r.box, "pts": r.pts, "picture": r.picture} for r in plan.references],
        "columns": EDIT.names,
    }
    text = json.dumps(head, indent=2, ensure_ascii=False).rstrip("}\n ")
    path.write_text(f'{text},\n  "edits": [\n    {edits}\n  ]\n}}\n', encoding="utf-8")


def load_plan(path: Path) -> Plan:
    """Read a plan back.

    Raises:
        PlanError: the file is missing, not a plan, or damaged; the sentence says where.
    """
    try:
        data = json.loads(_text_of(path))
        if data["lipdub_plan"] != FORMAT:
            found = str(data["lipdub_plan"])[:50]
            raise PlanError(f"{path} is a plan of format {found}; this lipdub reads format {FORMAT}.")
        return _read_plan(data, path)
    except OSError as exc:
        raise PlanError(f"{path} cannot be read ({exc.strerror}); check the path.") from exc
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as exc:
        raise PlanError(f"{path} is not a plan of lipdub, or is damaged ({str(exc)[:200]}).") from exc


def _text_of(path: Path) -> str:
    if path.exists() and not path.is_file():  # a pipe would wait for ever, and a device never ends
        raise PlanError(f"{path} is not a file; give a plan that `lipdub plan` wrote.")
    if path.stat().st_size > MAX_BYTES:
        raise PlanError(f"{path} is larger than {MAX_BYTES >> 20} MB and so no plan; give one as JSON.")
    return path.read_text(encoding="utf-8")


def _read_plan(data: dict[str, Any], path: Path) -> Plan:
    width, height = (_whole(value) for value in data["size"])
    time_base = _fraction(data["time_base"])
    if width <= 0 or height <= 0 or time_base <= 0:
        raise ValueError("size and time base must be above 0")
    return Plan(
        movie=_text(data["movie"]),
        size=(width, height),
        time_base=time_base,
        origin=_fraction(data["origin"]),
        references=tuple(_read_reference(entry) for entry in data["references"]),
        edits=_read_edits(data, path),
        notes=tuple(_text(note) for note in data["notes"]),
        key=_text(data["key"]),
    )


def _read_reference(entry: dict[str, Any]) -> Reference:
    x, y, width, height = (_number(value) for value in entry["box"])
    pts = None if entry["pts"] is None else _whole(entry["pts"])
    picture = None if entry["picture"] is None else _text(entry["picture"])
    if not _is_box(x, y, width, height) or (pts is None) == (picture is None):
        raise ValueError(f"the reference {entry} cannot be")
    return Reference((x, y, width, height), pts, picture)


def _read_edits(data: dict[str, Any], path: Path) -> npt.NDArray[np.void]:
    if data["columns"] != list(EDIT.names or ()):
        raise PlanError(f"{path}: the columns must be {', '.join(EDIT.names or ())}.")
    rows: list[Edit] = []
    for number, row in enumerate(data["edits"], start=1):
        try:
            rows.append(_read_edit(row, len(data["references"])))
        except (TypeError, ValueError) as exc:
            raise PlanError(f"{path}: edit {number} {str(row)[:200]} cannot be: {exc}.") from exc
    return np.sort(np.array(rows, dtype=EDIT), order="pts")


def _read_edit(row: list[Any], references: int) -> Edit:
    pts, face, x, y, width, height, reference, opacity = row
    x, y, width, height, opacity = (_number(value) for value in (x, y, width, height, opacity))
    edit = Edit(_whole(pts), _whole(face), x, y, width, height, _whole(reference), opacity)
    if not _is_box(edit.x, edit.y, edit.width, edit.height):
        raise ValueError("no picture has room for such a box")
    if not (0 <= edit.opacity <= 1 and SAME <= edit.reference < references and abs(edit.face) < 2**31):
        raise ValueError("the opacity, the reference or the face has a value that it cannot have")
    return edit


def _is_box(x: float, y: float, width: float, height: float) -> bool:
    return max(abs(x), abs(y)) <= LARGEST and 1 <= width <= LARGEST and 1 <= height <= LARGEST


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r:.50} is not a number")
    return float(value)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**62:
        raise ValueError(f"{value!r:.50} is not a whole number that a file can hold")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.50} is not text")
    return value


def _fraction(value: object) -> Fraction:
    # Fraction itself would work for hours on "1e999999999".
    if not re.fullmatch(r"-?\d{1,30}(/\d{1,30})?", _text(value), re.ASCII):
        raise ValueError(f"{value!r:.50} is not a fraction")
    return Fraction(_text(value))
