"""A whole picture written as the pipeline does it, in one segment or several, for tests of what comes
after."""

from collections.abc import Sequence
from pathlib import Path

import av

from lipdub.media.encode import Coded, SegmentWriter
from lipdub.media.encoding import Encoding
from lipdub.media.join import join
from lipdub.media.probe import VideoInfo
from lipdub.media.timing import order_of, whole_order


class PictureWriter:
    """Write frames into one picture file.

    Args:
        path: where to.
        info: the source.
        encoding: what was chosen for it.
        cuts: numbers of frames at which a new segment begins.
    """

    def __init__(self, path: Path, info: VideoInfo, encoding: Encoding, cuts: Sequence[int] = ()) -> None:
        self._path, self._info, self._encoding, self._cuts = path, info, encoding, frozenset(cuts)
        self._parts: list[Path] = []
        self._coded: list[Coded] = []
        self._writer: SegmentWriter | None = None
        self._count = 0

    def write(self, frame: av.VideoFrame) -> None:
        if self._writer is not None and self._count in self._cuts:
            self._coded.append(self._writer.finish(last=False))
            self._writer = None
        if self._writer is None:
            self._parts.append(self._path.with_name(f"{self._path.stem}.{len(self._parts)}.part"))
            self._writer = SegmentWriter(self._parts[-1], self._info, self._encoding)
        self._writer.write(frame)
        self._count += 1

    def __enter__(self) -> "PictureWriter":
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        if self._writer is None:
            return
        if kind is None:
            self._coded.append(self._writer.finish(last=True))
            order = whole_order(order_of(coded.pts) for coded in self._coded)
            join(self._parts, self._path, self._info, self._encoding, order, self._coded[-1].length)
        self._writer.__exit__()
        for part in self._parts:
            part.unlink(missing_ok=True)
