"""Inpainting against the published code, and what it must leave alone."""

import pytest
import torch
from torch import Tensor

from lipdub.diffusion import ddim_timesteps, inpaint, make_noise
from lipdub.diffusion.denoiser import Denoiser
from lipdub.diffusion.inpaint import compose
from lipdub.diffusion.sampling import ddim
from lipdub.diffusion.schedule import alphas_cumprod
from lipdub.models import Diff2Lip, Diff2LipConfig
from tests.support.weights import REFERENCE, golden, paper_shapes, small_network, tiny_shapes, weights_by_name


def built(shapes: dict[str, list[int]]) -> Diff2Lip:
    with torch.device("meta"):
        network = Diff2Lip(Diff2LipConfig.from_state_dict(shapes))
    network.load_state_dict(weights_by_name(shapes), assign=True)
    return network.eval()


@pytest.fixture(scope="module")
def tiny() -> Diff2Lip:
    return built(tiny_shapes())


def sampled(network: Diff2Lip, numbers: dict[str, Tensor], steps: int) -> Tensor:
    noise = numbers["init_noise"].expand_as(numbers["image"])
    with torch.inference_mode():
        denoise = Denoiser(network, compose(numbers["image"], noise), numbers["ref"], numbers["mel"])
        return ddim(denoise, noise, ddim_timesteps(steps), alphas_cumprod().tolist())


@pytest.mark.parametrize("steps", [5, pytest.param(25, marks=pytest.mark.slow)])
def test_golden_samples(tiny: Diff2Lip, steps: int) -> None:
    numbers = golden("tiny64")
    sample = sampled(tiny, numbers, steps)
    torch.testing.assert_close(sample, numbers[f"sample_ddim{steps}"], atol=1e-3, rtol=0)
    if steps == 25:
        whole = compose(numbers["image"], sample)
        torch.testing.assert_close(whole, numbers["inpainted_ddim25"], atol=1e-3, rtol=0)


def test_inpainting_is_the_sample_below_the_image(tiny: Diff2Lip) -> None:
    numbers = golden("tiny64")
    with torch.inference_mode():
        faces = inpaint(
            tiny, numbers["image"], numbers["ref"], numbers["mel"], numbers["init_noise"], steps=5
        )
    assert torch.equal(faces[:, :, :32], numbers["image"][:, :, :32])
    torch.testing.assert_close(faces[:, :, 32:], numbers["sample_ddim5"][:, :, 32:], atol=1e-3, rtol=0)


@pytest.mark.slow
@pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="the golden numbers of the paper's size lie outside the repository"
)
def test_golden_sample_of_the_paper() -> None:
    numbers = {k: v if k == "init_noise" else v[:1] for k, v in golden("paper128", full=True).items()}
    with torch.inference_mode():
        faces = inpaint(
            built(paper_shapes()), numbers["image"], numbers["ref"], numbers["mel"], numbers["init_noise"]
        )
    torch.testing.assert_close(faces, numbers["inpainted_ddim25"], atol=1e-3, rtol=0)


def test_the_old_lower_half_leaves_no_trace() -> None:
    g = torch.Generator().manual_seed(3)
    image, reference = torch.rand(2, 2, 3, 16, 16, generator=g) * 2 - 1
    mel, other = torch.randn(2, 80, 16, generator=g), image.clone()
    other[:, :, 8:] = torch.nan
    with torch.inference_mode():
        faces = inpaint(small_network(), image, reference, mel, make_noise(16), steps=3)
        again = inpaint(small_network(), other, reference, mel, make_noise(16).expand(2, -1, -1, -1), steps=3)
    assert torch.equal(faces, again)
    assert torch.equal(faces[:, :, :8], image[:, :, :8])
    assert faces.abs().max() <= 1


@pytest.mark.parametrize("seed", [0, 7])
def test_noise_is_that_of_torch_and_disturbs_nothing(seed: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        expected = torch.randn((1, 3, 24, 24))
        state = torch.get_rng_state()
        assert torch.equal(make_noise(24, seed), expected)
        assert torch.equal(torch.get_rng_state(), state)
