"""Put trained weights into the package, as its draft weights.

    python benchmarks/pack_draft.py run/told-on/weights.safetensors --louder 2.5

They are stored in half precision, with the sizes of the network in the metadata; their size and SHA-256 go into
weights.toml. What was there before is replaced. Of several files of one training the mean is taken. What is guessed from
a sound varies less than lips do: with --louder the lips that are heard, or the style in networks that do not name lips, are
that many times as large.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from lipdub.cache import sha256_of
from lipdub.models import Diff2Lip, load_checkpoint
from lipdub.models.checkpoint import save_tensors
from lipdub.models.config import METADATA_KEY

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "weights.toml"
TARGET = ROOT / "src/lipdub/weights/draft/draft.safetensors"
LARGEST = 20_000_000
"""Bytes, so that the wheel stays a small download."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--louder", type=float, default=1.0)
    given = parser.parse_args()
    pack(given.weights, given.louder)
    digest, size = sha256_of(TARGET), TARGET.stat().st_size
    CATALOGUE.write_text(entered(CATALOGUE.read_text("utf-8"), digest, size), "utf-8")
    print(f"{TARGET.relative_to(ROOT)}: {size / 1e6:.1f} MB, SHA-256 {digest}")


def pack(weights: list[Path], louder: float) -> None:
    network = merged(weights, louder)
    halves = {name: tensor.half() for name, tensor in network.state_dict().items()}
    wrong = [name for name, tensor in halves.items() if not torch.isfinite(tensor).all()]
    if wrong:
        raise SystemExit(f"{wrong[0]} has numbers that half precision does not hold.")
    if 2 * sum(tensor.numel() for tensor in halves.values()) > LARGEST:
        raise SystemExit(f"The network is too large: in half precision it must fit {LARGEST / 1e6:.0f} MB.")
    save_tensors(halves, {METADATA_KEY: network.config.to_json()}, TARGET)


def merged(weights: Sequence[Path], louder: float = 1.0) -> Diff2Lip:
    """The mean of some files of one training; the sound moves the lips so many times as much."""
    network = load_checkpoint(weights[0])
    states = [load_checkpoint(path).state_dict() for path in weights]
    network.load_state_dict({name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]})
    last = network.audio_encoder_to_style[-2 if network.config.lips else -1]
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.mul_(louder)
    return network


def entered(catalogue: str, digest: str, size: int) -> str:
    """The text of the catalogue with another file in its entry of the draft."""
    before, head, entry = catalogue.partition("[draft]\n")
    assert head, "weights.toml has no entry [draft]"
    entry = re.sub(r'^sha256 = "[0-9a-f]{64}"$', f'sha256 = "{digest}"', entry, count=1, flags=re.M)
    return before + head + re.sub(r"^size = [0-9_]+$", f"size = {size:_}", entry, count=1, flags=re.M)


if __name__ == "__main__":
    main()
