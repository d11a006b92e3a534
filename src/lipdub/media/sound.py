"""The dub: decoded for the network, and the choice of how it travels into the output."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt

from lipdub.errors import MediaError, RenderError
from lipdub.media.encoding import plain_name
from lipdub.media.probe import AudioInfo, opened

NETWORK_RATE = 16_000
"""Samples a second that the network's mel spectrogram is made of."""

SAMPLE_BYTES = 2

PACKET = Fraction(1, 20)
"""Seconds of sound that a packet of any codec holds at most, more or less."""

SECOND_RATE = 224_000
"""Bits a second for each channel of sound that was compressed before, so that little is lost again."""

GAP = 0.1
"""Seconds by which time stamps must run ahead of the samples to mean missing sound; ffmpeg's own measure."""

LONGEST_GAP = 3600
"""Seconds of missing sound that are believed; time stamps that jump further are damaged."""

SILENCE_BLOCK = 1 << 20
"""Samples of silence made at once."""

log = logging.getLogger(__name__)

_COMPRESSED = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
_PCM = frozenset({"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"})
LOSSLESS = _PCM | {"flac", "alac", "pcm_s16be", "pcm_s24be", "pcm_s32be"}


@dataclass(frozen=True, slots=True)
class SoundCarrier:
    """What sound a container carries well.

    Attributes:
        codecs: copied as they are.
        held: also copied when a track of the movie is carried over, but not taken for the dub: few players
            know them there, or the encoder's delay would be lost and the dub late (MP3 in Matroska and AVI),
            or kept at the cost of a late picture (Vorbis in Matroska).
        fallback: encoder for all others; ``pcm`` is PCM of the dub's own depth.
        bit_rate: of the fallback, bits a second for each channel.
    """

    codecs: frozenset[str]
    fallback: str
    bit_rate: int | None = None
    held: frozenset[str] = frozenset()


_IN_MP4 = frozenset({"flac", "dts", "mp2", "truehd"})
_IN_MKV = _COMPRESSED | _PCM | {"flac", "opus", "vorbis", "dts", "truehd", "mp2"}
MP4_SOUND = SoundCarrier(_COMPRESSED | {"opus"}, "aac", 160_000, _IN_MP4)
_TS_SOUND = SoundCarrier(frozenset({"aac", "mp3", "ac3", "eac3", "mp2"}), "aac", 160_000)
SOUND_CARRIERS = {
    ".mp4": MP4_SOUND,
    ".m4v": MP4_SOUND,
    ".mov": SoundCarrier(_COMPRESSED | _PCM | {"pcm_s16be", "pcm_s24be"}, "pcm", held=_IN_MP4),
    ".mkv": SoundCarrier(_IN_MKV - {"mp3", "vorbis"}, "flac", held=_IN_MKV),
    ".webm": SoundCarrier(frozenset({"opus"}), "libopus", 128_000, frozenset({"vorbis"})),
    ".avi": SoundCarrier(frozenset({"pcm_s16le", "ac3"}), "pcm", held=frozenset({"mp3"})),
    ".ts": _TS_SOUND,
    ".m2ts": _TS_SOUND,
    ".mts": _TS_SOUND,
}


@dataclass(frozen=True, slots=True)
class SoundChoice:
    """How the dub travels into the output.

    Attributes:
        codec: ``copy`` or an encoder.
        bit_rate: bits a second, for encoders that lose.
        notes: what is not as it was, a sentence each.
    """

    codec: str
    bit_rate: int | None = None
    notes: tuple[str, ...] = ()


def choose_sound(
    dub: AudioInfo, suffix: str, same_length: bool, missing: Fraction = Fraction(0)
) -> SoundChoice:
    """Copy the dub where the container carries it well; otherwise encode it at its own rate and channels.

    Args:
        dub: what it is.
        suffix: of the output's name.
        same_length: the dub is as long as the picture. If it is not, lossless sound is written anew, which
            changes no sample; compressed sound is copied and cut at a packet.
        missing: seconds by which the dub is shorter. More than a packet of silence cannot be copied from
            anywhere, so that compressed sound is encoded anew with it.
    """
    suffix = suffix.lower()
    if dub.codec in LOSSLESS or missing <= PACKET:
        return _choice(dub, suffix, same_length)
    carrier = SOUND_CARRIERS.get(suffix, MP4_SOUND)
    if dub.codec not in carrier.codecs:
        return _choice(dub, suffix, same_length)
    anew = _encoded(dub, suffix, carrier)
    rate = anew.bit_rate and max(anew.bit_rate, SECOND_RATE * dub.channels)
    name = plain_name(dub.codec)
    why = f"it is {float(missing):.2f} s shorter than the picture"
    return SoundChoice(
        anew.codec, rate, (*anew.notes, f"the dub ({name}) was encoded anew to be padded: {why}.")
    )


def _choice(dub: AudioInfo, suffix: str, same_length: bool) -> SoundChoice:
    carrier = SOUND_CARRIERS.get(suffix, MP4_SOUND)
    if dub.codec in _PCM and dub.channels > 2 and suffix == ".mkv":
        return SoundChoice("flac")  # PCM in Matroska does not say which channel is which
    if dub.codec not in carrier.codecs:
        return _encoded(dub, suffix, carrier)
    # AVI counts samples, and so does MOV with PCM: what comes after a gap would move to its beginning.
    if dub.codec in LOSSLESS:
        return SoundChoice("copy" if same_length and dub.gapless else dub.codec)
    if suffix == ".avi" and not dub.gapless:
        return _encoded(dub, suffix, carrier)
    return SoundChoice("copy")


def _encoded(dub: AudioInfo, suffix: str, carrier: SoundCarrier) -> SoundChoice:
    if carrier.fallback == "pcm":
        return SoundChoice(f"pcm_s{24 if dub.bits > 16 else 16}le")
    if carrier.bit_rate is None:
        return SoundChoice(carrier.fallback)
    notes: tuple[str, ...] = ()
    if carrier.fallback == "libopus" and dub.rate != 48_000:
        notes = (f"the dub has {dub.rate} samples a second; Opus in {suffix} always has 48000.",)
    return SoundChoice(carrier.fallback, carrier.bit_rate * dub.channels, notes)


def decode_for_network(dub: AudioInfo, path: Path, end: Fraction | None = None) -> npt.NDArray[np.int16]:
    """Decode the dub to 16 kHz mono, into a file that is mapped into memory and never read whole.

    Sample 0 is time 0 of the dub as a player shows it. Resampling is librosa's (soxr, high quality), what the
    published network was trained on.

    Args:
        dub: the sound.
        path: of the file that will hold the samples.
        end: seconds after which no sound is needed.

    Returns:
        [n] int16.

    Raises:
        MediaError: no sample can be decoded.
        RenderError: the disk is full.
    """
    import soxr  # type: ignore[import-untyped]

    needed = None if end is None else int(end * NETWORK_RATE) * SAMPLE_BYTES
    resampler = soxr.ResampleStream(dub.rate, NETWORK_RATE, 1, dtype="float32", quality="HQ")
    try:
        with path.open("wb") as file:
            for block in _mono(dub):
                file.write(_pcm16(resampler.resample_chunk(block)))
                if needed is not None and file.tell() >= needed:
                    break
            file.write(_pcm16(resampler.resample_chunk(np.empty(0, np.float32), last=True)))
    except OSError as exc:
        raise RenderError(f"{path} cannot be written ({exc.strerror}); make space or set TMPDIR.") from exc
    if path.stat().st_size == 0:
        raise MediaError(f"{dub.path} has a sound stream without a single sample in it.")
    return np.memmap(path, dtype=np.int16, mode="r")


def _mono(dub: AudioInfo) -> Iterator[npt.NDArray[np.float32]]:
    """Blocks of the mean of all channels, in [−1, 1], from time 0 on; where sound is missing, silence."""
    with opened(dub.path) as container:
        stream = container.streams.audio[0]
        convert = _Converter(dub.rate)
        position: int | None = None
        for frame in _sound_frames(container, stream):
            here = _sample_of(frame, dub)
            if position is None:
                position = min(here or 0, 0)
            if here is not None and here - position > (GAP * dub.rate if position > 0 else 0):
                if here - position > LONGEST_GAP * dub.rate:
                    _tell_jump(dub.path)
                else:
                    yield from _silence(here - position)
                    position = here
            for block in convert(frame):
                yield block[max(0, -position) :]
                position += len(block)


def _silence(samples: int) -> Iterator[npt.NDArray[np.float32]]:
    for first in range(0, samples, SILENCE_BLOCK):
        yield np.zeros(min(SILENCE_BLOCK, samples - first), np.float32)


@lru_cache(maxsize=64)
def _tell_jump(path: Path) -> None:
    """Say it once, though every packet after the jump shows it."""
    log.warning("%s has time stamps that jump by more than an hour; its sound is taken to go on there.", path)


class _Converter:
    """The mean of all channels, at one rate, also where format, layout or rate of the frames change."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._shape: tuple[object, ...] = ()
        self._resampler = av.AudioResampler()

    def __call__(self, frame: av.AudioFrame) -> Iterator[npt.NDArray[np.float32]]:
        shape = frame.format.name, frame.layout.name, frame.sample_rate
        if shape != self._shape:
            self._shape, self._resampler = shape, av.AudioResampler(format="flt", rate=self._rate)
        for part in self._resampler.resample(frame):
            # Packed: PyAV reads beyond its list of planes where there are more than eight.
            yield part.to_ndarray().reshape(part.samples, -1).mean(axis=1, dtype=np.float32)


def _sample_of(frame: av.AudioFrame, dub: AudioInfo) -> int | None:
    """Number of the frame's first sample, counted from time 0 of the dub."""
    if frame.pts is None or frame.time_base is None:
        return None
    return round((frame.pts * frame.time_base - dub.origin) * dub.rate)


def _sound_frames(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue  # a damaged packet: the sound around it is good


def _pcm16(samples: npt.NDArray[np.float32]) -> bytes:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()
