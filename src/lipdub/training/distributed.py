"""Several processes that train together, as torchrun starts them."""

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lipdub.errors import OptionError

_NAMES = signature(DistributedDataParallel.__init__).parameters
BUFFERS: dict[str, Any] = {
    "forward_sync_buffers" if "forward_sync_buffers" in _NAMES else "broadcast_buffers": False
}
"""Buffers are not exchanged, since they are equal everywhere: they follow from the weights alone. torch 2.13
warns of the older name, torch 2.6 knows no other."""


@dataclass(frozen=True)
class World:
    """The processes that train together, of which this one is number `rank`."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def mean(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The means of scalars over all processes, with one exchange; what is NaN in one is so in all."""
        joined = torch.stack([value.detach().float() for value in values.values()])
        if self.size > 1:
            dist.all_reduce(joined)
            joined /= self.size
        return dict(zip(values, joined.unbind(), strict=True))

    def any(self, here: bool, device: torch.device) -> bool:
        """Whether it is so in any of the processes."""
        if self.size == 1:
            return here
        flag = torch.tensor(int(here), device=device)
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag.item())

    def join(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are averaged over all processes; alone, the module itself."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, **BUFFERS)

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            dist.barrier()


ALONE = World()


@contextmanager
def together(device: str) -> Iterator[tuple[World, str]]:
    """This process among those that torchrun started, and the device it shall take.

    Args:
        device: what was asked for; of ``auto`` and ``cuda``, each process takes a card of its own.

    Raises:
        OptionError: one card was asked for by its number, and there are several processes, or there are
            fewer cards than processes.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE, device
        return
    if device.startswith("cuda:"):
        raise OptionError(f"{size} processes cannot share {device}; choose --device cuda.")
    cards = device in {"auto", "cuda"} and torch.cuda.is_available()
    if cards:
        count, here = torch.cuda.device_count(), int(os.environ["LOCAL_RANK"])
        if here >= count:
            raise OptionError(f"There is no card for process {here + 1} here; start at most {count}.")
        device = f"cuda:{here}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cards else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size()), device
        dist.barrier()  # the first still writes when others are done; one that leaves may end it
    finally:
        gc.collect()  # what holds the group, in cycles, is not left to the end of Python
        dist.destroy_process_group()
