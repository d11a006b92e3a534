"""Join segments into one picture stream, with decoding times computed over all of it."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.container
import av.error

from lipdub.errors import RenderError
from lipdub.media.encode import exact_timescale, write_error
from lipdub.media.encoding import Encoding
from lipdub.media.frames import usual_length
from lipdub.media.probe import VideoInfo, opened
from lipdub.media.timing import DecodingTimes, Order


def join(
    segments: Iterable[Path], path: Path, info: VideoInfo, encoding: Encoding, order: Order, length: int
) -> None:
    """Write one picture file from the files of all segments, in order; no frame is encoded anew.

    Args:
        segments: files as `SegmentWriter` makes them, all with this encoding; at least one.
        path: where to; its suffix should be ``.`` + the encoder's carrier.
        info: the movie.
        encoding: of the picture.
        order: in which the packets of all segments are decoded and shown.
        length: ticks for which the last frame is shown.

    Raises:
        RenderError: a segment cannot be read, or the disk is full.
    """
    times = DecodingTimes(order, usual_length(info))
    scale = str(exact_timescale(info.time_base))
    nut = encoding.encoder.carrier == "nut"
    options = {} if nut else {"video_track_timescale": scale, "movie_timescale": scale}
    try:
        with av.open(f"file:{path}", "w", format=encoding.encoder.carrier, options=options) as output:
            stream: av.VideoStream | None = None
            for segment in segments:
                with opened(segment) as container:
                    source = container.streams.video[0]
                    if stream is None:
                        stream = _like(source, output)
                        stream.time_base = info.time_base
                    for packet in _timed(container, source, info.time_base, times):
                        packet.stream = stream
                        packet.duration = length if packet.pts in {order.last, order.tail[-1]} else 0
                        output.mux(packet)
    except (av.error.FFmpegError, OSError) as exc:
        raise write_error(exc, path) from exc


def _like(source: av.VideoStream, output: av.container.OutputContainer) -> av.VideoStream:
    """A stream of the same codec, with what libav keeps beside the codec's own header."""
    stream = output.add_stream_from_template(source, opaque=True)
    context = stream.codec_context
    context.codec_tag = source.codec_context.codec_tag  # tells the profile of ProRes
    if source.sample_aspect_ratio:
        context.sample_aspect_ratio = source.sample_aspect_ratio
    return stream


def _timed(
    container: av.container.InputContainer,
    source: av.VideoStream,
    time_base: Fraction,
    times: DecodingTimes,
) -> Iterator["av.Packet[av.VideoStream]"]:
    """The packets of one segment, a few seconds of them, with both their times in `time_base`."""
    packets = [packet for packet in container.demux(source) if packet.size]
    pts = [_in_ticks(packet, time_base) for packet in packets]
    for packet, shown, decoded in zip(packets, pts, times.of(pts), strict=True):
        packet.time_base = time_base
        packet.pts, packet.dts = shown, decoded
        yield packet


def _in_ticks(packet: "av.Packet[av.VideoStream]", time_base: Fraction) -> int:
    ticks = Fraction(packet.pts or 0) * Fraction(packet.time_base or 0) / time_base
    if packet.pts is None or ticks.denominator != 1:
        raise RenderError("a segment has a time that the movie cannot have; please report this.")
    return int(ticks)
