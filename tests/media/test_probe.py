"""What a file is made of, and one clear sentence for whatever is no movie."""

import subprocess
import wave
from dataclasses import replace
from fractions import Fraction

import imageio_ffmpeg
import numpy as np
import pytest

from lipdub.errors import MediaError
from lipdub.media.colour_tags import Colour
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import probe_video
from lipdub.media.probe_sound import probe_audio
from tests.support.media import Extras, Tags, click_file, ffmpeg, movie, regular_pts, still

FILM = Fraction(24_000, 1001)


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt", "name"),
    [
        (".mp4", "libx264", "yuv420p", "h264"),
        (".mp4", "libx265", "yuv420p10le", "hevc"),
        (".mov", "prores_ks", "yuv422p10le", "prores"),
        (".mkv", "ffv1", "yuv444p", "ffv1"),
        (".webm", "libvpx-vp9", "yuv420p", "vp9"),
        (".mp4", "libsvtav1", "yuv420p", "av1"),
        (".avi", "mjpeg", "yuvj422p", "mjpeg"),
    ],
)
def test_codec_format_and_size(tmp_path, suffix, codec, pix_fmt, name):
    time_base = Fraction(1, 25) if suffix == ".avi" else Fraction(1, 12_800)
    info = probe_video(movie(tmp_path / f"a{suffix}", codec=codec, pix_fmt=pix_fmt, time_base=time_base))
    assert (info.codec, info.pix_fmt) == (name, pix_fmt)
    assert (info.geometry.width, info.geometry.height) == (160, 96)
    assert info.rate == 25
    assert info.frames in {12, 13}
    assert not info.still


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_is_what_ffmpeg_shows(tmp_path, rotation):
    path = movie(
        tmp_path / "a.mp4",
        codec="ffv1",
        pix_fmt="bgr0",
        size=(48, 32),
        count=1,
        rotation=rotation,
        time_base=Fraction(1, 25),
    )
    info = probe_video(path)
    assert info.geometry.rotation == rotation
    shown = ffmpeg("-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    width, height = info.geometry.upright_size
    image = np.frombuffer(shown, np.uint8).reshape(height, width, 3)
    assert np.array_equal(upright_image(next(read_frames(info)), info), image)


def test_times_of_film_rate(tmp_path):
    time_base = 1 / FILM
    info = probe_video(movie(tmp_path / "a.mp4", rate=FILM, time_base=time_base, pts=range(30)))
    assert info.time_base == Fraction(1, 24_000)
    assert info.rate == FILM
    assert info.frames == 30
    assert info.duration == 30 / FILM
    assert info.seconds(1001) == 1 / FILM


def test_variable_rate(tmp_path):
    pts = [0, 500, 1200, 1300, 4000, 4640]
    info = probe_video(movie(tmp_path / "a.mp4", pts=pts, time_base=Fraction(1, 15_360)))
    assert info.time_base == Fraction(1, 15_360)
    assert info.frames == len(pts)


def test_start_later_than_zero(tmp_path):
    pts = regular_pts(10, Fraction(25), Fraction(1, 12_800), 1000)
    info = probe_video(movie(tmp_path / "a.mp4", pts=pts))
    assert info.start == 1000
    assert info.origin == 0


def test_transport_streams_begin_at_their_first_time(tmp_path):
    info = probe_video(movie(tmp_path / "a.ts"))
    assert info.start > 0
    assert info.seconds(info.start) == 0


def test_sample_aspect_and_colour(tmp_path):
    tags = Tags(range=2, matrix=9, primaries=9, transfer=16)
    path = movie(
        tmp_path / "a.mp4", codec="libx265", pix_fmt="yuv420p10le", tags=tags, sample_aspect=Fraction(4, 3)
    )
    info = probe_video(path)
    assert info.colour == Colour(2, 9, 9, 16)
    assert info.geometry.sample_aspect == Fraction(4, 3)
    assert info.geometry.upright_size == (213, 96)


@pytest.mark.parametrize(("suffix", "pix_fmt"), [(".png", "rgb24"), (".jpg", "yuvj420p"), (".bmp", "bgr24")])
def test_odd_still_pictures(tmp_path, suffix, pix_fmt):
    info = probe_video(still(tmp_path / f"a{suffix}", (33, 21)))
    assert info.still
    assert info.pix_fmt == pix_fmt
    assert (info.geometry.width, info.geometry.height) == (33, 21)
    assert (info.rate, info.time_base, info.duration, info.frames) == (25, Fraction(1, 25), None, None)


def test_cover_art_is_not_the_picture(tmp_path):
    path = movie(tmp_path / "a.mp4", sound=True, extras=Extras(cover=True))
    swapped = tmp_path / "b.mp4"  # the cover before the picture
    ffmpeg(
        "-i",
        str(path),
        "-map",
        "0:v:1",
        "-map",
        "0:v:0",
        "-map",
        "0:a",
        "-c",
        "copy",
        "-disposition:v:0",
        "attached_pic",
        str(swapped),
    )
    for file in (path, swapped):
        info = probe_video(file)
        assert info.codec == "h264"
        assert [s.codec for s in info.streams if s.cover] == ["mjpeg"]
        assert not info.streams[info.index].cover


def test_a_song_with_a_cover_has_no_picture(tmp_path):
    still(tmp_path / "cover.jpg", (32, 32))
    click_file(tmp_path / "song.m4a")
    path = tmp_path / "covered.m4a"
    ffmpeg(
        "-i",
        str(tmp_path / "song.m4a"),
        "-i",
        str(tmp_path / "cover.jpg"),
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        "-disposition:v:0",
        "attached_pic",
        str(path),
    )
    with pytest.raises(MediaError, match="no picture stream"):
        probe_video(path)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".m4a", ".mp3", ".opus"])
def test_sound(tmp_path, suffix):
    rate = 48_000 if suffix == ".opus" else 44_100
    info = probe_audio(click_file(tmp_path / f"a{suffix}", rate=rate, channels=2))
    codec = {".wav": "pcm_s16le", ".m4a": "aac"}.get(suffix, suffix[1:])
    assert (info.codec, info.rate, info.channels) == (codec, rate, 2)


def test_depth_and_layout_of_sound(tmp_path):
    info = probe_audio(click_file(tmp_path / "a.wav", codec="pcm_s24le", layout="5.1"))
    assert info.channels == 6
    assert info.bits > 16


NAMES = [
    "with space.mp4",
    'it\'s "quoted".mp4',
    "two\nlines.mp4",
    "größe 電影.mp4",
    "-i.mp4",
    "%03d.mp4",
    "concat:a|b.mp4",
    "pipe:0.mp4",
    "a:b.mp4",
    "[0:v].mp4",
    "*?.mp4",
]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names(tmp_path, name, monkeypatch):
    movie(tmp_path / "plain.mp4", count=2)
    (tmp_path / "plain.mp4").rename(tmp_path / name)
    assert probe_video(tmp_path / name).codec == "h264"
    monkeypatch.chdir(tmp_path)
    assert probe_video(name).codec == "h264"


def test_a_name_that_looks_like_a_sequence_is_one_picture(tmp_path):
    still(tmp_path / "plain.png", (20, 20))
    (tmp_path / "plain.png").rename(tmp_path / "shot%03d.png")
    still(tmp_path / "shot001.png", (40, 40))
    assert probe_video(tmp_path / "shot%03d.png").geometry.width == 20


def zero_length_sound(path):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
    return path


def test_no_such_file(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        probe_video(tmp_path / "a.mp4")


def test_folder(tmp_path):
    with pytest.raises(MediaError, match="folder"):
        probe_video(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(MediaError, match="empty"):
        probe_video(tmp_path / "a.mp4")


@pytest.mark.parametrize("probe", [probe_video, probe_audio])
@pytest.mark.parametrize("suffix", [".mp4", ".wav", ".png", ".txt", ".srt"])
def test_text_is_no_movie(tmp_path, suffix, probe):
    path = tmp_path / f"a{suffix}"
    path.write_text("I am a letter, not a movie.\n" * 50)
    with pytest.raises(MediaError, match=r"not a movie or sound file|cannot be decoded|no picture|no sound"):
        probe(path)


def test_sound_is_no_movie(tmp_path):
    with pytest.raises(MediaError, match="no picture stream"):
        probe_video(click_file(tmp_path / "a.wav"))


def test_picture_is_no_sound(tmp_path):
    with pytest.raises(MediaError, match="no sound stream"):
        probe_audio(still(tmp_path / "a.png"))


def test_silent_movie_is_no_sound(tmp_path):
    with pytest.raises(MediaError, match="no sound stream"):
        probe_audio(movie(tmp_path / "a.mp4", count=2))


def test_sound_without_samples(tmp_path):
    with pytest.raises(MediaError):
        probe_audio(zero_length_sound(tmp_path / "a.wav"))


@pytest.mark.parametrize("part", [10, 200, 2000])
def test_movie_cut_off_at_the_beginning_of_its_bytes(tmp_path, part):
    data = movie(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(data[:part])
    with pytest.raises(MediaError) as caught:
        probe_video(tmp_path / "b.mp4")
    assert "\n" not in str(caught.value)


def test_every_message_names_the_file(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0" * 1000)
    for path in (tmp_path / "none.mp4", tmp_path / "a.mp4", tmp_path):
        for probe in (probe_video, probe_audio):
            with pytest.raises(MediaError) as caught:
                probe(path)
            assert str(path) in str(caught.value)


def test_the_binary_is_there():
    done = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-version"], capture_output=True, check=True)
    assert done.stdout.startswith(b"ffmpeg version")


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "count"),
    [
        ("a.gif", "gif", "rgb8", 1),
        ("a.gif", "gif", "rgb8", 3),
        ("a.avif", "libsvtav1", "yuv420p", 1),
        ("a.mkv", "libx264", "yuv420p", 2),
    ],
)
def test_a_picture_in_a_movie_format_is_still(tmp_path, name, codec, pix_fmt, count):
    path = movie(tmp_path / name, codec=codec, pix_fmt=pix_fmt, count=count, time_base=Fraction(1, 100))
    info = probe_video(path)
    assert info.still == (count == 1)
    assert info.still == (info.frames is None)


def test_one_picture_with_sound_is_a_movie(tmp_path):
    assert not probe_video(movie(tmp_path / "a.mp4", count=1, sound=True)).still


@pytest.mark.parametrize("probe", [probe_video, probe_audio])
def test_a_name_that_is_too_long_is_one_sentence(tmp_path, probe):
    with pytest.raises(MediaError, match="too long"):
        probe(tmp_path / ("a" * 5000))


def test_tracks_of_chapters_and_time_codes_are_known(tmp_path):
    path = movie(tmp_path / "a.mov", extras=Extras(chapters=2))
    ffmpeg("-i", str(path), "-c", "copy", "-map", "0:v", "-timecode", "01:00:00:00", str(tmp_path / "b.mov"))
    assert [s.kind for s in probe_video(tmp_path / "b.mov").streams] == ["video", "chapters", "timecode"]


def test_a_photo_with_exif_is_a_picture_like_any_other(tmp_path):
    """Its side data is of a kind that PyAV has no name for."""
    plain = still(tmp_path / "plain.jpg").read_bytes()
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x0f\0\x02\0\0\0\x04Cam\0\0\0\0\0"
    exif = b"\xff\xe1" + (8 + len(tiff)).to_bytes(2, "big") + b"Exif\0\0" + tiff
    (tmp_path / "photo.jpg").write_bytes(plain[:2] + exif + plain[2:])
    assert replace(probe_video(tmp_path / "photo.jpg"), path=tmp_path / "plain.jpg") == probe_video(
        tmp_path / "plain.jpg"
    )
