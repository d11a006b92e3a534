"""What the fuzz run (`benchmarks/fuzz.py`) found, case by case, and what its bounds promise.

The cases are made anew from number or name (see `tests.support.cases`); each went wrong before it was mended.
"""

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from lipdub import sync
from lipdub.errors import MediaError
from lipdub.media.bounds import MAX_CHANNELS, MAX_PIXELS, believed_rate, check_size, check_sound, check_start
from lipdub.media.frames import read_frames
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe import probe_video
from lipdub.media.probe_sound import probe_audio
from tests.support import bombs
from tests.support.jobs import Painter, grey, plan_by_hand
from tests.support.media import Extras, click_file, clicks, frame_times, movie, write_sound

ROOT = Path(__file__).parents[1]

FOUND = {
    "movie larger_later.ts": ("ok", "are scaled"),  # ValueError of numpy.pad
    "movie growing.mkv": ("ok", "are scaled"),
    "movie format_later.ts": ("ok", "are scaled"),  # "-10 edits of the plan are for frames …"
    "movie sps_8192_later.h264": ("ok", "is damaged after 10 frames"),  # ValueError of numpy.pad
    "movie sps_8192.h264": ("refused", "8192×8192 pixels"),  # failed in the encoder, at the end
    "movie cover.mp4": ("ok", "the cover picture 5 (unknown) cannot be"),  # failed in ffmpeg, at the end
    "movie day_later.mp4": ("ok", "hours astray"),  # a day of silence was encoded
    "movie years.mov": ("ok", "hours astray"),  # failed in the muxer, at the end
    "movie line.png": ("refused", "are the most of a side"),  # failed in the encoder, in several words of C
    "sound channels_40.wav": ("refused", "has 40 channels"),  # a segmentation fault
    "sound rate_100.wav": ("refused", "100 samples a second"),  # an hour of it
    "sound flac_twice.flac": ("ok", ""),  # ValueError of the resampler
    "sound hours_later.mkv": ("ok", "jump by more than an hour"),  # MemoryError
    "sound years_later.mkv": ("ok", "jump by more than an hour"),  # MemoryError: 16.5 TiB
    "206": ("ok", "hours astray"),  # failed in the muxer, at the end
    "225": ("ok", "hours astray"),  # more than 400 MB of silence
    "266": ("refused", "samples a second"),  # a hang
    "443": ("ok", "hours astray"),
    "726": ("refused", "a codec that cannot be decoded"),  # AttributeError
    "938": ("refused", "by its time stamps"),  # "please report this"
    "1231": ("refused", "are the most of a side"),  # failed in the encoder, at the end
    "306": ("ok", ""),  # IndexError: the movie shows fewer streams when it is opened again
    "969": ("refused", "a clock that ticks once"),  # hours of silence
    "185": ("refused", "--audio-offset"),  # "please report this"
    "1608": ("refused", "more memory than there is"),  # "cannot allocate memory"
    "1875": ("ok", "holds no sound that can be read"),  # "ffmpeg made no sound … please report this"
    "100221": ("ok", ""),  # first frames without times came before time 0, where no player shows them
}  # fmt: skip
"""Case: what becomes of it now, and words that are said; what became of it before is in the remark."""


def outcomes(folder: Path, *cases: str) -> dict[str, dict]:
    """Do cases in a program that forks, and read what it says of each."""
    command = [sys.executable, "-m", "tests.support.fuzzing", str(folder), *cases]
    paths = os.pathsep.join([str(ROOT), *sys.path])
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    return outcomes(tmp_path_factory.mktemp("specimens"), *FOUND)


@pytest.mark.parametrize("case", FOUND)
def test_what_was_found_stays_mended(found: dict[str, dict], case: str):
    verdict, words = FOUND[case]
    became = found[case]
    assert became["verdict"] == verdict, became
    assert words in " ".join([became["detail"], *became["notes"]])


@pytest.mark.slow
def test_a_sample_of_the_fuzz_run(tmp_path: Path):
    became = outcomes(tmp_path, *(str(number) for number in range(100_000, 100_060)))
    assert len(became) == 60
    assert [line for line in became.values() if line["verdict"] not in {"ok", "refused"}] == []


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("name", ["zeros.png", "short_of_rows.png", "canvas.gif", "rows.bmp", "strip.tiff"])
def test_a_picture_that_unpacks_into_gigabytes_is_refused_without_them(tmp_path: Path, name: str):
    path = tmp_path / name
    bombs.MOVIE_BOMBS[name](tmp_path, path)
    program = (
        "import sys; from lipdub.media.probe import probe_video\n"
        "try: probe_video(sys.argv[1])\n"
        "except Exception as exc: error = type(exc).__name__\n"
        # Not ru_maxrss, which begins with what the process had that started this one.
        "peak = [line for line in open('/proc/self/status') if line.startswith('VmHWM')][0]\n"
        "print(error, peak.split()[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    error, kilobytes = done.stdout.split()
    assert error == "MediaError"
    assert int(kilobytes) < 250_000


def test_the_largest_picture_is_8k_and_no_larger():
    check_size(Path("a.mov"), 8192, 4352)
    assert MAX_PIXELS == 8192 * 4352
    with pytest.raises(MediaError, match=r"a\.mov has pictures of 8193×4352 pixels"):
        check_size(Path("a.mov"), 8193, 4352)
    check_size(Path("a.gif"), 16_384, 2)
    with pytest.raises(MediaError, match=r"a\.gif has pictures of 2×16385 pixels, and 16,384"):
        check_size(Path("a.gif"), 2, 16_385)


@pytest.mark.parametrize(("rate", "channels"), [(0, 1), (1, 1), (2**31 - 1, 2), (48_000, 0), (48_000, 255)])
def test_sound_that_nobody_records_is_refused(rate: int, channels: int):
    with pytest.raises(MediaError, match=r"a\.wav says that it has"):
        check_sound(Path("a.wav"), rate, channels)


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (48_000, 6), (384_000, MAX_CHANNELS)])
def test_sound_that_studios_record_is_not(rate: int, channels: int):
    check_sound(Path("a.wav"), rate, channels)


def test_a_rate_that_cannot_be_is_not_believed():
    assert believed_rate(Fraction(10**9), Fraction(24)) == 24
    assert believed_rate(None, Fraction(0)) == 25
    assert believed_rate(Fraction(1, 10**9), None) == 25
    assert believed_rate(Fraction(1, 60)) == Fraction(1, 60)


def test_a_movie_that_begins_hours_late_is_refused_and_told_how_to_mend():
    check_start(Path("a.mkv"), Fraction(-1))
    with pytest.raises(MediaError, match=r"first frame at 36000 s; copy it with ffmpeg"):
        check_start(Path("a.mkv"), Fraction(36_000))


@pytest.mark.parametrize(("degrees", "expected"), [(45, 0), (80, 90), (-100, 270), (179, 180)])
def test_a_turn_that_is_no_quarter_turn_becomes_the_nearest(tmp_path: Path, degrees: int, expected: int):
    path = movie(tmp_path / "a.mp4", rotation=degrees, count=2)
    assert probe_video(path).geometry.rotation == expected


def test_frames_that_grow_in_the_middle_come_in_the_first_size(tmp_path: Path):
    path = tmp_path / "a.ts"
    bombs.MOVIE_BOMBS["larger_later.ts"](tmp_path, path)
    info = probe_video(path)
    with av.open(str(path)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [image.shape[1] for image in decoded] == [160] * 10 + [320] * 10
    frames = list(read_frames(info))
    assert [(f.width, f.height, f.format.name) for f in frames] == [(160, 96, "yuv420p")] * 20
    for frame, image in zip(frames[10:], decoded[10:], strict=True):
        scaled = cv2.resize(image, (160, 96), interpolation=cv2.INTER_AREA).astype(float)
        assert np.abs(frame.to_ndarray(format="rgb24") - scaled).mean() < 4


def test_many_frames_hours_astray_are_refused(tmp_path: Path):
    pts = [*range(0, 5120, 512), *range(12_800 * 7200, 12_800 * 7200 + 512 * 60, 512)]
    info = probe_video(movie(tmp_path / "a.mp4", pts=pts, noise=False, options={"preset": "ultrafast"}))
    with pytest.raises(MediaError, match=r"shows nothing from 0 s to 7\d\d\d s"):
        list(read_frames(info))


@pytest.mark.parametrize("channels", [9, 24])
def test_more_than_eight_channels_are_mixed_down_as_numpy_does(tmp_path: Path, channels: int):
    one = clicks((0.2,), 0.4, rate=16_000)
    samples = one * np.linspace(0, 1, channels, dtype=np.float32)
    path = tmp_path / "a.wav"
    pcm = np.rint(samples * 32767).astype("<i2")
    bombs.wav(path, pcm, 16_000)
    mixed = decode_for_network(probe_audio(path), tmp_path / "a.pcm")
    np.testing.assert_allclose(mixed, pcm.astype(float).mean(axis=1), atol=1)


def test_silence_of_minutes_is_kept(tmp_path: Path):
    write_sound(tmp_path / "late.mkv", clicks((0.2,), 0.4), codec="flac", start=600.0)
    write_sound(tmp_path / "early.mkv", clicks((0.2,), 0.4), codec="flac")
    late = decode_for_network(probe_audio(tmp_path / "late.mkv"), tmp_path / "late.pcm")
    early = decode_for_network(probe_audio(tmp_path / "early.mkv"), tmp_path / "early.pcm")
    assert len(late) == 600 * 16_000 + len(early)
    assert np.abs(late[600 * 16_000 :].astype(int) - early).max() <= 1


def test_tags_in_latin_1_do_not_matter(tmp_path: Path):
    path = movie(tmp_path / "a.mkv", count=2)
    marked = movie(tmp_path / "b.mkv", count=2)
    data = marked.read_bytes()
    assert b"ENCODER" in data
    path.write_bytes(data.replace(b"Lavf", b"L\xe9\xe8f"))
    assert probe_video(path).geometry.width == 160


def test_slides_that_are_shown_for_minutes_keep_their_times(tmp_path: Path):
    pts = [0, 512, 12_800 * 90, 12_800 * 180, 12_800 * 180 + 512, 12_800 * 180 + 1024]
    slides = movie(tmp_path / "slides.mp4", pts=pts, noise=False)
    sound = write_sound(tmp_path / "dub.wav", clicks((0.2,), 0.4))
    result = sync(
        slides,
        sound,
        tmp_path / "out.mp4",
        plan=plan_by_hand(slides),
        inpainter=Painter(grey),
        length="video",
    )
    assert frame_times(result.output) == frame_times(slides) == [Fraction(time, 12_800) for time in pts]


def test_tags_that_are_not_utf_8_do_not_stop_a_job(tmp_path: Path):
    source = movie(tmp_path / "movie.mkv", count=5, extras=Extras(title="Aaaa"))
    source.write_bytes(source.read_bytes().replace(b"Aaaa", b"A\xff\xfea"))
    dub = click_file(tmp_path / "dub.wav", seconds=0.2, times=(0.1,))
    result = sync(source, dub, tmp_path / "out.mkv", plan=plan_by_hand(source), inpainter=Painter(grey))
    assert result.frames == 5
    assert b"A\xff\xfea" in (tmp_path / "out.mkv").read_bytes()
