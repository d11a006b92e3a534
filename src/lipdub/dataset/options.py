"""What `lipdub prepare` can be told."""

from dataclasses import dataclass
from fractions import Fraction

from lipdub.errors import OptionError

RATE = 25
"""Frames a second of training data: the network's windows of sound are made for it."""
SYNC = ("shift", "drop", "keep")
SPEAKERS = ("folder", "file")
PICTURES = ("jpg", "png")
FARTHEST_SHIFT = 15
"""Frames, 0.6 s, by which sound is looked for either way: what published figures of sync look at."""


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """How training data is made.

    Attributes:
        size: pixels of the network's crop, in width and height.
        margin: of its width and height that is kept beside it on every side, so that training may shift it.
        pictures: ``jpg`` (quality 95, 4:4:4) or ``png``.
        shortest, longest: frames of a clip, at 25 a second; longer ones are cut into equal parts.
        min_face: height of the crop, in pixels of the movie, below which a face is left out.
        sync: what becomes of clips whose sound is clearly early or late: ``shift`` it, ``drop`` them, or
            ``keep`` them as they are.
        max_shift: frames by which sound may be shifted at most; what is further off is dropped.
        min_confidence: what agrees less with its sound than this (see `lipdub.dataset.syncing.confidence`) is
            left out; how large it is depends on what judges.
        expert: path of the colour expert's weights, to judge sync by.
        syncnet: path of SyncNet's weights, to judge sync by.
        speakers: ``folder``: files in one folder show one speaker, unless several people are seen in one of
            them; ``file``: each file shows a speaker of its own.
        per_shard: videos that one shard is made of, at most.
        root: folder that the names in lists start from; None is the list's own folder.
        fresh: make anew what is there.

    Raises:
        OptionError: a value is impossible.
    """

    size: int = 128
    margin: Fraction = Fraction(1, 8)
    pictures: str = "jpg"
    shortest: int = 25
    longest: int = 250
    min_face: int = 64
    sync: str = "shift"
    max_shift: int = FARTHEST_SHIFT
    min_confidence: float | None = None
    expert: str | None = None
    syncnet: str | None = None
    speakers: str = "folder"
    per_shard: int = 64
    root: str | None = None
    fresh: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (("sync", SYNC), ("speakers", SPEAKERS), ("pictures", PICTURES)):
            if getattr(self, name) not in allowed:
                raise OptionError(f"--{name} is one of {', '.join(allowed)}, not {getattr(self, name)}.")
        for name, low, high in (("size", 16, 1024), ("min_face", 1, 4096), ("per_shard", 1, 100_000),
                                ("max_shift", 0, FARTHEST_SHIFT), ("shortest", 5, 10_000)):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                raise OptionError(f"--{name.replace('_', '-')} must be {low} to {high}.")
        if not 2 * self.shortest <= self.longest <= 10_000:
            raise OptionError("--longest must be at least twice --shortest, so that parts are long enough.")
        if not 0 <= self.margin <= 1 or self.stored.denominator != 1:
            raise OptionError("--margin must be 0 to 1, and a whole number of pixels of --size.")
        if self.expert and self.syncnet:
            raise OptionError("--expert and --syncnet both judge sync; give one of them.")

    @property
    def stored(self) -> Fraction:
        """Pixels of a stored picture, in width and height: the crop and its margins."""
        return self.size * (1 + 2 * self.margin)
