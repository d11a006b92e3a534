"""Who the faces of a movie are: embeddings of its tracks, taken now and then while it is looked at."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.faces.detect import Face, Image
from lipdub.faces.identity import DIMENSIONS, Embedder, Embedding, clearness
from lipdub.faces.sighting import Sightings
from lipdub.faces.track import Tracker

INTERVAL_SECONDS = 1.0
"""A face is embedded this often: it costs about as much as finding it does, and tells little new sooner."""
CLEARER = 1.5
"""A face that is seen so much more clearly than ever before in its track is embedded at once."""

EMBEDDED = np.dtype([("face", "i4"), ("clearness", "f4"), ("vector", "f4", DIMENSIONS)])
"""face: its place among the faces of the frame; clearness: how well it was seen; vector: its embedding."""

Embedded: TypeAlias = npt.NDArray[np.void]
"""[n] of `EMBEDDED`."""

NOBODY: Embedded = np.empty(0, EMBEDDED)


@dataclass(slots=True)
class _Embedded:
    """When a face was embedded last (pts), and how clearly it was ever seen then."""

    last: int
    best: float


class EmbeddingWatch:
    """Embed the faces of a movie now and then.

    It knows only the part that is looked at just now, so an analysis that goes on gives the embeddings of one
    that was not stopped.

    Args:
        embedder: what tells people apart.
        max_gap: pts for which a face may be gone.
        interval: pts after which a face is embedded again.
    """

    def __init__(self, embedder: Embedder, max_gap: int, interval: int) -> None:
        self._embedder, self._max_gap, self._interval = embedder, max_gap, interval
        self.forget()

    def look(
        self, image: Image, faces: Sequence[Face], kept: Sightings, pts: int, *, cut: bool = False
    ) -> Embedded:
        """Embed those faces of the next frame for which it is time.

        Args:
            image: [H, W, 3] RGB.
            faces: in it.
            kept: what is kept of them.
            pts: of the frame.
            cut: whether it begins a shot.
        """
        rows = NOBODY
        tracks = self._tracker.add(pts, kept, cut)
        for place, (face, track) in enumerate(zip(faces, tracks, strict=True)):
            clear = clearness(face.landmarks, float(face.box[3]))
            if self._is_due(track, clear, pts):
                vector = self._embedder(image, face.landmarks)
                rows = np.append(rows, np.array([(place, clear, vector)], EMBEDDED))
                best = self._known[track].best if track in self._known else 0.0
                self._known[track] = _Embedded(pts, max(best, clear))
        return rows

    def forget(self) -> None:
        """The next part begins."""
        self._tracker = Tracker(self._max_gap)
        self._known: dict[int, _Embedded] = {}

    def _is_due(self, track: int, clear: float, now: int) -> bool:
        known = self._known.get(track)
        if known is None or clear <= 0:
            return clear > 0
        return now - known.last >= self._interval or clear >= CLEARER * known.best


class Gallery:
    """The people of tracks: one sum of embeddings each, whatever the length of the movie."""

    def __init__(self) -> None:
        self._totals: defaultdict[int, npt.NDArray[np.float64]] = defaultdict(lambda: np.zeros(DIMENSIONS))

    def take(self, embedded: Embedded, tracks: Sequence[int]) -> None:
        """Take what was embedded of a frame, of whose faces these are the ids of the tracks."""
        for row in embedded:
            self._totals[tracks[row["face"]]] += np.float64(row["clearness"]) * row["vector"]

    def people(self) -> dict[int, Embedding]:
        """Id of a track: who it shows, as an embedding of length 1; none for tracks never seen clearly."""
        lengths = {track: float(np.linalg.norm(total)) for track, total in self._totals.items()}
        return {
            track: (self._totals[track] / length).astype(np.float32)
            for track, length in lengths.items()
            if length > 0
        }
