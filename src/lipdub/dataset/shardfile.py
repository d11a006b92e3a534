"""Shards of clips, written: a tar whose bytes depend on nothing but the clips."""

import io
import json
import re
import secrets
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from lipdub.dataset.tar import members
from lipdub.disk import settle, telling
from lipdub.errors import DatasetError
from lipdub.sampling import NETWORK_RATE

FORMAT = 1
PATTERN = "shard-*.tar"
_FIRST = re.compile(r"\d{7}_\d{4}\.json")
"""Name of the first file in a shard of `lipdub prepare`."""


def shard_path(folder: Path, number: int) -> Path:
    """Where a shard lies."""
    return folder / f"shard-{number:06d}.tar"


def is_ours(path: Path) -> bool:
    """Whether a tar was made by `lipdub prepare`; others may lie in the same folder."""
    try:
        return any(_FIRST.fullmatch(member.name) for member in islice(members(path), 1))
    except DatasetError:
        return False


class ShardWriter:
    """Writes a shard under another name, and gives it its own when it is complete.

    Args:
        path: of the shard.

    Raises:
        RenderError: the disk does not take it.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, path.with_name(f"{path.stem}.{secrets.token_hex(4)}.part")
        self.clips = self.bytes = 0
        with telling(self._part):
            self._file = self._part.open("wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    def __enter__(self) -> "ShardWriter":
        return self

    def add(
        self,
        key: str,
        meta: Mapping[str, Any],
        sound: npt.NDArray[np.int16],
        pictures: Sequence[bytes],
        suffix: str,
    ) -> None:
        """Write a clip.

        Args:
            key: its name, [0-9a-z_-]+.
            meta: what its JSON says besides the format and the number of frames.
            sound: [640 · n], 16 kHz.
            pictures: [n], compressed.
            suffix: of their names.
        """
        said = json.dumps({"format": FORMAT, "frames": len(pictures), **meta})
        spoken = flac(sound)  # first: a clip that cannot be encoded must leave nothing of it in the shard
        with telling(self._part):
            self._member(f"{key}.json", said.encode())
            self._member(f"{key}.flac", spoken)
            for number, picture in enumerate(pictures):
                self._member(f"{key}.{number:06d}.{suffix}", picture)
        self.clips += 1

    def _member(self, name: str, content: bytes) -> None:
        entry = tarfile.TarInfo(name)  # of no user, and of the year 1970: equal clips make equal shards
        entry.size = len(content)
        self._tar.addfile(entry, io.BytesIO(content))

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with suppress(OSError):  # what is still to be written finds a full disk again
                self._file.close()
            self._part.unlink(missing_ok=True)
            return
        with telling(self._part), self._file:
            self._tar.close()
        if not self.clips:
            self._part.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
            return
        self.bytes = settle(self._part, self._path)[0]


def flac(sound: npt.NDArray[np.int16]) -> bytes:
    """Sound [n], 16 kHz, as a FLAC file of 16 bits."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=NETWORK_RATE, layout="mono", format="s16")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None]), format="s16", layout="mono")
        frame.sample_rate, frame.pts = NETWORK_RATE, 0
        for some in (frame, None):
            container.mux(stream.encode(some))
    return file.getvalue()


def plain(values: npt.NDArray[np.floating], decimals: int) -> list[float | None]:
    """Numbers [n] for JSON, which has no NaN."""
    return [round(v, decimals) if np.isfinite(v) else None for v in values.astype(np.float64).tolist()]
