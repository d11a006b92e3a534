"""Whole jobs with an offset, a dialogue stem, a background and a length of choice."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lipdub import save_plan, sync
from lipdub.checks import check_job, soundtrack
from lipdub.compare import preview
from lipdub.errors import InputError, MediaError, OptionError
from lipdub.media.probe_sound import probe_audio
from lipdub.options import SyncOptions
from lipdub.speech import log_mel, mel_windows
from tests.support.jobs import Painter, grey, plan_by_hand
from tests.support.media import click_file, click_offsets, clicks, decoded_sound, movie, write_sound


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames, a second."""
    return movie(tmp_path_factory.mktemp("movie") / "a.mp4", count=10, rate=Fraction(10))


@pytest.fixture
def dub(tmp_path: Path) -> Path:
    return click_file(tmp_path / "dub.wav", times=(0.4, 0.7), rate=16_000)


@pytest.mark.parametrize("offset", [Fraction(3, 10), Fraction(-3, 10)])
def test_lips_and_sound_are_moved_together(picture: Path, dub: Path, tmp_path: Path, offset: Fraction):
    painter, output = Painter(grey), tmp_path / "out.mov"
    plan = plan_by_hand(picture)
    sync(picture, dub, output, plan=plan, inpainter=painter, audio_offset=offset)
    samples, rate = decoded_sound(output)
    times = (0.4 + float(offset), 0.7 + float(offset))
    assert np.abs(click_offsets(samples[:, 0], rate, times[: 2 if offset < 0 else 1])).max() < 1 / rate
    # The same as of a dub before which silence lies, or whose beginning was cut off.
    sound = decoded_sound(dub)[0][:, 0]
    shift = int(offset * 16_000)
    moved = np.concatenate([np.zeros(max(0, shift), np.float32), sound[max(0, -shift) :]])
    wanted = mel_windows(log_mel(moved), [Fraction(n, 10) for n in range(10)])
    assert np.array_equal(np.array(painter.mels), wanted)


def test_a_stem_drives_the_lips_while_the_dub_is_heard(picture: Path, dub: Path, tmp_path: Path):
    mix = click_file(tmp_path / "mix.wav", times=(0.2,), layout="5.1", codec="pcm_s24le")
    painter, output = Painter(grey), tmp_path / "out.mov"
    sync(picture, mix, output, plan=plan_by_hand(picture), inpainter=painter, speech=str(dub))
    wanted = mel_windows(log_mel(decoded_sound(dub)[0][:, 0]), [Fraction(n, 10) for n in range(10)])
    assert np.array_equal(np.array(painter.mels), wanted)
    assert np.array_equal(decoded_sound(output)[0], decoded_sound(mix)[0])
    assert probe_audio(output).layout == "5.1"


def test_all_of_them_at_once(picture: Path, dub: Path, tmp_path: Path):
    """The stem drives the lips, the dub and the background are heard, and only the latter is not moved."""
    heard = write_sound(tmp_path / "dry.wav", clicks((0.3,), 1.0) / 2)
    under = write_sound(tmp_path / "under.wav", clicks((0.8,), 1.0, channels=2) / 2, layout="stereo")
    painter, output = Painter(grey), tmp_path / "out.mkv"
    choices = {"speech": str(dub), "background": str(under), "audio_offset": "0.25"}
    result = sync(picture, heard, output, plan=plan_by_hand(picture), inpainter=painter, **choices)
    samples, rate = decoded_sound(output)
    assert np.abs(click_offsets(samples[:, 1], rate, (0.55, 0.8))).max() < 1 / rate
    assert samples.shape == (48_000, 2)
    assert len(painter.mels) == 10
    assert [note for note in result.notes if "longer" in note] == [
        "the dub is 0.25 s longer than the picture and was cut; no speech is lost."
    ]


def test_a_mix_that_would_clip_is_told(picture: Path, tmp_path: Path):
    loud = click_file(tmp_path / "loud.wav", times=(0.5,))
    result = sync(
        picture,
        loud,
        tmp_path / "out.mov",
        plan=plan_by_hand(picture),
        inpainter=Painter(grey),
        background=str(loud),
    )
    assert any("a limiter holds those peaks" in note for note in result.notes)
    assert np.abs(decoded_sound(tmp_path / "out.mov")[0]).max() < 0.99


def test_speech_that_an_offset_moves_out_is_told(picture: Path, dub: Path, tmp_path: Path):
    work = {"plan": plan_by_hand(picture), "inpainter": Painter(grey)}
    result = sync(picture, dub, tmp_path / "out.mov", audio_offset="-0.55", **work)
    assert any("first 0.55 s of the dub lie before the movie begins" in note for note in result.notes)
    with pytest.raises(OptionError, match="moves the whole dub"):
        sync(picture, dub, tmp_path / "none.mov", audio_offset=-1, **work)
    assert not (tmp_path / "none.mov").exists()


@pytest.mark.parametrize("name", ["speech", "background"])
def test_the_other_sounds_are_checked_before_any_work(picture: Path, dub: Path, tmp_path: Path, name: str):
    missing = SyncOptions(**{name: str(tmp_path / "none.wav")})
    with pytest.raises(MediaError, match="no such file"):
        check_job(picture, dub, tmp_path / "out.mp4", missing)
    with pytest.raises(MediaError, match="no sound"):
        check_job(picture, dub, tmp_path / "out.mp4", SyncOptions(**{name: str(picture)}))
    other = movie(tmp_path / "other.mp4", sound=True)
    with pytest.raises(InputError):
        check_job(picture, dub, other, SyncOptions(**{name: str(other)}, overwrite=True))
    assert getattr(soundtrack(dub, SyncOptions(**{name: str(other)})), name).codec == "aac"


def test_a_preview_follows_offset_and_stem(picture: Path, dub: Path, tmp_path: Path):
    wanted = mel_windows(log_mel(decoded_sound(dub)[0][:, 0]), [Fraction(3, 10)])
    silent = write_sound(tmp_path / "silent.wav", np.zeros((16_000, 1), np.float32), 16_000)
    save_plan(plan_by_hand(picture), tmp_path / "plan.json")
    for number, choices in enumerate(({}, {"speech": str(dub), "audio_offset": Fraction(1, 5)})):
        painter = Painter(grey)
        at = Fraction(3, 10) + choices.get("audio_offset", 0)
        output = tmp_path / f"{number}.png"
        sound = silent if choices else dub
        preview(picture, sound, output, at=at, inpainter=painter, plan=str(tmp_path / "plan.json"), **choices)
        assert np.array_equal(painter.mels[0], wanted[0])
