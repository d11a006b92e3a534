"""Silero's voice activity network (16 kHz), re-implemented from the names and shapes of its weights (MIT).

A window of 512 samples, with the 64 before it, becomes a spectrum of four columns; convolutions make one
column of it, and a recurrence carries what was heard before.
"""

from pathlib import Path
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipdub.errors import UnknownWeightsError, WeightsFormatError
from lipdub.models.checkpoint import check_fit, read_safetensors

WINDOW = 512
"""Samples of a window: 32 ms."""
CONTEXT = 64
"""Samples before a window that it is heard with; as many after it are its own, mirrored."""
N_FFT, HOP = 256, 128
BINS = N_FFT // 2 + 1
WIDTH = 128

State: TypeAlias = tuple[Tensor, Tensor]
"""What the recurrence remembers, twice [1, 1, 128]."""


class VoiceActivity(nn.Module):
    """How probably there is speech in each of some consecutive windows."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 2 * BINS, N_FFT, HOP, bias=False)
        self.conv1 = nn.Conv1d(BINS, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, 2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, 2, padding=1)
        self.conv4 = nn.Conv1d(64, WIDTH, 3, padding=1)
        self.lstm = nn.LSTM(WIDTH, WIDTH)
        self.final_conv = nn.Conv1d(WIDTH, 1, 1)

    def forward(self, windows: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Probabilities of speech.

        Args:
            windows: [n, 64 + 512] in [-1, 1], each with the samples before it.
            state: what was remembered after the window before; None at the start.

        Returns:
            [n], 0 to 1, and what is remembered now.
        """
        x = self.stft_conv(F.pad(windows, (0, CONTEXT), mode="reflect").unsqueeze(1))
        x = (x[:, :BINS] ** 2 + x[:, BINS:] ** 2).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = torch.relu(layer(x))
        heard, state = self.lstm(x.squeeze(-1).unsqueeze(1), state)
        probabilities: Tensor = torch.sigmoid(self.final_conv(torch.relu(heard).transpose(1, 2)))
        return probabilities[:, 0, 0], state


def load_voice_activity(path: Path) -> VoiceActivity:
    """The network with the weights of a `.safetensors` file, in evaluation mode.

    Raises `UnknownWeightsError` when there is no such file, `WeightsFormatError` when it is damaged or
    belongs to another network.
    """
    if not path.is_file():
        raise UnknownWeightsError(f"There is no weights file {path}.")
    network = VoiceActivity()
    try:
        weights = {_own_name(name): tensor for name, tensor in read_safetensors(path)[0].items()}
        shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        check_fit(expected, shapes, "Silero VAD")
    except WeightsFormatError as exc:
        raise WeightsFormatError(f"The weights file {path} cannot be used: {exc}.") from exc
    network.load_state_dict(weights, strict=True)
    return network.eval()


def _own_name(name: str) -> str:
    """The file has the recurrence as a cell of one step; here it is a layer that takes many."""
    return name.replace("lstm_cell.", "lstm.") + "_l0" if name.startswith("lstm_cell.") else name
