"""SyncNet v2, by whose embeddings Sync-C and Sync-D are measured.

Chung & Zisserman, "Out of time: automated lip sync in the wild" (ACCV workshops 2016). Re-implemented from
the names and shapes of its published weights. `lipdub.evaluation.sync` makes figures of the embeddings.
"""

from pathlib import Path

from torch import Tensor, nn

from lipdub.models.checkpoint import load_into

FRAMES = 5
FACE_SIZE = (224, 224)
MFCC_SIZE = (13, 20)
"""Coefficients, and 100 a second over five frames at 25 fps."""
WIDTH = 512
EMBEDDING = 1024


def _conv2d(
    inputs: int, outputs: int, kernel: int | tuple[int, int] = 3, padding: int = 1
) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=padding)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def _conv3d(
    inputs: int, outputs: int, frames: int, size: int, stride: int = 1, padding: int = 0
) -> list[nn.Module]:
    """Over `frames` × `size` × `size`; stride and padding are those of the picture."""
    kernel, steps, border = (frames, size, size), (1, stride, stride), (0, padding, padding)
    convolution = nn.Conv3d(inputs, outputs, kernel, steps, border)
    return [convolution, nn.BatchNorm3d(outputs), nn.ReLU()]


def _sound_encoder() -> nn.Sequential:
    """[B, 1, 13, 20] → [B, 512, 1, 1]."""
    return nn.Sequential(
        *_conv2d(1, 64),
        nn.Identity(),  # the published network pools one sample here; names of parameters count it
        *_conv2d(64, 192),
        nn.MaxPool2d(3, (1, 2)),
        *_conv2d(192, 384),
        *_conv2d(384, 256),
        *_conv2d(256, 256),
        nn.MaxPool2d(3, 2),
        *_conv2d(256, WIDTH, (5, 4), padding=0),
    )


def _face_encoder() -> nn.Sequential:
    """[B, 3, 5, 224, 224] → [B, 512, 1, 1, 1]; the first convolution takes all five frames together."""
    return nn.Sequential(
        *_conv3d(3, 96, FRAMES, 7, stride=2),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
        *_conv3d(96, 256, 1, 5, stride=2, padding=1),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        *_conv3d(256, 256, 1, 3, padding=1),
        *_conv3d(256, 256, 1, 3, padding=1),
        *_conv3d(256, 256, 1, 3, padding=1),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
        *_conv3d(256, WIDTH, 1, 6),
    )


def _head() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Linear(WIDTH, EMBEDDING)
    )


class SyncNet(nn.Module):
    """Embeds faces and sounds; the nearer the two embeddings, the better they fit."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = _sound_encoder()
        self.netfcaud = _head()
        self.netcnnlip = _face_encoder()
        self.netfclip = _head()

    def forward(self, faces: Tensor, mfcc: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of faces and of sounds, see `embed_faces` and `embed_sound`."""
        return self.embed_faces(faces), self.embed_sound(mfcc)

    def embed_faces(self, faces: Tensor) -> Tensor:
        """Where five faces lie in the common space.

        Args:
            faces: [B, 3, 5, 224, 224], BGR, 0–255, five frames that follow each other at 25 fps; the crop is
                the face's box with 0.4 of its size as margin.

        Returns:
            [B, 1024], of any length.
        """
        embedded: Tensor = self.netfclip(self.netcnnlip(faces).flatten(1))
        return embedded

    def embed_sound(self, mfcc: Tensor) -> Tensor:
        """Where the sound of five frames lies in the common space.

        Args:
            mfcc: [B, 1, 13, 20], coefficients × columns (100 a second).

        Returns:
            [B, 1024], of any length.
        """
        embedded: Tensor = self.netfcaud(self.netcnnaud(mfcc).flatten(1))
        return embedded


def load_syncnet(path: Path) -> SyncNet:
    """The network with the weights of a file (`syncnet_v2.model`, or safetensors), in evaluation mode.

    Raises `UnknownWeightsError` when there is no such file, `WeightsFormatError` when it is no checkpoint, is
    damaged, or belongs to another network. No pickle is executed.
    """
    return load_into(SyncNet(), path, "SyncNet v2")
