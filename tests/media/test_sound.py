"""The dub: how it travels, that it stays in its place, and what the network hears of it."""

from fractions import Fraction

import av
import numpy as np
import pytest

from lipdub.errors import MediaError, RenderError
from lipdub.media.encoding import choose_encoding
from lipdub.media.frames import read_frames
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe import probe_video
from lipdub.media.probe_sound import probe_audio
from lipdub.media.recipe import Remux
from lipdub.media.remux import remux
from lipdub.media.sound import choose_sound
from lipdub.sampling import NETWORK_RATE
from tests.media.test_remux import dubbed, packets
from tests.support.media import (
    SOUND_CODECS,
    click_file,
    click_offsets,
    clicks,
    decoded_sound,
    ffmpeg,
    movie,
    write_sound,
)
from tests.support.picture import PictureWriter, picture_of

TIMES = (0.25, 0.5, 0.75)
COMPRESSED = [".m4a", ".mp3", ".opus"]


def dub_file(folder, suffix, **more):
    return click_file(folder / f"dub{suffix}", times=TIMES, **{"seconds": 1.0, **more})


TABLE = [
    (".wav", ".mp4", "aac"),
    (".wav", ".mov", "pcm_s16le"),
    (".wav", ".mkv", "pcm_s16le"),
    (".wav", ".webm", "libopus"),
    (".wav", ".avi", "pcm_s16le"),
    (".wav", ".ts", "aac"),
    (".flac", ".mkv", "copy"),
    (".flac", ".mp4", "aac"),
    (".flac", ".mov", "pcm_s16le"),
    (".mp3", ".mp4", "copy"),
    (".mp3", ".mkv", "flac"),
    (".m4a", ".mp4", "copy"),
    (".m4a", ".MOV", "copy"),
    (".m4a", ".mkv", "copy"),
    (".m4a", ".ts", "copy"),
    (".m4a", ".webm", "libopus"),
    (".opus", ".webm", "copy"),
    (".opus", ".mkv", "copy"),
    (".opus", ".mp4", "copy"),
    (".m4a", ".avi", "pcm_s24le"),
]


@pytest.mark.parametrize(("dub", "output", "codec"), TABLE)
def test_choice(tmp_path, dub, output, codec):
    info = probe_audio(dub_file(tmp_path, dub, channels=2))
    same = choose_sound(info, output, same_length=True)
    expected = "copy" if codec == "pcm_s16le" and dub == ".wav" else codec
    assert same.codec == expected
    if same.codec in {"aac", "libopus"}:
        assert same.bit_rate >= 128_000 * info.channels
    if dub in {".wav", ".flac"} and same.codec == "copy":  # written anew, bit by bit, to be filled or cut
        assert choose_sound(info, output, same_length=False).codec in {"pcm_s16le", "flac"}


def test_depth_is_kept(tmp_path):
    info = probe_audio(dub_file(tmp_path, ".wav", codec="pcm_s24le"))
    assert choose_sound(info, ".mov", same_length=False).codec == "pcm_s24le"
    assert choose_sound(info, ".avi", same_length=True).codec == "pcm_s24le"


def test_a_rate_that_changes_is_said(tmp_path):
    info = probe_audio(dub_file(tmp_path, ".wav", rate=44_100))
    assert "44100" in choose_sound(info, ".webm", same_length=True).notes[0]
    assert choose_sound(info, ".mp4", same_length=True).notes == ()


@pytest.fixture
def picture(tmp_path):
    """One second of picture."""
    return movie(tmp_path / "picture.mp4", count=25)


@pytest.mark.parametrize(
    ("rate", "layout"),
    [(44_100, "stereo"), (48_000, "stereo"), (48_000, "5.1"), (22_050, "mono"), (96_000, "stereo")],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_rate_and_channels_stay(tmp_path, picture, rate, layout, suffix):
    dub = dub_file(tmp_path, ".wav", rate=rate, layout=layout)
    output = tmp_path / f"out{suffix}"
    dubbed(picture, dub, output)
    info = probe_audio(output)
    assert info.rate == rate
    with av.open(str(output)) as container:
        assert (
            container.streams.audio[0].codec_context.layout.nb_channels == av.AudioLayout(layout).nb_channels
        )
        if suffix == ".mp4" or layout == "5.1":
            assert container.streams.audio[0].codec_context.layout.name.startswith(layout)


@pytest.mark.parametrize("suffix", [".mov", ".mkv", ".avi"])
@pytest.mark.parametrize(("codec", "kind"), [("pcm_s16le", "<i2"), ("pcm_s24le", "<i4")])
def test_lossless_dubs_lose_no_bit(tmp_path, picture, suffix, codec, kind):
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (48_000, 2)).astype(np.float32)
    dub = write_sound(tmp_path / "dub.wav", samples, layout="stereo", codec=codec)
    dubbed(picture, dub, tmp_path / f"out{suffix}")
    before, _ = decoded_sound(dub)
    after, _ = decoded_sound(tmp_path / f"out{suffix}")
    assert np.array_equal(before, after)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_aac_packets_are_copied_bit_by_bit(tmp_path, picture, suffix):
    dub = dub_file(tmp_path, ".m4a", seconds=0.98)
    dubbed(picture, dub, tmp_path / f"out{suffix}")
    before = [data for _, data in packets(dub, 0)]
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        stream = container.streams.audio[0]
        after = [bytes(p) for p in container.demux(stream) if p.size]
    if suffix == ".ts":  # each packet with a header of 7 bytes
        after = [data[7:] if data[:2] == b"\xff\xf1" else data for data in after]
    assert after == before


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
@pytest.mark.parametrize("seconds", [0.4, 0.99, 1.7])
@pytest.mark.parametrize("dub", [".wav", ".flac"])
def test_sound_is_as_long_as_the_picture(tmp_path, picture, suffix, seconds, dub):
    path = click_file(tmp_path / f"dub{dub}", times=(0.2,), seconds=seconds)
    dubbed(picture, path, tmp_path / f"out{suffix}")
    samples, rate = decoded_sound(tmp_path / f"out{suffix}")
    frame = 0 if suffix in {".mov", ".mkv", ".avi"} else 1024  # what an encoder rounds up to
    assert 0 <= len(samples) - rate <= frame
    quiet = samples[round((min(seconds, 1) + 0.01) * rate) :]
    assert np.abs(quiet).max(initial=0) < 1e-3


@pytest.mark.parametrize("dub", COMPRESSED)
def test_a_longer_compressed_dub_ends_with_the_picture(tmp_path, picture, dub):
    path = dub_file(tmp_path, dub, seconds=2.5)
    dubbed(picture, path, tmp_path / "out.mp4")
    samples, rate = decoded_sound(tmp_path / "out.mp4")
    assert abs(len(samples) / rate - 1) < 0.05


DUBS = {
    ".wav": None, ".w64": "pcm_s16le", ".flac": None, ".m4a": None, ".aac": "aac", ".mp3": None,
    ".opus": None, ".ogg": "libvorbis", ".ac3": "ac3",
}  # fmt: skip
"""Suffixes of dubs, and encoders where the suffix has no usual one."""


@pytest.fixture(scope="module")
def dubs(tmp_path_factory):
    """Dubs of three lengths by suffix, and where their clicks are heard (raw ADTS hides no priming)."""
    folder, found = tmp_path_factory.mktemp("dubs"), {}
    for suffix, codec in DUBS.items():
        for seconds in (0.6, 1.0, 1.7):
            times = tuple(t for t in TIMES if t < seconds)
            path = folder / f"{seconds}{suffix}"
            if codec == "libvorbis":  # which PyAV does not have
                plain = click_file(folder / "plain.wav", times=times, seconds=seconds)
                ffmpeg("-i", str(plain), "-c", codec, str(path))
            else:
                click_file(path, times=times, seconds=seconds, codec=codec)
            info = probe_audio(path)
            pcm = decode_for_network(info, folder / f"{path.name}.pcm")
            late = late_clicks(pcm, times)
            heard_at = [t + x for t, x in zip(times, late, strict=True)]
            found[suffix, seconds] = info, heard_at, Fraction(len(pcm), NETWORK_RATE)
    return found


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """One second of picture for each container, encoded once."""
    folder, found = tmp_path_factory.mktemp("pictures"), {}
    info = probe_video(movie(folder / "movie.mp4", count=10, rate=Fraction(10), size=(64, 48)))
    for suffix in CONTAINERS:
        encoding = choose_encoding(info, suffix)
        path = folder / f"picture{suffix}.{encoding.encoder.carrier}"
        with PictureWriter(path, info, encoding) as writer:
            for frame in read_frames(info):
                writer.write(frame)
        found[suffix] = info, path
    return found


CONTAINERS = [".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts"]


@pytest.mark.parametrize("seconds", [0.6, 1.0, 1.7])
@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("dub", DUBS)
def test_every_dub_is_heard_in_its_place_and_as_long_as_the_picture(
    tmp_path, dubs, pictures, dub, suffix, seconds
):
    sound, times, length = dubs[dub, seconds]
    info, picture = pictures[suffix]
    missing = 1 - length
    choice = choose_sound(sound, suffix, abs(missing) <= Fraction(1, 1000), missing)
    output = tmp_path / f"out{suffix}"
    remux(Remux(info, picture_of(picture, info), sound, choice, Fraction(1), False, ()), output, suffix)
    with av.open(str(output)) as container:
        frames = list(container.decode(video=0))
        assert len(frames) == 10
        # A transport stream begins anywhere; all others begin at 0.
        origin = frames[0].pts * frames[0].time_base if suffix == ".ts" else Fraction(0)
    assert suffix == ".ts" or probe_video(output).start == 0
    samples, rate = decoded_sound(output, origin)
    packet = 0.05
    assert 1 - packet <= len(samples) / rate <= 1 + packet
    assert np.abs(click_offsets(samples[:, 0], rate, times)).max() <= 0.001
    assert len(times) == (2 if seconds < 0.75 else 3)


@pytest.mark.parametrize(("dub", "suffix"), [(".m4a", ".mp4"), (".mp3", ".mov"), (".opus", ".webm")])
def test_a_shorter_compressed_dub_is_encoded_anew_at_a_high_rate_and_that_is_said(dubs, dub, suffix):
    sound, _, length = dubs[dub, 0.6]
    choice = choose_sound(sound, suffix, same_length=False, missing=1 - length)
    assert choice.codec != "copy"
    assert choice.bit_rate is None or choice.bit_rate >= 200_000 * sound.channels
    assert "padded" in choice.notes[-1]
    assert choose_sound(sound, suffix, same_length=False, missing=Fraction(1, 25)).codec == "copy"


LOSSLESS = {(".wav", ".mov"), (".wav", ".mkv"), (".wav", ".avi"), (".flac", ".mkv"), (".flac", ".mov")}


@pytest.mark.parametrize("dub", [".wav", ".flac", *COMPRESSED])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".ts", ".avi"])
def test_clicks_stay_where_they_were(tmp_path, picture, dub, suffix, record_property):
    """As a player plays the output, against the times at which they were put into the dub."""
    path = dub_file(tmp_path, dub)
    output = tmp_path / f"out{suffix}"
    dubbed(picture, path, output)
    with av.open(str(output)) as container:  # the picture begins at the movie's time 0
        first = next(container.decode(video=0))
        origin = first.pts * first.time_base if suffix == ".ts" else Fraction(0)
    samples, rate = decoded_sound(output, origin)
    late = click_offsets(samples[:, 0], rate, TIMES)
    record_property("late_ms", float(np.abs(late).max() * 1000))
    assert np.abs(late).max() <= (1 / rate if (dub, suffix) in LOSSLESS else 0.001)


@pytest.mark.parametrize("source", [".ts", ".mov"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_clicks_stay_with_movies_that_begin_late(tmp_path, source, suffix):
    """A transport stream begins anywhere; a movie's picture may begin after its time 0."""
    start = 0 if source == ".ts" else 1280
    path = movie(tmp_path / f"late{source}", pts=[start + 512 * n for n in range(25)])
    output = tmp_path / f"out{suffix}"
    dubbed(path, dub_file(tmp_path, ".wav"), output)
    with av.open(str(output)) as container:
        first = next(container.decode(video=0))
        origin = first.pts * first.time_base - Fraction(start, 12_800) if suffix == ".ts" else Fraction(0)
        assert suffix == ".ts" or abs(first.pts * first.time_base - Fraction(start, 12_800)) <= Fraction(
            1, 1000
        )
    samples, rate = decoded_sound(output, origin)
    assert np.abs(click_offsets(samples[:, 0], rate, TIMES)).max() < 0.001


def heard(path, folder, end=None):
    return decode_for_network(probe_audio(path), folder / "dub.pcm", end)


def late_clicks(pcm, times=TIMES):
    return click_offsets(pcm.astype(np.float32) / 32768, NETWORK_RATE, times)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_the_network_hears_lossless_clicks_in_time(tmp_path, suffix, rate):
    pcm = heard(dub_file(tmp_path, suffix, rate=rate, channels=2), tmp_path)
    assert abs(len(pcm) - NETWORK_RATE) <= 1
    assert np.abs(late_clicks(pcm)).max() <= 1 / NETWORK_RATE
    wanted = clicks(TIMES, 1.0, NETWORK_RATE)[: len(pcm), 0]
    assert np.abs(pcm[: len(wanted)] / 32768 - wanted).max() < 0.01


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("suffix", COMPRESSED)
def test_the_network_hears_compressed_clicks_in_time(tmp_path, suffix, rate):
    if suffix == ".opus" and rate != 48_000:
        pytest.skip("Opus has 48000 samples a second")
    pcm = heard(dub_file(tmp_path, suffix, rate=rate), tmp_path)
    assert np.abs(late_clicks(pcm)).max() < 0.001


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".webm"])
def test_a_dub_inside_a_movie_that_starts_late(tmp_path, suffix):
    """Sound whose first sample is at 0.2 s of the movie's time."""
    sound = click_file(tmp_path / "sound.wav", times=(0.3, 0.6), seconds=0.8)
    path = movie(tmp_path / "picture.mp4", count=25)
    ffmpeg(
        "-copyts",
        "-i",
        str(path),
        "-itsoffset",
        "0.2",
        "-i",
        str(sound),
        "-c:v",
        "copy" if suffix != ".webm" else "libvpx",
        "-c:a",
        SOUND_CODECS[suffix],
        str(tmp_path / f"dub{suffix}"),
    )
    dub = tmp_path / f"dub{suffix}"
    late = late_clicks(heard(dub, tmp_path), (0.5, 0.8))
    with av.open(str(dub)) as container:
        # In a transport stream, time 0 is what comes first: AAC's priming or the picture.
        first = next(container.decode(video=0))
        shift = float(first.pts * first.time_base - probe_audio(dub).origin) if suffix == ".ts" else 0
    assert np.abs(late - shift).max() < 0.0015


def test_the_samples_are_mapped_into_memory(tmp_path):
    pcm = heard(dub_file(tmp_path, ".wav"), tmp_path)
    assert isinstance(pcm, np.memmap)
    assert pcm.dtype == np.int16
    with pytest.raises(ValueError, match="read-only"):
        pcm[0] = 1


def test_no_more_is_decoded_than_needed(tmp_path):
    dub = click_file(tmp_path / "dub.wav", seconds=60, rate=16_000)
    assert 2 * NETWORK_RATE <= len(heard(dub, tmp_path, Fraction(2))) < 6 * NETWORK_RATE
    assert len(heard(dub, tmp_path)) == 60 * NETWORK_RATE


def test_all_channels_are_heard(tmp_path):
    samples = np.zeros((48_000, 2), np.float32)
    samples[:, 1] = clicks((0.5,), 1.0)[:, 0]
    pcm = heard(write_sound(tmp_path / "dub.wav", samples, layout="stereo"), tmp_path)
    assert np.abs(late_clicks(pcm, (0.5,))).max() <= 1 / NETWORK_RATE
    assert 0.3 < np.abs(pcm).max() / 32768 < 0.5


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le"])
def test_any_depth_is_heard(tmp_path, codec):
    pcm = heard(dub_file(tmp_path, ".wav", codec=codec), tmp_path)
    wanted = clicks(TIMES, 1.0, NETWORK_RATE)[: len(pcm), 0]
    assert np.abs(pcm / 32768 - wanted).max() < 0.02


def test_missing_sound_is_silence_and_what_follows_stays_in_time(tmp_path):
    """Packets from 0.3 s to 0.7 s are gone, as after a bad download."""
    whole = click_file(tmp_path / "whole.mkv", times=(0.2, 0.9), seconds=1.2, codec="pcm_s16le")
    with av.open(str(whole)) as source, av.open(str(tmp_path / "gap.mkv"), "w") as gap:
        stream = gap.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size and not 0.3 < packet.pts * packet.time_base < 0.7:
                packet.stream = stream
                gap.mux(packet)
    pcm = heard(tmp_path / "gap.mkv", tmp_path)
    assert np.abs(late_clicks(pcm, (0.2, 0.9))).max() < 0.001
    dubbed(movie(tmp_path / "a.mp4", count=30), tmp_path / "gap.mkv", tmp_path / "out.mov")
    samples, rate = decoded_sound(tmp_path / "out.mov")
    assert np.abs(click_offsets(samples[:, 0], rate, (0.2, 0.9))).max() < 0.001


def test_a_cut_off_dub_is_heard_as_far_as_it_goes(tmp_path):
    data = dub_file(tmp_path, ".mp3", seconds=2.0).read_bytes()
    (tmp_path / "cut.mp3").write_bytes(data[: len(data) // 2])
    pcm = heard(tmp_path / "cut.mp3", tmp_path)
    assert 0.7 * NETWORK_RATE < len(pcm) < 1.3 * NETWORK_RATE


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RenderError, match="cannot be written"):
        decode_for_network(probe_audio(dub_file(tmp_path, ".wav")), tmp_path / "none" / "a.pcm")


def test_sound_that_vanished(tmp_path):
    path = dub_file(tmp_path, ".wav")
    info = probe_audio(path)
    path.unlink()
    with pytest.raises(MediaError, match="no such file"):
        decode_for_network(info, tmp_path / "a.pcm")


@pytest.mark.parametrize("late", [-0.023, -1 / 48_000, 0.0, 0.000_25, 0.03])
def test_the_measure_of_clicks_measures(late):
    heard = clicks([time + late for time in TIMES], 1.0)[:, 0]
    np.testing.assert_allclose(click_offsets(heard, 48_000, TIMES), late, atol=1 / 48_000 / 8)
