"""The networks that metrics ask, as functions of pictures and sound."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.evaluation.views import Views, lower_halves
from lipdub.faces.detect import Face
from lipdub.faces.identity import Embedder
from lipdub.speech.mel import COLUMNS_PER_SECOND, log_mel
from lipdub.speech.mfcc import mfcc

if TYPE_CHECKING:
    import torch

Sound: TypeAlias = npt.NDArray[np.int16]
"""[n], 16 kHz mono, from the first frame on."""
Numbers: TypeAlias = npt.NDArray[np.generic]
Floats: TypeAlias = npt.NDArray[np.float32]
Embed: TypeAlias = Callable[[Views, Sound], tuple[Floats, Floats]]
"""Views [n, 224, 224, 3] at 25 fps and their sound → embeddings [m, d] of each five frames, and of sounds."""

RATE = 25
WINDOW = 5
"""Frames that the sync networks look at."""
MFCC_STEP, MFCC_WINDOW = 4, 20
"""Rows of MFCC, 100 a second, a frame and a window."""
MEL_WINDOW = 16
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
    """SyncNet v2; raises as `lipdub.models.syncnet.load_syncnet` does."""
    import torch

    from lipdub.models.syncnet import load_syncnet

    network = load_syncnet(path).to(device)

    def embed(views: Views, sound: Sound) -> tuple[Floats, Floats]:
        faces = [face.transpose(3, 0, 1, 2) for face in _windows(views[..., ::-1])]
        heard = mfcc_windows(sound)
        with torch.inference_mode():
            seen = _embedded(network.embed_faces, faces, device)
            return seen, _embedded(network.embed_sound, heard, device)

    return embed


def expert_judge(path: Path, device: "torch.device | str" = "cpu") -> Embed:
    """A Wav2Lip-style expert; raises as `lipdub.models.sync_expert.load_sync_expert` does."""
    import torch

    from lipdub.models.sync_expert import load_sync_expert

    network = load_sync_expert(path).to(device)

    def embed(views: Views, sound: Sound) -> tuple[Floats, Floats]:
        lips = np.stack([cv2.resize(half, (96, 48)) for half in lower_halves(views)])
        scaled = np.ascontiguousarray(lips[..., ::-1].transpose(0, 3, 1, 2), np.float32) / 255
        faces = [face.reshape(3 * WINDOW, 48, 96) for face in _windows(scaled)]
        heard = mel_windows(sound)
        with torch.inference_mode():
            seen = _embedded(network.embed_faces, faces, device)
            return seen, _embedded(network.embed_sound, heard, device)

    return embed


def mfcc_windows(sound: Sound) -> list[Floats]:
    """The sound of each five frames, [1, 13, 20], one window a frame."""
    rows = mfcc(sound)
    count = (len(rows) - MFCC_WINDOW) // MFCC_STEP + 1
    starts = (MFCC_STEP * k for k in range(max(count, 0)))
    return [np.ascontiguousarray(rows[start : start + MFCC_WINDOW].T[None]) for start in starts]


def mel_windows(sound: Sound) -> list[Floats]:
    """The sound of each five frames, [1, 80, 16], one window a frame, beginning with the frame."""
    mel = log_mel(sound)
    frames = len(sound) * RATE // 16_000
    starts = (COLUMNS_PER_SECOND * k // RATE for k in range(max(frames - WINDOW + 1, 0)))
    cut = [mel[None, :, start : start + MEL_WINDOW] for start in starts]
    return [window for window in cut if window.shape[2] == MEL_WINDOW]


def _windows(pictures: Numbers) -> list[Numbers]:
    """Each five that follow each other, in the memory of all: copies would take five times as much."""
    return [pictures[k : k + WINDOW] for k in range(max(len(pictures) - WINDOW + 1, 0))]


def _embedded(
    network: "Callable[[torch.Tensor], torch.Tensor]",
    items: Sequence[Numbers],
    device: "torch.device | str",
) -> Floats:
    import torch

    found = [
        network(torch.from_numpy(np.stack(items[first : first + BATCH]).astype(np.float32)).to(device))
        for first in range(0, len(items), BATCH)
    ]
    return np.concatenate([each.cpu().numpy() for each in found]) if found else np.zeros((0, 0), np.float32)


def _images(pictures: Views) -> "torch.Tensor":
    """[n, H, W, 3] uint8 → [n, 3, H, W] float32, 0–255."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).astype(np.float32))
