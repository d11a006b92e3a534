"""Look at a movie once: shots, faces, tracks."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from lipdub.faces.detect import FaceFinder, FaceLandmarker, scaled
from lipdub.faces.shots import CutDetector
from lipdub.faces.track import BRIDGED_SECONDS, Track, Tracker, finish_track
from lipdub.media.frames import read_frames, upright_image
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
) -> Analysis:
    """Find shots and faces between two times (seconds as a player shows them).

    Args:
        info: the movie.
        landmarker: what finds faces.
        start, end: only frames from start up to end are looked at.
        progress: told after every frame.

    Raises:
        MediaError: nothing can be decoded.
    """
    frames = read_frames(info, start, end)
    return analyse_frames(frames, info, landmarker, _expected_frames(info, start, end), progress)


def analyse_frames(
    frames: Iterable[av.VideoFrame],
    info: VideoInfo,
    landmarker: FaceLandmarker,
    total: int | None = None,
    progress: Progress = silent,
) -> Analysis:
    """Find shots and faces in frames given in presentation order."""
    find, is_cut = FaceFinder(landmarker), CutDetector()
    tracker = Tracker(max_gap=round(Fraction(BRIDGED_SECONDS) / info.time_base))
    times: list[int] = []
    shots: list[int] = []
    for frame in frames:
        now = pts_of(frame)
        image = upright_image(frame, info)
        cut = is_cut(image)
        factor = info.geometry.upright_size[1] / image.shape[0]
        faces = [scaled(face, factor) for face in find(image, float(info.seconds(now)), cut)]
        tracker.add(now, faces, cut)
        times.append(now)
        shots += [now] if cut else []
        progress(Step("analyse", len(times), total))
    pts = np.array(times, dtype=np.int64)
    tracks = tuple(finish_track(t, pts, float(info.time_base)) for t in tracker.finish())
    return Analysis(pts, tuple(shots), tracks)


def _expected_frames(info: VideoInfo, start: Fraction | None, end: Fraction | None) -> int | None:
    if info.frames is None or info.duration is None or info.until is None:
        return info.frames
    begin = max(start or Fraction(0), info.seconds(info.start))
    stop = min(end, info.until) if end is not None else info.until
    share = max(stop - begin, Fraction(0)) / info.duration
    return max(1, round(info.frames * share))
