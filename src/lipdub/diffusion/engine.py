"""What the renderer calls: batches of faces as arrays, on whatever device there is."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipdub.diffusion.inpaint import PAPER_SEED, inpaint, make_noise
from lipdub.diffusion.sampling import sampler_named
from lipdub.diffusion.schedule import ddim_timesteps
from lipdub.errors import DeviceError, OptionError
from lipdub.models import Diff2Lip

Floats = NDArray[np.float32]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class LipInpainter:
    """Inpaints the mouths of up to `batch_size` faces at a time.

    The network always sees a full batch, short ones being filled up with their last item. At a fixed
    batch shape the result for a face is bit-identical whatever else is in the batch and at whatever place
    (tests/diffusion/test_engine.py holds it for the CPU), so it does not matter how frames are grouped;
    at another batch size libraries may choose other kernels, whose rounding differs.

    Args:
        model: the network; it is moved to `device` and `dtype` and must not be used otherwise.
        device: where to compute, as `select_device` gives it.
        dtype: type of the weights; images and sampling stay float32.
        batch_size: faces per call of the network.
        steps: diffusion steps, 1 … 1000.
        seed: of the one noise image all frames share.
        sampler: the name of a sampler.

    Raises:
        OptionError: when batch size, steps or sampler are impossible.
    """

    def __init__(
        self,
        model: Diff2Lip,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        batch_size: int = 8,
        steps: int = 25,
        *,
        seed: int = PAPER_SEED,
        sampler: str = "ddim",
    ) -> None:
        if batch_size < 1:
            raise OptionError(f"The batch size must be at least 1, not {batch_size}.")
        sampler_named(sampler)
        ddim_timesteps(steps)
        self.size = model.config.image_size
        self.batch_size = batch_size
        self.steps = steps
        self.sampler = sampler
        self.device = torch.device(device)
        self.model = model.eval().to(self.device, dtype)
        self.noise = make_noise(self.size, seed).to(self.device)

    def __call__(self, images: Floats, references: Floats, mels: Floats) -> Floats:
        """New faces for n ≤ `batch_size` old ones.

        Args:
            images: [n, size, size, 3], RGB in [-1, 1]; only the upper halves are looked at.
            references: frames of the same persons, likewise.
            mels: log-mel windows [n, 80, 16] in [-4, 4].

        Returns:
            [n, size, size, 3] float32, RGB in [-1, 1]; the upper halves are those of `images`, exactly.
        """
        n = len(images)
        if not 0 < n <= self.batch_size:
            raise ValueError(f"{n} faces do not fit a batch of {self.batch_size}")
        # cuDNN would else try out algorithms by the clock, and round float32 to TF32.
        exact = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        with torch.inference_mode(), exact:
            faces = inpaint(
                self.model,
                self._batch(images).permute(0, 3, 1, 2).contiguous(),
                self._batch(references).permute(0, 3, 1, 2).contiguous(),
                self._batch(mels),
                self.noise,
                steps=self.steps,
                sampler=self.sampler,
            )
        new: Floats = faces[:n].permute(0, 2, 3, 1).cpu().contiguous().numpy()
        return new

    @property
    def threads(self) -> int:
        """Threads that compute, on a CPU, where their number changes the last bits; 0 on other devices."""
        return torch.get_num_threads() if self.device.type == "cpu" else 0

    def pin_threads(self, count: int) -> None:
        """Compute with this number of threads, if it is on a CPU; in all of the process."""
        if self.device.type == "cpu" and count > 0:
            torch.set_num_threads(count)

    def _batch(self, items: Floats) -> Tensor:
        """[n, ...] → [batch_size, ...] on the device, the last item repeated."""
        order = np.minimum(np.arange(self.batch_size), len(items) - 1)
        return torch.from_numpy(np.asarray(items, np.float32)[order]).to(self.device)


def select_device(name: str = "auto", precision: str = "auto") -> tuple[torch.device, torch.dtype]:
    """The device and type of weights to compute with.

    Args:
        name: `cpu`, `cuda`, `cuda:1` …, `mps`, or `auto`: the first there is of cuda, mps, cpu.
        precision: `fp32`, `bf16`, `fp16`, or `auto`: on cuda bf16 (fp16 where it lacks that), else fp32.

    Raises:
        DeviceError: when the device is not there or cannot compute in this precision.
    """
    device = _device(_best_device() if name == "auto" else name)
    if precision == "auto":
        return device, _best_dtype(device)
    if precision not in PRECISIONS:
        raise DeviceError(
            f"There is no precision {precision!r}; choose one of: auto, {', '.join(PRECISIONS)}."
        )
    if precision == "fp16" and device.type == "cpu":
        raise DeviceError("A CPU does not compute in fp16; choose the precision fp32 or bf16.")
    if precision == "bf16" and device.type == "cuda" and not _has_bf16(device):
        raise DeviceError(f"The device {device} does not compute in bf16; choose the precision fp16 or fp32.")
    return device, PRECISIONS[precision]


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _device(name: str) -> torch.device:
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdecimal())):
        raise DeviceError(f"There is no device {name!r}; choose one of: auto, cpu, cuda, cuda:0 …, mps.")
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[kind]
    if int(index or 0) >= count:
        raise DeviceError(f"The device {name} is not there ({count} of its kind found); choose auto or cpu.")
    return torch.device(name)


def _best_dtype(device: torch.device) -> torch.dtype:
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if _has_bf16(device) else torch.float16


def _has_bf16(device: torch.device) -> bool:
    """In hardware, that is: before Ampere, bf16 is emulated and slow."""
    return torch.cuda.get_device_capability(device) >= (8, 0)
