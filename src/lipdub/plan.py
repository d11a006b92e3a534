"""The plan: for every frame that will change, which face, where, with which reference, how much.

The plan is data. Whatever decides *what* to change happens here; rendering decides nothing.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lipdub.errors import PlanError
from lipdub.faces.analyse import Analysis
from lipdub.faces.crop import Box
from lipdub.faces.paste import MASK_CENTRE
from lipdub.faces.track import Track
from lipdub.media.probe import VideoInfo

FORMAT = 1
SAME = -1
"""Reference index of a frame that is its own reference."""
FAR_SECONDS = 1
"""A random reference is at least this far away, so that it does not show the same word."""
HELD_SECONDS = 4
"""A random reference is kept this long, since every change of it can be seen."""
FADE_SECONDS = 0.12
"""Within a shot, an edit comes and goes over this time."""
MIN_FACE_PIXELS = 16
MIN_SEEN_SECONDS = 0.2
"""A face seen for less, in a shot that goes on without it, is taken for lettering or the like: no false face
in 11 clips of real footage lasted longer than four frames."""
DECIMALS = 4
"""Boxes and opacities are rounded when a plan is made, so that they are the same in memory and in a file."""
LARGEST = 1e6
"""No picture has that many pixels in a row."""

EDIT = np.dtype(
    [("pts", "i8"), ("face", "i4"), ("x", "f8"), ("y", "f8"), ("width", "f8"), ("height", "f8"),
     ("reference", "i4"), ("opacity", "f8")]
)  # fmt: skip


class Edit(NamedTuple):
    """One face in one frame that will change.

    Attributes:
        pts: presentation time of the frame, in the stream's time base.
        face: number of the track.
        x, y, width, height: the crop, in pixels of the upright picture.
        reference: index into the plan's references, or `SAME`.
        opacity: 0 (untouched) to 1.
    """

    pts: int
    face: int
    x: float
    y: float
    width: float
    height: float
    reference: int
    opacity: float

    @property
    def box(self) -> Box:
        """x, y, width, height as an array [4]."""
        return np.array([self.x, self.y, self.width, self.height])


@dataclass(frozen=True, slots=True)
class Reference:
    """A face shown to the network as what the person looks like.

    Attributes:
        box: x, y, width, height in the upright picture.
        pts: of the movie's frame it is in; None if it is in a picture of its own.
        picture: path of that picture.
    """

    box: tuple[float, float, float, float]
    pts: int | None = None
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What will change in one movie.

    Attributes:
        movie: name of the file the plan was made for.
        size: width and height of its coded picture.
        time_base: unit of pts, in seconds.
        origin: seconds, in the container's clock, that a player shows as 0.
        references: faces that edits refer to.
        edits: structured array of `EDIT`, ascending in pts.
        notes: what a user should know, a sentence each.
    """

    movie: str
    size: tuple[int, int]
    time_base: Fraction
    origin: Fraction
    references: tuple[Reference, ...]
    edits: npt.NDArray[np.void]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Edit]:
        return (Edit(*row) for row in self.edits.tolist())

    def at(self, pts: int) -> list[Edit]:
        """The edits of one frame."""
        low, high = np.searchsorted(self.edits["pts"], [pts, pts + 1])
        return [Edit(*row) for row in self.edits[low:high].tolist()]

    def mel_time(self, pts: int) -> Fraction:
        """Where the sound of a frame lies in the dub, in seconds: the frame's own time."""
        return pts * self.time_base - self.origin

    def check(self, info: VideoInfo) -> None:
        """Make sure that the plan belongs to this movie.

        Raises:
            PlanError: size or time base differ.
        """
        found = (info.geometry.width, info.geometry.height), info.time_base
        if found != (self.size, self.time_base):
            raise PlanError(
                f"the plan was made for {self.movie}, not for {info.path}: size or time base differ."
            )


def make_plan(
    analysis: Analysis,
    info: VideoInfo,
    reference: str = "same",
    picture: Reference | None = None,
    seed: int = 7,
) -> Plan:
    """Decide what will change: in each shot, the face that fills most of it.

    Args:
        analysis: what the movie shows.
        info: the movie.
        reference: ``same``, ``first`` or ``random``; ignored if `picture` is given.
        picture: the reference for all frames.
        seed: of the choice of random references.
    """
    usable = [t for t in analysis.tracks if _large_enough(t) and _believable(t, analysis, info)]
    tracks = largest_in_each_shot(usable)
    references: list[Reference] = [picture] if picture else []
    notes: list[str] = []
    rows: list[npt.NDArray[np.void]] = []
    for track in tracks:
        indices = _references(
            track, reference, bool(picture), references, info, Random(seed + track.id), notes
        )
        rows.append(_edits(track, indices, analysis, info))
    edits = np.sort(np.concatenate(rows), order="pts") if rows else np.empty(0, EDIT)
    if not len(edits):
        notes.append(f"no usable face was found in {info.path.name}: the picture stays as it is.")
    size = info.geometry.width, info.geometry.height
    return Plan(info.path.name, size, info.time_base, info.origin, tuple(references), edits, tuple(notes))


def largest_in_each_shot(tracks: Sequence[Track]) -> list[Track]:
    """The tracks to change: in each shot the one of most weight, and those that never meet it in time."""
    chosen: list[Track] = []
    for track in sorted(tracks, key=lambda t: -t.weight):
        if all(track.pts[-1] < other.pts[0] or track.pts[0] > other.pts[-1] for other in chosen):
            chosen.append(track)
    return sorted(chosen, key=lambda t: int(t.pts[0]))


def save_plan(plan: Plan, path: Path) -> None:
    """Write a plan as JSON that a person can read and edit."""
    edits = ",\n    ".join(json.dumps(edit) for edit in plan)
    head = {
        "lipdub_plan": FORMAT,
        "movie": plan.movie,
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
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["lipdub_plan"] != FORMAT:
            found = str(data["lipdub_plan"])[:50]
            raise PlanError(f"{path} is a plan of format {found}; this lipdub reads format {FORMAT}.")
        return _read_plan(data, path)
    except OSError as exc:
        raise PlanError(f"{path} cannot be read ({exc.strerror}); check the path.") from exc
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as exc:
        raise PlanError(f"{path} is not a plan of lipdub, or is damaged ({str(exc)[:200]}).") from exc


def without_edits(plan: Plan) -> Plan:
    """The same plan with nothing to do."""
    return replace(plan, edits=plan.edits[:0])


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


def _large_enough(track: Track) -> bool:
    return float(np.median(track.boxes[:, 3])) >= MIN_FACE_PIXELS


def _believable(track: Track, analysis: Analysis, info: VideoInfo) -> bool:
    """Whether a face was seen for long enough, or in all of its shot."""
    seen = np.isfinite(track.apertures)
    first, last = track.pts[seen][[0, -1]]
    lasting = float((last - first) * info.time_base) >= MIN_SEEN_SECONDS and seen.mean() >= 0.5
    return bool(lasting) or len(track.pts) == len(_shot_pts(track, analysis))


def _edits(
    track: Track, references: npt.NDArray[np.int32], analysis: Analysis, info: VideoInfo
) -> npt.NDArray[np.void]:
    mouth = track.boxes[:, :2] + track.boxes[:, 2:] * MASK_CENTRE
    inside = ((mouth >= 0) & (mouth < info.geometry.upright_size)).all(axis=1)
    pts = track.pts[inside]
    rows = np.zeros(len(pts), EDIT)
    rows["pts"], rows["face"] = pts, track.id
    for column, values in zip(("x", "y", "width", "height"), track.boxes[inside].T, strict=True):
        rows[column] = np.round(values, DECIMALS)
    rows["reference"] = references[inside]
    rows["opacity"] = np.round(_opacity(pts, _shot_pts(track, analysis), float(info.time_base)), DECIMALS)
    return rows


def _shot_pts(track: Track, analysis: Analysis) -> npt.NDArray[np.int64]:
    """All frames of the shot that a track is in."""
    cuts = np.array([*analysis.shots, np.iinfo(np.int64).max])
    shot = int(np.searchsorted(cuts, track.pts[0], side="right"))
    low, high = np.searchsorted(analysis.pts, [cuts[shot - 1], cuts[shot]])
    return analysis.pts[low:high]


def _opacity(
    pts: npt.NDArray[np.int64], shot: npt.NDArray[np.int64], time_base: float
) -> npt.NDArray[np.float64]:
    """1, but for a short fade where the mouth comes or goes within a shot."""
    absent = np.setdiff1d(shot, pts)
    if not len(absent):
        return np.ones(len(pts))
    after = np.searchsorted(absent, pts)
    nearest = np.minimum(
        np.abs(pts - absent[np.maximum(after - 1, 0)]),
        np.abs(absent[np.minimum(after, len(absent) - 1)] - pts),
    )
    return np.minimum(np.asarray(nearest * time_base / FADE_SECONDS, dtype=np.float64), 1)


def _references(
    track: Track,
    kind: str,
    picture: bool,
    references: list[Reference],
    info: VideoInfo,
    random: Random,
    notes: list[str],
) -> npt.NDArray[np.int32]:
    """For each frame of the track, the index of its reference; new ones are appended to `references`."""
    if picture:
        return np.zeros(len(track.pts), np.int32)
    if kind == "same":
        return np.full(len(track.pts), SAME, np.int32)
    if kind == "first":
        references.append(_reference(track, 0))
        return np.full(len(track.pts), len(references) - 1, np.int32)
    chosen = random_references(track.pts, info.time_base, random)
    nearest = int(np.abs(track.pts - track.pts[chosen]).min())
    if nearest * info.time_base < FAR_SECONDS:
        at = float(info.seconds(int(track.pts[0])))
        notes.append(
            f"the face at {at:.2f} s is seen for less than two seconds: its reference is nearer than one."
        )
    indices = {frame: len(references) + i for i, frame in enumerate(dict.fromkeys(chosen.tolist()))}
    references += [_reference(track, frame) for frame in indices]
    return np.array([indices[frame] for frame in chosen.tolist()], np.int32)


def random_references(
    pts: npt.NDArray[np.int64], time_base: Fraction, random: Random
) -> npt.NDArray[np.int64]:
    """For each frame of a track, the index of another frame at least a second away, chosen at random.

    A choice is kept for `HELD_SECONDS` or until a frame comes too near to it. In a track too short for that,
    the frame farthest away is taken.
    """
    far, held = math.ceil(FAR_SECONDS / time_base), math.ceil(HELD_SECONDS / time_base)
    chosen = np.empty(len(pts), np.int64)
    current, since = -1, 0
    for i, now in enumerate(pts.tolist()):
        if current < 0 or now - since >= held or abs(int(pts[current]) - now) < far:
            current, since = _pick_far(pts, now, far, held, random), now
        chosen[i] = current
    return chosen


def _pick_far(pts: npt.NDArray[np.int64], now: int, far: int, held: int, random: Random) -> int:
    """A frame that is far enough away, and stays so for as long as it is held if possible."""
    before = int(np.searchsorted(pts, now - far, side="right"))
    lasting = int(np.searchsorted(pts, now + far + held))
    count = before + len(pts) - lasting
    if not count:
        return int(np.argmax(np.abs(pts - now)))
    pick = random.randrange(count)
    return pick if pick < before else pick - before + lasting


def _reference(track: Track, frame: int) -> Reference:
    x, y, width, height = np.round(track.boxes[frame], DECIMALS).tolist()
    return Reference((x, y, width, height), int(track.pts[frame]))
