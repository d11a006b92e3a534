"""Which videos to prepare: files, folders, lists; and what their places in them tell."""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lipdub.dataset.lists import (
    AUDIO_SUFFIXES,
    SPLITS,
    VIDEO_SUFFIXES,
    listed_file,
    name_below,
    read_pairs,
)
from lipdub.errors import DatasetError

notes = logging.getLogger(__name__)

LIST_SUFFIXES = (".txt", ".lst", ".list")
SOUND_TREES = {"mp4": ("aac", "wav"), "video": ("audio",), "videos": ("audio", "audios")}
"""Folders of pictures, and those beside them that hold their sound, under the same names (VoxCeleb2: aac)."""

_VOXCELEB_ID = re.compile(r"id\d{5}")


class Source(NamedTuple):
    """A video to prepare.

    Attributes:
        path: of the file, absolute.
        name: by which reports and samples know it, below what was named on the command line.
        speaker: who is seen in it, as far as its place tells.
        bytes: of the file.
    """

    path: str
    name: str
    speaker: str
    bytes: int


def find_sources(
    inputs: Sequence[Path], root: Path | None = None, speakers: str = "folder", apart: Path | None = None
) -> list[Source]:
    """All videos that are meant, in the order of their names within each input, each once.

    Of a list, the videos are taken, each with its own sound: what a list of pairs would have them say is not
    what they said.

    Args:
        inputs: movies, folders (with all folders in them), lists of pairs (``.txt``).
        root: folder that names in lists start from, and lie in; by default the list's own, and absolute
            names may lie anywhere.
        speakers: ``folder`` or ``file`` (see `PrepareOptions`).
        apart: a folder that is not looked into.

    Raises:
        DatasetError: an input is not there, a list is bad, or there is no video.
    """
    found: dict[str, Source] = {}
    for given in inputs:
        videos = list(_videos(given, root, apart))
        if not videos:
            notes.warning("there is no video in %s, which is skipped.", given)
        for path, name in videos:
            absolute = os.path.realpath(path)
            if absolute not in found:
                speaker = speaker_of(path) if speakers == "folder" else name
                found[absolute] = Source(absolute, name, speaker, _size(path))
    if not found:
        raise DatasetError(
            f"there is no video in {', '.join(map(str, inputs))}; movies are files named"
            f" {', '.join(f'*{suffix}' for suffix in VIDEO_SUFFIXES)}."
        )
    return list(found.values())


def speaker_of(path: Path) -> str:
    """Who is seen in a video, by its place: VoxCeleb2's id, LRW's word, else the folder that it is in."""
    path = path.absolute()
    for folder in reversed(path.parts[:-1]):
        if _VOXCELEB_ID.fullmatch(folder):
            return folder
    word = path.parent.parent.name
    if path.parent.name in SPLITS and path.name.startswith(f"{word}_"):
        return word
    return path.parent.name


def sound_beside(video: Path) -> Path | None:
    """The sound of a silent video: of the same name beside it, or in a tree of sound beside its own."""
    places = [video.parent]
    parts = video.parent.parts
    for i in range(len(parts) - 1, -1, -1):
        places += [Path(*parts[:i], tree, *parts[i + 1 :]) for tree in SOUND_TREES.get(parts[i], ())]
    candidates = (place / f"{video.stem}{suffix}" for place in places for suffix in AUDIO_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def chunked(sources: Sequence[Source], count: int, most_bytes: int) -> Iterator[Sequence[Source]]:
    """The sources in order, in groups of at most so many, and of at most so many bytes if more than one."""
    first = size = 0
    for i, source in enumerate(sources):
        if i > first and (i - first == count or size + source.bytes > most_bytes):
            yield sources[first:i]
            first, size = i, 0
        size += source.bytes
    if first < len(sources):
        yield sources[first:]


def _videos(given: Path, root: Path | None, apart: Path | None) -> Iterable[tuple[Path, str]]:
    if given.is_dir():
        return _in_folder(given, apart)
    if not given.is_file():
        raise DatasetError(f"{given}: there is no such file or folder; check the path.")
    if given.suffix.lower() not in LIST_SUFFIXES:
        return [(given, given.name)]
    return _in_list(given, root)


def _in_folder(folder: Path, apart: Path | None) -> Iterator[tuple[Path, str]]:
    top = folder.absolute().name
    for place, folders, files in os.walk(folder, onerror=_tell_unreadable):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not _same(Path(place, f), apart))
        for file in sorted(files):
            path = Path(place, file)
            if path.suffix.lower() in VIDEO_SUFFIXES and not file.startswith("."):
                yield path, Path(top, path.relative_to(folder)).as_posix()


def _in_list(path: Path, root: Path | None) -> Iterator[tuple[Path, str]]:
    for pair in read_pairs(path, root):
        # A video that is not there gets its line in the report, like one that cannot be read.
        video = listed_file(pair.video, VIDEO_SUFFIXES) or pair.video
        yield video, name_below(video, root or path.parent)


def _tell_unreadable(exc: OSError) -> None:
    raise DatasetError(f"{exc.filename} cannot be looked into ({exc.strerror}).") from exc


def _same(path: Path, other: Path | None) -> bool:
    return other is not None and path.absolute() == other.absolute()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
