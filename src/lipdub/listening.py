"""Where a sound has speech: by the voice activity network, or by loudness where its weights cannot be had."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipdub import weights
from lipdub.progress import Progress, fetching, silent
from lipdub.sampling import NETWORK_RATE
from lipdub.speech.activity import loud_spans
from lipdub.speech.mel import let_go
from lipdub.speech.spans import WINDOW, SampleSpans, speech_in

NETWORK = "silero_vad"
LOUDNESS_ALONE = (
    "speech is told from other sound by its loudness alone: Silero VAD is not on this machine"
    f" (`lipdub fetch-weights {NETWORK}`)."
)
CHUNK = 1024
"""Windows at a time: 33 s of sound and about 40 MB of activations, however long the sound is."""


def speech_network(progress: Progress = silent) -> tuple[Path | None, list[str]]:
    """The weights of what tells speech, fetched if need be, and what is to be said where there are none."""
    file = weights.locate_if_possible(NETWORK, progress=fetching(NETWORK, progress))
    return file, [] if file else [LOUDNESS_ALONE]


def speech_spans(pcm: npt.NDArray[np.int16], progress: Progress = silent) -> tuple[SampleSpans, list[str]]:
    """Where a sound has speech, and what is to be said where that was told by loudness alone.

    Args:
        pcm: see `spans_by`.
        progress: told how far a download is.
    """
    file, notes = speech_network(progress)
    return spans_by(file, pcm), notes


def spans_by(file: Path | None, pcm: npt.NDArray[np.int16]) -> SampleSpans:
    """Where a sound has speech.

    Args:
        file: of the network's weights; None to tell it by loudness alone.
        pcm: [n] int16, 16 kHz mono; may be a `numpy.memmap` of hours of sound.
    """
    return loud_spans(pcm) if file is None else speech_in(probabilities(pcm, file))


def speech_seconds(
    pcm: npt.NDArray[np.int16], progress: Progress = silent
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Like `speech_spans`, in seconds of the sound: [n, 2]."""
    spans, notes = speech_spans(pcm, progress)
    return spans / NETWORK_RATE, notes


def probabilities(pcm: npt.NDArray[np.int16], file: Path) -> npt.NDArray[np.float32]:
    """How probably there is speech in each window of 512 samples, [⌈n / 512⌉].

    Args:
        pcm: see `spans_by`.
        file: of the network's weights.

    Raises:
        WeightsError: it is not the network.
    """
    import torch

    from lipdub.models.vad import CONTEXT, load_voice_activity

    network, state = load_voice_activity(file), None
    found = np.empty(-(-len(pcm) // WINDOW), np.float32)
    for first in range(0, len(found), CHUNK):
        last = min(first + CHUNK, len(found))
        sound = np.zeros(CONTEXT + (last - first) * WINDOW, np.float32)
        start = first * WINDOW - CONTEXT
        read = pcm[max(0, start) : last * WINDOW]
        offset = max(0, -start)
        sound[offset : offset + len(read)] = read
        windows = np.lib.stride_tricks.sliding_window_view(sound / 32768, CONTEXT + WINDOW)[::WINDOW]
        with torch.inference_mode():
            chunk, state = network(torch.from_numpy(windows.copy()), state)
        found[first:last] = chunk.numpy()
        let_go(pcm)
    return found
