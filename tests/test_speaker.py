"""The active-speaker network at work: the right sound for the right pictures, in pieces as in one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lipdub import speaker
from lipdub.models.lr_asd import LrAsd
from lipdub.speaker import ActiveSpeaker, Original, find_speaker, looks, sound_features
from lipdub.speech.mfcc import mfcc
from tests.support.faces import movie_info
from tests.support.weights import lr_asd_state_dict


@pytest.fixture(scope="module")
def network() -> LrAsd:
    made = LrAsd()
    made.load_state_dict(lr_asd_state_dict(), strict=True)
    return made.eval()


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 2000, round(seconds * 16000)).astype(np.int16)


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(6).integers(0, 256, (count, 112, 112), np.uint8)


def test_four_rows_of_sound_belong_to_a_picture():
    rows = sound_features(noise(3), 1.0, 10)
    assert rows.shape == (40, 13)
    np.testing.assert_array_equal(rows[1:], mfcc(noise(3))[101:140])  # row 0 has no sample before it


@pytest.mark.parametrize("start", [-5.0, -0.2, 2.9, 7.0])
def test_sound_that_is_not_there_is_silence(start: float):
    padded = np.pad(noise(3), (16000 * 6, 16000 * 6))
    expected = sound_features(padded, start + 6, 12)
    np.testing.assert_array_equal(sound_features(noise(3), start, 12), expected)


@pytest.mark.parametrize("count", [1, 13, 25, 26, 60, 250])
def test_looks_see_every_picture_and_none_is_longer_than_two_seconds(count: int):
    seen = np.zeros(count, int)
    for first, last in looks(count):
        assert 0 <= first < last <= count and last - first <= 50
        seen[first:last] += 1
    assert seen.min() >= 2 and seen.max() <= 4


def test_pieces_give_what_the_whole_gives(network: LrAsd, monkeypatch: pytest.MonkeyPatch):
    score = ActiveSpeaker(network, noise(2))
    whole = score(pictures(30), 0.5)
    assert whole.shape == (30,) and whole.dtype == np.float32
    monkeypatch.setattr(speaker, "CHUNK", 7)
    np.testing.assert_allclose(score(pictures(30), 0.5), whole, rtol=1e-4, atol=1e-5)


def test_scores_are_those_of_the_sound_at_that_time(network: LrAsd):
    score = ActiveSpeaker(network, noise(4))
    later = ActiveSpeaker(network, noise(4)[16000:])
    np.testing.assert_allclose(score(pictures(10), 2.0)[2:], later(pictures(10), 1.0)[2:], atol=1e-5)
    assert not np.allclose(score(pictures(10), 2.0), score(pictures(10), 1.0), atol=1e-3)


def test_without_sound_nobody_is_asked(tmp_path: Path):
    sound = Original(movie_info(64, 64, "yuv420p"), tmp_path / "sound.pcm")
    assert not sound.is_there and sound.pcm is None
    assert find_speaker(sound) == (None, [])


class Noise(Original):
    """A movie's sound, made."""

    def __init__(self, pcm: np.ndarray | None) -> None:
        self._made, self.decoded = pcm, 0

    @property
    def is_there(self) -> bool:
        return True

    @property
    def pcm(self) -> np.ndarray | None:
        self.decoded += 1
        return self._made


def test_without_weights_there_is_one_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LIPDUB_WEIGHTS", raising=False)
    monkeypatch.setenv("LIPDUB_CACHE", str(tmp_path))
    monkeypatch.setattr("lipdub.weights.fetch.obtain", _unreachable)
    scorer, notes = find_speaker(Noise(noise(1)))
    assert scorer is None
    assert len(notes) == 1 and notes[0].startswith("who speaks is told by the movement of the lips alone")


def test_weights_that_are_there_are_used(tmp_path: Path, network: LrAsd, monkeypatch: pytest.MonkeyPatch):
    torch.save(network.state_dict(), tmp_path / "asd.model")
    monkeypatch.setattr("lipdub.weights.locate_if_possible", lambda name, progress: tmp_path / "asd.model")
    sound = Noise(noise(2))
    scorer, notes = find_speaker(sound)
    assert scorer is not None and notes == []
    assert sound.decoded == 0  # nobody has to be scored yet
    np.testing.assert_array_equal(
        scorer(pictures(5), 0.0), ActiveSpeaker(network, noise(2))(pictures(5), 0.0)
    )


def test_sound_that_cannot_be_decoded_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lipdub.weights.locate_if_possible", lambda name, progress: tmp_path / "none")
    scorer, _ = find_speaker(Noise(None))
    assert scorer is not None
    assert np.isnan(scorer(pictures(5), 0.0)).all()


def _unreachable(*_: object) -> None:
    from lipdub.weights.transfer import SourceError

    raise SourceError("no network", unreachable=True)
