"""Diff2Lip: the network that inpaints the lower half of a face to go with a sound."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lipdub.models.audio_encoder import AudioEncoder
from lipdub.models.config import Diff2LipConfig
from lipdub.models.layers import (
    GroupNorm32,
    ResBlock,
    Stage,
    TimeEmbedding,
    attention,
    dtype_of,
    encoder_stages,
    zeroed,
)

LIPS_HEARD = (-2.0, 2.5)
"""Apertures, as `dataset.lips` gives them, that a sound may ask for.

98 % of those that are measured, which a network is told while it learns to paint, lie between; voices that
were never heard would ask for others."""


class Diff2Lip(nn.Module):
    """Audio-conditioned diffusion UNet (Mukhopadhyay et al., WACV 2024, arXiv 2308.09716, section 3).

    Names and shapes of parameters are those of the published checkpoint. Images are RGB in [-1, 1]. The
    network computes in the type of its weights and answers in the type of `x_t`.
    """

    def __init__(self, config: Diff2LipConfig) -> None:
        super().__init__()
        self.config = config
        embedding, squares = config.embedding_width, config.patch**2
        widths = [config.width * m for m in config.multipliers]
        heads = [config.head_width if attended else None for attended in config.attended_levels]
        downs = [nn.AvgPool2d(2) for _ in widths[1:]]
        stages, given = encoder_stages(widths, embedding, config.res_blocks, downs, heads)

        self.time_embed = TimeEmbedding(config.width, embedding)
        self.input_blocks = nn.ModuleList([Stage(nn.Conv2d(9 * squares, widths[0], 3, padding=1)), *stages])
        self.middle_block = Stage(
            ResBlock(widths[-1], embedding, widths[-1]),
            *attention(widths[-1], config.head_width),
            ResBlock(widths[-1], embedding, widths[-1]),
        )
        self.output_blocks = _decoder(widths, [widths[0], *given], embedding, config.res_blocks, heads)
        self.out = nn.Sequential(
            GroupNorm32(widths[0]), nn.SiLU(), zeroed(nn.Conv2d(widths[0], 6 * squares, 3, padding=1))
        )
        self.audio_encoder = AudioEncoder(config.audio_width, config.audio_multipliers, config.audio_patch)
        told = [self.audio_encoder.channels, *([config.lips] if config.lips else []), embedding]
        self.audio_encoder_to_style = nn.Sequential(
            GroupNorm32(self.audio_encoder.channels),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(1),
            *(nn.Conv2d(a, b, 1) for a, b in pairwise(told)),
        )

    def forward(
        self,
        x_t: Tensor,
        t: Tensor,
        condition: Tensor,
        reference: Tensor,
        mel: Tensor,
        lips: Tensor | None = None,
    ) -> Tensor:
        """The prediction for `x_t`, and its variance, [B, 6, H, W]; see `denoise` and `audio_style`."""
        return self.denoise(x_t, t, condition, reference, self.audio_style(mel, lips))

    def audio_style(self, mel: Tensor, lips: Tensor | None = None) -> Tensor:
        """What the sound adds to the time embedding; the same at every diffusion step.

        Args:
            mel: log-mel window [B, 80, 16], values in [-4, 4].
            lips: [B, `config.lips`], apertures that take the place of those that are heard, for training;
                NaN where none does.

        Returns:
            [B, E] in the type of the weights, E being four times the base width.
        """
        heard = self.before_style(mel)
        if self.config.lips:
            heard = heard.clamp(*LIPS_HEARD)
        if lips is not None:
            heard = torch.where(lips.isnan(), heard, lips.to(heard))
        style: Tensor = self.audio_encoder_to_style[-1](heard[:, :, None, None])
        return style.flatten(1)

    @property
    def hearing(self) -> list[nn.Module]:
        """What turns sound into what it is about; how that changes the pictures is left to the others."""
        return [self.audio_encoder, *([self.audio_encoder_to_style[:-1]] if self.config.lips else [])]

    def before_style(self, mel: Tensor) -> Tensor:
        """What the style is a linear function of: [B, `config.lips`], or, without, features [B, C]."""
        features = self.audio_encoder(mel.to(dtype_of(self)))
        heard: Tensor = self.audio_encoder_to_style[:-1](features)
        return heard.flatten(1)

    def denoise(self, x_t: Tensor, t: Tensor, condition: Tensor, reference: Tensor, style: Tensor) -> Tensor:
        """What is predicted of the lower half of `x_t` (first 3 channels), and its variance (last 3).

        The prediction is the noise, or whatever `config.prediction` says; see `diffusion.denoiser`.

        Args:
            x_t: noisy image [B, 3, H, W]; its upper half is not looked at, `condition`'s is used.
            t: diffusion steps [B], int64, 0 … 999.
            condition: [B, 3, H, W], the clean image above, pure noise below.
            reference: another frame of the same person, [B, 3, H, W].
            style: [B, E], from `audio_style`.

        Returns:
            [B, 6, H, W] in the type of `x_t`.
        """
        half = x_t.shape[2] // 2
        x = torch.cat((condition[:, :, :half], x_t[:, :, half:]), dim=2)  # x·mask + (1 − mask)·condition
        h = torch.cat((x, condition, reference), dim=1).to(dtype_of(self))
        h = F.pixel_unshuffle(h, self.config.patch)
        embedding = self.time_embed(t) + style
        skips: list[Tensor] = []
        for stage in self.input_blocks:
            h = stage(h, embedding)
            skips.append(h)
        h = self.middle_block(h, embedding)
        for stage in self.output_blocks:
            h = stage(torch.cat((h, skips.pop()), dim=1), embedding)
        answer = F.pixel_shuffle(self.out(h), self.config.patch)
        return answer.to(x_t.dtype)


def _decoder(
    widths: list[int], skips: list[int], embedding: int, res_blocks: int, heads: list[int | None]
) -> nn.ModuleList:
    """Mirror of the encoder: each level takes one more block than it gave, the last one resampling."""
    stages = nn.ModuleList()
    channels, pending = widths[-1], list(skips)
    for level in reversed(range(len(widths))):
        for i in range(res_blocks + 1):
            out = widths[level]
            layers = [ResBlock(channels + pending.pop(), embedding, out), *attention(out, heads[level])]
            if level > 0 and i == res_blocks:
                layers.append(ResBlock(out, embedding, out, nn.Upsample(scale_factor=2, mode="nearest")))
            stages.append(Stage(*layers))
            channels = out
    return stages
