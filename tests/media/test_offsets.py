"""Where the dub is heard after the remux, to less than a sample: every kind of dub in every container."""

from fractions import Fraction

import av
import numpy as np
import pytest

from lipdub.media.hearing import decode_for_network
from lipdub.media.probe_sound import probe_audio
from lipdub.media.recipe import Remux
from lipdub.media.remux import remux
from lipdub.media.sound import choose_sound
from lipdub.media.soundtrack import Soundtrack, lip_sound
from lipdub.sampling import NETWORK_RATE
from tests.support.dubs import (
    CONTAINERS,
    KINDS,
    TIMES,
    heard,
    heard_by_ffmpeg,
    make,
    pictures,
    put_under,
    time_zero,
)
from tests.support.media import click_file, click_offsets, clicks, decoded_sound, write_sound
from tests.support.picture import picture_of

OFFSET = Fraction(617, 5000)
"""123.4 ms: 5442 samples and 94 hundredths at 44.1 kHz, 11 106 ticks of MPEG, no whole millisecond."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    return pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def dubs(tmp_path_factory):
    """Every kind of dub, 1.3 s long, and where PyAV hears its clicks."""
    folder, found = tmp_path_factory.mktemp("dubs"), {}
    for number, (name, kind) in enumerate(KINDS.items()):
        dub = probe_audio(make(kind, folder / f"{number}{kind.suffix}", seconds=1.3))
        found[name] = dub, heard(dub.path, TIMES, dub.origin)
    return found


@pytest.mark.parametrize("name", KINDS)
def test_readers_agree_and_the_network_hears_the_same(tmp_path, dubs, name):
    dub, times = dubs[name]
    other = heard_by_ffmpeg(dub.path, TIMES, dub.origin)
    assert np.abs(times - other).max() * dub.rate < 0.01
    pcm = decode_for_network(dub, tmp_path / "dub.pcm")
    late = click_offsets(np.asarray(pcm, np.float32) / 32768, NETWORK_RATE, times)
    assert np.abs(late).max() < 1 / NETWORK_RATE
    if KINDS[name].exact:
        primed = 128.2 if "Vorbis" in name else 0.2  # ffmpeg's encoder of Vorbis, and nothing hides that
        assert np.abs(times - TIMES).max() * dub.rate < primed


def worst(dub, times, output):
    """Samples of the dub by which a click is heard elsewhere, by the worse of two decoders."""
    zero = time_zero(output)
    late = [read(output, times, zero) - times for read in (heard, heard_by_ffmpeg)]
    return np.abs(np.concatenate(late)).max() * dub.rate


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("name", KINDS)
def test_less_than_a_sample(tmp_path, dubs, shown, name, suffix):
    dub, times = dubs[name]
    output = tmp_path / f"out{suffix}"
    choice = put_under(shown[suffix], dub, output)
    # A packet that Matroska must round to a millisecond: only where the dub begins between two of them.
    rounded = choice.codec == "copy" and suffix == ".mkv" and dub.start * 1000 % 1 != 0
    assert worst(dub, times, output) < (dub.rate / 2000 if rounded else 1)


@pytest.mark.parametrize("offset", [OFFSET, -OFFSET])
@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize(
    "name",
    [
        "WAV 16",
        "WAV float, 96 kHz, 5.1",
        "FLAC, 44.1 kHz",
        "AAC in M4A, 44.1 kHz, stereo",
        "AAC in MKV, 0.123 s late",
        "AAC in MP4, 0.1 s before 0 (edit list)",
        "MP3 with LAME header",
        "Opus in WebM, stereo",
    ],
)
def test_an_offset_is_exact_to_a_sample(tmp_path, dubs, shown, name, suffix, offset):
    dub, times = dubs[name]
    output = tmp_path / f"out{suffix}"
    put_under(shown[suffix], dub, output, offset)
    moved = times + round(offset * dub.rate) / dub.rate
    assert worst(dub, moved, output) < (0.5 if dub.rate == 48_000 else 1)
    samples, rate = decoded_sound(output, time_zero(output))
    assert abs(len(samples) / rate - 1) < 0.05
    if offset > 0:
        quiet = samples[: round(float(offset + dub.start) * rate) - 64]
        assert np.abs(quiet).max() < 0.02


@pytest.mark.parametrize("offset", [Fraction(1, 4), Fraction(-1, 4)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_packets_are_copied_where_the_container_can_say_when(tmp_path, dubs, shown, suffix, offset):
    dub, times = dubs["AAC in M4A"]
    output = tmp_path / f"out{suffix}"
    choice = put_under(shown[suffix], dub, output, offset)
    copied = offset > 0 or suffix in {".mp4", ".mov"}
    assert (choice.codec == "copy") == copied
    assert len(choice.notes) == (0 if copied else 1)
    assert all("moved" in note and f"{suffix} cannot say" in note for note in choice.notes)
    kept = np.array([t for t in times + float(offset) if t > 0.1])
    assert worst(dub, kept, output) < 1


def test_a_millisecond_is_too_coarse_for_matroska(dubs):
    opus, _ = dubs["Opus"]
    assert choose_sound(opus, ".mkv", True, offset=Fraction(1, 8)).codec == "copy"
    anew = choose_sound(opus, ".webm", True, offset=Fraction(1, 7))
    assert (anew.codec, anew.bit_rate) == ("libopus", 224_000)
    assert "+0.142857 s later" in anew.notes[0]
    assert choose_sound(opus, ".mp4", True, offset=Fraction(1, 7)).codec == "copy"


def test_lossless_sound_is_moved_and_no_bit_lost(tmp_path, shown):
    path = click_file(tmp_path / "dub.wav", codec="pcm_s24le", seconds=1.5)
    before, _ = decoded_sound(path)
    for offset in (Fraction(1000, 48_000), Fraction(-1000, 48_000)):
        put_under(shown[".mov"], probe_audio(path), tmp_path / "out.mov", offset)
        after, _ = decoded_sound(tmp_path / "out.mov")
        shift = int(offset * 48_000)
        moved = np.concatenate([np.zeros((max(0, shift), 1), np.float32), before[max(0, -shift) :]])
        assert np.array_equal(after, moved[:48_000])


def test_a_dub_that_does_not_begin_at_0_is_exact_beside_any_picture(tmp_path, dubs, shown):
    """MP4 says when a track begins in ticks that must suit picture and sound: 1/12800 s would not do."""
    dub, times = dubs["AAC in MP4, 0.1234 s late"]
    info, picture = shown[".mp4"]
    choice = choose_sound(dub, ".mp4", False)
    remux(
        Remux(info, picture_of(picture, info), dub, choice, Fraction(1), False, ()),
        tmp_path / "out.mp4",
        ".mp4",
    )
    assert choice.codec == "copy"
    assert worst(dub, times, tmp_path / "out.mp4") < 0.1
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = [f.pts * f.time_base for f in container.decode(video=0)]
    assert frames == [Fraction(n, 10) for n in range(10)]


@pytest.mark.parametrize("offset", [Fraction(3, 10), Fraction(-3, 10), Fraction(1, 3)])
def test_the_lips_follow_as_if_silence_lay_before_the_dub(tmp_path, dubs, offset):
    dub, _ = dubs["FLAC, 44.1 kHz"]
    pcm, lips = lip_sound(Soundtrack(dub, offset=offset), tmp_path / "moved.pcm")
    plain = np.array(decode_for_network(dub, tmp_path / "plain.pcm"))
    shift = round(offset * NETWORK_RATE)
    assert np.array_equal(lips, plain)
    assert np.array_equal(pcm, np.concatenate([np.zeros(max(0, shift), np.int16), plain[max(0, -shift) :]]))


@pytest.mark.parametrize(
    "name", ["AAC in M4A", "AAC in ADTS", "FLAC, 96 kHz, 5.1", "ALAC in M4A, stereo", "AC-3"]
)
def test_a_damaged_packet_does_not_move_what_follows(tmp_path, name, shown):
    kind, times = KINDS[name], (0.3, 0.9, 1.5)
    path = make(kind, tmp_path / f"whole{kind.suffix}", times, 1.8)
    before = heard(path, times, probe_audio(path).origin)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(audio=0) if p.size]
    hurt = packets[len(packets) // 3]  # 0.6 s
    data = bytearray(path.read_bytes())
    place = hurt.pos if hurt.pos is not None else data.index(bytes(hurt))
    header = 8  # without which a raw stream does not show that anything is missing
    data[place + header : place + hurt.size] = b"\xff" * (hurt.size - header)
    bad = tmp_path / f"bad{kind.suffix}"
    bad.write_bytes(data)
    dub = probe_audio(bad)
    pcm = decode_for_network(dub, tmp_path / "bad.pcm")
    late = click_offsets(np.asarray(pcm, np.float32) / 32768, NETWORK_RATE, before)
    assert np.abs(late).max() < 1 / NETWORK_RATE
    choice = choose_sound(dub, ".mov", False, Fraction(0), OFFSET)
    info, picture = shown[".mov"]
    output = tmp_path / "out.mov"
    remux(
        Remux(info, picture_of(picture, info), dub, choice, Fraction(9, 5), False, (), offset=OFFSET),
        output,
        ".mov",
    )
    if choice.codec != "copy":
        assert worst(dub, before + float(OFFSET), output) < 1


def test_the_centre_of_a_5_1_dub_is_not_drowned(tmp_path):
    samples = np.zeros((48_000, 6), np.float32)
    samples[:, 2] = clicks((0.5,), 1.0)[:, 0]
    dub = probe_audio(write_sound(tmp_path / "dub.wav", samples, layout="5.1"))
    peak = np.abs(decode_for_network(dub, tmp_path / "dub.pcm")).max() / 32768
    assert peak == pytest.approx(np.abs(samples).max() * 0.5**0.5, abs=0.01)


def test_damaged_floating_point_sound_is_no_trouble(tmp_path):
    path = click_file(tmp_path / "dub.wav", times=(0.7,), codec="pcm_f32le")
    data = bytearray(path.read_bytes())
    data[60_000:60_400] = b"\xff\xff\xff\x7f\x00\x00\x80\x7f" * 50  # not a number, infinity
    path.write_bytes(data)
    pcm = decode_for_network(probe_audio(path), tmp_path / "dub.pcm")
    late = click_offsets(np.asarray(pcm, np.float32) / 32768, NETWORK_RATE, (0.7,))
    assert np.abs(late).max() < 1 / NETWORK_RATE
