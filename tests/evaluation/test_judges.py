"""Networks are given pictures and sound in the form in which they know them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from lipdub.errors import WeightsError
from lipdub.evaluation import judges
from lipdub.evaluation.judges import (
    expert_judge,
    inception_judge,
    lpips_judge,
    syncnet_judge,
)
from lipdub.models.inception import Inception
from lipdub.models.lpips import Lpips
from lipdub.models.sync_expert import SyncExpert, load_sync_expert
from lipdub.models.syncnet import SyncNet, load_syncnet
from lipdub.speech.mel import log_mel
from lipdub.speech.mfcc import mfcc
from tests.support.weights import helper_state_dict

FRAMES = 7
VIEWS = np.random.default_rng(1).integers(0, 256, (FRAMES, 224, 224, 3)).astype(np.uint8)
SOUND = np.random.default_rng(2).integers(-9000, 9000, FRAMES * 640 + 60).astype(np.int16)


def saved(network: torch.nn.Module, path: Path) -> Path:
    save_file({name: value.contiguous() for name, value in helper_state_dict(network).items()}, path)
    return path


def test_syncnet(tmp_path: Path):
    path = saved(SyncNet(), tmp_path / "a.safetensors")
    video, audio = syncnet_judge(path)(VIEWS, SOUND)
    network = load_syncnet(path)
    bgr = torch.from_numpy(VIEWS[..., ::-1].astype(np.float32))
    with torch.inference_mode():
        faces = network.embed_faces(bgr[2:7].permute(3, 0, 1, 2)[None])
        heard = network.embed_sound(torch.from_numpy(mfcc(SOUND)[4:24].T.copy())[None, None])
    assert video.shape == (3, 1024) and audio.shape == (3, 1024)
    np.testing.assert_allclose(video[2], faces[0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(audio[1], heard[0], rtol=1e-3, atol=1e-3)


def test_expert(tmp_path: Path):
    path = saved(SyncExpert(), tmp_path / "a.safetensors")
    views = np.repeat(np.arange(FRAMES, dtype=np.uint8), 224 * 224 * 3).reshape(FRAMES, 224, 224, 3) * 20
    views[..., 2] += 9
    video, audio = expert_judge(path)(views, SOUND)
    network = load_sync_expert(path)
    colours = views[1:6, 0, 0, ::-1].reshape(15, 1, 1).astype(np.float32) / 255
    flat = np.broadcast_to(colours, (15, 48, 96))
    with torch.inference_mode():
        faces = network.embed_faces(torch.from_numpy(flat.copy())[None])
        heard = network.embed_sound(torch.from_numpy(log_mel(SOUND)[:, 3:19].copy())[None, None])
    assert len(video) == 3
    np.testing.assert_allclose(video[1], faces[0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(audio[1], heard[0], rtol=1e-3, atol=1e-4)


def test_too_little_is_no_window(tmp_path: Path):
    for judge in (
        syncnet_judge(saved(SyncNet(), tmp_path / "a.safetensors")),
        expert_judge(saved(SyncExpert(), tmp_path / "b.safetensors")),
    ):
        video, audio = judge(VIEWS[:4], SOUND[: 4 * 640])
        assert len(video) == len(audio) == 0


def test_pictures_go_to_their_networks_in_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(judges, "BATCH", 2)
    network = Lpips("alex")
    for value in network.state_dict().values():
        torch.nn.init.normal_(value, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr("lipdub.models.lpips.load_lpips", lambda path: network)
    a, b = VIEWS[:3, :64, :64], VIEWS[3:6, :64, :64]

    def images(views: NDArray) -> torch.Tensor:
        return torch.from_numpy(views.astype(np.float32)).permute(0, 3, 1, 2)

    with torch.inference_mode():
        expected = network(images(a) / 127.5 - 1, images(b) / 127.5 - 1)
    np.testing.assert_allclose(lpips_judge(Path("a"))(a, b), expected, rtol=1e-4)

    class Mean(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3))

    monkeypatch.setattr("lipdub.models.inception.load_inception", lambda path: Mean())
    np.testing.assert_allclose(inception_judge(Path("a"))(a), a.mean((1, 2)), rtol=1e-5)
    assert Inception  # what it stands in for


def test_a_file_that_is_not_there(tmp_path: Path):
    for make in (syncnet_judge, expert_judge, lpips_judge, inception_judge):
        with pytest.raises(WeightsError, match="no weights file"):
            make(tmp_path / "none.pth")
