"""From faces in single frames to tracks: one face through one shot."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import Box, lip_aperture, smooth
from lipdub.faces.detect import SAME_FACE_IOU, Face, overlap

BRIDGED_SECONDS = 0.4
"""A face that is gone for no longer than this, within a shot, is taken to be where it would have been."""
SMOOTHING_SECONDS = 0.06
"""Sigma of the Gaussian over box positions: about the five frames (at 25 fps) of the published tools."""


@dataclass(frozen=True, slots=True)
class Track:
    """One face in consecutive frames of one shot.

    Attributes:
        id: number of the face.
        shot: number of the shot.
        pts: [n] int64, ascending.
        boxes: [n, 4], in the training framing, pixels of the upright picture.
        apertures: [n], lip aperture in the source; NaN where the face was not seen but bridged.
    """

    id: int
    shot: int
    pts: npt.NDArray[np.int64]
    boxes: Box
    apertures: npt.NDArray[np.float64]

    @property
    def weight(self) -> float:
        """Area of the face times the number of its frames: how much of the shot it is."""
        return float(np.prod(self.boxes[:, 2:], axis=1).sum())


class Sighting(NamedTuple):
    """What a track keeps of a face in one frame: its box [4] and its lip aperture."""

    box: Box
    aperture: float


def sighting(face: Face) -> Sighting:
    """What a track keeps of a face."""
    return Sighting(face.box, lip_aperture(face.landmarks))


@dataclass(slots=True)
class _Open:
    """A track that may still go on; packed, since two hours of film have many frames."""

    id: int
    shot: int
    pts: "array[int]" = field(default_factory=lambda: array("q"))
    boxes: "array[float]" = field(default_factory=lambda: array("d"))
    apertures: "array[float]" = field(default_factory=lambda: array("d"))

    @property
    def last_box(self) -> Box:
        return np.array(self.boxes[-4:])


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

    def add(self, pts: int, faces: Sequence[Sighting], cut: bool) -> None:
        """Take the faces of the next frame."""
        if cut:
            self._shot += 1
            self._close(lambda track: True)
        self._close(lambda track: pts - track.pts[-1] > self._max_gap)
        for face, found in zip(faces, self._assign(faces), strict=True):
            track = found or self._start()
            track.pts.append(pts)
            track.boxes.extend(face.box.tolist())
            track.apertures.append(face.aperture)

    def finish(self) -> list[_Open]:
        """All tracks, in the order in which they began."""
        self._close(lambda track: True)
        return sorted(self._closed, key=lambda t: t.id)

    def _assign(self, faces: Sequence[Sighting]) -> list[_Open | None]:
        """The track that each face goes on with, if any: the pairs that overlap most come first."""
        pairs = [
            (overlap(last, face.box), i, track)
            for track, last in ((track, track.last_box) for track in self._open)
            for i, face in enumerate(faces)
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


def finish_track(track: _Open, frame_pts: npt.NDArray[np.int64], time_base: float) -> Track:
    """Bridge a track's gaps and smooth its boxes.

    Args:
        track: the faces that were found.
        frame_pts: [N], pts of all frames of the movie that were looked at.
        time_base: seconds a tick.
    """
    low, high = np.searchsorted(frame_pts, [track.pts[0], track.pts[-1]])
    pts = frame_pts[low : high + 1]
    found = np.array(track.pts)
    columns = np.array(track.boxes).reshape(-1, 4).T
    boxes = np.stack([np.interp(pts, found, column) for column in columns], axis=1)
    apertures = np.full(len(pts), np.nan)
    apertures[np.searchsorted(pts, found)] = track.apertures
    steady = smooth_boxes(boxes, (pts * time_base).astype(np.float64))
    return Track(track.id, track.shot, pts, steady, apertures)


def smooth_boxes(boxes: Box, seconds: npt.NDArray[np.float64]) -> Box:
    """Smooth boxes [n, 4] by their centres and sizes, without lag."""
    centres = np.column_stack([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]])
    steady = smooth(centres, seconds, SMOOTHING_SECONDS)
    return np.column_stack([steady[:, :2] - steady[:, 2:] / 2, steady[:, 2:]])
