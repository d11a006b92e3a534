"""Weights that follow from the names of parameters, as the golden numbers were made with."""

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from lipdub.models import Diff2Lip, Diff2LipConfig
from lipdub.models.lr_asd import LrAsd

GOLDEN = Path(__file__).parents[1] / "golden"
REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
"""The full golden set, where it lies beside the checkout; a fresh clone has only `GOLDEN`."""


def weight_by_name(name: str, shape: Sequence[int]) -> NDArray[np.float32]:
    """The weights of one parameter, of the size that keeps activations near one."""
    generator = np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))
    n = generator.standard_normal(tuple(shape), dtype=np.float32)
    if len(shape) > 1:
        return n / np.float32(math.sqrt(math.prod(shape[1:])))
    return 1 + np.float32(0.1) * n if name.endswith("weight") else np.float32(0.1) * n


def weights_by_name(shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """A state dict with these names and shapes."""
    return {name: torch.from_numpy(weight_by_name(name, shape)) for name, shape in shapes.items()}


def tiny_shapes() -> dict[str, list[int]]:
    """Names and shapes of the published code's network at a small size (image 64)."""
    return json.loads((GOLDEN / "state_dict_tiny64.json").read_text())


def paper_shapes() -> dict[str, list[int]]:
    """Names and shapes of the published network (image 128)."""
    return json.loads((GOLDEN / "state_dict_paper128.json").read_text())


def tiny_state_dict() -> dict[str, torch.Tensor]:
    """Weights of the small network."""
    return weights_by_name(tiny_shapes())


def save_tiny_checkpoint(path: Path) -> Path:
    """Write the small network as a checkpoint without metadata, like a published one."""
    save_file(tiny_state_dict(), path)
    return path


def small_network(lips: int = 0) -> Diff2Lip:
    """A network of image size 16 with weights by name: milliseconds a step, for tests of properties."""
    config = Diff2LipConfig(
        image_size=16,
        width=32,
        multipliers=(1, 2),
        res_blocks=1,
        attention_resolutions=(8,),
        head_width=32,
        audio_multipliers=(1,),
        lips=lips,
    )
    with torch.device("meta"):
        network = Diff2Lip(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    network.load_state_dict(weights_by_name(shapes), assign=True)
    return network.eval()


def golden(name: str, *, full: bool = False) -> dict[str, torch.Tensor]:
    """Golden numbers by name, from the repository or (full) from the reference folder beside it."""
    folder = REFERENCE if full else GOLDEN
    with np.load(folder / f"golden_{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


def lr_asd_state_dict() -> dict[str, torch.Tensor]:
    """Weights by name for the active-speaker network."""
    return helper_state_dict(LrAsd())


def helper_state_dict(network: nn.Module) -> dict[str, torch.Tensor]:
    """Weights by name for a network with batch norms: variances over 1, counters as they are."""
    weights = {}
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            value = torch.from_numpy(weight_by_name(name, tuple(tensor.shape)))
            tensor = 1 + value.abs() if name.endswith("running_var") else value
        weights[name] = tensor
    return weights


def helper_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published helper network, `syncnet_color` or `syncnet_v2`."""
    stored = json.loads((GOLDEN / f"state_dict_{name}.json").read_text())
    return {key: tuple(shape) for key, shape in stored.items()}
