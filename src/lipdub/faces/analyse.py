"""Look at a movie once: shots, faces, tracks."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from lipdub.faces.detect import FaceFinder, FaceLandmarker
from lipdub.faces.looks import PART_FRAMES, Look, Looks, Part
from lipdub.faces.shots import CutDetector
from lipdub.faces.sighting import sightings
from lipdub.faces.track import BRIDGED_SECONDS, Track, Tracker, finish_track
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.marks import Mark, checksum, read_after
from lipdub.media.planes import pts_of
from lipdub.media.probe import VideoInfo
from lipdub.progress import Progress, Step, silent


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a movie shows; knows nothing of the dub.

    Attributes:
        pts: [N] int64, of all frames looked at, in presentation order.
        shots: pts of the first frame of each shot.
        tracks: faces, each through one shot, several at a time.
    """

    pts: npt.NDArray[np.int64]
    shots: tuple[int, ...]
    tracks: tuple[Track, ...]


def analyse(
    info: VideoInfo,
    landmarker: FaceLandmarker,
    start: Fraction | None = None,
    end: Fraction | None = None,
    progress: Progress = silent,
    record: Looks | None = None,
) -> Analysis:
    """Find shots and faces between two times (seconds as a player shows them).

    Args:
        info: the movie.
        landmarker: what finds faces.
        start, end: only frames from start up to end are looked at.
        progress: told after every frame.
        record: what was seen by an earlier run, to go on from; what is seen now is added.

    Raises:
        MediaError: nothing can be decoded.
    """
    look, mark = Looker(info, landmarker, _expected_frames(info, start, end), progress), None
    for part in record.parts() if record else ():
        look.recall(part)
        mark = part.mark
        if mark is None:
            return look.analysis()
    frames = read_frames(info, start, end) if mark is None else _frames_after(info, mark, end)
    looks: list[Look] = []
    for frame in frames:
        looks.append(look(frame))
        if record and len(looks) == PART_FRAMES:
            record.add(look.part(looks, Mark(pts_of(frame), checksum(frame))))
            looks = []
    if record:
        record.add(look.part(looks, None))
    return look.analysis()


class Looker:
    """Look at frames one after the other, and keep what was seen."""

    def __init__(
        self,
        info: VideoInfo,
        landmarker: FaceLandmarker,
        total: int | None = None,
        progress: Progress = silent,
    ) -> None:
        self._info = info
        self._find, self._is_cut = FaceFinder(landmarker), CutDetector()
        self._tracker = Tracker(max_gap=round(Fraction(BRIDGED_SECONDS) / info.time_base))
        self._times = array("q")
        self._shots: list[int] = []
        self._total = total
        self._progress = progress

    def __call__(self, frame: av.VideoFrame) -> Look:
        """Look at the next frame."""
        image = upright_image(frame, self._info)
        cut, now = self._is_cut(image), pts_of(frame)
        factor = self._info.geometry.upright_size[1] / image.shape[0]
        found = self._find(image, float(self._info.seconds(now)), cut)
        look = Look(now, cut, sightings(found, image, factor))
        self._take(look)
        return look

    def recall(self, part: Part) -> None:
        """Take what was seen by an earlier run, as if it had been looked at now."""
        for look in part.looks:
            self._take(look)
        self._find.memory, self._is_cut.state = part.memory, part.cuts

    def part(self, looks: Sequence[Look], mark: Mark | None) -> Part:
        """The last looks, with what is remembered after them."""
        return Part(looks, self._find.memory, self._is_cut.state, mark)

    def analysis(self) -> Analysis:
        """What was seen in all."""
        pts = np.array(self._times, dtype=np.int64)
        time_base = float(self._info.time_base)
        tracks = tuple(finish_track(track, pts, time_base) for track in self._tracker.finish())
        return Analysis(pts, tuple(self._shots), tracks)

    def _take(self, look: Look) -> None:
        self._tracker.add(look.pts, look.faces, look.cut)
        self._times.append(look.pts)
        self._shots += [look.pts] if look.cut else []
        self._progress(Step("analyse", len(self._times), self._total))


def _frames_after(info: VideoInfo, mark: Mark, end: Fraction | None) -> Iterator[av.VideoFrame]:
    for frame, _ in read_after(info, mark):
        if end is not None and info.seconds(pts_of(frame)) >= end:
            return
        yield frame


def _expected_frames(info: VideoInfo, start: Fraction | None, end: Fraction | None) -> int | None:
    if info.frames is None or info.duration is None or info.until is None:
        return info.frames
    begin = max(start or Fraction(0), info.seconds(info.start))
    stop = min(end, info.until) if end is not None else info.until
    share = max(stop - begin, Fraction(0)) / info.duration
    return max(1, round(info.frames * share))
