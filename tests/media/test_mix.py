"""Dub and background in one sound: the sum, to the last bit, and never clipped."""

from fractions import Fraction

import av
import numpy as np
import pytest

from lipdub.errors import OptionError
from lipdub.media.mix import PEAK, measure_mix, mixed
from lipdub.media.probe import probe_video
from lipdub.media.probe_sound import probe_audio
from lipdub.media.recipe import Remux
from lipdub.media.remux import remux
from lipdub.media.sound import choose_sound
from lipdub.media.soundtrack import Soundtrack, hear
from lipdub.media.streams import choose_streams
from tests.support.dubs import heard, heard_by_ffmpeg, pictures
from tests.support.media import Extras, click_file, clicks, decoded_sound, movie, write_sound
from tests.support.picture import picture_of

RATE = 48_000
THIRD = 0.5**0.5
"""-3 dB."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    return pictures(tmp_path_factory.mktemp("pictures"))


def noise(path, layout, *, level=0.2, seconds=1.0, rate=RATE, codec="pcm_s24le", seed=0):
    channels = av.AudioLayout(layout).nb_channels
    random = np.random.default_rng(seed)
    samples = random.uniform(-level, level, (round(seconds * rate), channels)).astype(np.float32)
    return write_sound(path, samples, rate, layout=layout, codec=codec)


def mix(shown, folder, dub, background, suffix=".mov", offset=Fraction(0), length=Fraction(1)):
    """The output with both sounds, as the pipeline makes it; and what is said."""
    track = Soundtrack(probe_audio(dub), None, probe_audio(background), offset)
    sound = hear(track, folder / "lips.pcm")
    choice = choose_sound(track.heard, suffix, False, length - sound.end, offset)
    info, picture = shown[suffix]
    output = folder / f"out{suffix}"
    more = {"offset": offset, "background": track.background, "limited": sound.clips}
    remux(
        Remux(info, picture_of(picture, info), track.dub, choice, length, False, (), **more), output, suffix
    )
    return output, [*sound.notes, *choice.notes]


@pytest.mark.parametrize("suffix", [".mov", ".mkv", ".avi"])
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_the_sum_is_exact_to_the_last_bit(tmp_path, shown, layout, suffix):
    dub, under = (noise(tmp_path / f"{n}.wav", layout, seed=n) for n in (1, 2))
    output, notes = mix(shown, tmp_path, dub, under, suffix)
    wanted = decoded_sound(dub)[0].astype(np.float64) + decoded_sound(under)[0]
    found, rate = decoded_sound(output)
    assert np.array_equal(np.rint(found * 2**23), np.rint(wanted * 2**23))
    assert (notes, rate) == ([], RATE)
    info = probe_audio(output)
    assert info.layout == layout or suffix == ".avi"
    assert info.bits >= 24


GAINS = {
    ("mono", "stereo"): [[THIRD], [THIRD]],
    ("mono", "5.1"): [[0], [0], [1], [0], [0], [0]],
    ("stereo", "5.1"): [[1, 0], [0, 1], [0, 0], [0, 0], [0, 0], [0, 0]],
    ("stereo", "mono"): [[THIRD, THIRD]],
    ("5.1", "stereo"): [[1, 0, THIRD, 0, THIRD, 0], [0, 1, THIRD, 0, 0, THIRD]],
    ("5.1", "5.1(side)"): np.eye(6).tolist(),
}
"""What each channel of the background gets of each of the dub's (ITU-R BS.775)."""


@pytest.mark.parametrize(("dub", "background"), GAINS)
def test_layouts(tmp_path, shown, dub, background):
    one = noise(tmp_path / "dub.wav", dub, level=0.1)
    two = noise(tmp_path / "under.wav", background, level=0.1, seed=1)
    output, _ = mix(shown, tmp_path, one, two)
    gains = np.array(GAINS[dub, background])
    wanted = decoded_sound(one)[0].astype(np.float64) @ gains.T + decoded_sound(two)[0]
    found, _ = decoded_sound(output)
    np.testing.assert_allclose(found, wanted, atol=2**-22)


def test_the_higher_rate_is_taken_and_clicks_stay(tmp_path, shown):
    dub = click_file(tmp_path / "dub.wav", rate=44_100, times=(0.3,))
    under = click_file(tmp_path / "under.wav", rate=96_000, times=(0.7,), channels=2)
    for suffix in (".mov", ".mkv", ".mp4", ".ts"):
        output, _ = mix(shown, tmp_path, dub, under, suffix)
        assert probe_audio(output).rate == 96_000
        zero = Fraction(0)
        if suffix == ".ts":
            with av.open(str(output)) as container:
                first = next(container.decode(video=0))
                zero = first.pts * first.time_base
        for read in (heard, heard_by_ffmpeg):
            assert np.abs(read(output, (0.3, 0.7), zero) - (0.3, 0.7)).max() < 1 / 96_000


@pytest.mark.parametrize("offset", [Fraction(1, 8), Fraction(-1, 8)])
def test_only_the_dub_is_moved(tmp_path, shown, offset):
    dub = click_file(tmp_path / "dub.wav", times=(0.3,), rate=44_100)
    under = click_file(tmp_path / "under.wav", times=(0.7,))
    output, _ = mix(shown, tmp_path, dub, under, ".mov", offset)
    times = (0.3 + float(offset), 0.7)
    assert np.abs(heard(output, times) - times).max() < 1 / 44_100


def test_peaks_are_held_and_nothing_else_changes(tmp_path, shown):
    """A moment at 0.5 s where both are at 0.9: a limiter, not a softer mix."""
    loud, quiet = np.zeros((RATE, 1), np.float32), np.zeros((RATE, 1), np.float32)
    random = np.random.default_rng(0)
    loud[:, 0], quiet[:, 0] = random.uniform(-0.3, 0.3, (2, RATE))
    loud[24_000:24_100], quiet[24_000:24_100] = 0.9, 0.9
    one = write_sound(tmp_path / "dub.wav", loud, codec="pcm_s24le")
    two = write_sound(tmp_path / "under.wav", quiet, codec="pcm_s24le")
    output, notes = mix(shown, tmp_path, one, two)
    found, _ = decoded_sound(output)
    wanted = decoded_sound(one)[0].astype(np.float64) + decoded_sound(two)[0]
    assert np.abs(found).max() <= PEAK + 1e-6
    assert notes == ["dub and background together go 5.1 dB over full scale; a limiter holds those peaks."]
    away = np.r_[0:23_000, 34_000:RATE]  # before it looks ahead, and long after it has let go
    np.testing.assert_allclose(found[away], wanted[away], atol=2**-22)


def test_level_and_length_are_measured(tmp_path):
    one = noise(tmp_path / "dub.wav", "mono", seconds=0.5, level=0.25)
    two = noise(tmp_path / "under.flac", "stereo", seconds=1.25, level=0.25, codec="flac")
    level = measure_mix(probe_audio(one), probe_audio(two), Fraction(1))
    assert level.seconds == Fraction(3, 2)
    assert level.peak == pytest.approx(0.25 * (1 + THIRD), abs=0.01)  # the dub from 1 s on, at -3 dB
    assert not level.clips
    told: list[int] = []
    long = noise(tmp_path / "long.wav", "mono", seconds=30, level=0.25)
    assert measure_mix(probe_audio(long), probe_audio(two), told=told.append).seconds == 30
    assert told == sorted(told)
    assert told[-1] == 30
    assert len(told) > 1  # what ffmpeg says while it works
    silent = write_sound(tmp_path / "silent.wav", np.zeros((RATE, 1), np.float32))
    assert measure_mix(probe_audio(silent), probe_audio(silent)).peak == 0


def test_the_mix_ends_with_the_picture_and_is_padded_to_it(tmp_path, shown):
    for seconds in (0.4, 2.0):
        dub, under = (noise(tmp_path / f"{n}.wav", "stereo", seconds=seconds) for n in (1, 2))
        output, _ = mix(shown, tmp_path, dub, under)
        assert len(decoded_sound(output)[0]) == RATE


def test_what_a_mix_is(tmp_path):
    dub = probe_audio(click_file(tmp_path / "dub.m4a", rate=44_100))
    under = probe_audio(click_file(tmp_path / "under.wav", layout="5.1"))
    whole = mixed(dub, under)
    assert (whole.rate, whole.channels, whole.layout, whole.bits) == (RATE, 6, "5.1", 24)
    assert mixed(dub, None) is dub
    kinds = {s: choose_sound(whole, s, False) for s in (".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts")}
    assert [c.codec for c in kinds.values()] == ["aac", "pcm_s24le", "flac", "libopus", "pcm_s24le", "aac"]
    assert kinds[".mp4"].bit_rate == 960_000


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_everything_else_comes_along(tmp_path, shown, suffix):
    """The movie itself, with its tags, chapters and other tracks, is the background, too, and the dub."""
    soft = write_sound(tmp_path / "soft.wav", clicks((0.1,), 0.48) / 4)
    source = movie(tmp_path / "a.mp4", sound=soft, extras=Extras(title="M", chapters=2, second_sound=True))
    info, sound = probe_video(source), probe_audio(source)
    carried, _ = choose_streams(info, suffix, True)
    choice = choose_sound(mixed(sound, sound), suffix, False)
    output = tmp_path / f"out{suffix}"
    picture = shown[suffix][1]
    job = Remux(
        info, picture_of(picture, info), sound, choice, Fraction(1), False, carried, "fra", background=sound
    )
    remux(job, output, suffix)
    with av.open(str(output)) as container:
        assert container.metadata["title"] == "M"
        assert len(container.chapters()) == 2
        assert [s.metadata["language"] for s in container.streams.audio] == ["fra", "eng", "spa"]
    one, two = decoded_sound(output)[0], decoded_sound(output, track=1)[0]
    both = min(len(one), len(two)) - 4800
    assert np.abs(one[:both]).max() == pytest.approx(2 * np.abs(two[:both]).max(), rel=0.1)


def test_a_stem_drives_the_lips_and_the_mix_is_heard(tmp_path):
    stem = click_file(tmp_path / "stem.wav", times=(0.3,), seconds=1.0, rate=22_050)
    full = click_file(tmp_path / "full.flac", times=(0.7,), seconds=1.5, channels=2)
    track = Soundtrack(probe_audio(full), probe_audio(stem))
    sound = hear(track, tmp_path / "lips.pcm")
    assert track.heard is track.dub
    assert len(sound.pcm) == 16_000
    assert np.abs(sound.pcm[4000:5600]).max() > 5000 > np.abs(sound.pcm[8000:]).max()
    assert sound.end == Fraction(3, 2)
    assert sound.notes == ("the --speech file is 0.50 s shorter than the dub; is it of the same version?",)
    same = Soundtrack(probe_audio(stem), probe_audio(stem))
    assert hear(same, tmp_path / "same.pcm").notes == ()


def test_an_offset_that_leaves_nothing(tmp_path):
    dub = probe_audio(click_file(tmp_path / "dub.wav"))
    with pytest.raises(OptionError, match="whole dub"):
        hear(Soundtrack(dub, offset=Fraction(-1)), tmp_path / "a.pcm")
    later = hear(Soundtrack(dub, offset=Fraction(-9, 10)), tmp_path / "b.pcm")
    assert later.end == Fraction(1, 10)
    assert (len(later.pcm), len(later.lips)) == (1600, 16_000)


def test_a_rate_that_aac_does_not_have_is_said(tmp_path, shown):
    dub = click_file(tmp_path / "dub.wav", rate=192_000, times=(0.3, 0.6))
    output, notes = mix(shown, tmp_path, dub, click_file(tmp_path / "b.wav", times=(0.8,)), ".mp4")
    assert notes == ["the dub has 192000 samples a second; AAC in .mp4 has 96000 at most."]
    assert probe_audio(output).rate == 96_000
    times = (0.3, 0.6, 0.8)
    assert np.abs(heard(output, times) - times).max() < 1 / 96_000


def test_damaged_floating_point_sound_is_held(tmp_path):
    path = click_file(tmp_path / "dub.wav", times=(0.7,), codec="pcm_f32le")
    data = bytearray(path.read_bytes())
    data[60_000:60_400] = b"\xff\xff\xff\x7f\x00\x00\x80\x7f" * 50  # not a number, infinity
    path.write_bytes(data)
    level = measure_mix(probe_audio(path), probe_audio(path))
    assert level.clips
    assert "far over full scale" in level.notes[0]
