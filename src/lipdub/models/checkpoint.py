"""Reading and writing the weights of Diff2Lip; no pickle is ever executed."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lipdub.errors import OutputError, UnknownWeightsError, WeightsFormatError
from lipdub.models.config import METADATA_KEY, Diff2LipConfig
from lipdub.models.unet import Diff2Lip

NESTS = ("state_dict", "model", "ema")  # where trainers put the weights beside their own state
WRAPPER = "module."  # prefix left by torch's DataParallel
RUN_KEY = "lipdub.run"  # in the metadata of a training's checkpoint, which holds more than weights
COUNTER = "num_batches_tracked"  # of batch norms: torch before 0.4.1 kept none, and evaluation needs none

Network = TypeVar("Network", bound=nn.Module)


def load_checkpoint(path: Path | str) -> Diff2Lip:
    """A network with the weights of a `.safetensors`, `.pt` or `.pth` file, float32, in evaluation mode.

    Its sizes are read from the metadata `save_checkpoint` writes, or else off the shapes of the weights.
    Raises `UnknownWeightsError` when there is no such file, `WeightsFormatError` when it is not a
    checkpoint, is cut short, or belongs to another network.
    """
    path = Path(path)
    try:
        return _build(*read_weights(path))
    except WeightsFormatError as exc:
        raise WeightsFormatError(f"The weights file {path} cannot be used: {exc}.") from exc


def load_into(network: Network, path: Path, name: str) -> Network:
    """Give a helper network, called `name` in errors, the weights of a file, and put it in evaluation mode.

    The names and shapes must be the network's own, all of them; only counters of batch norms may be missing.
    Raises `UnknownWeightsError` when there is no such file, `WeightsFormatError` when it is no checkpoint, is
    damaged, or belongs to another network. No pickle is executed.
    """
    return load_made(lambda _: network, path, name)


def load_made(make: Callable[[Mapping[str, Tensor]], Network], path: Path, name: str) -> Network:
    """As `load_into`, for a network whose sizes depend on the weights, of which `make` makes it."""
    try:
        found = read_weights(path)[0]
        made = make(found)
        own = made.state_dict()
        weights = {key: tensor for key, tensor in own.items() if key.endswith(COUNTER)} | found
        check_fit(_shapes(own), _shapes(weights), name)
    except WeightsFormatError as exc:
        raise WeightsFormatError(f"The weights file {path} cannot be used: {exc}.") from exc
    made.load_state_dict(weights, strict=True)
    return made.eval()


def save_checkpoint(model: Diff2Lip, path: Path | str) -> None:
    """Write weights and sizes as safetensors, under a temporary name first.

    Raises `OutputError` when the file cannot be written.
    """
    save_tensors(model.state_dict(), {METADATA_KEY: model.config.to_json()}, Path(path))


def save_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path) -> None:
    """Write named tensors and texts as safetensors, under a temporary name first: all of it, or nothing.

    Raises `OutputError` when the file cannot be written; one that was there is then still there.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            save_ordinary(plain, dict(metadata), Path(folder) / path.name)
            (Path(folder) / path.name).replace(path)
    except (OSError, SafetensorError) as exc:
        raise OutputError(f"The weights cannot be written to {path}: {_brief(exc)}.") from exc


def save_ordinary(tensors: dict[str, Tensor], metadata: dict[str, str], path: Path) -> None:
    """Write a file of safetensors that others may read as they may any new file.

    safetensors makes its files readable by their owner alone.
    """
    path.touch()
    mode = path.stat().st_mode & 0o777
    save_file(tensors, path, metadata)
    path.chmod(mode)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The named tensors of a `.safetensors`, `.pt` or `.pth` file, and its metadata if it has any.

    Raises `UnknownWeightsError` when there is no such file, `WeightsFormatError`, a part of a sentence, when
    it is no checkpoint or damaged. No pickle is executed.
    """
    if not path.is_file():
        raise UnknownWeightsError(f"There is no weights file {path}.")
    return read_safetensors(path) if path.suffix == ".safetensors" else (read_torch(path), {})


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The named tensors and the metadata of a file.

    Raises `WeightsFormatError`, a part of a sentence, when it is damaged.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as exc:
        raise WeightsFormatError(
            f"it is damaged, cut short or not in the safetensors format ({_brief(exc)})"
        ) from exc


def read_torch(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file that torch saved; no pickle is executed.

    Raises `WeightsFormatError`, a part of a sentence, when it is damaged or holds something else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as exc:  # which exceptions a damaged file raises, torch does not say
        raise WeightsFormatError("it is damaged, cut short or not a plain checkpoint of torch") from exc
    return _plain_state_dict(content)


def _plain_state_dict(content: Any) -> dict[str, Tensor]:
    """The weights in what a file held, whether nested under a usual name, and under a wrapper's prefix."""
    for nest in NESTS:
        if isinstance(content, Mapping) and isinstance(content.get(nest), Mapping):
            content = content[nest]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsFormatError("it holds something else than named tensors")
    names = {str(name): tensor for name, tensor in content.items()}
    if all(name.startswith(WRAPPER) for name in names):
        return {name.removeprefix(WRAPPER): tensor for name, tensor in names.items()}
    return names


def _build(weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Diff2Lip:
    if RUN_KEY in metadata:
        raise WeightsFormatError("it is a checkpoint of a training; give the weights.safetensors beside it")
    shapes = _shapes(weights)
    config = Diff2LipConfig.from_state_dict(shapes, metadata)
    with torch.device("meta"):  # a network without memory, which then adopts the tensors of the file
        model = Diff2Lip(config)
    check_fit(_shapes(model.state_dict()), shapes)
    model.load_state_dict(
        {name: tensor.float() for name, tensor in weights.items()}, strict=True, assign=True
    )
    return model.eval()


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def check_fit(
    expected: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[int, ...]],
    network: str = "Diff2Lip",
) -> None:
    """Raise `WeightsFormatError`, a part of a sentence, unless names and shapes are those of a network."""
    for name in expected:
        if name not in found:
            raise WeightsFormatError(f"the weights have no parameter {name}")
    for name, shape in found.items():
        if name not in expected:
            raise WeightsFormatError(f"the weights have a parameter {name}, which is none of {network}'s")
        if shape != expected[name]:
            raise WeightsFormatError(
                f"the parameter {name} has shape {list(shape)} instead of {list(expected[name])}"
            )


def _brief(exc: Exception) -> str:
    return str(exc).partition("\n")[0].rstrip(".") or type(exc).__name__
