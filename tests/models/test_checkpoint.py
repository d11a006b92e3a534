"""Reading and writing weights, and saying what is wrong with them."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lipdub.errors import OutputError, UnknownWeightsError, WeightsFormatError
from lipdub.models import Diff2LipConfig, load_checkpoint, save_checkpoint
from tests.support.weights import save_tiny_checkpoint, small_network, tiny_state_dict


@pytest.fixture(scope="module")
def tiny() -> dict[str, Tensor]:
    return tiny_state_dict()


def assert_holds(path: Path, weights: dict[str, Tensor]) -> None:
    network = load_checkpoint(path)
    assert network.config == Diff2LipConfig.tiny()
    assert not network.training
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, weights[name].float())


def test_safetensors_without_metadata(tmp_path: Path, tiny: dict[str, Tensor]) -> None:
    assert_holds(save_tiny_checkpoint(tmp_path / "weights.safetensors"), tiny)


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth"])
def test_torch_files(tmp_path: Path, tiny: dict[str, Tensor], name: str) -> None:
    torch.save(tiny, tmp_path / name)
    assert_holds(tmp_path / name, tiny)


@pytest.mark.parametrize("nest", ["state_dict", "model", "ema"])
def test_nested_and_wrapped_weights(tmp_path: Path, tiny: dict[str, Tensor], nest: str) -> None:
    wrapped = {f"module.{name}": tensor for name, tensor in tiny.items()}
    torch.save({nest: wrapped, "step": 3}, tmp_path / "weights.pt")
    assert_holds(tmp_path / "weights.pt", tiny)


def test_half_precision_files_load_as_float32(tmp_path: Path, tiny: dict[str, Tensor]) -> None:
    halves = {name: tensor.bfloat16() for name, tensor in tiny.items()}
    save_file(halves, tmp_path / "weights.safetensors")
    assert_holds(tmp_path / "weights.safetensors", halves)


def test_save_and_load_keep_weights_and_sizes(tmp_path: Path) -> None:
    network = small_network()
    path = tmp_path / "weights.safetensors"
    save_checkpoint(network, path)
    save_checkpoint(load_checkpoint(path), path)  # over the file its weights are mapped from
    read = load_checkpoint(path)
    assert read.config == network.config
    assert all(torch.equal(a, b) for a, b in zip(read.parameters(), network.parameters(), strict=True))
    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]


def test_saving_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        save_checkpoint(small_network(), tmp_path / "nowhere" / "weights.safetensors")


def test_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path / "weights.safetensors", tmp_path):
        with pytest.raises(UnknownWeightsError, match="no weights file"):
            load_checkpoint(path)


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", b"\x80\x02" + bytes(64), bytes(4096)])
def test_not_a_checkpoint(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsFormatError, match="damaged, cut short or not"):
        load_checkpoint(tmp_path / name)


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_truncated(tmp_path: Path, tiny: dict[str, Tensor], name: str, share: float) -> None:
    path = tmp_path / name
    torch.save(tiny, path) if name.endswith("pt") else save_file(tiny, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(WeightsFormatError, match=r"^The weights file .* cannot be used: .*damaged.*\.$"):
        load_checkpoint(path)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    torch.save({"weight": Bomb(tmp_path / "exploded")}, tmp_path / "zip.pt")
    for name in ("weights.pt", "zip.pt"):
        with pytest.raises(WeightsFormatError):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("content", [[1, 2], {"step": 3}, {"weight": [1.0]}])
def test_something_else_than_tensors(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(WeightsFormatError, match="something else than named tensors"):
        load_checkpoint(tmp_path / "weights.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_blocks.0.0.weight": None}, "have no parameter input_blocks.0.0.weight"),
        ({"out.2.bias": None}, "have no parameter out.2.bias"),
        (
            {"label_emb.weight": torch.zeros(2, 2)},
            "have a parameter label_emb.weight, which is none of Diff2Lip's",
        ),
        ({"out.2.bias": torch.zeros(3)}, r"out.2.bias has shape \[3\] instead of \[6\]"),
        ({"time_embed.0.weight": torch.zeros(96, 24)}, "no possible Diff2Lip network"),
        ({"time_embed.0.weight": torch.zeros(())}, "no possible Diff2Lip network"),
    ],
)
def test_weights_of_another_network(tmp_path: Path, change: dict[str, Tensor | None], message: str) -> None:
    weights = {name: tensor for name, tensor in (tiny_state_dict() | change).items() if tensor is not None}
    save_file(weights, tmp_path / "weights.safetensors")
    with pytest.raises(WeightsFormatError, match=message):
        load_checkpoint(tmp_path / "weights.safetensors")


def test_a_wholly_other_or_empty_file(tmp_path: Path) -> None:
    for weights in ({"face_encoder.weight": torch.zeros(1)}, {}):
        torch.save(weights, tmp_path / "weights.pt")
        with pytest.raises(
            WeightsFormatError,
            match=r"is no Diff2Lip checkpoint: .* no parameter time_embed\.0\.weight\.$",
        ):
            load_checkpoint(tmp_path / "weights.pt")
