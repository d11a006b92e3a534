"""Lists as the paper publishes them: an ``audio video`` pair a line, names below a root folder.

The published lists name files without their suffix (``id00017/5MkXgwdrmJw/00001``), one of them without their
folder too (``ABOUT_00001`` stands for ``ABOUT/test/ABOUT_00001``); `listed_file` finds what they mean.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from lipdub.errors import DatasetError
from lipdub.table import Kind, decoded, read_bytes
from lipdub.wording import counted

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".flv", ".3gp")
"""Of files that are taken for movies, the likeliest first."""
AUDIO_SUFFIXES = (".wav", ".flac", ".m4a", ".aac", ".mp3", ".ogg", ".opus")
"""Of files that are taken for sound alone."""
SPLITS = ("test", "val", "train")
"""Folders that LRW has in each word's folder; the paper's lists are of the first."""
MOST_PROBLEMS = 20
"""Lines that are complained of one by one: in a file of another kind, all of them are wrong."""

PAIRS = Kind("list", "audio video", DatasetError)

_LRW_CLIP = re.compile(r"([A-Z]+)_\d{5}")


@dataclass(frozen=True, slots=True)
class Pair:
    """A line of a list: whose picture is to speak which sound.

    Attributes:
        audio, video: below the root, as the list names them, perhaps without a suffix (see `listed_file`).
        line: of the list, from 1.
    """

    audio: Path
    video: Path
    line: int


def read_pairs(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> list[Pair]:
    """Read a list of pairs; whether their files exist is not looked at.

    Args:
        path: the list: UTF-8, at most 16 MB.
        root: folder that its names start from, and that none may leave; None is the list's own folder, and
            absolute names may lie anywhere: who writes a list for his own machine means them so.

    Raises:
        DatasetError: it cannot be read, or has bad lines; each is named.
    """
    path = Path(path)
    text = decoded(read_bytes(path, PAIRS), path, PAIRS)
    return parse_pairs(text, str(path), Path(root or path.parent), bound=root is not None)


def parse_pairs(text: str, name: str, root: Path, *, bound: bool = True) -> list[Pair]:
    """The pairs of a list, in order.

    A line has two names with a tab between them, or with spaces if neither has one. Empty lines and
    lines that begin with ``#`` say nothing.

    Args:
        text: of the list.
        name: of the list, for messages.
        root: folder that the names start from.
        bound: whether absolute names must lie in it, too. No other name can lead out of it.

    Raises:
        DatasetError: one sentence for each bad line (the first 20), with its number; or there is no pair.
    """
    pairs, problems = [], []
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        try:
            pairs.append(_pair(content, root, line, bound))
        except ValueError as exc:
            problems.append(f"{name}, line {line}: {exc}")
    if problems:
        more = len(problems) - MOST_PROBLEMS
        rest = [f"{name}: {counted(more, 'more line is', 'more lines are')} bad."] if more > 0 else []
        raise DatasetError("\n".join([*problems[:MOST_PROBLEMS], *rest]))
    if not pairs:
        raise DatasetError(f"{name} has no pairs; write an audio and a video on each line.")
    return pairs


def listed_file(path: Path, suffixes: tuple[str, ...]) -> Path | None:
    """The file that a list means by a path: itself, or with one of some suffixes; None if there is none.

    A name of LRW without folders (``ABOUT_00001``) is also looked for where LRW keeps it.
    """
    return next((p for p in _candidates(path, suffixes) if p.is_file()), None)


def _pair(content: str, root: Path, line: int, bound: bool) -> Pair:
    names = [name.strip() for name in content.split("\t")] if "\t" in content else content.split()
    if len(names) != 2 or not all(names):
        raise ValueError(
            f"a line is an audio and a video, and this has {counted(len(names), 'name')}; where names have"
            " spaces, put a tab between them."
        )
    audio, video = (_placed(name, root, bound) for name in names)
    return Pair(audio, video, line)


def name_below(path: Path, root: Path) -> str:
    """The name of a file below a folder, with ``/`` between its parts; of one elsewhere, its whole path."""
    below = Path(os.path.relpath(path, root))
    return (path.absolute().relative_to(path.absolute().anchor) if ".." in below.parts else below).as_posix()


def _placed(name: str, root: Path, bound: bool) -> Path:
    """The path that a name means, if it cannot lead out of the folder it starts from, on any system.

    Raises:
        ValueError: it can, or no file can have it.
    """
    shown = name if len(name) <= 100 else f"{name[:100]}…"
    if not name.isprintable():
        raise ValueError(f"{shown!r} has characters that no name should have.")
    windows = PureWindowsPath(name)
    if ".." in windows.parts:
        raise ValueError(f"{shown} goes up by '..'; give names below the folder of --root, or whole paths.")
    path, top = Path(name), root.absolute()
    if path.is_absolute():
        if path.is_relative_to(top):
            return root / path.relative_to(top)
        if bound:
            raise ValueError(f"{shown} does not lie in {root}; give names below the folder of --root.")
        return path
    if PurePosixPath(name).is_absolute() or windows.drive or windows.root:
        raise ValueError(f"{shown} is a path of another system; give names below the folder of --root.")
    return root / name


def _candidates(path: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    clip = _LRW_CLIP.fullmatch(path.stem if path.suffix.lower() in suffixes else path.name)
    places = [path]
    if clip:
        places += [path.parent / clip[1] / split / path.name for split in SPLITS]
    for place in places:
        yield place
        # Not with_suffix: a name may have dots of its own.
        yield from (place.with_name(place.name + suffix) for suffix in suffixes)
