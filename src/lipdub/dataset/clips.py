"""Clips in shards, any of them at any time: opening reads headers, a picture costs one small read.

A shard is a tar in which the files of a clip lie next to each other: KEY.json, KEY.flac (16 kHz mono, 640
samples a frame), KEY.000000.jpg (or .png) and on. See `lipdub.dataset.tar` for how they are found.
"""

import copy
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, Self, overload

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from lipdub.dataset.shardfile import PATTERN
from lipdub.dataset.tar import AGAIN, Member, members
from lipdub.errors import DatasetError
from lipdub.sampling import NETWORK_RATE

RATE = 25
"""Frames a second of every clip."""
SAMPLES, _rest = divmod(NETWORK_RATE, RATE)
"""Samples of sound a frame."""
assert (SAMPLES, _rest) == (640, 0)
FORMAT = 1
PICTURES = ("jpg", "png")


@dataclass(frozen=True, slots=True)
class Clip:
    """One person, some seconds long, without a cut.

    Attributes:
        shard: the tar it lies in.
        key: its name, unique in its folder.
        frames: how many, at 25 a second.
        speaker: whose face it is.
        size: side of the stored pictures, which are square, in pixels.
        margin: by how much of the crop's width and height a stored picture goes beyond it, on every side.
        places: [2 + frames, 2]: offset and length of JSON, sound, and pictures in the shard.
    """

    shard: Path
    key: str
    frames: int
    speaker: str
    size: int
    margin: float
    places: NDArray[np.int64]

    @property
    def meta(self) -> dict[str, Any]:
        """All that prepare wrote of the clip: source, start, aperture, yaw, pitch …; read anew each time."""
        return _parsed(self.shard, self.key, self._read(0))

    def picture(self, frame: int) -> NDArray[np.uint8]:
        """A frame, [size, size, 3] RGB.

        Raises:
            IndexError: there is no such frame.
            DatasetError: the shard is damaged, or has changed.
        """
        if not 0 <= frame < self.frames:
            raise IndexError(frame)
        found = cv2.imdecode(np.frombuffer(self._read(2 + frame), np.uint8), cv2.IMREAD_COLOR_RGB)
        if found is None or found.shape[:2] != (self.size, self.size):
            raise self._damaged(f"frame {frame}")
        return np.asarray(found, np.uint8)

    def sound(self, first: int = 0, end: int | None = None) -> NDArray[np.int16]:
        """The sound of frames first … end − 1, by default of all: 16 kHz mono, [640 · frames].

        Raises:
            DatasetError: the shard is damaged, or has changed.
        """
        end = self.frames if end is None else end
        try:
            with soundfile.SoundFile(io.BytesIO(self._read(1))) as file:
                right = (file.samplerate, file.channels, file.frames) == (
                    NETWORK_RATE,
                    1,
                    SAMPLES * self.frames,
                )
                file.seek(SAMPLES * first)
                found = file.read(SAMPLES * (end - first), dtype="int16")
        except soundfile.LibsndfileError as exc:
            raise self._damaged("the sound") from exc
        if not right or len(found) != SAMPLES * (end - first):
            raise self._damaged("the sound")
        return np.asarray(found, np.int16)

    def _read(self, part: int) -> bytes:
        offset, length = (int(number) for number in self.places[part])
        try:
            # Opened for each read, so that the processes of a data loader share nothing; it costs 10 µs.
            with self.shard.open("rb", buffering=0) as file:
                file.seek(offset)
                found = file.read(length)
        except OSError as exc:
            raise DatasetError(f"The shard {self.shard} cannot be read ({exc.strerror}).") from exc
        if len(found) != length:
            raise DatasetError(f"The shard {self.shard} has changed while it was read; start again.")
        return found

    def _damaged(self, what: str) -> DatasetError:
        return DatasetError(f"In the shard {self.shard}, {what} of the clip {self.key} is damaged; {AGAIN}.")


class Clips(Sequence[Clip]):
    """All clips of some folders of shards, ordered by folder, shard and place.

    Raises:
        DatasetError: a folder is not there or has no shards, or a shard is damaged or of another format.
    """

    def __init__(self, folders: Iterable[Path | str]) -> None:
        self._clips = [clip for folder in folders for shard in _shards(Path(folder)) for clip in _scan(shard)]
        if not self._clips:
            raise DatasetError("There is no clip in the shards; give folders that lipdub prepare has filled.")

    def only(self, speaker: str) -> Self:
        """The clips of one speaker, in their order."""
        chosen = copy.copy(self)
        chosen._clips = [clip for clip in self._clips if clip.speaker == speaker]
        return chosen

    @property
    def speakers(self) -> list[str]:
        """The speaker of every clip."""
        return [clip.speaker for clip in self._clips]

    @property
    def fingerprint(self) -> str:
        """Changes when other clips are learnt from, wherever they lie."""
        told = (f"{clip.shard.name}/{clip.key} {clip.frames}" for clip in self._clips)
        return sha256("\n".join(told).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._clips)

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> list[Clip]: ...
    def __getitem__(self, index: int | slice) -> Clip | list[Clip]:
        return self._clips[index]


def _shards(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}; give one that lipdub prepare has filled.")
    found = sorted(folder.glob(PATTERN))
    if not found:
        raise DatasetError(f"There are no shards ({PATTERN}) in {folder}; fill it with lipdub prepare first.")
    return found


def _scan(shard: Path) -> Iterator[Clip]:
    for key, files in groupby(members(shard), lambda member: member.name.partition(".")[0]):
        yield _clip(shard, key, list(files))


def _clip(shard: Path, key: str, files: list[Member]) -> Clip:
    ends = [file.name.removeprefix(f"{key}.") for file in files]
    frames = len(files) - 2
    kind = ends[-1].rpartition(".")[2]
    pictures = [f"{frame:06d}.{kind}" for frame in range(frames)]
    if ends != ["json", "flac", *pictures] or kind not in PICTURES:
        missing = "sound" if "flac" not in ends else "pictures in their order" if "json" in ends else "JSON"
        raise DatasetError(f"In the shard {shard}, the clip {key} lacks its {missing}; {AGAIN}.")
    places = np.array([(file.offset, file.length) for file in files], np.int64)
    clip = Clip(shard, key, frames, "", 0, 0.0, places)
    meta = clip.meta
    try:
        wrong = meta["format"] != FORMAT or meta["frames"] != frames or len(meta["aperture"]) != frames
        size, margin, speaker = int(meta["size"]), float(meta["margin"]), str(meta["speaker"])
    except (KeyError, TypeError, ValueError):
        wrong = True
    if wrong:
        raise DatasetError(f"In the shard {shard}, the JSON of {key} does not fit its pictures; {AGAIN}.")
    return Clip(shard, key, frames, speaker, size, margin, places)


def _parsed(shard: Path, key: str, text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DatasetError(f"In the shard {shard}, the JSON of the clip {key} is damaged; {AGAIN}.")
    return found
