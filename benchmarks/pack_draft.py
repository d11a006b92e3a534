"""Put trained weights into the package, as its draft weights.

    python benchmarks/pack_draft.py run/skin/weights.safetensors run/all/weights.safetensors --louder 3

They are stored in half precision, with the sizes of the network in the metadata; their size and SHA-256 go into
weights.toml. What was there before is replaced. Of several files of one training the mean is taken. L2 makes lips
that move too little: with --louder the style, what the network is told of the sound, is that many times as large.
"""

import argparse
import re
from pathlib import Path

import torch

from lipdub.cache import sha256_of
from lipdub.models import load_checkpoint
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
    network = load_checkpoint(weights[0])
    states = [load_checkpoint(path).state_dict() for path in weights]
    network.load_state_dict({name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]})
    with torch.no_grad():
        for parameter in network.audio_encoder_to_style[-1].parameters():
            parameter.mul_(louder)
    halves = {name: tensor.half() for name, tensor in network.state_dict().items()}
    wrong = [name for name, tensor in halves.items() if not torch.isfinite(tensor).all()]
    if wrong:
        raise SystemExit(f"{wrong[0]} has numbers that half precision does not hold.")
    if 2 * sum(tensor.numel() for tensor in halves.values()) > LARGEST:
        raise SystemExit(f"The network is too large: in half precision it must fit {LARGEST / 1e6:.0f} MB.")
    save_tensors(halves, {METADATA_KEY: network.config.to_json()}, TARGET)


def entered(catalogue: str, digest: str, size: int) -> str:
    """The text of the catalogue with another file in its entry of the draft."""
    before, head, entry = catalogue.partition("[draft]\n")
    assert head, "weights.toml has no entry [draft]"
    entry = re.sub(r'^sha256 = "[0-9a-f]{64}"$', f'sha256 = "{digest}"', entry, count=1, flags=re.M)
    return before + head + re.sub(r"^size = [0-9_]+$", f"size = {size:_}", entry, count=1, flags=re.M)


if __name__ == "__main__":
    main()
