"""The dub decoded for the network."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt

from lipdub.disk import telling
from lipdub.errors import MediaError
from lipdub.media.probe_sound import AudioInfo
from lipdub.media.reading import opened
from lipdub.sampling import NETWORK_RATE

SAMPLE_BYTES = 2

PCM = frozenset({"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"})
LOSSLESS = PCM | {"flac", "alac", "pcm_s16be", "pcm_s24be", "pcm_s32be"}

GAP = 0.1
"""Seconds by which time stamps must leave the samples to mean missing or repeated sound, at most; ffmpeg's
own measure. Those of Vorbis err by 10 ms and more where the size of its blocks changes."""
SMALL_GAP = 0.01
"""The same where they are right: lossless sound."""

log = logging.getLogger(__name__)

BROKEN = 3600
"""Seconds by which a time stamp must be wrong to be taken for damage instead."""

LOUDEST = 16.0
"""Samples beyond this (full scale is 1) are damage."""

FOLDED = 0.5**0.5
"""ITU-R BS.775 folds the centre, and the surrounds, into left and right at -3 dB."""


def decode_for_network(
    dub: AudioInfo, path: Path, end: Fraction | None = None, lead: int = 0
) -> npt.NDArray[np.int16]:
    """Decode the dub to 16 kHz mono, into a file that is mapped into memory and never read whole.

    Sample 0 is time 0 of the dub as a player shows it. Resampling is librosa's (soxr, high quality), what the
    published network was trained on. Several channels become one as ITU-R BS.775 folds them.

    Args:
        dub: the sound.
        path: of the file that will hold the samples.
        end: seconds of the dub after which no sound is needed.
        lead: samples of silence before the first.

    Returns:
        [lead + n] int16.

    Raises:
        MediaError: no sample can be decoded.
        RenderError: the disk is full.
    """
    import soxr  # type: ignore[import-untyped]

    needed = None if end is None else (lead + int(end * NETWORK_RATE)) * SAMPLE_BYTES
    resampler = soxr.ResampleStream(dub.rate, NETWORK_RATE, 1, dtype="float32", quality="HQ")
    with telling(path), path.open("wb") as file:
        file.seek(lead * SAMPLE_BYTES)
        for block in _mono(dub):
            file.write(_pcm16(resampler.resample_chunk(block)))
            if needed is not None and file.tell() >= needed:
                break
        file.write(_pcm16(resampler.resample_chunk(np.empty(0, np.float32), last=True)))
    if path.stat().st_size <= lead * SAMPLE_BYTES:
        raise MediaError(f"{dub.path} has a sound stream without a single sample in it.")
    return np.memmap(path, dtype=np.int16, mode="r")


def sound_samples(dub: AudioInfo) -> int:
    """Samples of the whole sound at its own rate, from time 0 on, counted by decoding it."""
    return sum(len(block) for block in _mono(dub))


def _mono(dub: AudioInfo) -> Iterator[npt.NDArray[np.float32]]:
    """Blocks of all channels as one, from time 0 on: silence where sound is missing, nothing heard twice."""
    weights = _fold(dub.layout, dub.channels)
    position = 0
    with opened(dub.path) as container:
        stream = container.streams.audio[0]
        convert = _Converter(dub.rate)
        smallest = gap(dub) * dub.rate
        per_tick, zero = dub.tick * dub.rate, dub.origin * dub.rate
        for frame, lost in _sound_frames(container, stream, dub.frame):
            here = position + lost if frame.pts is None else round(frame.pts * per_tick - zero)
            late = here - position
            if late >= BROKEN * dub.rate:
                _tell_jump(dub.path)
            if not (smallest if position else 0) < abs(late) < BROKEN * dub.rate:
                late = 0  # or a time stamp that errs
            yield from _silence(late)
            position += max(0, late)
            skipped = max(0, -late)
            for part in convert(frame):
                block = _one_channel(part, weights)
                yield block[skipped:]
                position += max(0, len(block) - skipped)
                skipped = max(0, skipped - len(block))


@lru_cache(maxsize=64)
def _tell_jump(path: Path) -> None:
    """Say it once, though every packet after the jump shows it."""
    log.warning("%s has time stamps that jump by more than an hour; its sound is taken to go on there.", path)


class _Converter:
    """Frames as float32 [c, n] at one rate; a stream may change its form, if only by damage."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._form: tuple[str, str, int] | None = None

    def __call__(self, frame: av.AudioFrame) -> Iterator[npt.NDArray[np.float32]]:
        form = frame.format.name, frame.layout.name, frame.sample_rate
        if form != self._form:
            self._form, self._resampler = form, av.AudioResampler(format="flt", rate=self._rate)
        for part in self._resampler.resample(frame):
            # Packed: PyAV reads beyond its list of planes where there are more than eight.
            yield part.to_ndarray().reshape(part.samples, -1).T.astype(np.float32, copy=False)


def _silence(samples: int) -> Iterator[npt.NDArray[np.float32]]:
    for first in range(0, samples, NETWORK_RATE):
        yield np.zeros(min(NETWORK_RATE, samples - first), np.float32)


def _fold(layout: str, channels: int) -> npt.NDArray[np.float32]:
    """Weight of each channel in the sum: the mean of two, the mean of the stereo that more are folded into.

    Dialogue sits in the centre, which the mean of six channels would make 16 dB softer.
    """
    if channels <= 2 or not layout:
        return np.full(channels, 1 / channels, np.float32)
    gains = {"FL": 0.5, "FR": 0.5, "FC": FOLDED, "LFE": 0.0, "LFE2": 0.0}
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    return np.array([gains.get(name, FOLDED / 2) for name in names], np.float32)


def _one_channel(block: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sum of channels [c, n] → [n]; a frame with other channels than the first is their mean."""
    with np.errstate(invalid="ignore", over="ignore"):  # damaged floating point sound
        one = weights @ block if len(block) == len(weights) else block.mean(axis=0, dtype=np.float32)
        clean: npt.NDArray[np.float32] = np.nan_to_num(np.clip(one, -LOUDEST, LOUDEST), copy=False)
    return clean


def _sound_frames(
    container: av.container.InputContainer, stream: av.AudioStream, packet_samples: int
) -> Iterator[tuple[av.AudioFrame, int]]:
    """Decoded frames, and samples lost just before each in packets without a time stamp (raw AAC)."""
    lost = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:  # a damaged packet: the sound around it is good
            lost += packet_samples if packet.pts is None else 0
            continue
        for frame in frames:
            yield frame, lost
            lost = 0


def _pcm16(samples: npt.NDArray[np.float32]) -> bytes:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()


def gap(dub: AudioInfo) -> float:
    """Seconds by which time stamps must leave the samples to mean missing or repeated sound.

    Half a packet, where all packets are alike.
    """
    if dub.codec in LOSSLESS:
        return SMALL_GAP
    return min(GAP, max(SMALL_GAP / 2, dub.frame / dub.rate / 2)) if dub.frame else GAP
