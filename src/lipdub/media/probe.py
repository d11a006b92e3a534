"""What a movie is made of, read once and kept as plain data."""

import os
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import av.container
import av.error

from lipdub.errors import MediaError
from lipdub.media.bounds import (
    MAX_PIXELS,
    STILL_RATE,
    believed_rate,
    check_size,
    check_start,
    check_time_base,
)
from lipdub.media.clocks import duration_of, end_of, first_times, origin_of, time_base_of
from lipdub.media.colour_tags import Colour, colour_of, said_of, told_by
from lipdub.media.described import Described, DolbyVision
from lipdub.media.fields import FieldOrder, field_order
from lipdub.media.geometry import Geometry
from lipdub.media.hdr import Hdr, hdr_of
from lipdub.media.reading import check_decoder, opened
from lipdub.media.timing import first_time
from lipdub.media.tracklist import Stream, is_cover, listed

STILL_FORMATS = ("image2", "_pipe")
"""How libavformat's names of single pictures end: image2, png_pipe, jpeg_pipe, …"""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """The first picture stream of a movie and what surrounds it.

    Attributes:
        path: the file.
        container: libavformat's name of the format, for example ``mov,mp4,m4a,3gp,3g2,mj2``.
        index: index of the picture stream in the container.
        codec, profile, pix_fmt: as libavcodec names them.
        geometry: coded size, sample aspect, rotation.
        time_base: unit of presentation times (pts), in seconds.
        rate: average frame rate in frames per second.
        start: pts of the first frame.
        duration: seconds from the first frame to the end of the last, if the container knows.
        frames: number of frames, estimated if the container does not say; None if unknown.
        colour: colour tags.
        interlaced: whether the first frame is interlaced, or the container says so.
        origin: the time, in the container's own clock, that a player shows as 0 seconds.
        still: the file is a single picture.
        streams: all streams of the container.
        end: pts at which the last frame ends, if the container says it of this stream.
        fields: which field of an interlaced picture comes first.
        separate_fields: each frame is one field (a way of HEVC), not two of them woven.
        hdr: the screen that the movie was graded on, and its light.
        dolby: the configuration of Dolby Vision, if there is one.
        hidden_alpha: there is transparency beside the picture (a way of VP8 and VP9), which is not decoded.
    """

    path: Path
    container: str
    index: int
    codec: str
    profile: str | None
    pix_fmt: str
    geometry: Geometry
    time_base: Fraction
    rate: Fraction
    start: int
    duration: Fraction | None
    frames: int | None
    colour: Colour
    interlaced: bool
    origin: Fraction
    still: bool
    streams: tuple[Stream, ...]
    end: int | None = None
    fields: FieldOrder = FieldOrder.PROGRESSIVE
    separate_fields: bool = False
    hdr: Hdr = field(default_factory=Hdr)
    dolby: DolbyVision | None = None
    hidden_alpha: bool = False

    @property
    def until(self) -> Fraction | None:
        """The time a player shows at the end of the last frame, in seconds, if the container knows."""
        return None if self.duration is None else self.seconds(self.start) + self.duration

    def seconds(self, pts: int) -> Fraction:
        """The time a player shows for a frame with this pts, in seconds, exactly."""
        return pts * self.time_base - self.origin


def probe_video(path: str | os.PathLike[str]) -> VideoInfo:
    """Read what the movie's picture is; the first frame is decoded to be sure that it can be.

    Raises:
        MediaError: no such file, not a movie, no picture stream, nothing that decodes, nothing that can be
            shown without the metadata of Dolby Vision.
    """
    path = Path(path)
    with opened(path) as container:
        videos = [s for s in container.streams.video if not is_cover(s)]
        if not videos:
            raise MediaError(f"{path} has no picture stream; give a movie or an image.")
        stream = videos[0]
        check_decoder(path, stream)
        check_size(path, stream.width, stream.height)
        told = told_by(stream)
        frame = _first_frame(container, stream, path)
        still = container.format.name.endswith(STILL_FORMATS) or _is_alone(path, stream)
        time_base = 1 / STILL_RATE if still else time_base_of(stream)
        check_time_base(path, time_base)
        rate = STILL_RATE if still else believed_rate(stream.average_rate, stream.guessed_rate)
        times = first_times(frame, container, stream)
        origin, usual = origin_of(container), max(1, round(1 / (rate * time_base)))
        start = 0 if still else first_time(times, round(origin / time_base), usual)
        check_start(path, start * time_base - origin)
        duration = None if still else duration_of(container, stream)
        codec = stream.codec_context.codec.canonical_name
        said = Described() if still else said_of(path, stream.index, codec, frame)
        fields = field_order(frame, stream.codec_context.field_order)
        separate = codec == "hevc" and frame.interlaced_frame
        return VideoInfo(
            path=path,
            container=container.format.name,
            index=stream.index,
            codec=codec,
            profile=stream.profile,
            pix_fmt=frame.format.name,
            geometry=_geometry(stream, frame),
            time_base=time_base,
            rate=rate,
            start=start,
            duration=duration,
            frames=None if still else _frame_count(stream, duration, rate),
            colour=colour_of(frame, codec, told, said.location),
            interlaced=fields != FieldOrder.PROGRESSIVE and not separate,
            origin=origin,
            still=still,
            streams=tuple(listed(s, len(container.chapters())) for s in container.streams),
            end=end_of(stream),
            fields=fields,
            separate_fields=separate,
            hdr=hdr_of(frame),
            dolby=said.dolby,
            hidden_alpha=stream.metadata.get("alpha_mode") == "1",
        )


def _is_alone(path: Path, stream: av.VideoStream) -> bool:
    """Whether the file is one picture without sound, like most GIF, AVIF and HEIC files."""
    if stream.container.streams.audio or stream.frames > 1:
        return False
    with opened(path) as container:  # the first packets only; what was decoded so far may have read further
        packets = container.demux(container.streams[stream.index])
        return len(list(islice((p for p in packets if p.size), 2))) == 1


def _first_frame(container: av.container.InputContainer, stream: av.VideoStream, path: Path) -> av.VideoFrame:
    try:
        frame = next(iter(container.decode(stream)), None)
    except av.error.FFmpegError as exc:
        raise MediaError(
            f"{path} holds a picture that cannot be decoded: it is damaged, or larger than"
            f" {MAX_PIXELS:,} pixels (8192×4352)."
        ) from exc
    if frame is None:
        raise MediaError(f"{path} has a picture stream without a single frame in it.")
    return frame


def _geometry(stream: av.VideoStream, frame: av.VideoFrame) -> Geometry:
    aspect = stream.sample_aspect_ratio
    return Geometry(
        frame.width,
        frame.height,
        Fraction(aspect) if aspect else Fraction(1),
        round(frame.rotation / 90) * 90 % 360,
    )


def _frame_count(stream: av.VideoStream, duration: Fraction | None, rate: Fraction) -> int | None:
    if stream.frames:
        return int(stream.frames)
    return round(duration * rate) if duration else None
