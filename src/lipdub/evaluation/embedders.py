"""Networks that judge sync, at work: the colour expert and SyncNet, on pictures of faces and their sound.

They serve the preparing of data, which shifts sound, and the evaluation, which scores it.

Both embed five frames, and the sound of five frames; where they belong together, the two are near.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import Box, from_crop
from lipdub.sampling import NETWORK_RATE
from lipdub.speech.mel import COLUMNS_PER_SECOND, log_mel
from lipdub.speech.mfcc import mfcc
from lipdub.speech.windows import WINDOW

if TYPE_CHECKING:
    import torch
    from torch import Tensor

RATE = 25
FRAMES = 5
"""Frames, and the sound of as many, that the networks see at once."""
BATCH = {"expert": 64, "syncnet": 8}
"""Windows embedded at a time: some 200 MB of activations."""
SAMPLES = NETWORK_RATE // RATE
MFCC_ROWS = 4
"""Of coefficients, in a frame."""
SYNCNET_MARGIN = 0.4
"""SyncNet sees a square of 1.4 times the height of the face's box, whose top is the box's."""

Vectors = npt.NDArray[np.float32]
Pictures = npt.NDArray[np.uint8]
Pcm = npt.NDArray[np.int16]


class SyncEmbedder(Protocol):
    """A network that embeds pictures and sounds of five frames."""

    name: str
    size: int
    """Pixels of a picture it wants, in width and height."""

    def place(self, box: Box, /) -> Box:
        """What it wants to see of a face whose crop is a box [5]: another box."""
        ...

    def faces(self, pictures: Pictures, /) -> Vectors:
        """Embeddings [n − 4, d] of pictures [n, size, size, 3] RGB; of fewer than five, [0, 0]."""
        ...

    def sounds(self, pcm: Pcm, /) -> Vectors:
        """Embeddings [n − 4, d] of 640 · n samples, 16 kHz."""
        ...


class ExpertEmbedder:
    """The colour expert.

    Args:
        path: of its weights.
        device: of torch, where it computes.

    Raises:
        WeightsError: it is not there, or not the expert.
    """

    name = "expert"
    size = 96

    def __init__(self, path: Path, device: "torch.device | str" = "cpu") -> None:
        from lipdub.models.sync_expert import load_sync_expert

        self._network, self._device = load_sync_expert(path).to(device), device

    def place(self, box: Box, /) -> Box:
        """The network's own framing, which is that of S3FD, with which it was trained."""
        return box

    def faces(self, pictures: Pictures, /) -> Vectors:
        """See `SyncEmbedder`; the lower halves, BGR."""
        half = pictures[:, self.size // 2 :, :, ::-1].astype(np.float32) / 255
        planes = np.moveaxis(half, 3, 1)  # [n, 3, 48, 96]
        windows = [planes[i : i + FRAMES].reshape(-1, *planes.shape[2:]) for i in _starts(len(planes))]
        return _embedded(self._network.embed_faces, windows, BATCH[self.name], self._device)

    def sounds(self, pcm: Pcm, /) -> Vectors:
        """See `SyncEmbedder`."""
        mel = log_mel(pcm)
        firsts = [COLUMNS_PER_SECOND * k // RATE for k in _starts(len(pcm) // SAMPLES)]
        windows = [mel[None, :, first : first + WINDOW] for first in firsts]
        return _embedded(self._network.embed_sound, windows, BATCH[self.name], self._device)


class SyncNetEmbedder:
    """SyncNet v2.

    Args:
        path: of its weights.
        device: of torch, where it computes.

    Raises:
        WeightsError: it is not there, or not SyncNet.
    """

    name = "syncnet"
    size = 224

    def __init__(self, path: Path, device: "torch.device | str" = "cpu") -> None:
        from lipdub.models.syncnet import load_syncnet

        self._network, self._device = load_syncnet(path).to(device), device

    def place(self, box: Box, /) -> Box:
        """A square from the top of the face's box to 0.4 of its height below it."""
        side = (1 + SYNCNET_MARGIN) * box[3]
        centre = from_crop(np.array([[0.5, (1 + SYNCNET_MARGIN) / 2]]), box)[0]
        return np.concatenate([centre - side / 2, [side, side], box[4:]])

    def faces(self, pictures: Pictures, /) -> Vectors:
        """See `SyncEmbedder`; BGR, 0–255."""
        planes = np.moveaxis(pictures[..., ::-1], 3, 0)  # [3, n, 224, 224]
        windows = [planes[:, i : i + FRAMES] for i in _starts(len(pictures))]
        return _embedded(self._network.embed_faces, windows, BATCH[self.name], self._device)

    def sounds(self, pcm: Pcm, /) -> Vectors:
        """See `SyncEmbedder`."""
        # The last window of coefficients reaches 15 ms beyond its frame: what is there is repeated. (The
        # published code leaves that window out.)
        found = mfcc(np.pad(pcm, (0, NETWORK_RATE // 40), mode="edge")) if len(pcm) else np.empty((0, 13))
        rows = MFCC_ROWS * FRAMES
        firsts = [MFCC_ROWS * k for k in _starts(len(pcm) // SAMPLES)]
        windows = [found[None, first : first + rows].mT for first in firsts]
        return _embedded(self._network.embed_sound, windows, BATCH[self.name], self._device)


def load_embedder(expert: str | None, syncnet: str | None) -> SyncEmbedder | None:
    """The network whose weights are named, if one is.

    Raises:
        WeightsError: the file is not there, or not that network.
    """
    if expert:
        return ExpertEmbedder(Path(expert))
    return SyncNetEmbedder(Path(syncnet)) if syncnet else None


def _starts(frames: int) -> range:
    return range(max(frames - FRAMES + 1, 0))


def _embedded(
    embed: "Callable[[Tensor], Tensor]",
    windows: Sequence[npt.NDArray[np.number]],
    batch: int,
    device: "torch.device | str",
) -> Vectors:
    """What a network makes of m windows, which may share their memory: [m, d]."""
    import torch

    if not windows:
        return np.zeros((0, 0), np.float32)
    parts = []
    with torch.inference_mode():
        for low in range(0, len(windows), batch):
            stacked = np.stack(windows[low : low + batch]).astype(np.float32)
            parts.append(embed(torch.from_numpy(stacked).to(device)).cpu().numpy())
    return np.concatenate(parts)
