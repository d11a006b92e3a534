"""LPIPS, the distance of two pictures as people see it (Zhang et al., CVPR 2018, arXiv 1801.03924).

Features of a network that was trained to name things, of five depths, each scaled to length 1 at every place;
their squared differences, weighted by channel, averaged over places and summed over depths. Written from the
paper and from the names and shapes of the published weights (version 0.1, whose inputs are normalised).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipdub.errors import WeightsFormatError
from lipdub.models.checkpoint import check_fit
from lipdub.models.layers import at_least_float32
from lipdub.models.pickles import read_numpy_pickle

Trunk = Literal["alex", "vgg"]
"""AlexNet, of which papers print figures, or VGG-16, whose gradients train better."""

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""Mean and spread of ImageNet's channels, on the scale −1 to 1."""
SHORTEST = 1e-10
"""Length below which features are not scaled up to 1: there is nothing there."""


class Layer(NamedTuple):
    """A convolution with ReLU, behind a maximum over `pool` pixels, if not 0; `seen`: it is compared."""

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    pool: int = 0
    seen: bool = True


def _vgg(channels: int, count: int, pool: int = 2) -> tuple[Layer, ...]:
    """One depth of VGG-16, of which only the last convolution is seen."""
    return tuple(Layer(channels, pool=pool if i == 0 else 0, seen=i == count - 1) for i in range(count))


LAYERS: dict[str, tuple[Layer, ...]] = {
    "alex": (
        Layer(64, kernel=11, stride=4, padding=2),
        Layer(192, kernel=5, padding=2, pool=3),
        Layer(384, pool=3),
        Layer(256),
        Layer(256),
    ),
    "vgg": (*_vgg(64, 2, pool=0), *_vgg(128, 2), *_vgg(256, 3), *_vgg(512, 3), *_vgg(512, 3)),
}
ORIGINS = {"alex": "AlexNet_0", "vgg": "VGG16_0"}
"""What the published file calls the trunk."""


class Lpips(nn.Module):
    """The distance of pictures. Its parameters take no gradients, and it is in evaluation mode."""

    shift: Tensor
    scale: Tensor

    def __init__(self, trunk: Trunk = "alex") -> None:
        super().__init__()
        self.layers = LAYERS[trunk]
        widths = (3, *(layer.channels for layer in self.layers))
        self.trunk = nn.ModuleList(
            nn.Conv2d(width, layer.channels, layer.kernel, layer.stride, layer.padding)
            for width, layer in zip(widths, self.layers, strict=False)
        )
        self.heads = nn.ParameterList(torch.ones(layer.channels) for layer in self.layers if layer.seen)
        self.register_buffer("shift", torch.tensor(SHIFT).reshape(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).reshape(3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """How far images are from others.

        Args:
            images, others: [N, 3, H, W], RGB, −1 to 1, at least 32 pixels high and wide.

        Returns:
            [N], 0 and more: 0 of equal pictures, about 0.1 of good copies, 0.7 of bad ones.
        """
        pairs = zip(self.heads, self.features(images), self.features(others), strict=True)
        depths = [((a - b).square().mean((2, 3)) * head).sum(1) for head, a, b in pairs]
        return torch.stack(depths).sum(0)

    def features(self, images: Tensor) -> Sequence[Tensor]:
        """Of each depth, [N, channels, h, w] of length 1 along channels (0 where nothing is seen).

        Args:
            images: [N, 3, H, W], RGB, −1 to 1.
        """
        x = (images - self.shift) / self.scale
        seen = []
        for layer, convolution in zip(self.layers, self.trunk, strict=True):
            x = F.max_pool2d(x, layer.pool, 2) if layer.pool else x
            x = torch.relu(convolution(x))
            if layer.seen:
                seen.append(F.normalize(at_least_float32(x), dim=1, eps=SHORTEST))
        return seen


def load_lpips(path: Path, trunk: Trunk = "alex") -> Lpips:
    """The distance with the weights of a published file, which holds trunk and heads.

    Args:
        path: the file of the catalogue's `lpips_alex` or `lpips_vgg`.
        trunk: which of the two it is.

    Raises `UnknownWeightsError` when there is no such file, `WeightsFormatError` when it is damaged or
    belongs to another network. No pickle is executed.
    """
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in Lpips(trunk).state_dict().items()}
    try:
        weights = _renamed(read_numpy_pickle(path), trunk)
        check_fit(shapes, {name: tuple(value.shape) for name, value in weights.items()}, f"LPIPS ({trunk})")
    except WeightsFormatError as exc:
        raise WeightsFormatError(f"The weights file {path} cannot be used: {exc}.") from exc
    network = Lpips(trunk)
    network.load_state_dict(weights, strict=True)
    return network


def _renamed(weights: dict[str, Tensor], trunk: Trunk) -> dict[str, Tensor]:
    """Our names and order of dimensions; kernels are stored as [height, width, inputs, outputs]."""
    renamed = {}
    for name, value in weights.items():
        words = name.split(".")
        number = words[-2 if words[0] == ORIGINS[trunk] else 0].rpartition("_")[2]
        if words[0] == ORIGINS[trunk]:
            kind = "weight" if words[-1] == "kernel" else words[-1]
            renamed[f"trunk.{number}.{kind}"] = value.permute(3, 2, 0, 1) if value.ndim == 4 else value
        elif words[0].startswith("NetLinLayer_"):
            renamed[f"heads.{number}"] = value.flatten()
        else:
            renamed[name] = value
    return renamed
