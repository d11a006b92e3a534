"""The active-speaker network gives the published numbers, and loads only its own weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lipdub.errors import UnknownWeightsError, WeightsFormatError
from lipdub.models.lr_asd import LrAsd, load_lr_asd
from tests.support.weights import REFERENCE, golden, lr_asd_state_dict

TRUE_WEIGHTS = REFERENCE.parent / "weights" / "lr_asd_finetuning_TalkSet.model"


def inputs(frames: int, key: int = 41) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.Generator(np.random.Philox(key=key))
    faces = generator.random((1, frames, 112, 112), np.float32) * 255
    mfcc = generator.standard_normal((1, 4 * frames, 13), np.float32) * 5
    return torch.from_numpy(faces), torch.from_numpy(mfcc)


@pytest.fixture
def network() -> LrAsd:
    made = LrAsd()
    made.load_state_dict(lr_asd_state_dict(), strict=True)
    return made.eval()


@pytest.mark.skipif(not TRUE_WEIGHTS.is_file(), reason="the true weights lie outside the repository")
def test_golden_numbers() -> None:
    expected = golden("lr_asd", full=True)
    network = load_lr_asd(TRUE_WEIGHTS)
    faces, mfcc = inputs(25)
    with torch.inference_mode():
        visual, audio = network.model.visualEncoder(faces), network.model.audioEncoder(mfcc)
        score = network(faces, mfcc)
    torch.testing.assert_close(visual, expected["visual_embedding"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(audio, expected["audio_embedding"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(score[0], expected["score"], rtol=1e-5, atol=1e-5)


def test_one_score_a_face_and_the_same_each_time(network: LrAsd) -> None:
    faces, mfcc = inputs(7)
    with torch.inference_mode():
        first, again = network(faces, mfcc), network(faces, mfcc)
    assert first.shape == (1, 7)
    assert torch.equal(first, again)
    assert first.isfinite().all() and first.std() > 0


def test_both_picture_and_sound_count(network: LrAsd) -> None:
    faces, mfcc = inputs(5)
    other_faces, other_mfcc = inputs(5, key=7)
    with torch.inference_mode():
        score = network(faces, mfcc)
        assert not torch.allclose(score, network(other_faces, mfcc))
        assert not torch.allclose(score, network(faces, other_mfcc))


def test_looks_both_ways_in_time(network: LrAsd) -> None:
    """The recurrences carry a change at one end to the other."""
    generator = torch.Generator().manual_seed(1)
    visual, audio = torch.rand(2, 1, 8, 128, generator=generator)
    with torch.inference_mode():
        score = network.score(visual, audio)
        for changed, seen in ((0, -1), (-1, 0)):
            other = visual.clone()
            other[:, changed] += 5
            assert network.score(other, audio)[0, seen] != score[0, seen]


def test_loads_a_file_with_its_names_and_no_other(tmp_path: Path) -> None:
    path, weights = tmp_path / "asd.model", lr_asd_state_dict()
    torch.save(weights, path)
    loaded = load_lr_asd(path)
    assert not loaded.training
    assert torch.equal(loaded.lossAV.FC.bias, weights["lossAV.FC.bias"])
    torch.save({name: t for name, t in weights.items() if name != "lossAV.FC.bias"}, path)
    with pytest.raises(WeightsFormatError, match=r"no parameter lossAV\.FC\.bias"):
        load_lr_asd(path)
    torch.save(weights | {"extra": torch.zeros(1)}, path)
    with pytest.raises(WeightsFormatError, match="extra, which is none of LR-ASD's"):
        load_lr_asd(path)


def test_a_file_that_is_missing_or_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "asd.model"
    with pytest.raises(UnknownWeightsError, match=r"no weights file .*asd\.model"):
        load_lr_asd(path)
    torch.save({"path": Path("anything but tensors")}, path)
    with pytest.raises(WeightsFormatError, match=r"asd\.model cannot be used"):
        load_lr_asd(path)
