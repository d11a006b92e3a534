"""Wav2Lip's colour expert, which tells how well five lower halves of faces fit a sound.

Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (ACM Multimedia
2020). Re-implemented from the names and shapes of its published weights, so that those load. Both encoders
are rows of convolutions with batch norm and ReLU that end in a single pixel.
"""

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipdub.models.checkpoint import load_into

FRAMES = 5
FACE_SIZE = (48, 96)
"""Rows and columns of the lower half of a 96×96 crop."""
MEL_SIZE = (80, 16)
EMBEDDING = 512


class Layer(NamedTuple):
    """One convolution of an encoder; sizes are (rows, columns) where they differ."""

    channels: int
    kernel: int = 3
    stride: int | tuple[int, int] = 1
    padding: int = 1
    residual: bool = False


def _same(channels: int) -> Layer:
    return Layer(channels, residual=True)


FACE_LAYERS = (
    Layer(32, kernel=7, padding=3),
    *(Layer(64, kernel=5, stride=(1, 2)), _same(64), _same(64)),
    *(Layer(128, stride=2), _same(128), _same(128), _same(128)),
    *(Layer(256, stride=2), _same(256), _same(256)),
    *(Layer(512, stride=2), _same(512), _same(512)),
    *(Layer(512, stride=2), Layer(512, padding=0), Layer(512, kernel=1, padding=0)),
)
"""The second layer halves columns alone, which makes the half face nearly square, 46×47."""
MEL_LAYERS = (
    *(Layer(32), _same(32), _same(32)),
    *(Layer(64, stride=(3, 1)), _same(64), _same(64)),
    *(Layer(128, stride=3), _same(128), _same(128)),
    *(Layer(256, stride=(3, 2)), _same(256), _same(256)),
    *(Layer(512, padding=0), Layer(512, kernel=1, padding=0)),
)
"""Mel bands shrink faster than columns of time: 80×16, 27×16, 9×6, 3×3, 1×1."""


class ConvBlock(nn.Module):
    """Convolution, batch norm, plus the input if `residual`, ReLU: [B, C, H, W] → [B, C', H', W']."""

    def __init__(self, inputs: int, layer: Layer) -> None:
        super().__init__()
        convolution = nn.Conv2d(inputs, layer.channels, layer.kernel, layer.stride, layer.padding)
        self.conv_block = nn.Sequential(convolution, nn.BatchNorm2d(layer.channels))
        self.residual = layer.residual

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y: Tensor = self.conv_block(x)
        return torch.relu(y + x if self.residual else y)


def _encoder(inputs: int, layers: tuple[Layer, ...]) -> nn.Sequential:
    widths = (inputs, *(layer.channels for layer in layers))
    return nn.Sequential(*(ConvBlock(width, layer) for width, layer in zip(widths, layers, strict=False)))


class SyncExpert(nn.Module):
    """Embeds faces and sounds; the cosine of two embeddings is the probability that they belong together."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder = _encoder(3 * FRAMES, FACE_LAYERS)
        self.audio_encoder = _encoder(1, MEL_LAYERS)

    def forward(self, faces: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of faces and of sounds, see `embed_faces` and `embed_sound`."""
        return self.embed_faces(faces), self.embed_sound(mel)

    def embed_faces(self, faces: Tensor) -> Tensor:
        """Where five faces lie in the common space.

        Args:
            faces: [B, 15, 48, 96], the lower halves of five frames that follow each other at 25 fps, stacked
                along channels, each BGR, 0 to 1.

        Returns:
            [B, 512], not negative, of length 1.
        """
        return F.normalize(self.face_encoder(faces).flatten(1))

    def embed_sound(self, mel: Tensor) -> Tensor:
        """Where the sound of five frames lies in the common space.

        Args:
            mel: [B, 1, 80, 16], bands × columns (80 a second), −4 to 4.

        Returns:
            [B, 512], not negative, of length 1.
        """
        return F.normalize(self.audio_encoder(mel).flatten(1))


def load_sync_expert(path: Path) -> SyncExpert:
    """The expert with the weights of a file (`lipsync_expert.pth`, or safetensors), in evaluation mode.

    Weights may lie under `state_dict`, and their names under a wrapper's `module.`; no pickle is executed.
    Raises `UnknownWeightsError` when there is no such file, `WeightsFormatError` when it is no checkpoint, is
    damaged, or belongs to another network.
    """
    return load_into(SyncExpert(), path, "the sync expert")
