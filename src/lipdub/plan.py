"""The plan: for every frame that will change, which face, where, with which reference, how much.

The plan is data. Whatever decides *what* to change happens here; rendering decides nothing.
"""

import json
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

EDIT = np.dtype(
    [("pts", "i8"), ("face", "i4"), ("x", "f8"), ("y", "f8"), ("width", "f8"), ("height", "f8"),
     ("reference", "i4"), ("opacity", "f4")]
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
    tracks = largest_in_each_shot([t for t in analysis.tracks if _large_enough(t)])
    references: list[Reference] = [picture] if picture else []
    notes: list[str] = []
    rows: list[npt.NDArray[np.void]] = []
    for track in tracks:
        indices = _references(
            track, reference, bool(picture), references, info, Random(seed + track.id), notes
        )
        rows.append(_edits(track, indices, _opacity(track, analysis, info), info))
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
    edits = ",\n    ".join(json.dumps(_rounded(edit)) for edit in plan)
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
            raise PlanError(
                f"{path} is a plan of format {data['lipdub_plan']}; this lipdub reads format {FORMAT}."
            )
        return Plan(
            movie=str(data["movie"]),
            size=(int(data["size"][0]), int(data["size"][1])),
            time_base=Fraction(data["time_base"]),
            origin=Fraction(data["origin"]),
            references=tuple(Reference(tuple(r["box"]), r["pts"], r["picture"]) for r in data["references"]),
            edits=_read_edits(data, path),
            notes=tuple(data["notes"]),
        )
    except OSError as exc:
        raise PlanError(f"{path} cannot be read ({exc.strerror}); check the path.") from exc
    except (KeyError, TypeError, ValueError, IndexError) as exc:
        raise PlanError(f"{path} is not a plan of lipdub, or is damaged ({exc}).") from exc


def without_edits(plan: Plan) -> Plan:
    """The same plan with nothing to do."""
    return replace(plan, edits=plan.edits[:0])


def _read_edits(data: dict[str, Any], path: Path) -> npt.NDArray[np.void]:
    if data["columns"] != list(EDIT.names or ()):
        raise PlanError(f"{path}: the columns must be {', '.join(EDIT.names or ())}.")
    edits = np.array([tuple(row) for row in data["edits"]], dtype=EDIT)
    valid = (edits["width"] > 0) & (edits["height"] > 0) & (edits["opacity"] >= 0) & (edits["opacity"] <= 1)
    valid &= (edits["reference"] >= SAME) & (edits["reference"] < len(data["references"]))
    if not valid.all():
        row = int(np.argmin(valid))
        raise PlanError(f"{path}: edit {row + 1} {list(edits[row].tolist())} has a value that cannot be.")
    return np.sort(edits, order="pts")


def _rounded(edit: Edit) -> list[float]:
    return [round(value, 4) if isinstance(value, float) else value for value in edit]


def _large_enough(track: Track) -> bool:
    return float(np.median(track.boxes[:, 3])) >= MIN_FACE_PIXELS


def _edits(
    track: Track, references: npt.NDArray[np.int32], opacity: npt.NDArray[np.float64], info: VideoInfo
) -> npt.NDArray[np.void]:
    rows = np.zeros(len(track.pts), EDIT)
    rows["pts"], rows["face"] = track.pts, track.id
    for column, values in zip(("x", "y", "width", "height"), track.boxes.T, strict=True):
        rows[column] = values
    rows["reference"], rows["opacity"] = references, opacity
    mouth = track.boxes[:, :2] + track.boxes[:, 2:] * MASK_CENTRE
    inside = ((mouth >= 0) & (mouth < info.geometry.upright_size)).all(axis=1)
    return rows[inside]


def _opacity(track: Track, analysis: Analysis, info: VideoInfo) -> npt.NDArray[np.float64]:
    """1, but for a short fade where the face comes or goes within a shot."""
    seconds = track.pts * float(info.time_base)
    before, after = np.searchsorted(analysis.pts, [track.pts[0], track.pts[-1]]) + (-1, 1)
    opacity = np.ones(len(seconds))
    if before >= 0 and track.pts[0] not in analysis.shots:
        opacity = np.minimum(opacity, _ramp(seconds - float(analysis.pts[before] * info.time_base)))
    if after < len(analysis.pts) and analysis.pts[after] not in analysis.shots:
        opacity = np.minimum(opacity, _ramp(float(analysis.pts[after] * info.time_base) - seconds))
    return opacity


def _ramp(seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.clip(seconds / FADE_SECONDS, 0, 1)


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
    far = np.abs(track.pts - track.pts[chosen]) * info.time_base >= FAR_SECONDS
    if not far.all():
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
    far, held = FAR_SECONDS / time_base, HELD_SECONDS / time_base
    chosen = np.empty(len(pts), np.int64)
    current, since = -1, 0
    for i, now in enumerate(pts):
        if current < 0 or now - since >= held or abs(pts[current] - now) < far:
            current, since = _pick_far(pts, int(now), far, held, random), now
        chosen[i] = current
    return chosen


def _pick_far(pts: npt.NDArray[np.int64], now: int, far: Fraction, held: Fraction, random: Random) -> int:
    before = np.flatnonzero(pts <= float(now - far))
    lasting = np.flatnonzero(pts >= float(now + far + held))
    candidates = np.concatenate([before, lasting]).tolist()
    return int(random.choice(candidates)) if candidates else int(np.argmax(np.abs(pts - now)))


def _reference(track: Track, frame: int) -> Reference:
    x, y, width, height = track.boxes[frame].tolist()
    return Reference((x, y, width, height), int(track.pts[frame]))
