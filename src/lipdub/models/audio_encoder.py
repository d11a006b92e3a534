"""From a window of the log-mel spectrogram to a map of features."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lipdub.models.config import AUDIO_RES_BLOCKS
from lipdub.models.layers import GroupNorm32, ResBlock, Stage, TimeEmbedding, encoder_stages

MELS = 80
COLUMNS = 16  # a fifth of a second
IMAGE_HEIGHT = 64


class AudioEncoder(nn.Module):
    """Mel window [B, 80, 16] → features [B, C, 8, 8] (at the paper's four levels, C = 128).

    The 80 bands are mixed into 64, and the result is read as a grey picture 64 high and 16 wide. Squares of
    `patch` x `patch` pixels may be folded into channels, which leaves a smaller one.
    """

    def __init__(self, width: int, multipliers: tuple[int, ...], patch: int = 1) -> None:
        super().__init__()
        self.patch = patch
        widths = [width * m for m in multipliers]
        self.channels = widths[-1]
        self.time_embed = TimeEmbedding(width, width)
        self.input_block = nn.Sequential(
            nn.Conv1d(MELS, IMAGE_HEIGHT, 3, padding=1), GroupNorm32(IMAGE_HEIGHT), nn.SiLU()
        )
        downs = _downs(len(widths), IMAGE_HEIGHT // patch, COLUMNS // patch)
        stages, _ = encoder_stages(widths, width, AUDIO_RES_BLOCKS, downs, [None] * len(widths))
        self.encoder_blocks = nn.ModuleList([Stage(nn.Conv2d(patch**2, widths[0], 3, padding=1)), *stages])
        self.middle_block = Stage(ResBlock(self.channels, width, self.channels))

    def forward(self, mel: Tensor) -> Tensor:
        """Encode mel [B, 80, 16], values in [-4, 4]."""
        # Its blocks expect the embedding of a diffusion step, which the sound does not have: always 0.
        embedding = self.time_embed(torch.zeros(len(mel), device=mel.device))
        h = F.pixel_unshuffle(self.input_block(mel).unsqueeze(1), self.patch)
        for stage in self.encoder_blocks:
            h = stage(h, embedding)
        features: Tensor = self.middle_block(h, embedding)
        return features


def _downs(levels: int, height: int, width: int) -> list[nn.Module]:
    """Halve only the mel axis until the map is square, then both."""
    downs: list[nn.Module] = []
    for _ in range(levels - 1):
        downs.append(nn.AvgPool2d((2, 1) if height > width else 2))
        height //= 2
    return downs
