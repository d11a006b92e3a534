"""Which stretches of which faces become clips, and where each of their frames is in the movie.

Pure functions of what was seen. Times are exact: a clip has 25 frames a second from its first frame on, each
the frame of the movie that is nearest in time, whatever the movie's rate, steady or not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lipdub.dataset.options import RATE, PrepareOptions
from lipdub.faces.analyse import Analysis
from lipdub.faces.crop import Box
from lipdub.faces.track import Track
from lipdub.gating import gate
from lipdub.media.probe import VideoInfo
from lipdub.sampling import NETWORK_RATE
from lipdub.speech.spans import runs

SAMPLES, _rest = divmod(NETWORK_RATE, RATE)
"""Of sound, in a frame: 640."""
assert _rest == 0
FREEZE = Fraction(1, 10)
"""Seconds between two frames of the movie after which the picture is taken to have stood still."""
LOST_FRAMES = 3
"""A face that is not seen for more frames than this is not where it was; tracks bridge up to 0.4 s."""
LOST, SMALL, FROZEN = "not seen", "face too small", "the picture stands still"
SHORT, SOUNDLESS, CUT_OFF = "too short", "no sound", "its sound is too short"


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of one face.

    Attributes:
        track: the face, through its shot.
        person: number of who it is in the movie, from 1.
        rows: [n], of the track, for each frame at 25 a second.
        start: seconds of the movie, as a player shows them, of frame 0; a whole number of samples.
        confidence: how surely it is in sync with its sound, if that is known.
        told: whether it, or its whole video, told clearly when its sound comes.
    """

    track: Track
    person: int
    rows: npt.NDArray[np.int64]
    start: Fraction
    confidence: float | None = None
    told: bool = False

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.rows) / RATE

    @property
    def pts(self) -> npt.NDArray[np.int64]:
        """[n], of the movie's frames."""
        return self.track.pts[self.rows]

    @property
    def boxes(self) -> Box:
        """[n, 5]."""
        return self.track.boxes[self.rows]

    def dropped(self, reason: str) -> "Dropped":
        """The row of the report if it is not kept."""
        return Dropped(float(self.start), self.seconds, reason, self.person)

    def part(self, first: int, last: int) -> "Clip":
        """Frames `first` up to `last` of it."""
        return replace(self, rows=self.rows[first:last], start=self.start + Fraction(first, RATE))

    def sample(self, shift: int = 0) -> int:
        """Of the movie's sound, at 16 kHz, that belongs to the beginning; `shift` frames later."""
        return int(self.start * NETWORK_RATE) + shift * SAMPLES


@dataclass(frozen=True, slots=True)
class Dropped:
    """A stretch of a movie that does not become a clip.

    Attributes:
        start, seconds: when it begins and how long it is, as a player shows it.
        reason: in a few words.
        person: whose face it is, if it is one.
    """

    start: float
    seconds: float
    reason: str
    person: int | None = None


def cut_clips(
    analysis: Analysis, info: VideoInfo, numbers: Mapping[int, int], options: PrepareOptions
) -> tuple[list[Clip], list[Dropped]]:
    """The clips of a movie, in the order of their beginnings, and what is left out.

    Args:
        analysis: what is seen in it.
        info: the movie.
        numbers: id of a track: who it shows.
        options: how long clips are, and how large faces.
    """
    clips: list[Clip] = []
    dropped: list[Dropped] = []
    for track in analysis.tracks:
        person = numbers[track.id]
        usable, reasons = _usable(track, _shot_of(track, analysis), info, options.min_face)
        dropped += [replace(reason, person=person) for reason in reasons]
        for low, high in runs(usable).tolist():
            for first, last in _moving(track, info, low, high):
                clip = _clip(track, person, info, first, last)
                if len(clip.rows) < options.shortest:
                    dropped.append(Dropped(float(clip.start), len(clip.rows) / RATE, SHORT, person))
                else:
                    clips += _parts(clip, options.longest)
    return sorted(clips, key=lambda clip: (clip.start, clip.track.id)), dropped


def nearest(times: Sequence[Fraction], start: Fraction) -> npt.NDArray[np.int64]:
    """The frames of a movie to show at 25 a second.

    Args:
        times: [m] of the movie's frames, ascending.
        start: time of the first frame to show.

    Returns:
        [n], indices of the frame nearest in time (the earlier of two), from `start` up to the last time.
    """
    count = int((times[-1] - start) * RATE) + 1
    result = np.zeros(count, np.int64)
    here = 0
    for k in range(count):
        time = start + Fraction(k, RATE)
        while here + 1 < len(times) and times[here + 1] - time < abs(time - times[here]):
            here += 1
        result[k] = here
    return result


def heard(clip: Clip, samples: int, shift: int, shortest: int) -> Clip | None:
    """The part of a clip that has sound; None if it is too short.

    Args:
        clip: the clip.
        samples: how many there are of the movie's sound, from time 0.
        shift: frames by which the sound comes later than it should.
        shortest: frames.
    """
    first = max(0, -(clip.sample(shift) // SAMPLES))
    last = min(len(clip.rows), (samples - clip.sample(shift)) // SAMPLES)
    return clip.part(first, last) if last - first >= shortest else None


def _usable(
    track: Track, shot: npt.NDArray[np.int64], info: VideoInfo, min_face: int
) -> tuple[npt.NDArray[np.bool_], list[Dropped]]:
    """Where a face can be learned from, [n], and why not elsewhere."""
    gated = gate(track, shot, info)
    reasons = [_dropped(info, left.first, left.last, left.reason) for left in gated.left]
    usable = gated.opacity > 0
    lost = np.zeros(len(usable), np.bool_)
    for low, high in runs(~track.seen).tolist():
        lost[low:high] = high - low > LOST_FRAMES
    for bad, reason in ((lost, LOST), (track.boxes[:, 3] < min_face, SMALL)):
        found = runs(bad & usable).tolist()
        reasons += [_dropped(info, track.pts[low], track.pts[high - 1], reason) for low, high in found]
        usable &= ~bad
    return usable, reasons


def _dropped(info: VideoInfo, first: int, last: int, reason: str) -> Dropped:
    """Frames from pts `first` to `last`."""
    begin, end = info.seconds(int(first)), info.seconds(int(last)) + 1 / info.rate
    return Dropped(float(begin), float(end - begin), reason)


def _shot_of(track: Track, analysis: Analysis) -> npt.NDArray[np.int64]:
    """[m], pts of all frames of the track's shot."""
    begins = np.array(analysis.shots, np.int64)
    here = int(np.searchsorted(begins, track.pts[0], side="right"))
    low = np.searchsorted(analysis.pts, begins[here - 1]) if here else 0
    high = np.searchsorted(analysis.pts, begins[here]) if here < len(begins) else len(analysis.pts)
    return analysis.pts[low:high]


def _moving(track: Track, info: VideoInfo, low: int, high: int) -> Iterator[tuple[int, int]]:
    """The rows low up to high of a track, in stretches in which no frame is shown for long."""
    gaps = np.diff(track.pts[low:high]) * info.time_base > FREEZE
    edges = [low, *(low + 1 + np.flatnonzero(gaps)).tolist(), high]
    yield from pairwise(edges)


def _clip(track: Track, person: int, info: VideoInfo, low: int, high: int) -> Clip:
    times = [info.seconds(pts) for pts in track.pts[low:high].tolist()]
    # Sound begins at a sample: at most 1/32 ms beside the picture.
    start = Fraction(round(times[0] * NETWORK_RATE), NETWORK_RATE)
    return Clip(track, person, low + nearest(times, start), start)


def _parts(clip: Clip, longest: int) -> Iterator[Clip]:
    """A clip in equal parts, none longer than so many frames."""
    count = len(clip.rows)
    edges = np.linspace(0, count, -(-count // longest) + 1).astype(int).tolist()
    yield from (clip.part(first, last) for first, last in pairwise(edges))
