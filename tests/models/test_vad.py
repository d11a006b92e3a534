"""The voice activity network: its shape, its memory, and its weights by name."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lipdub.errors import UnknownWeightsError, WeightsFormatError
from lipdub.models.vad import VoiceActivity, load_voice_activity
from tests.support.weights import weight_by_name


def state_dict() -> dict[str, torch.Tensor]:
    """Weights by name, under the names of the published file."""
    named = {}
    for name, tensor in VoiceActivity().state_dict().items():
        published = name.replace("lstm.", "lstm_cell.").removesuffix("_l0")
        named[published] = torch.from_numpy(weight_by_name(published, tuple(tensor.shape)))
    return named


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file(state_dict(), tmp_path / "vad.safetensors")
    return tmp_path / "vad.safetensors"


def slow(weights: dict[str, torch.Tensor], windows: torch.Tensor) -> torch.Tensor:
    """The same, one window after the other, spelled out."""
    h, c, found = torch.zeros(128), torch.zeros(128), []
    for window in windows:
        padded = torch.cat([window, window[-65:-1].flip(0)])
        columns = torch.stack(
            [weights["stft_conv.weight"][:, 0] @ padded[i : i + 256] for i in (0, 128, 256, 384)]
        )
        x = (columns[:, :129] ** 2 + columns[:, 129:] ** 2).sqrt().T[None]
        for n, stride in ((1, 1), (2, 2), (3, 2), (4, 1)):
            weight, bias = weights[f"conv{n}.weight"], weights[f"conv{n}.bias"]
            x = torch.relu(torch.nn.functional.conv1d(x, weight, bias, stride, 1))
        gates = weights["lstm_cell.weight_ih"] @ x[0, :, 0] + weights["lstm_cell.bias_ih"]
        gates = gates + weights["lstm_cell.weight_hh"] @ h + weights["lstm_cell.bias_hh"]
        i, f, g, o = gates.split(128)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        logit = weights["final_conv.weight"][0, :, 0] @ torch.relu(h) + weights["final_conv.bias"][0]
        found.append(torch.sigmoid(logit))
    return torch.stack(found)


def windows(count: int) -> torch.Tensor:
    return torch.rand(count, 576, generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_agrees_with_the_network_spelled_out(file: Path):
    with torch.inference_mode():
        found = load_voice_activity(file)(windows(6))[0]
        torch.testing.assert_close(found, slow(state_dict(), windows(6)), rtol=1e-4, atol=1e-5)


def test_goes_on_from_what_it_remembers(file: Path):
    network = load_voice_activity(file)
    with torch.inference_mode():
        whole, _ = network(windows(9))
        first, state = network(windows(9)[:4])
        rest, _ = network(windows(9)[4:], state)
        forgetful, _ = network(windows(9)[4:])
    torch.testing.assert_close(torch.cat([first, rest]), whole)
    assert not torch.allclose(forgetful, rest, atol=1e-5)


def test_refuses_other_files(tmp_path: Path, file: Path):
    with pytest.raises(UnknownWeightsError, match="no weights file"):
        load_voice_activity(tmp_path / "none.safetensors")
    save_file({"conv1.weight": torch.zeros(1)}, file)
    with pytest.raises(WeightsFormatError, match="cannot be used: the weights have no parameter"):
        load_voice_activity(file)
    file.write_bytes(b"no tensors")
    with pytest.raises(WeightsFormatError, match=r"vad\.safetensors cannot be used: it is damaged"):
        load_voice_activity(file)
