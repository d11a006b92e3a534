"""What the sound of a file is, read once and kept as plain data."""

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from lipdub.errors import MediaError
from lipdub.media.bounds import check_sound
from lipdub.media.clocks import origin_of, time_base_of
from lipdub.media.reading import check_decoder, decodes, opened

# Sound files without time stamps: nothing can be missing between their packets.
_GAPLESS_FORMATS = frozenset({"wav", "w64", "flac", "aiff", "au", "aac", "ac3", "eac3", "mp3"})

# What ffmpeg takes so many channels for, where a file does not say which is which.
USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The first sound stream of a file.

    Attributes:
        path: the file.
        codec: as libavcodec names it.
        rate: samples a second.
        channels: their number.
        bits: of a decoded sample.
        origin: the time, in the container's own clock, that a player shows as 0 seconds.
        gapless: no sound can be missing in the middle of the file.
        layout: of the channels, as libavutil names it (``5.1``); the usual one if the file does not say.
        tick: seconds between two times that packets can have; 0 where the container has no times.
        start: seconds, as a player shows them, at which the first packet begins.
        frame: samples in a packet; 0 where packets differ or their times are no more than a count of bytes.
        delay: samples of the codec's priming that the container took off the times of packets.
    """

    path: Path
    codec: str
    rate: int
    channels: int
    bits: int
    origin: Fraction
    gapless: bool
    layout: str = ""
    tick: Fraction = Fraction(0)
    start: Fraction = Fraction(0)
    frame: int = 0
    delay: int = 0


def probe_audio(path: str | os.PathLike[str]) -> AudioInfo:
    """Read what the sound is.

    Raises:
        MediaError: no such file, not a sound or movie file, no sound stream, no samples in it.
    """
    path = Path(path)
    with opened(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path} has no sound stream; give a sound file or a movie with sound.")
        stream = container.streams.audio[0]
        check_decoder(path, stream)
        if not any(decodes(packet) for packet in container.demux(stream)):
            raise MediaError(f"{path} has a sound stream without a single sample in it.")
        context = stream.codec_context
        check_sound(path, context.sample_rate, context.channels)
        origin, tick = origin_of(container), time_base_of(stream)
        return AudioInfo(
            path=path,
            codec=context.codec.canonical_name,
            rate=context.sample_rate,
            channels=context.channels,
            bits=context.format.bits,
            origin=origin,
            gapless=container.format.name in _GAPLESS_FORMATS,
            layout=_layout(context),
            tick=tick,
            start=stream.start_time * tick - origin if stream.start_time else Fraction(0),
            frame=0
            if container.format.name == "avi"
            else context.frame_size or _packet_samples(path, stream),
            delay=max(0, context.delay or 0),
        )


def _layout(context: av.AudioCodecContext) -> str:
    unknown = context.layout.name.endswith("channels")
    return USUAL_LAYOUTS.get(context.channels, "") if unknown else context.layout.name


def _packet_samples(path: Path, stream: av.AudioStream) -> int:
    """Samples in a packet of a codec whose packets are alike but may have one of several sizes."""
    if stream.codec_context.codec.canonical_name not in {"opus", "ac3", "eac3"}:
        return 0
    with opened(path) as container:  # the first packet only, which the other reader has gone past
        packets = container.demux(container.streams.audio[0])
        seconds = next((p.duration for p in packets if p.duration), 0) * time_base_of(stream)
        return round(seconds * stream.codec_context.sample_rate)
