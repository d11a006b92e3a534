"""The networks that metrics ask, as functions of pictures and sound."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.evaluation.embedders import ExpertEmbedder, SyncNetEmbedder
from lipdub.evaluation.views import Views, crops_of
from lipdub.faces.detect import Face
from lipdub.faces.identity import Embedder

if TYPE_CHECKING:
    import torch

Sound: TypeAlias = npt.NDArray[np.int16]
"""[n], 16 kHz mono, from the first frame on."""
Floats: TypeAlias = npt.NDArray[np.float32]
Embed: TypeAlias = Callable[[Views, Sound], tuple[Floats, Floats]]
"""Views [n, 224, 224, 3] at 25 fps and their sound → embeddings [m, d] of each five frames, and of sounds."""

BATCH = 8
"""Pictures at once: more are no faster on a CPU, and take more memory."""


@dataclass(frozen=True, slots=True)
class Judges:
    """What looks at pictures. What is None is not there, and what it measures is not measured.

    Attributes:
        landmarker: [H, W, 3] → faces.
        embedder: tells persons apart.
        lpips: two sets of pictures [n, H, W, 3] → [n], how far they are apart.
        inception: pictures [n, H, W, 3] → features [n, 2048], for FID.
        syncnet: SyncNet v2, for Sync-C and Sync-D.
        expert: a Wav2Lip-style expert.
    """

    landmarker: Callable[[npt.NDArray[np.uint8]], list[Face]]
    embedder: Embedder | None = None
    lpips: Callable[[Views, Views], npt.NDArray[np.float64]] | None = None
    inception: Callable[[Views], Floats] | None = None
    syncnet: Embed | None = None
    expert: Embed | None = None


def lpips_judge(path: Path, device: "torch.device | str" = "cpu") -> Callable[[Views, Views], Floats]:
    """LPIPS with AlexNet; raises as `lipdub.models.lpips.load_lpips` does."""
    import torch

    from lipdub.models.lpips import load_lpips

    network = load_lpips(path).to(device)

    def judge(pictures: Views, others: Views) -> Floats:
        found = []
        with torch.inference_mode():
            for first in range(0, len(pictures), BATCH):
                a, b = (_images(p[first : first + BATCH]).to(device) / 127.5 - 1 for p in (pictures, others))
                found.append(network(a, b).cpu().numpy())
        return np.concatenate(found)

    return judge


def inception_judge(path: Path, device: "torch.device | str" = "cpu") -> Callable[[Views], Floats]:
    """Features for FID; raises as `lipdub.models.inception.load_inception` does."""
    import torch

    from lipdub.models.inception import load_inception

    network = load_inception(path).to(device)

    def judge(pictures: Views) -> Floats:
        batches = (pictures[first : first + BATCH] for first in range(0, len(pictures), BATCH))
        with torch.inference_mode():
            return np.concatenate([network(_images(batch).to(device)).cpu().numpy() for batch in batches])

    return judge


def syncnet_judge(path: Path, device: "torch.device | str" = "cpu") -> Embed:
    """SyncNet v2, which was trained on views; raises as `lipdub.models.syncnet.load_syncnet` does."""
    network = SyncNetEmbedder(path, device)
    return lambda views, sound: (network.faces(views), network.sounds(sound))


def expert_judge(path: Path, device: "torch.device | str" = "cpu") -> Embed:
    """A Wav2Lip-style expert; raises as `lipdub.models.sync_expert.load_sync_expert` does."""
    network = ExpertEmbedder(path, device)

    def embed(views: Views, sound: Sound) -> tuple[Floats, Floats]:
        crops = np.stack([cv2.resize(crop, (network.size, network.size)) for crop in crops_of(views)])
        return network.faces(crops), network.sounds(sound)

    return embed


def _images(pictures: Views) -> "torch.Tensor":
    """[n, H, W, 3] uint8 → [n, 3, H, W] float32, 0–255."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).astype(np.float32))
