"""From faces in single frames to tracks: one face through one shot."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import Box
from lipdub.faces.detect import SAME_FACE_IOU, overlap
from lipdub.faces.mouths import covered
from lipdub.faces.sighting import SIGHTING, Sightings
from lipdub.faces.smoothing import steady

BRIDGED_SECONDS = 0.4
"""A face that is gone for no longer than this, within a shot, is taken to be where it would have been."""


@dataclass(frozen=True, slots=True)
class Track:
    """One face in consecutive frames of one shot.

    Attributes:
        id: number of the track.
        shot: number of the shot.
        pts: [n] int64, ascending.
        faces: [n], the face in each of them; smooth in time, and interpolated where it was not seen.
        seen: [n] bool, whether it was seen there.
        clear: [n] or a single number, 0 to 1: how clearly each of them shows this shot alone (see
            `lipdub.faces.transitions.clearness`).
    """

    id: int
    shot: int
    pts: npt.NDArray[np.int64]
    faces: Sightings
    seen: npt.NDArray[np.bool_]
    clear: npt.NDArray[np.float64] = field(default_factory=lambda: np.ones(()))

    @property
    def boxes(self) -> Box:
        """[n, 5], in the training framing, of the upright picture."""
        return np.asarray(self.faces["box"], dtype=np.float64)

    @property
    def weight(self) -> float:
        """Area of the face times the number of its frames: how much of the shot it is."""
        return float(np.prod(self.boxes[:, 2:4], axis=1).sum())


@dataclass(slots=True)
class _Open:
    """A track that may still go on; packed, since two hours of film have many frames."""

    id: int
    shot: int
    pts: "array[int]" = field(default_factory=lambda: array("q"))
    faces: bytearray = field(default_factory=bytearray)

    @property
    def sightings(self) -> Sightings:
        """[n] of `SIGHTING`, not to be changed."""
        return np.frombuffer(bytes(self.faces), SIGHTING)

    @property
    def last_box(self) -> Box:
        return np.array(np.frombuffer(self.faces[-SIGHTING.itemsize :], SIGHTING)["box"][0])


class Tracker:
    """Join faces of consecutive frames into tracks; a cut ends all of them.

    Args:
        max_gap: pts for which a face may be gone.
    """

    def __init__(self, max_gap: int) -> None:
        self._max_gap = max_gap
        self._open: list[_Open] = []
        self._closed: list[_Open] = []
        self._shot = -1
        self._count = 0

    def add(self, pts: int, faces: Sightings, cut: bool) -> list[int]:
        """Take the faces of the next frame, [n] of `SIGHTING`; returns the number of the track of each."""
        if cut:
            self._shot += 1
            self._close(lambda track: True)
        self._close(lambda track: pts - track.pts[-1] > self._max_gap)
        tracks = [found or self._start() for found in self._assign(faces)]
        for face, track in zip(faces, tracks, strict=True):
            track.pts.append(pts)
            track.faces += face.tobytes()
        return [track.id for track in tracks]

    def finish(self) -> list[_Open]:
        """All tracks, in the order in which they began."""
        self._close(lambda track: True)
        return sorted(self._closed, key=lambda t: t.id)

    def _assign(self, faces: Sightings) -> list[_Open | None]:
        """The track that each face goes on with, if any: the pairs that overlap most come first."""
        pairs = [
            (overlap(last, box), i, track)
            for track, last in ((track, track.last_box) for track in self._open)
            for i, box in enumerate(faces["box"])
        ]
        found: dict[int, _Open] = {}
        for iou, i, track in sorted(pairs, key=lambda pair: -pair[0]):
            taken = any(track is other for other in found.values())
            if iou >= SAME_FACE_IOU and i not in found and not taken:
                found[i] = track
        return [found.get(i) for i in range(len(faces))]

    def _start(self) -> _Open:
        track = _Open(self._count, self._shot)
        self._count += 1
        self._open.append(track)
        return track

    def _close(self, done: Callable[[_Open], bool]) -> None:
        self._closed += [t for t in self._open if done(t)]
        self._open = [t for t in self._open if not done(t)]


def finish_track(
    track: _Open,
    frame_pts: npt.NDArray[np.int64],
    time_base: float,
    clear: npt.NDArray[np.float64] | None = None,
) -> Track:
    """Bridge a track's gaps and smooth it.

    Args:
        track: the faces that were found.
        frame_pts: [N], pts of all frames of the movie that were looked at.
        time_base: seconds a tick.
        clear: [N], how clearly each of the frames shows one shot alone; None if all do.
    """
    low, high = np.searchsorted(frame_pts, [track.pts[0], track.pts[-1]])
    pts = frame_pts[low : high + 1]
    found = np.array(track.pts)
    faces = bridged(track.sightings, found, pts)
    faces["covered"] = covered(faces["surface"], np.column_stack([faces["yaw"], faces["pitch"]]))
    smooth_faces(faces, (pts * time_base).astype(np.float64))
    own = np.ones(len(pts)) if clear is None else clear[low : high + 1]
    return Track(track.id, track.shot, pts, faces, np.isin(pts, found), own)


def bridged(faces: Sightings, found: npt.NDArray[np.int64], pts: npt.NDArray[np.int64]) -> Sightings:
    """Faces seen at some of the frames, at all of them: where there is none, between its neighbours."""
    result = np.zeros(len(pts), SIGHTING)
    for name in SIGHTING.names or ():
        columns = faces[name].reshape(len(faces), -1).astype(np.float64)
        if name == "box":
            columns[:, 4] = np.unwrap(columns[:, 4], period=360)
        filled = np.stack([np.interp(pts, found, column) for column in columns.T], axis=1)
        result[name] = filled.reshape(len(pts), *SIGHTING[name].shape)
    return result


def smooth_faces(faces: Sightings, seconds: npt.NDArray[np.float64]) -> None:
    """Smooth where faces are, and their points, in place and without lag."""
    points = faces["points"].reshape(len(faces), -1).astype(np.float64)
    boxes = faces["box"]
    centres = np.column_stack([boxes[:, :2] + boxes[:, 2:4] / 2, boxes[:, 2:], points])
    smoothed = steady(centres, seconds)
    corners = smoothed[:, :2] - smoothed[:, 2:4] / 2
    faces["box"] = np.column_stack([corners, smoothed[:, 2:5]])
    faces["points"] = smoothed[:, 5:].reshape(faces["points"].shape)
