"""The choice of how the dub travels into the output."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lipdub.media.containers import MP4_LIKE, TICKS
from lipdub.media.encoders import plain_name
from lipdub.media.hearing import LOSSLESS, PCM
from lipdub.media.probe_sound import AudioInfo

MOST_CHANNELS = 8
"""Of sound that is encoded anew: what FLAC has, and layouts of AAC that players know."""

PACKET = Fraction(1, 20)
"""Seconds of sound that a packet of any codec holds at most, more or less."""

SECOND_RATE = 224_000
"""Bits a second for each channel of sound that was compressed before, so that little is lost again."""

_COMPRESSED = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})


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
_IN_MKV = _COMPRESSED | PCM | {"flac", "opus", "vorbis", "dts", "truehd", "mp2"}
MP4_SOUND = SoundCarrier(_COMPRESSED | {"opus"}, "aac", 160_000, _IN_MP4)
_TS_SOUND = SoundCarrier(frozenset({"aac", "mp3", "ac3", "eac3", "mp2"}), "aac", 160_000)
SOUND_CARRIERS = {
    ".mp4": MP4_SOUND,
    ".m4v": MP4_SOUND,
    ".mov": SoundCarrier(_COMPRESSED | PCM | {"pcm_s16be", "pcm_s24be"}, "pcm", held=_IN_MP4),
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
    dub: AudioInfo,
    suffix: str,
    same_length: bool,
    missing: Fraction = Fraction(0),
    offset: Fraction = Fraction(0),
) -> SoundChoice:
    """Copy the dub where the container carries it well; otherwise encode it at its own rate and channels.

    Args:
        dub: what it is.
        suffix: of the output's name.
        same_length: the dub is as long as the picture. If it is not, lossless sound is written anew, which
            changes no sample; compressed sound is copied and cut at a packet.
        missing: seconds by which the dub is shorter. More than a packet of silence cannot be copied from
            anywhere, so that compressed sound is encoded anew with it.
        offset: seconds by which the dub is heard later than it lies in its file. Lossless sound is written
            anew, moved by whole samples; compressed sound is copied with other times where the container
            has times that are fine enough, and encoded anew elsewhere.
    """
    suffix = suffix.lower()
    choice = _choice(dub, suffix, same_length and not offset)
    if choice.codec != "copy" or dub.codec in LOSSLESS:
        return choice
    name = plain_name(dub.codec)
    if missing > PACKET:
        why = f"it is {float(missing):.2f} s shorter than the picture"
        return _encoded_again(dub, suffix, f"the dub ({name}) was encoded anew to be padded: {why}.")
    if not _movable(dub, suffix, offset):
        why = f"{suffix} cannot say exactly that it is heard {float(offset):+.6g} s later"
        return _encoded_again(dub, suffix, f"the dub ({name}) was encoded anew to be moved: {why}.")
    return choice


def _movable(dub: AudioInfo, suffix: str, offset: Fraction) -> bool:
    """Whether a container can move copied packets by this offset to less than a sample."""
    if offset == 0 or suffix in MP4_LIKE:
        return True
    tick = TICKS.get(suffix)
    # Without edit lists nothing before time 0 can be left unheard: the whole movie would come later.
    return tick is not None and offset > 0 and (offset % tick == 0 or tick * dub.rate < 1)


def packet_times(dub: AudioInfo) -> Callable[[Any], Any] | None:
    """What gives copied packets their exact times, in samples; None where they have them.

    Matroska rounds every time to a millisecond, and takes the codec's priming off it, rounded too. Packets
    are counted in samples instead, as long as no sound is missing between them.
    """
    if dub.tick * dub.rate <= 1 or not dub.frame:
        return None
    ticks = int(dub.delay / (dub.rate * dub.tick) + Fraction(1, 2))  # halves away from 0, as libavutil does
    primed = round(ticks * dub.tick * dub.rate - dub.delay)
    near, counted = 2 * dub.tick * dub.rate, None

    def exact(packet: Any) -> Any:
        nonlocal counted
        own = round((packet.pts or 0) * packet.time_base * dub.rate) + primed
        here = counted if counted is not None and abs(own - counted) <= near else own
        counted = here + dub.frame
        packet.pts = packet.dts = here
        packet.duration, packet.time_base = dub.frame, Fraction(1, dub.rate)
        return packet

    return exact


def _encoded_again(dub: AudioInfo, suffix: str, note: str) -> SoundChoice:
    anew = _encoded(dub, suffix, SOUND_CARRIERS.get(suffix, MP4_SOUND))
    rate = anew.bit_rate and max(anew.bit_rate, SECOND_RATE * dub.channels)
    return SoundChoice(anew.codec, rate, (*anew.notes, note))


def _choice(dub: AudioInfo, suffix: str, same_length: bool) -> SoundChoice:
    carrier = SOUND_CARRIERS.get(suffix, MP4_SOUND)
    if dub.codec in PCM and dub.channels > 2 and suffix == ".mkv":
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
    if carrier.fallback == "aac" and dub.rate > 96_000:
        notes = (f"the dub has {dub.rate} samples a second; AAC in {suffix} has 96000 at most.",)
    return SoundChoice(carrier.fallback, carrier.bit_rate * dub.channels, notes)
