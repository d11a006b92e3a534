"""Wav2Lip's expert and SyncNet give the published numbers, and load only their own weights."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lipdub.errors import UnknownWeightsError, WeightsFormatError
from lipdub.models.sync_expert import SyncExpert, load_sync_expert
from lipdub.models.syncnet import SyncNet, load_syncnet
from tests.support.weights import REFERENCE, golden, helper_shapes, helper_state_dict

Networks = SyncExpert | SyncNet


class Case(NamedTuple):
    name: str
    make: type[SyncExpert] | type[SyncNet]
    load: Callable[[Path], Networks]
    called: str
    width: int
    one_name: str


EXPERT = Case(
    "syncnet_color", SyncExpert, load_sync_expert, "the sync expert", 512, "face_encoder.0.conv_block.0.bias"
)
SYNCNET = Case("syncnet_v2", SyncNet, load_syncnet, "SyncNet v2", 1024, "netfclip.3.bias")
both = pytest.mark.parametrize("case", [EXPERT, SYNCNET], ids=lambda case: case.name)


def expert_inputs(key: int = 31) -> tuple[Tensor, Tensor]:
    """Two pairs; those of key 31 are the golden ones."""
    generator = np.random.Generator(np.random.Philox(key=key))
    faces = generator.random((2, 15, 48, 96), np.float32)
    mel = np.clip(generator.standard_normal((2, 1, 80, 16), np.float32) * np.float32(1.5), -4, 4)
    return torch.from_numpy(faces), torch.from_numpy(mel)


def syncnet_inputs(key: int = 32, n: int = 1) -> tuple[Tensor, Tensor]:
    """The faces of key 32 are the golden ones; the golden sound is stored."""
    generator = np.random.Generator(np.random.Philox(key=key))
    faces = generator.random((n, 3, 5, 224, 224), np.float32) * 255
    return torch.from_numpy(faces), torch.from_numpy(
        generator.standard_normal((n, 1, 13, 20), np.float32) * 5
    )


@pytest.fixture(scope="module")
def expert() -> SyncExpert:
    made = SyncExpert()
    made.load_state_dict(helper_state_dict(made), strict=True)
    return made.eval()


@pytest.fixture(scope="module")
def syncnet() -> SyncNet:
    made = SyncNet()
    made.load_state_dict(helper_state_dict(made), strict=True)
    return made.eval()


def relative_error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).norm() / expected.norm())


def test_golden_numbers_of_the_expert(expert: SyncExpert) -> None:
    expected = golden("syncnet_color")
    with torch.inference_mode():
        faces, sound = expert(*expert_inputs())
    assert relative_error(faces, expected["face_embedding"]) < 1e-5
    assert relative_error(sound, expected["audio_embedding"]) < 1e-5


def test_golden_numbers_of_syncnet(syncnet: SyncNet) -> None:
    expected = golden("syncnet_v2")
    with torch.inference_mode():
        faces, sound = syncnet(syncnet_inputs()[0], expected["mfcc"])
    assert relative_error(faces, expected["lip_embedding"]) < 1e-5
    assert relative_error(sound, expected["audio_embedding"]) < 1e-5


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the full golden set lies outside the repository")
def test_the_golden_set_of_the_repository_is_that_of_the_reference() -> None:
    full, kept = golden("syncnet_color", full=True), golden("syncnet_color")
    faces, mel = expert_inputs()
    assert torch.equal(faces, full["faces"]) and torch.equal(mel, full["mel"])
    assert all(torch.equal(kept[key], full[key]) for key in kept)
    full, kept = golden("syncnet_v2", full=True), golden("syncnet_v2")
    assert full.keys() == kept.keys() and all(torch.equal(kept[key], full[key]) for key in kept)


@both
def test_names_and_shapes_are_the_published_ones(case: Case) -> None:
    with torch.device("meta"):
        network = case.make()
    assert {name: tuple(t.shape) for name, t in network.state_dict().items()} == helper_shapes(case.name)


def test_embeddings_of_the_expert_lie_on_the_positive_part_of_the_sphere(expert: SyncExpert) -> None:
    with torch.inference_mode():
        for embedding in expert(*expert_inputs(key=1)):
            assert embedding.shape == (2, 512)
            torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))
            assert embedding.min() >= 0
            assert not torch.allclose(embedding[0], embedding[1])


def test_every_frame_and_the_whole_sound_reach_the_embeddings_of_the_expert(expert: SyncExpert) -> None:
    faces, mel = expert_inputs()
    with torch.inference_mode():
        seen, heard = expert(faces[:1], mel[:1])
        for channel in range(0, 15, 3):
            other = faces[:1].clone()
            other[:, channel] = 0
            assert not torch.equal(expert.embed_faces(other), seen)
        for column in range(16):
            other = mel[:1].clone()
            other[..., column] += 1
            assert not torch.equal(expert.embed_sound(other), heard)


def test_a_loss_on_the_expert_moves_the_picture(expert: SyncExpert) -> None:
    """In training it stands still, and its gradient goes through to the faces."""
    faces, mel = expert_inputs(key=2)
    faces.requires_grad_()
    seen, heard = expert(faces, mel)
    (gradient,) = torch.autograd.grad((seen * heard).sum(), faces)
    assert gradient.isfinite().all()
    assert (gradient.abs().amax(dim=(2, 3)) > 0).all()


def test_embeddings_of_syncnet(syncnet: SyncNet) -> None:
    faces, mfcc = syncnet_inputs(key=3, n=2)
    with torch.inference_mode():
        seen, heard = syncnet(faces, mfcc)
        assert seen.shape == heard.shape == (2, 1024)
        assert seen.isfinite().all() and heard.isfinite().all()
        assert not torch.allclose(heard[0], heard[1])
        assert relative_error(syncnet.embed_faces(faces[1:]), seen[1:]) < 1e-5  # a batch is not a sequence
        for frame in range(5):
            other = faces[:1].clone()
            other[:, :, frame] = 0
            assert not torch.equal(syncnet.embed_faces(other), seen[:1])


@both
def test_loads_a_published_file_however_it_is_wrapped(case: Case, tmp_path: Path) -> None:
    weights = helper_state_dict(case.make())
    wrapped = {f"module.{name}": tensor for name, tensor in weights.items()}
    optimiser = {
        "state": {0: {"step": 7, "exp_avg": torch.zeros(2)}},
        "param_groups": [{"lr": 1e-4, "params": [0]}],
    }
    bare = {name: tensor for name, tensor in weights.items() if not name.endswith("num_batches_tracked")}
    for content in (weights, {"state_dict": wrapped, "optimizer": optimiser, "global_step": 7}, bare):
        path = tmp_path / "published.pth"
        torch.save(content, path)
        check_loaded(case.load(path), weights)
    save_file(weights, tmp_path / "own.safetensors")
    check_loaded(case.load(tmp_path / "own.safetensors"), weights)


def check_loaded(network: Networks, weights: dict[str, Tensor]) -> None:
    assert not network.training
    found = network.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())


@both
def test_refuses_weights_of_another_network(case: Case, tmp_path: Path) -> None:
    weights = {name: torch.zeros(()).expand(shape) for name, shape in helper_shapes(case.name).items()}
    path = tmp_path / "other.pth"
    torch.save({name: t for name, t in weights.items() if name != case.one_name}, path)
    with pytest.raises(
        WeightsFormatError, match=rf"other\.pth cannot be used: .*no parameter {case.one_name}\."
    ):
        case.load(path)
    torch.save(weights | {"extra": torch.zeros(1)}, path)
    with pytest.raises(WeightsFormatError, match=f"extra, which is none of {case.called}'s"):
        case.load(path)
    torch.save(weights | {case.one_name: torch.zeros(3)}, path)
    with pytest.raises(WeightsFormatError, match=rf"{case.one_name} has shape \[3\]"):
        case.load(path)


@both
def test_a_file_that_is_missing_cut_short_or_runs_code_is_refused(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "lipsync.pth"
    with pytest.raises(UnknownWeightsError, match=r"no weights file .*lipsync\.pth"):
        case.load(path)
    torch.save({"state_dict": {case.one_name: torch.zeros(4096)}}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(WeightsFormatError, match=r"lipsync\.pth cannot be used: it is damaged"):
        case.load(path)
    torch.save({"state_dict": Trap(tmp_path / "sprung")}, path)
    with pytest.raises(WeightsFormatError, match=r"lipsync\.pth cannot be used"):
        case.load(path)
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_the_trap_would_spring(tmp_path: Path) -> None:
    """Or else the test above would prove nothing."""
    torch.save(Trap(tmp_path / "sprung"), tmp_path / "trap.pth")
    torch.load(tmp_path / "trap.pth", weights_only=False)
    assert (tmp_path / "sprung").exists()
