"""LR-ASD, the network that tells whether a face speaks (Liao, Duan, Feng et al., 2025; MIT licence).

Re-implemented from the names and shapes of its published weights. Convolutions of faces and of sound are
split into one over space (or coefficients) and one over time; a gated recurrence looks both ways in time.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipdub.models.checkpoint import load_into

COEFFICIENTS = 13
EMBEDDING = 128
WIDTHS = (1, 32, 64, 128)
"""Channels before and after each of the three blocks of both encoders."""
FIRST_WIDTH = 16
"""Channels inside the first block; the others are as wide inside as their input."""
GREY_MEAN, GREY_SPREAD = 0.4161, 0.1688
"""Of the training faces, on the scale 0 to 1 (found with the golden numbers)."""
NORM_EPSILON = 1e-3
"""Not torch's own 1e-5, with which the golden numbers of the sound differ by 0.005."""


class TimeConv(nn.Conv3d):
    """A convolution over time alone, [B, C, T, H, W] → [B, C', T, H, W].

    With the pixels of a picture in a row it is a 2-D one, which takes 40 % of the time on a CPU.
    """

    def __init__(self, channels: int, length: int) -> None:
        super().__init__(channels, channels, (length, 1, 1), padding=(length // 2, 0, 0), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        padding = int(self.padding[0]), 0
        flat: Tensor = F.conv2d(x.flatten(3), self.weight[..., 0], padding=padding)
        return flat.reshape(*flat.shape[:3], *x.shape[3:])


class SpaceTime(nn.Module):
    """Two 3-D convolutions over space, then two over time: [B, in, T, H, W] → [B, out, T, H', W']."""

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.s_1 = nn.Conv3d(inputs, inner, (1, 5, 5), (1, stride, stride), (0, 2, 2), bias=False)
        self.s_norm_1 = nn.BatchNorm3d(inner, NORM_EPSILON)
        self.s_2 = nn.Conv3d(inner, outputs, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.s_norm_2 = nn.BatchNorm3d(outputs, NORM_EPSILON)
        self.t_1 = TimeConv(outputs, 5)
        self.t_norm_1 = nn.BatchNorm3d(outputs, NORM_EPSILON)
        self.t_2 = TimeConv(outputs, 3)
        self.t_norm_2 = nn.BatchNorm3d(outputs, NORM_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = torch.relu(self.s_norm_1(self.s_1(x)))
        x = torch.relu(self.s_norm_2(self.s_2(x)))
        x = torch.relu(self.t_norm_1(self.t_1(x)))
        return torch.relu(self.t_norm_2(self.t_2(x)))


class CoefficientTime(nn.Module):
    """Two convolutions over coefficients, then two over time: [B, in, 13, T] → [B, out, 13, T]."""

    def __init__(self, inputs: int, inner: int, outputs: int) -> None:
        super().__init__()
        self.m_1 = nn.Conv2d(inputs, inner, (5, 1), padding=(2, 0), bias=False)
        self.m_norm_1 = nn.BatchNorm2d(inner, NORM_EPSILON)
        self.m_2 = nn.Conv2d(inner, outputs, (3, 1), padding=(1, 0), bias=False)
        self.m_norm_2 = nn.BatchNorm2d(outputs, NORM_EPSILON)
        self.t_1 = nn.Conv2d(outputs, outputs, (1, 5), padding=(0, 2), bias=False)
        self.t_norm_1 = nn.BatchNorm2d(outputs, NORM_EPSILON)
        self.t_2 = nn.Conv2d(outputs, outputs, (1, 3), padding=(0, 1), bias=False)
        self.t_norm_2 = nn.BatchNorm2d(outputs, NORM_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = torch.relu(self.m_norm_1(self.m_1(x)))
        x = torch.relu(self.m_norm_2(self.m_2(x)))
        x = torch.relu(self.t_norm_1(self.t_1(x)))
        return torch.relu(self.t_norm_2(self.t_2(x)))


class VisualEncoder(nn.Module):
    """Grey faces [B, T, 112, 112], 0–255 → [B, T, 128]."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = SpaceTime(WIDTHS[0], FIRST_WIDTH, WIDTHS[1], stride=2)
        self.block2 = SpaceTime(WIDTHS[1], WIDTHS[1], WIDTHS[2], stride=1)
        self.block3 = SpaceTime(WIDTHS[2], WIDTHS[2], WIDTHS[3], stride=1)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))

    def forward(self, faces: Tensor) -> Tensor:
        """See the class."""
        x = ((faces / 255 - GREY_MEAN) / GREY_SPREAD).unsqueeze(1)
        x = self.pool(self.block1(x))
        x = self.block3(self.pool(self.block2(x)))
        largest: Tensor = x.amax(dim=(3, 4))
        return largest.transpose(1, 2)


class AudioEncoder(nn.Module):
    """MFCCs [B, 4·T, 13] → [B, T, 128]."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = CoefficientTime(WIDTHS[0], FIRST_WIDTH, WIDTHS[1])
        self.block2 = CoefficientTime(WIDTHS[1], WIDTHS[1], WIDTHS[2])
        self.block3 = CoefficientTime(WIDTHS[2], WIDTHS[2], WIDTHS[3])
        self.pool = nn.MaxPool2d((1, 3), (1, 2), (0, 1))

    def forward(self, mfcc: Tensor) -> Tensor:
        """See the class."""
        x = self.pool(self.block1(mfcc.transpose(1, 2).unsqueeze(1)))
        x = self.block3(self.pool(self.block2(x)))
        mean: Tensor = x.mean(dim=2)
        return mean.transpose(1, 2)


class ChannelGate(nn.Module):
    """Each channel times a weight between 0 and 1 that all channels decide: [B, C, T] → [B, C, T]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Conv1d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm1d(channels, NORM_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x * torch.sigmoid(self.bn(self.attention(x)))


class Detector(nn.Module):
    """Look forward and backward in time: [B, T, 256] → [B, T, 128]."""

    def __init__(self) -> None:
        super().__init__()
        self.gru_forward = nn.GRU(2 * EMBEDDING, EMBEDDING // 2, batch_first=True)
        self.gru_backward = nn.GRU(2 * EMBEDDING, EMBEDDING // 2, batch_first=True)
        self.attention = ChannelGate(EMBEDDING)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        ahead = self.gru_forward(x)[0]
        back = self.gru_backward(x.flip(1))[0].flip(1)
        gated: Tensor = self.attention(torch.cat([ahead, back], dim=2).transpose(1, 2))
        return gated.transpose(1, 2)


class _Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.visualEncoder = VisualEncoder()
        self.audioEncoder = AudioEncoder()
        self.fusion = ChannelGate(2 * EMBEDDING)
        self.detector = Detector()


class _Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.FC = nn.Linear(EMBEDDING, 2)


class LrAsd(nn.Module):
    """The active-speaker network. `lossV` served its training, and is here so that files load strictly."""

    def __init__(self) -> None:
        super().__init__()
        self.model = _Backbone()
        self.lossAV = _Head()
        self.lossV = _Head()

    def forward(self, faces: Tensor, mfcc: Tensor) -> Tensor:
        """How surely each face speaks.

        Args:
            faces: [B, T, 112, 112] grey, 0–255, 25 a second.
            mfcc: [B, 4·T, 13], 100 a second.

        Returns:
            [B, T], positive where the face speaks.
        """
        return self.score(self.model.visualEncoder(faces), self.model.audioEncoder(mfcc))

    def score(self, visual: Tensor, audio: Tensor) -> Tensor:
        """From embeddings of faces and of sound, [B, T, 128] each, to scores [B, T]."""
        both = torch.cat([audio, visual], dim=2)
        fused = self.model.fusion(both.transpose(1, 2)).transpose(1, 2)
        scores: Tensor = self.lossAV.FC(self.model.detector(fused))
        return scores[..., 1]


def load_lr_asd(path: Path) -> LrAsd:
    """The network with the weights of a file, in evaluation mode; no pickle is executed.

    Raises `UnknownWeightsError` when there is no such file, `WeightsFormatError` when it is no checkpoint, is
    damaged, or belongs to another network.
    """
    return load_into(LrAsd(), path, "LR-ASD")
