"""The network gives the numbers of the published code."""

import pytest
import torch

from lipdub.diffusion.inpaint import compose
from lipdub.models import Diff2Lip, Diff2LipConfig
from tests.support.weights import REFERENCE, golden, paper_shapes, tiny_shapes, weights_by_name


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def check(numbers: dict[str, torch.Tensor], shapes: dict[str, list[int]]) -> None:
    with torch.device("meta"):
        network = Diff2Lip(Diff2LipConfig.from_state_dict(shapes)).eval()
    network.load_state_dict(weights_by_name(shapes), strict=True, assign=True)
    condition = compose(numbers["image"], numbers["init_noise"].expand_as(numbers["image"]))
    with torch.inference_mode():
        style = network.audio_style(numbers["mel"])
        eps = network.denoise(numbers["x_t"], numbers["t"], condition, numbers["ref"], style)
        whole = network(numbers["x_t"], numbers["t"], condition, numbers["ref"], numbers["mel"])
    assert relative_error(style, numbers["audio_style"]) < 1e-5
    assert relative_error(eps, numbers["eps_and_var"]) < 1e-5
    assert torch.equal(whole, eps)


def test_tiny() -> None:
    check(golden("tiny64"), tiny_shapes())


@pytest.mark.slow
@pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="the golden numbers at the paper's size (2 MB) lie outside the repository"
)
def test_paper() -> None:
    check(golden("paper128", full=True), paper_shapes())
