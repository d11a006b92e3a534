"""Batches of arrays, and the choice of a device."""

import numpy as np
import pytest
import torch

from lipdub.diffusion import LipInpainter, inpaint, make_noise, select_device
from lipdub.errors import DeviceError, OptionError
from tests.support.weights import small_network

rng = np.random.default_rng(5)
IMAGES, REFERENCES = rng.uniform(-1, 1, (2, 7, 16, 16, 3)).astype(np.float32)
MELS = rng.uniform(-4, 4, (7, 80, 16)).astype(np.float32)


def run(inpainter: LipInpainter, which: list[int]) -> np.ndarray:
    return inpainter(IMAGES[which], REFERENCES[which], MELS[which])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_face_comes_out_bit_identical_in_any_company(dtype: torch.dtype) -> None:
    inpainter = LipInpainter(small_network(), "cpu", dtype, batch_size=4, steps=2)
    together = np.concatenate([run(inpainter, [0, 1, 2, 3]), run(inpainter, [4, 5, 6])])
    for which in ([5], [6, 0], [3, 2, 1, 0], [2, 4, 6]):
        np.testing.assert_array_equal(run(inpainter, which), together[which])
    assert len({face.tobytes() for face in together}) == 7


def test_result_is_that_of_inpaint() -> None:
    inpainter = LipInpainter(small_network(), batch_size=7, steps=3, seed=9)
    faces = inpainter(IMAGES, REFERENCES, MELS)
    planes = [torch.from_numpy(a).permute(0, 3, 1, 2) for a in (IMAGES, REFERENCES)]
    with torch.inference_mode():
        expected = inpaint(small_network(), *planes, torch.from_numpy(MELS), make_noise(16, 9), steps=3)
    assert (faces.dtype, faces.shape, inpainter.size) == (np.float32, IMAGES.shape, 16)
    np.testing.assert_allclose(faces, expected.permute(0, 2, 3, 1).numpy(), atol=1e-6)
    np.testing.assert_array_equal(faces[:, :8], IMAGES[:, :8])


def test_images_need_not_be_contiguous_or_writable() -> None:
    inpainter = LipInpainter(small_network(), batch_size=2, steps=1)
    straight = run(inpainter, [1, 3])
    turned = IMAGES.copy()[1:4:2]
    turned.flags.writeable = False
    np.testing.assert_array_equal(inpainter(turned, REFERENCES[1:4:2], MELS[1:4:2]), straight)


@pytest.mark.parametrize("n", [0, 3])
def test_batches_that_do_not_fit(n: int) -> None:
    with pytest.raises(ValueError, match=f"{n} faces do not fit"):
        run(LipInpainter(small_network(), batch_size=2), list(range(n)))


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"steps": 0}, {"sampler": "none"}])
def test_impossible_options(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        LipInpainter(small_network(), **options)


def test_devices_that_are_always_there() -> None:
    assert select_device("cpu") == (torch.device("cpu"), torch.float32)
    assert select_device("cpu", "bf16") == (torch.device("cpu"), torch.bfloat16)
    assert select_device("auto", "fp32")[1] == torch.float32


@pytest.mark.parametrize(
    ("name", "precision", "message"),
    [
        ("gpu", "auto", "no device 'gpu'"),
        ("cuda:", "auto", "cuda"),
        ("cuda:x", "auto", "no device"),
        ("cpu:1", "auto", "no device"),
        ("cuda:99", "auto", "cuda:99 is not there"),
        ("cpu", "fp16", "does not compute in fp16"),
        ("cpu", "int8", "no precision 'int8'"),
    ],
)
def test_devices_and_precisions_that_are_not(name: str, precision: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        select_device(name, precision)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_where_there_is_none() -> None:
    with pytest.raises(DeviceError, match="cuda is not there"):
        select_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_cuda_agrees_with_the_cpu_and_with_itself(precision: str) -> None:
    expected = run(LipInpainter(small_network(), batch_size=4, steps=3), [0, 1, 2])
    inpainter = LipInpainter(small_network(), *select_device("cuda", precision), batch_size=4, steps=3)
    found = run(inpainter, [0, 1, 2])
    assert np.abs(found - expected).max() < (1e-3 if precision == "fp32" else 0.2)
    np.testing.assert_array_equal(run(inpainter, [2, 0])[::-1], found[[0, 2]])
