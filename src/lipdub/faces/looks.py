"""What was seen of a movie, kept as it is found: an analysis that is stopped goes on, and none is made twice.

A record is a folder of parts, each of some hundreds of frames: what was found in them, and what the detectors
remembered at their end. A part is written whole; one that is damaged ends what is known.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lipdub.faces.detect import Face
from lipdub.faces.finder import Memory
from lipdub.faces.gallery import EMBEDDED, NOBODY, Embedded
from lipdub.faces.shots import CutMemory
from lipdub.faces.sighting import SIGHTING, Sightings
from lipdub.faces.transitions import Recent, Transition
from lipdub.media.marks import Mark

PART_FRAMES = 250
"""Frames of a part: ten seconds of film, or of work."""


class Look(NamedTuple):
    """What was seen in one frame: its pts, whether it begins a shot, the faces in it, who they are."""

    pts: int
    cut: bool
    faces: Sightings
    embedded: Embedded = NOBODY


@dataclass(frozen=True, slots=True)
class Part:
    """What was seen in some consecutive frames.

    Attributes:
        looks: a frame each.
        memory: what the face finder remembered after them.
        cuts: what the cut detector remembered after them.
        mark: the last frame; None in the last part, after which nothing comes.
        recent: the last frames as the transition watch remembered them.
        transitions: those that were measured in this part, some seconds after they were.
    """

    looks: Sequence[Look]
    memory: Memory
    cuts: CutMemory
    mark: Mark | None
    recent: Recent = field(default_factory=Recent)
    transitions: Sequence[Transition] = ()


class Looks:
    """The record of one analysis.

    Args:
        folder: of its parts; it need not exist yet. What cannot be written there is not recorded.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def parts(self) -> Iterator[Part]:
        """The parts that are there, in order, up to the first one that is missing or damaged."""
        while part := self._read(self._path):
            self._count += 1
            yield part

    @staticmethod
    def _read(path: Path) -> Part | None:
        """A part; None if it is missing, damaged, or of another version."""
        try:
            digest, data = _split(path.read_bytes())
            if hashlib.sha256(data).digest() != digest:
                return None
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return _unpacked(arrays)
        except (OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile):
            return None

    @property
    def is_complete(self) -> bool:
        """Whether the last part is there."""
        last = max(self._folder.glob("??????.npz"), default=None)
        part = self._read(last) if last is not None else None
        return part is not None and part.mark is None

    def add(self, part: Part) -> None:
        """Write the next part."""
        unfinished = self._path.with_suffix(f".{os.getpid()}")
        with suppress(OSError):  # the record only saves time
            self._folder.mkdir(parents=True, exist_ok=True)
            packed = io.BytesIO()
            np.savez(packed, allow_pickle=False, **_packed(part))
            with unfinished.open("wb") as file:
                file.write(hashlib.sha256(packed.getvalue()).digest() + packed.getvalue())
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._path)
        self._count += 1

    def recall(self, name: str) -> npt.NDArray[np.float64] | None:
        """Numbers that were kept beside the parts; None if there are none of that name."""
        try:
            return np.asarray(np.load(self._folder / f"{name}.npy", allow_pickle=False), np.float64)
        except (OSError, ValueError, EOFError):
            return None

    def keep(self, name: str, values: npt.NDArray[np.float64]) -> None:
        """Keep numbers beside the parts."""
        unfinished = self._folder / f"{name}.{os.getpid()}"
        with suppress(OSError):  # the record only saves time
            self._folder.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                np.save(file, values, allow_pickle=False)
            unfinished.replace(self._folder / f"{name}.npy")

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._count:06d}.npz"


def _split(data: bytes) -> tuple[bytes, bytes]:
    """The checksum of a part, and the rest of it."""
    return data[:32], data[32:]


def _packed(part: Part) -> dict[str, npt.NDArray[np.generic]]:
    known, lost = part.memory.known, [face for face, _ in part.memory.lost]
    return {
        "pts": np.array([look.pts for look in part.looks], np.int64),
        "cut": np.array([look.cut for look in part.looks], np.bool_),
        "count": np.array([len(look.faces) for look in part.looks], np.int64),
        "faces": np.concatenate([look.faces for look in part.looks] or [np.empty(0, SIGHTING)]),
        "embedded": np.concatenate([look.embedded for look in part.looks] or [NOBODY]),
        "embedded_count": np.array([len(look.embedded) for look in part.looks], np.int64),
        "landmarks": np.array([f.landmarks for f in (*known, *lost)], np.float32).reshape(-1, 478, 2),
        "face_boxes": _boxes([f.box for f in (*known, *lost)]),
        "until": np.array([until for _, until in part.memory.lost], np.float64),
        "next_search": np.array(part.memory.next_search, np.float64),
        "turn": np.array(part.memory.turn, np.int64),
        **{f"cuts_{name}": np.asarray(value) for name, value in asdict(part.cuts).items()},
        **{f"recent_{name}": np.asarray(value) for name, value in asdict(part.recent).items()},
        "transitions": np.array(part.transitions, np.int64).reshape(-1, 3),
        "mark": np.array([] if part.mark is None else [part.mark.pts, part.mark.check], np.int64),
    }


def _unpacked(arrays: "np.lib.npyio.NpzFile") -> Part:
    seen = np.split(_of_kind(arrays["faces"], SIGHTING), np.cumsum(arrays["count"]))[:-1]
    known = np.split(_of_kind(arrays["embedded"], EMBEDDED), np.cumsum(arrays["embedded_count"]))[:-1]
    looks = [
        Look(int(pts), bool(cut), faces, embedded)
        for pts, cut, faces, embedded in zip(arrays["pts"], arrays["cut"], seen, known, strict=True)
    ]
    faces = [Face(*both) for both in zip(arrays["landmarks"], arrays["face_boxes"], strict=True)]
    until = arrays["until"].tolist()
    there = faces[: len(faces) - len(until)]
    lost = list(zip(faces[len(there) :], until, strict=True))
    cuts = CutMemory(
        arrays["cuts_last"],
        float(arrays["cuts_usual"]),
        arrays["cuts_past"],
        arrays["cuts_direction"],
        bool(arrays["cuts_flat"]),
    )
    mark = Mark(*arrays["mark"].tolist()) if arrays["mark"].size else None
    memory = Memory(there, lost, float(arrays["next_search"]), int(arrays["turn"]))
    recent = Recent(*(arrays[f"recent_{own.name}"] for own in fields(Recent)))
    transitions = [Transition(*row) for row in arrays["transitions"].tolist()]
    return Part(looks, memory, cuts, mark, recent, transitions)


def _of_kind(rows: npt.NDArray[np.generic], kind: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """The same rows.

    Raises:
        ValueError: another version of lipdub kept something else.
    """
    if rows.dtype != kind:
        raise ValueError("not what this version keeps of a face")
    return np.asarray(rows, kind)


def _boxes(boxes: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    return np.array(boxes, np.float64).reshape(-1, 5)
