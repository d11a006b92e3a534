"""Where a sound has speech: piece by piece as in one, and by loudness where the network cannot be had."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from lipdub import listening
from lipdub.listening import probabilities, speech_spans
from lipdub.speech.activity import loud_spans, speech_seconds
from lipdub.speech.spans import SHORTEST, WINDOW, hysteresis, speech_in
from lipdub.weights.transfer import SourceError
from tests.models.test_vad import state_dict


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vad") / "vad.safetensors"
    save_file(state_dict(), path)
    return path


def bursts(seconds: float = 4) -> np.ndarray:
    """Noise that is loud in the second half of each second."""
    rng = np.random.default_rng(1)
    samples = np.arange(round(seconds * 16000))
    return (rng.normal(0, 1, len(samples)) * np.where(samples % 16000 >= 8000, 3000, 20)).astype(np.int16)


@pytest.mark.parametrize("samples", [1, 511, 512, 513, 10_000])
def test_one_probability_for_each_window_begun(file: Path, samples: int):
    found = probabilities(bursts()[:samples], file)
    assert found.shape == (-(-samples // WINDOW),)
    assert ((found > 0) & (found < 1)).all()


def test_pieces_give_what_the_whole_gives(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    bursts().tofile(tmp_path / "sound.pcm")
    mapped = np.memmap(tmp_path / "sound.pcm", np.int16, mode="r")
    whole = probabilities(bursts(), file)
    monkeypatch.setattr(listening, "CHUNK", 7)
    np.testing.assert_allclose(probabilities(mapped, file), whole, atol=1e-5)


def test_no_sound_has_no_speech(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lipdub.weights.locate_if_possible", lambda name, progress: file)
    spans, notes = speech_spans(np.zeros(0, np.int16))
    assert spans.shape == (0, 2) and notes == []


def test_without_the_network_loudness_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def unreachable(*_: object) -> None:
        raise SourceError("no network", unreachable=True)

    monkeypatch.delenv("LIPDUB_WEIGHTS", raising=False)
    monkeypatch.setenv("LIPDUB_CACHE", str(tmp_path))
    monkeypatch.setattr("lipdub.weights.fetch.obtain", unreachable)
    spans, notes = speech_spans(bursts())
    np.testing.assert_allclose(spans / 16000, [(n + 0.5, n + 1) for n in range(4)], atol=0.031)
    assert len(notes) == 1 and notes[0].startswith("speech is told from other sound by its loudness alone")


def test_loud_spans_are_the_speech_that_is_counted():
    spans = loud_spans(bursts())
    assert (spans[:, 1] - spans[:, 0]).sum() / 16000 == pytest.approx(speech_seconds(bursts()))
    assert loud_spans(np.zeros(100, np.int16)).shape == (0, 2)


def test_speech_begins_high_and_ends_low_and_clicks_do_not_count():
    values = np.array([0.4, 0.4, 0.1, 0.45, 0.6, 0.4, 0.3, 0.9, 0.9, 0.1, 0.4])
    np.testing.assert_array_equal(hysteresis(values, 0.5, 0.35).nonzero()[0], [3, 4, 5, 7, 8])
    np.testing.assert_array_equal(speech_in(values), [(3 * WINDOW, 6 * WINDOW)])
    assert 2 * WINDOW < SHORTEST <= 3 * WINDOW
