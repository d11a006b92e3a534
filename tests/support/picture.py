"""A whole picture written as the pipeline does it, in one segment or several, for tests of what comes
after."""

from collections.abc import Sequence
from pathlib import Path

import av

from lipdub.media.encode import Coded, SegmentWriter, exact_timescale
from lipdub.media.encoding import Encoding
from lipdub.media.frames import usual_length
from lipdub.media.join import Joined, Segment
from lipdub.media.probe import VideoInfo
from lipdub.media.timing import order_of
from lipdub.media.tracks import add_copy


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

    def _join(self, picture: Joined) -> None:
        scale, carrier = str(exact_timescale(self._info.time_base)), self._encoding.encoder.carrier
        exact = {"video_track_timescale": scale, "movie_timescale": scale} if carrier != "nut" else {}
        with (
            av.open(f"file:{self._path}", "w", format=carrier, options=exact) as output,
            av.open(str(picture.segments[0].path)) as first,
        ):
            stream = add_copy(output, first.streams.video[0], f".{carrier}")
            stream.time_base = self._info.time_base
            for packet in picture.packets():
                packet.stream = stream
                output.mux(packet)

    def __enter__(self) -> "PictureWriter":
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        if self._writer is None:
            return
        if kind is None:
            self._coded.append(self._writer.finish(last=True))
            parts = [Segment(p, order_of(c.pts)) for p, c in zip(self._parts, self._coded, strict=True)]
            self._join(Joined(parts, self._info.time_base, usual_length(self._info), self._coded[-1].length))
        self._writer.__exit__()
        for part in self._parts:
            part.unlink(missing_ok=True)


def picture_of(path: Path, info: VideoInfo) -> Joined:
    """A picture file, of any maker, as one segment."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    pts = [int(packet.pts * packet.time_base / info.time_base) for packet in packets]
    length = int(packets[-1].duration * packets[-1].time_base / info.time_base)
    return Joined([Segment(path, order_of(pts))], info.time_base, usual_length(info), length)
