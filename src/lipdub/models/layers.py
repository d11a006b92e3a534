"""The parts the networks are made of. Shapes are [batch, channels, height, width]."""

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lipdub.models.config import GROUPS

Module = TypeVar("Module", bound=nn.Module)


class GroupNorm32(nn.GroupNorm):
    """Group normalisation in float32 whatever the type of the map: half types lose the small variances."""

    def __init__(self, channels: int) -> None:
        super().__init__(GROUPS, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x [B, C, ...]; the result has its type."""
        # The kernels of CPUs take half types and compute in float32 themselves, in half the time.
        given = x if x.device.type == "cpu" else x.float()
        y = F.group_norm(given, self.num_groups, self.weight.float(), self.bias.float(), self.eps)
        return y.to(x.dtype)


def timestep_embedding(t: Tensor, width: int) -> Tensor:
    """Sinusoids of t [B] as [B, width] in float32, cosines first (arXiv 1706.03762, §3.5)."""
    half = width // 2
    rates = torch.exp(torch.arange(half, dtype=torch.float32, device=t.device) * (-math.log(10_000) / half))
    angles = t.float()[:, None] * rates
    return torch.cat((angles.cos(), angles.sin()), dim=1)


class TimeEmbedding(nn.Sequential):
    """Diffusion steps t [B] → [B, embedding]: sinusoids, then two linear layers."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__(nn.Linear(width, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.width = width

    def forward(self, t: Tensor) -> Tensor:
        """Embed t [B]; the result has the type of the weights."""
        # The sinusoids need float32: bfloat16 cannot tell t = 960 from t = 961.
        waves: Tensor = timestep_embedding(t, self.width).to(dtype_of(self))
        for layer in self:
            waves = layer(waves)
        return waves


class ResBlock(nn.Module):
    """Residual block (arXiv 2105.05233) which adds an embedding, and may resample on the way."""

    def __init__(self, channels: int, embedding: int, out: int, resample: nn.Module | None = None) -> None:
        super().__init__()
        self.resample = nn.Identity() if resample is None else resample
        self.in_layers = nn.Sequential(
            GroupNorm32(channels), nn.SiLU(), nn.Conv2d(channels, out, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, out))
        # The identity stands where the published network has its (idle) dropout, so that names agree.
        self.out_layers = nn.Sequential(
            GroupNorm32(out), nn.SiLU(), nn.Identity(), zeroed(nn.Conv2d(out, out, 3, padding=1))
        )
        self.skip_connection = nn.Identity() if out == channels else nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Map x [B, C, H, W] and embedding [B, E] to [B, out, H', W']."""
        norm, activation, conv = self.in_layers
        h = conv(self.resample(activation(norm(x))))
        h = h + self.emb_layers(embedding)[:, :, None, None]
        residue: Tensor = self.out_layers(h)
        skip: Tensor = self.skip_connection(self.resample(x))
        return skip + residue


class Attention(nn.Module):
    """Self-attention among the places of a map, in heads of `head_width` channels."""

    def __init__(self, channels: int, head_width: int) -> None:
        super().__init__()
        self.heads = channels // head_width
        self.norm = GroupNorm32(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zeroed(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B, C, H, W] to the same shape."""
        places = x.flatten(2)
        # Channels are ordered head by head, and within a head q, k, v: each [B, heads, H·W, head_width].
        # Fused kernels, several times faster, want the head's channels side by side in memory.
        qkv = self.qkv(self.norm(places)).unflatten(1, (self.heads, -1)).transpose(2, 3).contiguous()
        seen = F.scaled_dot_product_attention(*qkv.chunk(3, dim=3))
        seen = seen.transpose(2, 3).reshape(places.shape)
        gathered: Tensor = self.proj_out(seen)
        return x + gathered.view_as(x)


class Stage(nn.ModuleList):
    """Layers in a row, of which the residual blocks are given the embedding."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(layers)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Map x [B, C, H, W] and embedding [B, E] to [B, C', H', W']."""
        for layer in self:
            x = layer(x, embedding) if isinstance(layer, ResBlock) else layer(x)
        return x


def encoder_stages(
    widths: Sequence[int],
    embedding: int,
    res_blocks: int,
    downs: Sequence[nn.Module],
    heads: Sequence[int | None],
) -> tuple[list[Stage], list[int]]:
    """The stages of an encoder after its first convolution (which gives `widths[0]` channels).

    Args:
        widths: channels of each level, finest first.
        embedding: width of the embedding.
        res_blocks: residual blocks per level.
        downs: for each level but the last, how to shrink the map.
        heads: for each level, the channels of an attention head, or None where there is no attention.

    Returns:
        The stages and the number of channels each one gives.
    """
    stages: list[Stage] = []
    given: list[int] = []
    channels = widths[0]
    for level, out in enumerate(widths):
        for _ in range(res_blocks):
            stages.append(Stage(ResBlock(channels, embedding, out), *attention(out, heads[level])))
            channels = out
            given.append(channels)
        if level < len(downs):
            stages.append(Stage(ResBlock(channels, embedding, channels, downs[level])))
            given.append(channels)
    return stages, given


def attention(channels: int, head_width: int | None) -> list[nn.Module]:
    """One attention layer, or none where `head_width` is None."""
    return [] if head_width is None else [Attention(channels, head_width)]


def zeroed(module: Module) -> Module:
    """Begin training with a layer that gives nothing: its residual branch is then the identity."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def dtype_of(module: nn.Module) -> torch.dtype:
    """The type of the weights."""
    return next(module.parameters()).dtype


def at_least_float32(x: Tensor) -> Tensor:
    """For what half types would round away: small differences of means, cosines near 1, slow averages."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
