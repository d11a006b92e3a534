"""Look at a movie once: shots, faces, tracks."""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from lipdub.faces.detect import FaceLandmarker
from lipdub.faces.finder import FaceFinder
from lipdub.faces.gallery import INTERVAL_SECONDS, EmbeddingWatch, Gallery
from lipdub.faces.identity import Embedder, Embedding
from lipdub.faces.looks import PART_FRAMES, Look, Looks, Part
from lipdub.faces.shots import CutDetector, shrunk
from lipdub.faces.sighting import sightings
from lipdub.faces.speaker import Scorer, SpeakerWatch, face_picture
from lipdub.faces.track import BRIDGED_SECONDS, Track, Tracker, finish_track
from lipdub.faces.transitions import Transition, TransitionWatch, clearness, distinct
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
        who: id of a track: the embedding of its person, of length 1, where one could be made.
        transitions: dissolves and fades, ascending.
    """

    pts: npt.NDArray[np.int64]
    shots: tuple[int, ...]
    tracks: tuple[Track, ...]
    who: Mapping[int, Embedding] = field(default_factory=dict)
    transitions: tuple[Transition, ...] = ()


def analyse(
    info: VideoInfo,
    landmarker: FaceLandmarker,
    start: Fraction | None = None,
    end: Fraction | None = None,
    progress: Progress = silent,
    record: Looks | None = None,
    scorer: Scorer | None = None,
    embedder: Embedder | None = None,
) -> Analysis:
    """Find shots and faces between two times (seconds as a player shows them).

    Args:
        info: the movie.
        landmarker: what finds faces.
        start, end: only frames from start up to end are looked at.
        progress: told after every frame.
        record: what was seen by an earlier run, to go on from; what is seen now is added.
        scorer: what tells whether a face speaks; None to leave that open.
        embedder: what tells people apart, if anything does.

    Raises:
        MediaError: nothing can be decoded.
    """
    look = Looker(info, landmarker, _expected_frames(info, start, end), progress, scorer, embedder)
    mark = None
    for part in record.parts() if record else ():
        look.recall(part)
        mark = part.mark
        if mark is None:
            return look.analysis()
    frames = read_frames(info, start, end) if mark is None else _frames_after(info, mark, end)
    for frame in frames:
        if look(frame) == PART_FRAMES:
            part = look.part(Mark(pts_of(frame), checksum(frame)))
            if record:
                record.add(part)
    last = look.part(None)
    if record:
        record.add(last)
    return look.analysis()


class Looker:
    """Look at frames one after the other, and keep what was seen.

    What was seen counts once its part is complete: who speaks is known only then.
    """

    def __init__(
        self,
        info: VideoInfo,
        landmarker: FaceLandmarker,
        total: int | None = None,
        progress: Progress = silent,
        scorer: Scorer | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self._info = info
        self._find, self._is_cut, self._mixing = FaceFinder(landmarker), CutDetector(), TransitionWatch()
        max_gap = round(Fraction(BRIDGED_SECONDS) / info.time_base)
        self._tracker = Tracker(max_gap)
        self._watch = SpeakerWatch(scorer, max_gap) if scorer else None
        often = round(Fraction(INTERVAL_SECONDS) / info.time_base)
        self._embed = EmbeddingWatch(embedder, max_gap, often) if embedder else None
        self._gallery = Gallery()
        self._pending: list[Look] = []
        self._times = array("q")
        self._shots: list[int] = []
        self._mixed: list[Transition] = []
        self._transitions: list[Transition] = []
        self._total = total
        self._progress = progress

    def __call__(self, frame: av.VideoFrame) -> int:
        """Look at the next frame; returns how many were looked at since the last part."""
        image = upright_image(frame, self._info)
        cut, now = self._is_cut(image), pts_of(frame)
        factor = self._info.geometry.upright_size[1] / image.shape[0]
        self._mixed += self._mixing(now, shrunk(self._is_cut.state.last), cut)
        seconds = float(self._info.seconds(now))
        found = self._find(image, seconds, cut)
        look = Look(now, cut, sightings(found, image, factor))
        if self._watch:
            self._watch.add(look, seconds, [face_picture(image, face.box) for face in found])
        if self._embed:
            look = look._replace(embedded=self._embed.look(image, found, look.faces, now, cut=cut))
        self._pending.append(look)
        self._progress(Step("analyse", len(self._times) + len(self._pending), self._total))
        return len(self._pending)

    def recall(self, part: Part) -> None:
        """Take what was seen by an earlier run, as if it had been looked at now."""
        for look in part.looks:
            self._take(look)
            self._progress(Step("analyse", len(self._times), self._total))
        self._find.memory, self._is_cut.state, self._mixing.state = part.memory, part.cuts, part.recent
        self._transitions += part.transitions

    def part(self, mark: Mark | None) -> Part:
        """The looks since the last part, with who speaks in them and what is remembered after them."""
        if self._watch:
            self._watch.score()
        if self._embed:
            self._embed.forget()
        mixed, self._mixed = self._mixed, []
        mixed += self._mixing.finish() if mark is None else []
        self._transitions += mixed
        looks, self._pending = self._pending, []
        for look in looks:
            self._take(look)
        return Part(looks, self._find.memory, self._is_cut.state, mark, self._mixing.state, mixed)

    def analysis(self) -> Analysis:
        """What was seen in all."""
        if self._pending:
            self.part(None)
        pts = np.array(self._times, dtype=np.int64)
        time_base = float(self._info.time_base)
        transitions = distinct(self._transitions)
        clear = clearness(pts, self._shots, transitions)
        tracks = tuple(finish_track(track, pts, time_base, clear) for track in self._tracker.finish())
        return Analysis(pts, tuple(self._shots), tracks, self._gallery.people(), transitions)

    def _take(self, look: Look) -> None:
        self._gallery.take(look.embedded, self._tracker.add(look.pts, look.faces, look.cut))
        self._times.append(look.pts)
        self._shots += [look.pts] if look.cut else []


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
