"""Inception-v3 with the weights of 2015 (Szegedy et al., arXiv 1512.00567), whose features FID compares.

Not the network of later libraries: here averages leave the border out, the last block takes a maximum, and
there are no scales in the batch norms. Written from the names and shapes of the published weights, which load
by those names.
"""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipdub.errors import WeightsFormatError
from lipdub.models.checkpoint import check_fit
from lipdub.models.pickles import read_torchscript

SIZE = 299
"""Side of the pictures it was trained on."""
FEATURES = 2048
EPSILON = 1e-3
"""Added to variances; not torch's own 1e-5."""
PREFIX = "net."
"""Of all names in the published file."""

Kernel = int | tuple[int, int]
Row = tuple[int, Kernel]
"""Channels and kernel of a convolution that keeps the size."""


class Conv(nn.Module):
    """Convolution, batch norm without scale, ReLU: [B, in, H, W] → [B, out, H', W'].

    Its border keeps the size, or there is none (`bare`), as always with a stride.
    """

    beta: Tensor
    mean: Tensor
    var: Tensor

    def __init__(
        self, inputs: int, outputs: int, kernel: Kernel = 1, stride: int = 1, bare: bool = False
    ) -> None:
        super().__init__()
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, *size))
        for name in ("beta", "mean", "var"):
            self.register_parameter(name, nn.Parameter(torch.full((outputs,), float(name == "var"))))
        self.stride = stride
        self.border = (0, 0) if bare or stride > 1 else (size[0] // 2, size[1] // 2)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = F.conv2d(x, self.weight, None, self.stride, self.border)
        x = F.batch_norm(x, self.mean, self.var, None, self.beta, eps=EPSILON)
        return torch.relu(x)


class AroundMean(nn.Module):
    """The mean of 3×3 pixels, of fewer at the border: keeps the size."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def _sequence(modules: Sequence[nn.Module], names: Sequence[str]) -> nn.Sequential:
    return nn.Sequential(OrderedDict(zip(names, modules, strict=True)))


def _tower(inputs: int, *rows: Row, last: nn.Module | None = None) -> nn.Sequential:
    """Convolutions one after the other, named conv, conv_1 and so on."""
    widths = (inputs, *(channels for channels, _ in rows))
    convs: list[nn.Module] = [
        Conv(width, channels, kernel) for width, (channels, kernel) in zip(widths, rows, strict=False)
    ]
    convs += [last] if last else []
    return _sequence(convs, [f"conv_{i}" if i else "conv" for i in range(len(convs))])


def _averaged(inputs: int, outputs: int) -> nn.Sequential:
    return _sequence([AroundMean(), Conv(inputs, outputs)], ["pool", "conv"])


class Mixed(nn.Module):
    """Branches that look at the same input, [B, in, H, W] → [B, sum of outs, H', W'], by their names."""

    def __init__(self, **branches: nn.Module) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return torch.cat([branch(x) for branch in self.children()], 1)


class Spread(nn.Module):
    """The widest blocks, where two branches fork into a row and a column: [B, in, 8, 8] → [B, 2048, 8, 8]."""

    def __init__(self, inputs: int, pool: nn.Module) -> None:
        super().__init__()
        self.conv = Conv(inputs, 320)
        self.tower_conv = Conv(inputs, 384)
        self.tower_mixed_conv = Conv(384, 384, (1, 3))
        self.tower_mixed_conv_1 = Conv(384, 384, (3, 1))
        self.tower_1_conv = Conv(inputs, 448)
        self.tower_1_conv_1 = Conv(448, 384, 3)
        self.tower_1_mixed_conv = Conv(384, 384, (1, 3))
        self.tower_1_mixed_conv_1 = Conv(384, 384, (3, 1))
        self.tower_2_pool = pool
        self.tower_2_conv = Conv(inputs, 192)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        a, b = self.tower_conv(x), self.tower_1_conv_1(self.tower_1_conv(x))
        forked = [
            self.tower_mixed_conv(a),
            self.tower_mixed_conv_1(a),
            self.tower_1_mixed_conv(b),
            self.tower_1_mixed_conv_1(b),
        ]
        return torch.cat([self.conv(x), *forked, self.tower_2_conv(self.tower_2_pool(x))], 1)


def _fine(inputs: int, pooled: int) -> Mixed:
    """[B, in, 35, 35] → [B, 224 + pooled, 35, 35]."""
    return Mixed(
        conv=Conv(inputs, 64),
        tower=_tower(inputs, (48, 1), (64, 5)),
        tower_1=_tower(inputs, (64, 1), (96, 3), (96, 3)),
        tower_2=_averaged(inputs, pooled),
    )


def _middle(width: int) -> Mixed:
    """[B, 768, 17, 17] → the same; rows and columns of 7 pixels in turn."""
    row, column = (width, (1, 7)), (width, (7, 1))
    return Mixed(
        conv=Conv(768, 192),
        tower=_tower(768, (width, 1), row, (192, (7, 1))),
        tower_1=_tower(768, (width, 1), column, row, column, (192, (1, 7))),
        tower_2=_averaged(768, 192),
    )


def _half() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2)


def _layers() -> nn.Sequential:
    """[B, 3, 299, 299] → [B, 2048, 1, 1]."""
    stem = {
        "conv": Conv(3, 32, 3, stride=2),
        "conv_1": Conv(32, 32, 3, bare=True),
        "conv_2": Conv(32, 64, 3),
        "pool0": _half(),
        "conv_3": Conv(64, 80),
        "conv_4": Conv(80, 192, 3, bare=True),
        "pool1": _half(),
    }
    fine_end = Mixed(
        conv=Conv(288, 384, 3, stride=2),
        tower=_tower(288, (64, 1), (96, 3), last=Conv(96, 96, 3, stride=2)),
        pool=_half(),
    )
    middle_end = Mixed(
        tower=_tower(768, (192, 1), last=Conv(192, 320, 3, stride=2)),
        tower_1=_tower(768, (192, 1), (192, (1, 7)), (192, (7, 1)), last=Conv(192, 192, 3, stride=2)),
        pool=_half(),
    )
    blocks = [
        *(_fine(192, 32), _fine(256, 64), _fine(288, 64), fine_end),
        *(_middle(width) for width in (128, 160, 160, 192)),
        *(middle_end, Spread(1280, AroundMean()), Spread(2048, nn.MaxPool2d(3, 1, 1))),
    ]
    mixed = {f"mixed_{i}" if i else "mixed": block for i, block in enumerate(blocks)}
    return nn.Sequential(OrderedDict({**stem, **mixed, "pool2": nn.AvgPool2d(8)}))


class Inception(nn.Module):
    """What is in a picture, as 2048 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = _layers()
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Features of pictures of any size, resized bilinearly and scaled to −1 to 1 as pytorch-fid does.

        Args:
            images: [B, 3, H, W], RGB, 0–255.

        Returns:
            [B, 2048], not negative.
        """
        x = F.interpolate(images.float(), (SIZE, SIZE), mode="bilinear", align_corners=False)
        features: Tensor = self.layers(x / 127.5 - 1).flatten(1)
        return features


def load_inception(path: Path) -> Inception:
    """The network with the weights of the published TorchScript file, of which only those are read.

    Raises `UnknownWeightsError` when there is no such file, `WeightsFormatError` when it is damaged or
    belongs to another network. Nothing of the file is executed.
    """
    network = Inception()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    try:
        weights = {name.removeprefix(PREFIX): value for name, value in read_torchscript(path).items()}
        check_fit(shapes, {name: tuple(value.shape) for name, value in weights.items()}, "Inception-v3")
    except WeightsFormatError as exc:
        raise WeightsFormatError(f"The weights file {path} cannot be used: {exc}.") from exc
    network.load_state_dict(weights, strict=True)
    return network
