"""Sound: mel spectrogram, its windows, and where there is speech. Never imports torch."""

from lipdub.speech.activity import speech_between, speech_seconds
from lipdub.speech.length import length_notes, output_length
from lipdub.speech.mel import log_mel
from lipdub.speech.reader import MelReader, Voices
from lipdub.speech.windows import mel_windows

__all__ = [
    "MelReader",
    "Voices",
    "length_notes",
    "log_mel",
    "mel_windows",
    "output_length",
    "speech_between",
    "speech_seconds",
]
