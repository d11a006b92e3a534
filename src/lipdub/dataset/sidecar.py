"""What is written beside each shard: from what and how it was made, and what became of each video."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lipdub.cache import remembered_sha256
from lipdub.dataset.making import Row
from lipdub.dataset.options import PrepareOptions
from lipdub.dataset.shardfile import FORMAT, shard_path
from lipdub.dataset.sources import Source
from lipdub.disk import write_text

NO_PART_OF_IT = {"fresh", "root", "per_shard"}
"""Options that do not change what is made of a list of videos."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A unit of work: some videos that become one shard.

    Attributes:
        number: of the shard.
        first: number of its first video among all.
        sources: the videos.
        options: how clips are made.
        folder: of the shards.
        fatal: numbers of videos, among all, that ended the process which read them.
    """

    number: int
    first: int
    sources: tuple[Source, ...]
    options: PrepareOptions
    folder: str
    fatal: frozenset[int] = frozenset()

    @property
    def shard(self) -> Path:
        """Where the shard lies."""
        return shard_path(Path(self.folder), self.number)

    @property
    def sidecar(self) -> Path:
        """Where it is written what became of each video."""
        return self.shard.with_suffix(".json")

    @property
    def reading(self) -> Path:
        """Where the number of the video that is being read is written, in case it ends the process."""
        return self.shard.with_suffix(".reading")

    @property
    def recipe(self) -> str:
        """What the shard is made of, and how, as a hash."""
        options = {name: v for name, v in asdict(self.options).items() if name not in NO_PART_OF_IT}
        networks = {name: _hash(options[name]) for name in ("expert", "syncnet") if options[name]}
        told = {
            "format": FORMAT,
            "first": self.first,
            "sources": [(source.name, source.speaker, source.bytes) for source in self.sources],
            "options": {name: str(value) for name, value in options.items()} | networks,
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def write_sidecar(chunk: Chunk, rows: Sequence[Row], clips: int, size: int, seconds: float) -> None:
    """Write what became of a chunk; after it, the chunk is finished.

    Raises:
        RenderError: the disk does not take it.
    """
    write_json(
        chunk.sidecar,
        {
            "recipe": chunk.recipe,
            "clips": clips,
            "bytes": size,
            "seconds": round(seconds, 1),
            "videos": [row.as_json() for row in rows],
        },
    )


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """What is written beside a shard; None if nothing is, or it is damaged."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and {"recipe", "clips", "bytes", "videos"} <= found.keys()
    return found if whole else None


def is_finished(chunk: Chunk, found: Mapping[str, Any]) -> bool:
    """Whether a chunk was made whole, in the same way, and is still there."""
    try:
        size = chunk.shard.stat().st_size
    except OSError:
        size = 0
    return bool(found["recipe"] == chunk.recipe and size == found["bytes"])


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file of JSON, whole or not at all.

    Raises:
        RenderError: the disk does not take it.
    """
    write_text(path, json.dumps(content, indent=1) + "\n")


def _hash(path: str) -> str:
    try:
        return remembered_sha256(Path(path))  # asked for every shard
    except OSError:
        return ""
