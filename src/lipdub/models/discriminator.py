"""The judge of L_GAN: are five frames in a row, seen at once, real? One verdict for each patch."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

FRAMES = 5  # of a sequence, as of the sync expert
KERNEL = 4  # a multiple of the stride, so that no pixel is looked at more often than its neighbours
SLOPE = 0.2  # of the leaky ReLU, as in pix2pix
WIDEST = 8  # times the first width, as in pix2pix


class SequencePatchGan(nn.Sequential):
    """PatchGAN (Isola et al., arXiv 1611.07004, appendix) over five frames stacked along channels.

    At the default sizes 4×4 convolutions 15 → 64 → 128 → 256 → 512 → 1, of which the first three halve the
    map; 2.8 million parameters, and every verdict sees 70×70 pixels, of a face of 128 about a mouth with
    its cheeks. Not published are its sizes (here those of pix2pix) and its normalisation: here spectral
    (Miyato et al., arXiv 1802.05957) on every layer, instead of pix2pix's batch norm. It needs no
    statistics, so a verdict does not depend on what else is in the batch, nor on how a batch is split
    over machines and accumulated gradients; and it bounds how steep the judge can be, which hinge losses
    lean on. In training mode each pass takes one step of the power iteration, whose vectors are buffers:
    they are part of the state dict.

    Args:
        frames: of a sequence.
        width: channels of the first layer.
        layers: how many of them halve the map; images must be at least 3·2^layers high and wide, so that
            a network of 16×16 pixels takes 1 or 2.
    """

    def __init__(self, frames: int = FRAMES, width: int = 64, layers: int = 3) -> None:
        widths = [3 * frames, *(width * min(2**level, WIDEST) for level in range(layers + 1))]
        stages: list[nn.Module] = []
        for level, (inputs, outputs) in enumerate(pairwise(widths)):
            stride = 2 if level < layers else 1
            stages += [_conv(inputs, outputs, stride), nn.LeakyReLU(SLOPE)]
        super().__init__(*stages, _conv(widths[-1], 1, 1))
        self.smallest = 3 * 2**layers

    def forward(self, frames: Tensor) -> Tensor:
        """Verdicts, higher where it looks more real.

        Args:
            frames: [B, 15, H, W] in [-1, 1], the channels frame by frame, RGB in each.

        Returns:
            Logits [B, 1, H/8 − 2, W/8 − 2] (14×14 of 128×128, 6×6 of 64×64).

        Raises:
            ValueError: when no patch fits into the images.
        """
        if min(frames.shape[2:]) < self.smallest:
            raise ValueError(f"images of {frames.shape[3]}x{frames.shape[2]} are too small for this judge")
        for layer in self:
            frames = layer(frames)
        return frames


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Inside, what the module computes passes gradients on to its input but not to its parameters.

    A generator's loss would else leave its gradients, of the wrong sign, in the judge, and pay for them. Give
    it the module itself, not one wrapped in DistributedDataParallel, which waits for every gradient.
    """
    held = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


def _conv(inputs: int, outputs: int, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, KERNEL, stride, padding=1))
