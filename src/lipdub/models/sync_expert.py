"""Wav2Lip's colour expert, which tells how well five lower halves of faces fit a sound.

Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (ACM Multimedia
2020). Re-implemented from the names and shapes of its published weights, so that those load. Both encoders
are rows of convolutions with batch norm and ReLU that end in a single pixel.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipdub.models.checkpoint import load_made

FRAMES = 5
FACE_SIZE = (48, 96)
"""Rows and columns of the lower half of a 96×96 crop."""
MEL_SIZE = (80, 16)
WIDTH = 32
"""Channels of the first layers, as published; all others are multiples of it."""
EMBEDDING = 16 * WIDTH
FIRST = "audio_encoder.0.conv_block.0.bias"
"""A parameter that is as long as the network is wide."""


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


def _encoder(inputs: int, layers: tuple[Layer, ...], width: int) -> nn.Sequential:
    scaled = [layer._replace(channels=layer.channels // WIDTH * width) for layer in layers]
    before = (inputs, *(layer.channels for layer in scaled))
    return nn.Sequential(
        *(ConvBlock(channels, layer) for channels, layer in zip(before, scaled, strict=False))
    )


class SyncExpert(nn.Module):
    """Embeds faces and sounds; the cosine of two embeddings is the probability that they belong together.

    Args:
        width: channels of the first layers: 32 as published, and 16 million parameters. Work and parameters
            grow with its square.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.width = width
        self.face_encoder = _encoder(3 * FRAMES, FACE_LAYERS, width)
        self.audio_encoder = _encoder(1, MEL_LAYERS, width)

    def forward(self, faces: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of faces and of sounds, see `embed_faces` and `embed_sound`."""
        return self.embed_faces(faces), self.embed_sound(mel)

    def embed_faces(self, faces: Tensor) -> Tensor:
        """Where five faces lie in the common space.

        Args:
            faces: [B, 15, 48, 96], the lower halves of five frames that follow each other at 25 fps, stacked
                along channels, each BGR, 0 to 1.

        Returns:
            [B, 16·width], 512 as published; not negative, of length 1.
        """
        return F.normalize(self.face_encoder(faces).flatten(1))

    def embed_sound(self, mel: Tensor) -> Tensor:
        """Where the sound of five frames lies in the common space.

        Args:
            mel: [B, 1, 80, 16], bands × columns (80 a second), −4 to 4.

        Returns:
            [B, 16·width], 512 as published; not negative, of length 1.
        """
        return F.normalize(self.audio_encoder(mel).flatten(1))


def load_sync_expert(path: Path) -> SyncExpert:
    """The expert with the weights of a file (`lipsync_expert.pth`, or safetensors), in evaluation mode.

    Its width is read off them. They may lie under `state_dict`, and their names under a wrapper's `module.`;
    no pickle is executed. Raises `UnknownWeightsError` when there is no such file, `WeightsFormatError` when
    it is no checkpoint, is damaged, or belongs to another network.
    """
    return load_made(_as_wide_as, path, "the sync expert")


def _as_wide_as(weights: Mapping[str, Tensor]) -> SyncExpert:
    return SyncExpert(len(weights[FIRST]) if FIRST in weights and weights[FIRST].ndim == 1 else WIDTH)
