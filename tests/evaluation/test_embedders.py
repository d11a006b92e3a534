"""The networks that judge sync see what they were trained on: the right frames, halves, colours and sound."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lipdub.errors import UnknownWeightsError
from lipdub.evaluation.embedders import SAMPLES, ExpertEmbedder, SyncNetEmbedder, load_embedder
from lipdub.faces.crop import from_crop
from lipdub.models.sync_expert import SyncExpert
from lipdub.models.syncnet import SyncNet
from lipdub.speech.mel import log_mel
from lipdub.speech.mfcc import mfcc

PCM = np.random.default_rng(0).integers(-9000, 9000, 9 * SAMPLES).astype(np.int16)


def saved(network: torch.nn.Module, path: Path) -> Path:
    save_file(network.state_dict(), path)
    return path


def pictures(size: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (9, size, size, 3)).astype(np.uint8)


def test_the_expert_sees_lower_halves_and_their_mel_windows(tmp_path: Path):
    torch.manual_seed(0)
    network = SyncExpert().eval()
    embedder = ExpertEmbedder(saved(network, tmp_path / "expert.safetensors"))
    images = pictures(96)
    faces, sounds = embedder.faces(images), embedder.sounds(PCM)
    assert faces.shape == sounds.shape == (5, 512)
    bgr = torch.from_numpy(images[3:8, 48:, :, ::-1].copy()).permute(0, 3, 1, 2).reshape(1, 15, 48, 96) / 255
    mel = torch.from_numpy(log_mel(PCM)[None, None, :, 9:25])  # 80 · 3/25 = 9.6
    with torch.inference_mode():
        np.testing.assert_allclose(faces[3], network.embed_faces(bgr)[0], atol=1e-5)
        np.testing.assert_allclose(sounds[3], network.embed_sound(mel)[0], atol=1e-5)


def test_syncnet_sees_faces_and_coefficients(tmp_path: Path):
    torch.manual_seed(0)
    network = SyncNet().eval()
    embedder = SyncNetEmbedder(saved(network, tmp_path / "syncnet.safetensors"))
    images = pictures(224)[:6]
    faces, sounds = embedder.faces(images), embedder.sounds(PCM)
    assert faces.shape == (2, 1024)
    assert sounds.shape == (5, 1024)
    bgr = torch.from_numpy(images[1:6, ..., ::-1].copy()).permute(3, 0, 1, 2)[None].float()
    with torch.inference_mode():
        expected = network.embed_faces(bgr)[0]
        heard = network.embed_sound(torch.from_numpy(mfcc(PCM)[4:24].T.copy())[None, None])[0]
    np.testing.assert_allclose(faces[1], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(sounds[1], heard, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("roll", [0.0, 30.0])
def test_syncnet_sees_the_face_and_what_is_below_it(roll: float):
    box = np.array([50.0, 0, 124, 158, roll])
    place = SyncNetEmbedder.place(object.__new__(SyncNetEmbedder), box)
    np.testing.assert_allclose(place[2:], [1.4 * 158, 1.4 * 158, roll])
    seen, face = np.array([[0.5, 0], [0.5, 1]]), np.array([[0.5, 0], [0.5, 1.4]])
    np.testing.assert_allclose(from_crop(seen, place), from_crop(face, box))


def test_no_network_where_none_is_named():
    assert load_embedder(None, None) is None


@pytest.mark.parametrize("kind", ["expert", "syncnet"])
def test_weights_that_are_not_there_are_said(kind: str, tmp_path: Path):
    missing = str(tmp_path / "no.pth")
    with pytest.raises(UnknownWeightsError, match=r"no\.pth"):
        load_embedder(missing if kind == "expert" else None, missing if kind == "syncnet" else None)
