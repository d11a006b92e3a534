"""Networks that judge sync, at work: the colour expert and SyncNet, on pictures of faces and their sound.

Both embed five frames, and the sound of five frames; where they belong together, the two are near.
"""

from collections.abc import Callable
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
        """Embeddings [n − 4, d] of pictures [n, size, size, 3] RGB."""
        ...

    def sounds(self, pcm: Pcm, /) -> Vectors:
        """Embeddings [n − 4, d] of 640 · n samples, 16 kHz."""
        ...


class ExpertEmbedder:
    """The colour expert.

    Args:
        path: of its weights.

    Raises:
        WeightsError: it is not there, or not the expert.
    """

    name = "expert"
    size = 96

    def __init__(self, path: Path) -> None:
        from lipdub.models.sync_expert import load_sync_expert

        self._network = load_sync_expert(path)

    def place(self, box: Box, /) -> Box:
        """The network's own framing, which is that of S3FD, with which it was trained."""
        return box

    def faces(self, pictures: Pictures, /) -> Vectors:
        """See `SyncEmbedder`; the lower halves, BGR."""
        half = pictures[:, self.size // 2 :, :, ::-1].astype(np.float32) / 255
        planes = np.moveaxis(half, 3, 1)  # [n, 3, 48, 96]
        stacked = np.stack([planes[i : i + FRAMES].reshape(-1, *planes.shape[2:]) for i in _starts(planes)])
        return _embedded(self._network.embed_faces, stacked, BATCH[self.name])

    def sounds(self, pcm: Pcm, /) -> Vectors:
        """See `SyncEmbedder`."""
        mel = log_mel(pcm)
        firsts = [COLUMNS_PER_SECOND * k // RATE for k in range(len(pcm) // SAMPLES - FRAMES + 1)]
        windows = np.stack([mel[None, :, first : first + WINDOW] for first in firsts])
        return _embedded(self._network.embed_sound, windows, BATCH[self.name])


class SyncNetEmbedder:
    """SyncNet v2.

    Args:
        path: of its weights.

    Raises:
        WeightsError: it is not there, or not SyncNet.
    """

    name = "syncnet"
    size = 224

    def __init__(self, path: Path) -> None:
        from lipdub.models.syncnet import load_syncnet

        self._network = load_syncnet(path)

    def place(self, box: Box, /) -> Box:
        """A square from the top of the face's box to 0.4 of its height below it."""
        side = (1 + SYNCNET_MARGIN) * box[3]
        centre = from_crop(np.array([[0.5, (1 + SYNCNET_MARGIN) / 2]]), box)[0]
        return np.concatenate([centre - side / 2, [side, side], box[4:]])

    def faces(self, pictures: Pictures, /) -> Vectors:
        """See `SyncEmbedder`; BGR, 0–255."""
        planes = np.moveaxis(pictures[..., ::-1], 3, 0)  # [3, n, 224, 224]
        starts = _starts(pictures)
        parts = [
            np.stack([planes[:, i : i + FRAMES] for i in starts[low : low + BATCH[self.name]]])
            for low in range(0, len(starts), BATCH[self.name])
        ]
        return np.concatenate([_embedded(self._network.embed_faces, part, len(part)) for part in parts])

    def sounds(self, pcm: Pcm, /) -> Vectors:
        """See `SyncEmbedder`."""
        count = len(pcm) // SAMPLES - FRAMES + 1
        rows = MFCC_ROWS * FRAMES
        # The last window of coefficients reaches 15 ms beyond its frame: what is there is repeated.
        found = mfcc(np.pad(pcm, (0, NETWORK_RATE // 40), mode="edge"))
        windows = np.stack([found[None, MFCC_ROWS * k : MFCC_ROWS * k + rows].mT for k in range(count)])
        return _embedded(self._network.embed_sound, windows, BATCH[self.name])


def load_embedder(expert: str | None, syncnet: str | None) -> SyncEmbedder | None:
    """The network whose weights are named, if one is.

    Raises:
        WeightsError: the file is not there, or not that network.
    """
    if expert:
        return ExpertEmbedder(Path(expert))
    return SyncNetEmbedder(Path(syncnet)) if syncnet else None


def _starts(frames: npt.NDArray[np.generic]) -> range:
    return range(len(frames) - FRAMES + 1)


def _embedded(embed: "Callable[[Tensor], Tensor]", windows: npt.NDArray[np.number], batch: int) -> Vectors:
    """What a network makes of windows [m, …]: [m, d]."""
    import torch

    with torch.inference_mode():
        parts = [
            embed(torch.from_numpy(np.ascontiguousarray(windows[i : i + batch], np.float32))).numpy()
            for i in range(0, len(windows), batch)
        ]
    return np.concatenate(parts)
