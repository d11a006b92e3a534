"""The spectrogram and its windows against the published code, librosa and integer arithmetic."""

from fractions import Fraction
from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.speech import MelReader, log_mel, mel_windows
from lipdub.speech.mel import BLOCK, mel_columns

GOLDEN = Path(__file__).parents[1] / "golden" / "golden_mel.npz"


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


def by_librosa(pcm: np.ndarray) -> np.ndarray:
    emphasised = np.append(pcm[:1], pcm[1:] - 0.97 * pcm[:-1]).astype(np.float64)
    spectrum = np.abs(librosa.stft(emphasised, n_fft=800, hop_length=200, pad_mode="constant"))
    mel = librosa.filters.mel(sr=16000, n_fft=800, n_mels=80, fmin=55, fmax=7600) @ spectrum
    decibel = librosa.amplitude_to_db(mel, ref=10.0, amin=1e-5, top_db=None)
    return np.clip(decibel * 0.08 + 4, -4, 4)


def test_golden_spectrogram(golden: dict[str, np.ndarray]) -> None:
    mel = log_mel(golden["pcm16"])
    assert mel.dtype == np.float32
    np.testing.assert_allclose(mel, golden["mel"], atol=1e-5)


def test_golden_windows(golden: dict[str, np.ndarray]) -> None:
    times = [Fraction(k, 25) for k in range(len(golden["windows_25fps"]))]
    np.testing.assert_allclose(
        mel_windows(log_mel(golden["pcm16"]), times), golden["windows_25fps"], atol=1e-5
    )
    np.testing.assert_array_equal(
        MelReader(golden["pcm16"]).windows(times), mel_windows(log_mel(golden["pcm16"]), times)
    )


@pytest.mark.filterwarnings("ignore:n_fft=800 is too large")
@pytest.mark.parametrize("samples", [1, 199, 200, 401, 800, 51_199, 51_200, 51_201, 120_007])
def test_against_librosa(samples: int) -> None:
    pcm = noise(samples)
    np.testing.assert_allclose(log_mel(pcm), by_librosa(pcm), atol=1e-4)


def test_int16_is_float_times_32768() -> None:
    pcm = np.random.default_rng(1).integers(-(2**15), 2**15, 5000).astype(np.int16)
    np.testing.assert_array_equal(log_mel(pcm), log_mel(pcm.astype(np.float32) / 32768))


@pytest.mark.parametrize("pcm", [np.zeros(0, np.int16), np.zeros(0, np.float32), np.zeros(7000, np.float32)])
def test_silence(pcm: np.ndarray) -> None:
    assert log_mel(pcm).shape == (80, 1 + len(pcm) // 200)
    assert (log_mel(pcm) == -4).all()
    assert (MelReader(pcm).windows([Fraction(0), Fraction(9999)]) == -4).all()


@pytest.mark.parametrize("pcm", [np.zeros((5, 2), np.float32), np.zeros(5), np.zeros(5, np.int32)])
def test_other_sounds_are_refused(pcm: np.ndarray) -> None:
    with pytest.raises(TypeError, match="one-dimensional int16 or float32"):
        log_mel(pcm)


RATES = st.sampled_from([(24000, 1001), (24, 1), (25, 1), (30000, 1001), (60, 1), (60000, 1001), (13, 7)])


@given(RATES, st.integers(0, 10**7))
def test_windows_begin_where_integers_say(rate: tuple[int, int], frame: int) -> None:
    numerator, denominator = rate
    # 80·(frame·den/num − 1/25) = (80·25·frame·den − 80·num) / (25·num)
    start = max(0, (2000 * frame * denominator - 80 * numerator) // (25 * numerator))
    shift = max(0, start - 50)
    times = (
        [Fraction(frame * denominator, numerator) - Fraction(shift, 80)]
        if shift
        else [Fraction(frame * denominator, numerator)]
    )
    mel = np.arange(80 * 200, dtype=np.float32).reshape(80, 200)
    np.testing.assert_array_equal(mel_windows(mel, times)[0], mel[:, start - shift : start - shift + 16])


def test_windows_beyond_the_end_are_silence() -> None:
    mel = np.ones((80, 20), np.float32)
    windows = mel_windows(
        mel, [Fraction(1, 25), Fraction(13, 80) + Fraction(1, 25), Fraction(20), Fraction(0)]
    )
    assert [int((w == 1).sum()) // 80 for w in windows] == [16, 7, 0, 16]
    assert (windows[1][:, 7:] == -4).all()
    assert (windows[2] == -4).all()
    assert mel_windows(mel, []).shape == (0, 80, 16)


@settings(max_examples=30, deadline=None)
@given(
    samples=st.integers(0, 3 * BLOCK * 200 + 1000),
    times=st.lists(st.fractions(0, 12, max_denominator=60_000), max_size=12),
    as_int=st.booleans(),
)
def test_reader_is_bit_identical_to_the_whole(samples: int, times: list[Fraction], as_int: bool) -> None:
    pcm = noise(samples)
    if as_int:
        pcm = (pcm * 20_000).astype(np.int16)
    np.testing.assert_array_equal(MelReader(pcm).windows(times), mel_windows(log_mel(pcm), times))


def test_reader_reads_hours_of_a_file_only_where_it_is_asked(tmp_path: Path) -> None:
    hours = np.memmap(tmp_path / "sound.pcm", np.int16, "w+", shape=(3 * 3600 * 16_000,))  # sparse on disk
    part = np.random.default_rng(2).integers(-9000, 9000, 16_000 * 20).astype(np.int16)
    second = 2 * 3600
    hours[second * 16_000 :][: len(part)] = part
    times = [Fraction(1001 * k, 24000) for k in range(100, 140)]
    found = MelReader(hours).windows([second + time for time in times])
    np.testing.assert_allclose(found[1:], MelReader(part).windows(times)[1:], atol=1e-4)


@given(first=st.integers(0, 330), count=st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_columns_alone_are_those_of_the_whole(first: int, count: int):
    """Up to the last bit, over borders of blocks and beyond the end, where there is silence."""
    pcm = noise(64_000, seed=8)
    whole = np.pad(log_mel(pcm), ((0, 0), (0, 60)), constant_values=-4)
    np.testing.assert_allclose(mel_columns(pcm, first, count), whole[:, first : first + count], atol=5e-7)
