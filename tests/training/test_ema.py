"""The moving average: by hand, by its closed form, and as it is stored."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from lipdub.errors import WeightsFormatError
from lipdub.training.ema import Ema, averaged, decay_at
from tests.support.weights import small_network


def model(value: float = 0.0, dtype: torch.dtype = torch.float32) -> nn.Linear:
    layer = nn.Linear(2, 1, dtype=dtype)
    for parameter in layer.parameters():
        nn.init.constant_(parameter, value)
    return layer


def test_one_update_by_hand() -> None:
    old, live = {"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([3.0, -4.0])}
    assert averaged(old, live, 0.75)["w"].tolist() == [1.5, -1.0]
    assert old["w"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("updates", "expected"), [(0, 0.1), (1, 2 / 11), (90, 0.91), (89_990, 0.9999), (10**6, 0.9999)]
)
def test_warm_up(updates: int, expected: float) -> None:
    assert decay_at(updates) == pytest.approx(expected, abs=1e-9)


def test_warm_up_ends_after_90000_updates_and_never_falls() -> None:
    decays = [decay_at(n) for n in range(0, 100_000, 100)]
    assert decays == sorted(decays)
    assert decay_at(89_000) < 0.9999 == decay_at(90_000)


def test_closed_form() -> None:
    # From 0, towards a constant 1: what is missing is the product of the decays.
    ema = Ema.of(model(0.0, torch.float64), decay=0.5)
    for _ in range(20):
        ema = ema.updated(model(1.0, torch.float64))
    missing = math.prod(decay_at(n, 0.5) for n in range(20))
    assert ema.average["bias"].item() == pytest.approx(1 - missing, abs=1e-12)
    assert ema.updates == 20


def test_parameters_that_stand_still_are_their_own_average() -> None:
    still = model(0.3)
    ema = Ema.of(still).updated(still).updated(still)
    assert torch.equal(ema.average["weight"], still.weight)


def test_updates_touch_neither_the_old_average_nor_the_model() -> None:
    live = model(1.0)
    first = Ema.of(live)
    nn.init.constant_(live.weight, 2.0)
    assert first.average["weight"].tolist() == [[1.0, 1.0]]
    second = first.updated(live)
    assert first.average["weight"].tolist() == [[1.0, 1.0]]
    assert second.average["weight"].tolist() == [[pytest.approx(1.9)] * 2]
    assert live.weight.tolist() == [[2.0, 2.0]]
    assert not second.average["weight"].requires_grad


def test_half_types_are_averaged_in_float32() -> None:
    ema = Ema(Ema.of(model(1.0, torch.bfloat16)).average, updates=10**6)
    for _ in range(10):
        ema = ema.updated(model(2.0, torch.bfloat16))
    # each update moves it by 1e-4, of which bfloat16 would keep none
    assert ema.average["bias"].dtype == torch.float32
    assert ema.average["bias"].item() == pytest.approx(2 - 0.9999**10, abs=1e-6)


def test_round_trip_through_a_file(tmp_path: Path) -> None:
    ema = Ema.of(model(0.1)).updated(model(0.7)).updated(model(-0.2))
    save_file(ema.state_dict(), tmp_path / "ema.safetensors")
    back = Ema.from_state_dict(load_file(tmp_path / "ema.safetensors"))
    assert back.updates == 2
    after, expected = back.updated(model(5.0)), ema.updated(model(5.0))
    assert after.average.keys() == expected.average.keys() == {"weight", "bias"}
    assert all(torch.equal(after.average[name], expected.average[name]) for name in expected.average)


def test_the_average_of_a_network_is_all_of_a_checkpoint() -> None:
    network = small_network()
    network.load_state_dict(Ema.of(network).average, strict=True)


@pytest.mark.parametrize(
    ("state", "wrong"),
    [
        ({"average.weight": torch.zeros(1)}, "'updates' is missing"),
        ({"updates": torch.tensor(1), "weight": torch.zeros(1)}, "'weight' is no part"),
    ],
)
def test_what_is_no_average(state: dict[str, torch.Tensor], wrong: str) -> None:
    with pytest.raises(WeightsFormatError, match=wrong):
        Ema.from_state_dict(state)
