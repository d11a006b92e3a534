"""How long the output is where picture and sound differ, and what is to be said of what is lost by it."""

from fractions import Fraction
from math import ceil

from lipdub.sampling import NETWORK_RATE
from lipdub.speech.activity import speech_between
from lipdub.speech.mel import Pcm

SAME_LENGTH = Fraction(1, 1000)
"""Seconds by which sound and picture may differ and still count as equally long."""
NOTHING_LOST = "no speech is lost"
HEARD = Fraction(1, 10)
"""Seconds of silence at the end that are worth a word."""


def output_length(picture_end: Fraction, sound_end: Fraction, mode: str) -> Fraction:
    """How long the output is, in seconds from time 0 as a player shows it.

    Args:
        picture_end: seconds at which the movie's last frame ends.
        sound_end: seconds at which the sound ends where it is heard, its offset included.
        mode: ``video``, ``sound`` or ``shortest``. Sound that ends before time 0 leaves nothing to be as long
            as: the picture's length is taken then.
    """
    if mode == "video" or sound_end <= 0:
        return picture_end
    return sound_end if mode == "sound" else min(picture_end, sound_end)


def length_notes(
    pcm: Pcm,
    picture_end: Fraction,
    *,
    sound_end: Fraction | None = None,
    offset: Fraction = Fraction(0),
    mode: str = "video",
) -> list[str]:
    """What to say where sound and picture are not equally long, a sentence each.

    Args:
        pcm: the dialogue on its own clock, 16 kHz mono, [n]: what is lost of it is looked for here.
        picture_end: seconds at which the movie's last frame ends.
        sound_end: seconds at which the sound ends where it is heard; None where `pcm` does.
        offset: seconds by which the dub is heard later than it lies in its file.
        mode: see `output_length`.
    """
    heard = offset + Fraction(len(pcm), NETWORK_RATE) if sound_end is None else sound_end
    length = output_length(picture_end, heard, mode)
    notes = []
    if offset < 0:
        lost = _lost(pcm, Fraction(0), -offset)
        notes.append(f"the first {_seconds(-offset)} of the dub lie before the movie begins; {lost}.")
    if heard - length > SAME_LENGTH:
        lost = _lost(pcm, length - offset, None)
        notes.append(
            f"the dub is {_seconds(heard - length)} longer than the picture and was cut; {lost}"
            f"{' (--length sound would keep it)' if mode == 'video' and lost != NOTHING_LOST else ''}."
        )
    elif length - heard > HEARD:
        notes.append(f"the dub ends {_seconds(length - heard)} before the picture; silence follows.")
    if picture_end - length > SAME_LENGTH:
        notes.append(f"the last {_seconds(picture_end - length)} of the picture are cut, as the sound ends.")
    elif length - picture_end > SAME_LENGTH:
        notes.append(
            f"the picture goes on for {_seconds(length - picture_end)} after its end, with the sound."
        )
    return notes


def clock(seconds: int) -> str:
    """Whole seconds as ``h:mm:ss``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _lost(pcm: Pcm, start: Fraction, end: Fraction | None) -> str:
    speech = speech_between(pcm, start, end)
    if not speech.seconds:
        return NOTHING_LOST
    words = f"{speech.seconds:.1f} s of speech are lost"
    return f"{words}, from {clock(int(speech.first))} to {clock(ceil(speech.last))} of the dub"


def _seconds(seconds: Fraction) -> str:
    return f"{float(seconds):.2f} s"
