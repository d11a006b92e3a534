"""Which network is trained, and with what judges."""

from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from lipdub.errors import OptionError, WeightsFormatError, WeightsUnavailableError
from lipdub.models import Diff2Lip, Diff2LipConfig
from lipdub.models.checkpoint import load_checkpoint
from lipdub.models.config import METADATA_KEY
from lipdub.models.lpips import load_lpips
from lipdub.models.sync_expert import load_sync_expert
from lipdub.training.config import NETWORKS, TrainOptions
from lipdub.training.losses import Distance, Expert
from lipdub.training.objective import Judges
from lipdub.training.terms import Weights
from lipdub.weights import locate

Network = TypeVar("Network", bound=nn.Module)

SIZES = {
    "paper128": Diff2LipConfig.paper(),
    "small128": Diff2LipConfig(width=32, head_width=32),
    "tiny64": Diff2LipConfig.tiny(),
}
assert tuple(SIZES) == NETWORKS


def sizes_named(name: str) -> Diff2LipConfig:
    """The sizes of a network.

    Args:
        name: one of `SIZES`, or the path of a JSON file with fields of `Diff2LipConfig`; those that are
            not in it have the paper's values.

    Raises:
        OptionError: there is no such name or file, or the sizes do not fit together.
    """
    if name in SIZES:
        return SIZES[name]
    try:
        return Diff2LipConfig.from_state_dict({}, {METADATA_KEY: Path(name).read_text(encoding="utf-8")})
    except (OSError, UnicodeDecodeError) as exc:
        raise OptionError(
            f"--network takes {', '.join(SIZES)}, or a JSON file of sizes, which {name!r} is not."
        ) from exc
    except WeightsFormatError as exc:
        raise OptionError(f"The network of {name} cannot be built: {exc}.") from exc


def first_network(options: TrainOptions) -> Diff2Lip | Diff2LipConfig:
    """The weights that a training begins with, or the sizes of random ones.

    Raises:
        OptionError: the weights are of another network than the one asked for.
        LipdubError: the weights cannot be read.
    """
    if options.init_from is None:
        return sizes_named(options.network or NETWORKS[0])
    network = load_checkpoint(options.init_from)
    if options.network is not None and network.config != sizes_named(options.network):
        raise OptionError(
            f"The weights {options.init_from} are of a network with other sizes than {options.network} "
            f"({network.config.to_json()}); leave out --network to train one like it."
        )
    return network


def judges_of(options: TrainOptions, device: torch.device) -> Judges:
    """The frozen networks that the terms ask; the discriminator, which is trained too, is not among them.

    Raises:
        OptionError: a term counts, and its network was not given.
        LipdubError: a network cannot be read.
    """
    weights = options.weights
    return Judges(_expert(options.expert, weights, device), _lpips(options.lpips, weights, device))


def check(options: TrainOptions, *, begins: bool) -> None:
    """Load all that a training needs and let it go, so that longer work before it is not in vain.

    Args:
        options: of the training.
        begins: whether it begins with the weights that they name, and not with a checkpoint.

    Raises:
        LipdubError: what `first_network` and `judges_of` raise.
    """
    if begins:
        first_network(options)
    judges_of(options, torch.device("cpu"))


def _expert(path: str | None, weights: Weights, device: torch.device) -> Expert | None:
    if not weights.sync:
        return None
    if path is None:
        raise OptionError(
            "L_sync needs a lip-sync expert: give --expert FILE (lipdub train-expert makes one), or switch "
            "the term off with --without sync."
        )
    return frozen_forever(load_sync_expert(Path(path)), device)


def _lpips(trunk: str, weights: Weights, device: torch.device) -> Distance | None:
    if not weights.lpips:
        return None
    try:
        return frozen_forever(
            load_lpips(locate(f"lpips_{trunk}"), "alex" if trunk == "alex" else "vgg"), device
        )
    except WeightsUnavailableError as exc:
        raise OptionError(
            f"The LPIPS term needs its network, which cannot be had ({str(exc).rstrip('.')}); give --lpips "
            "another one, or switch the term off with --without lpips."
        ) from exc


def frozen_forever(network: Network, device: torch.device) -> Network:
    """A network that passes gradients on and has none of its own."""
    return network.eval().requires_grad_(requires_grad=False).to(device)
