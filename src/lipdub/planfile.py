"""Plans as JSON that a person can read, edit and give back."""

import json
import math
import re
from base64 import b64decode, b64encode
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.errors import PlanError
from lipdub.faces.sighting import KEPT
from lipdub.plan import EDIT, SAME, SILENCE, Edit, Left, Person, Plan, Reference, Stem

Place: TypeAlias = tuple[float, float, float, float, float]

FORMAT = 2
LARGEST = 1e6
"""No picture has that many pixels in a row."""
UNKNOWN = np.full((len(KEPT), 2), np.nan, np.float16)
MOST_CROPS = 10
"""A point of a face lies no farther away than so many sizes of the crop."""
MAX_BYTES = 1 << 30
"""More than the plan of two hours with four faces at 30 frames a second; more is a movie given by mistake."""


def save_plan(plan: Plan, path: Path) -> None:
    """Write a plan as JSON that a person can read and edit."""
    edits = ",\n    ".join(json.dumps(_row(edit)) for edit in plan)
    head = {
        "lipdub_plan": FORMAT,
        "movie": plan.movie,
        "key": plan.key,
        "size": plan.size,
        "time_base": str(plan.time_base),
        "origin": str(plan.origin),
        "notes": plan.notes,
        "references": [{"box": r.box, "pts": r.pts, "picture": r.picture} for r in plan.references],
        "stems": [{"path": s.path, "start": str(s.start)} for s in plan.stems],
        "people": [asdict(person) for person in plan.people],
        "left": [asdict(left) for left in plan.left],
        "columns": EDIT.names,
    }
    text = json.dumps(head, indent=2, ensure_ascii=False).rstrip("}\n ")
    path.write_text(f'{text},\n  "edits": [\n    {edits}\n  ]\n}}\n', encoding="utf-8")


def _row(edit: Edit) -> list[Any]:
    *numbers, outline = edit
    return [
        *numbers,
        None if np.isnan(outline).any() else b64encode(outline.astype("<f2").tobytes()).decode(),
    ]


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
        stems=tuple(Stem(_text(e["path"]), _fraction(e["start"])) for e in data["stems"]),
        people=tuple(_read_person(entry) for entry in data["people"]),
        left=tuple(_read_left(entry) for entry in data["left"]),
        notes=tuple(_text(note) for note in data["notes"]),
        key=_text(data["key"]),
    )


def _read_reference(entry: dict[str, Any]) -> Reference:
    pts = None if entry["pts"] is None else _whole(entry["pts"])
    picture = None if entry["picture"] is None else _text(entry["picture"])
    if (pts is None) == (picture is None):
        raise ValueError(f"the reference {entry} cannot be")
    return Reference(_read_box(*entry["box"]), pts, picture)


def _read_person(entry: dict[str, Any]) -> Person:
    face, pts = _whole(entry["face"]), _whole(entry["pts"])
    return Person(face, _number(entry["seconds"]), pts, _read_box(*entry["box"]))


def _read_left(entry: dict[str, Any]) -> Left:
    face, first, last = (_whole(entry[name]) for name in ("face", "first", "last"))
    return Left(face, first, last, _text(entry["reason"]))


def _read_edits(data: dict[str, Any], path: Path) -> npt.NDArray[np.void]:
    if data["columns"] != list(EDIT.names or ()):
        raise PlanError(f"{path}: the columns must be {', '.join(EDIT.names or ())}.")
    rows = np.zeros(len(data["edits"]), EDIT)
    for number, row in enumerate(data["edits"]):
        try:
            rows[number] = _read_edit(row, len(data["references"]), len(data["stems"]))
        except (TypeError, ValueError) as exc:
            raise PlanError(f"{path}: edit {number + 1} {str(row)[:200]} cannot be: {exc}.") from exc
    return np.sort(rows, order="pts", kind="stable")


def _read_edit(row: list[Any], references: int, stems: int) -> tuple[Any, ...]:
    pts, face, x, y, width, height, roll, reference, sound, opacity, outline = row
    box = _read_box(x, y, width, height, roll)
    face, reference, sound, opacity = _whole(face), _whole(reference), _whole(sound), _number(opacity)
    if not (0 <= opacity <= 1 and SAME <= reference < references and abs(face) < 2**31):
        raise ValueError("the opacity, the reference or the face has a value that it cannot have")
    if not SILENCE <= sound <= stems:
        raise ValueError(f"there is no sound {sound}")
    return _whole(pts), face, *box, reference, sound, opacity, _read_outline(outline)


def _read_outline(outline: object) -> npt.NDArray[np.float16]:
    """Points of a face: half floats in base64, since nobody edits them and a film has millions."""
    if outline is None:
        return UNKNOWN
    points = np.frombuffer(b64decode(_text(outline), validate=True), "<f2").reshape(UNKNOWN.shape)
    if not np.abs(points).max() <= MOST_CROPS:
        raise ValueError("a point of the face is no place in or near the crop")
    return points.astype(np.float16)


def _read_box(x: object, y: object, width: object, height: object, roll: object) -> Place:
    box = tuple(_number(value) for value in (x, y, width, height, roll))
    if not (max(map(abs, box)) <= LARGEST and min(box[2:4]) >= 1):
        raise ValueError("no picture has room for such a box")
    return box[0], box[1], box[2], box[3], box[4]


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
