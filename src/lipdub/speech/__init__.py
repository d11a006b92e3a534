"""Sound: mel spectrogram, its windows, and where there is speech. Never imports torch."""

from lipdub.speech.activity import speech_seconds
from lipdub.speech.mel import log_mel
from lipdub.speech.reader import MelReader
from lipdub.speech.windows import mel_windows

__all__ = ["MelReader", "log_mel", "mel_windows", "speech_seconds"]
