"""The picture in segments of a few seconds, and the key of everything that decides the pixels of one.

A segment is the frames that begin within its seconds. Its key does not depend on the rest of the movie: where
no mouth changes, no dub does, and where one does, only the sound that it hears. So a new line in minute 43,
or a box moved there, makes the segments around it anew, and no other.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import numpy.typing as npt

from lipdub.plan import SAME, SILENCE, Plan
from lipdub.sampling import NETWORK_RATE
from lipdub.speech.mel import let_go

SEGMENT_SECONDS = Fraction(4)
HEARD_BEFORE, HEARD_AFTER = Fraction(1, 4), Fraction(1, 2)
"""Seconds around a frame that hold all the sound of its mel window."""


def segment_at(seconds: Fraction) -> int:
    """The number of the segment in which a frame begins; what comes before time 0 belongs to the first."""
    return max(0, floor(seconds / SEGMENT_SECONDS))


@dataclass(frozen=True, slots=True)
class Segments:
    """The keys of the segments of one job.

    Attributes:
        plan: what changes.
        sounds: 16 kHz mono that drives the lips, [n] int16 each, from the movie's time 0 on: the dub, and the
            plan's stems.
        stop: seconds at which the picture ends early; None if it does not.
        picture: what decides the pixels of every segment: movie and encoding, as JSON takes it.
        mouths: what decides those of a changed mouth besides plan and sound: weights and sampling.
        file_key: gives the key of a reference picture's content.
    """

    plan: Plan
    sounds: Sequence[npt.NDArray[np.int16]]
    stop: Fraction | None
    picture: Any
    mouths: Any
    file_key: Callable[[str], str]

    def key(self, segment: int) -> str:
        """64 hexadecimal digits that are the same as long as the segment would have the same pixels."""
        end = (segment + 1) * SEGMENT_SECONDS
        parts = {
            "segment": segment,
            "seconds": SEGMENT_SECONDS,
            "end": end if self.stop is None else min(self.stop, end),
            "picture": self.picture,
            "mouths": self._mouths(segment, self._edits(segment)),
        }
        return digest(parts)

    @property
    def end_key(self) -> str:
        """The key of where the picture ends."""
        return digest({"seconds": SEGMENT_SECONDS, "picture": self.picture, "stop": self.stop})

    def key_after(self, segment: int, loop: Sequence[int], until: Fraction) -> str:
        """The key of a segment after the end of the movie (see `lipdub.after`).

        Args:
            segment: its place in the grid of segments.
            loop: pts of the frames that are shown again.
            until: seconds at which the picture ends.
        """
        first, last = np.searchsorted(self.plan.edits["pts"], [loop[0], loop[-1] + 1])
        parts = {
            "after": segment,
            "seconds": SEGMENT_SECONDS,
            "loop": list(loop),
            "until": min(until, (segment + 1) * SEGMENT_SECONDS),
            "picture": self.picture,
            "mouths": self._mouths(segment, self.plan.edits[first:last]),
        }
        return digest(parts)

    def _edits(self, segment: int) -> npt.NDArray[np.void]:
        low, high = segment * SEGMENT_SECONDS, (segment + 1) * SEGMENT_SECONDS
        pts = self.plan.edits["pts"]
        first, last = (int(np.searchsorted(pts, self._first_pts(t))) for t in (low, high))
        return self.plan.edits[first if segment else 0 : last]

    def _first_pts(self, seconds: Fraction) -> int:
        """The first pts that lies at or after a time."""
        return -floor(-(seconds + self.plan.origin) / self.plan.time_base)

    def _mouths(self, segment: int, rows: npt.NDArray[np.void]) -> dict[str, Any] | None:
        if not len(rows):
            return None
        used = sorted({int(i) for i in rows["reference"]} - {SAME})
        # By what they are, not by their place in the plan, which other segments may move.
        order = {index: place for place, index in enumerate(used)}
        own = rows.copy()
        own["face"] = 0  # a number of no meaning for the pixels
        own["reference"] = [order.get(int(i), SAME) for i in rows["reference"]]
        references = [self.plan.references[index] for index in used]
        heard = sorted({int(i) for i in rows["sound"]} - {SILENCE})
        own["sound"] = [heard.index(i) if i != SILENCE else SILENCE for i in rows["sound"].tolist()]
        return {
            "edits": hashlib.sha256(own.tobytes()).hexdigest(),
            "references": [
                (r.box, r.pts, self.file_key(r.picture) if r.picture else None) for r in references
            ],
            "heard": [self._heard(segment, self.sounds[index]) for index in heard],
            "network": self.mouths,
        }

    def _heard(self, segment: int, pcm: npt.NDArray[np.int16]) -> str:
        low, high = segment * SEGMENT_SECONDS, (segment + 1) * SEGMENT_SECONDS
        start, end = (max(0, floor(t * NETWORK_RATE)) for t in (low - HEARD_BEFORE, high + HEARD_AFTER))
        heard = hashlib.sha256(pcm[start:end].tobytes()).hexdigest()
        let_go(pcm)
        return heard


def digest(parts: Any) -> str:
    """The SHA-256 of something that JSON can hold; what it cannot is taken as text."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
