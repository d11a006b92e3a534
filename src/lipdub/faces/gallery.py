"""Who the faces of a movie are: embeddings of its tracks, taken now and then while it is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lipdub.faces.detect import Face, Image
from lipdub.faces.identity import DIMENSIONS, Embedder, Embedding, clearness

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
class _Known:
    """What is known of the person of one track."""

    last: int = 0
    best: float = 0.0
    total: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(DIMENSIONS))


class Gallery:
    """The people of tracks: one sum of embeddings each, whatever the length of the movie.

    Args:
        embedder: what tells faces apart; None if nothing does.
        interval: pts after which a face is embedded again.
    """

    def __init__(self, embedder: Embedder | None, interval: int) -> None:
        self._embedder = embedder
        self._interval = interval
        self._known: dict[int, _Known] = {}

    def look(self, image: Image, faces: Sequence[Face], tracks: Sequence[int], now: int) -> Embedded:
        """Embed those faces of a frame for which it is time.

        Args:
            image: [H, W, 3] RGB.
            faces: in it.
            tracks: id of the track of each.
            now: pts of the frame.
        """
        if self._embedder is None:
            return NOBODY
        rows = NOBODY
        for place, (face, track) in enumerate(zip(faces, tracks, strict=True)):
            clear = clearness(face.landmarks, float(face.box[3]))
            if self._is_due(track, clear, now):
                vector = self._embedder(image, face.landmarks)
                rows = np.append(rows, np.array([(place, clear, vector)], EMBEDDED))
        self.take(rows, tracks, now)
        return rows

    def take(self, embedded: Embedded, tracks: Sequence[int], now: int) -> None:
        """Take what was embedded of a frame, now or by an earlier run."""
        for row in embedded:
            known = self._known.setdefault(tracks[row["face"]], _Known())
            known.last, known.best = now, max(known.best, float(row["clearness"]))
            known.total += np.float64(row["clearness"]) * row["vector"]

    def people(self) -> dict[int, Embedding]:
        """Id of a track: who it shows, as an embedding of length 1; none for tracks never seen clearly."""
        lengths = {track: float(np.linalg.norm(known.total)) for track, known in self._known.items()}
        return {
            track: (self._known[track].total / length).astype(np.float32)
            for track, length in lengths.items()
            if length > 0
        }

    def _is_due(self, track: int, clear: float, now: int) -> bool:
        known = self._known.get(track)
        if known is None or clear <= 0:
            return clear > 0
        return now - known.last >= self._interval or clear >= CLEARER * known.best
