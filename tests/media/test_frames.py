"""Every frame once, in order, with its own time."""

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest

from lipdub.errors import MediaError
from lipdub.media.frames import ANALYSIS_LONG_SIDE, read_frame_at, read_frames, upright_image
from lipdub.media.planes import layout, plane_views
from lipdub.media.probe import probe_video
from tests.support.media import ffmpeg, movie, regular_pts, still

VARIABLE = [0, 512, 1024, 1100, 3000, 3020, 3600, 5000, 5640, 6000, 7000, 7640, 8000, 9000, 9800, 9999]
B_FRAMES = {"bf": "3", "b-adapt": "0", "g": "6"}


def luma(frame):
    return np.array(plane_views(frame, layout(frame.format.name))[0])


@pytest.fixture(params=[".mp4", ".mov", ".mkv", ".ts"])
def suffix(request):
    return request.param


@pytest.mark.parametrize("pts", [None, VARIABLE, [p + 777 for p in VARIABLE]], ids=["25", "vfr", "late"])
def test_all_frames_in_order(tmp_path, suffix, pts):
    path = movie(tmp_path / f"a{suffix}", pts=pts, options=B_FRAMES)
    info = probe_video(path)
    frames = list(read_frames(info))
    wanted = pts or regular_pts(12, Fraction(25), Fraction(1, 12_800))
    assert len(frames) == len(wanted)
    if suffix in {".mp4", ".mov"}:
        assert [frame.pts for frame in frames] == wanted
    first = frames[0].pts * info.time_base if suffix == ".ts" else 0
    lost = max(
        abs(f.pts * info.time_base - first - Fraction(p - wanted[0] * (suffix == ".ts"), 12_800))
        for f, p in zip(frames, wanted, strict=True)
    )
    assert lost <= {".mkv": Fraction(1, 2000), ".ts": Fraction(1, 90_000)}.get(suffix, 0)


def test_pictures_are_those_of_ffmpeg(tmp_path):
    path = movie(tmp_path / "a.mp4", pts=VARIABLE, options=B_FRAMES)
    raw = ffmpeg("-i", str(path), "-fps_mode", "passthrough", "-f", "rawvideo", "-")
    planes = np.frombuffer(raw, np.uint8).reshape(len(VARIABLE), -1)[:, : 96 * 160].reshape(-1, 96, 160)
    for frame, picture in zip(read_frames(probe_video(path)), planes, strict=True):
        assert np.array_equal(luma(frame), picture)


def test_limits(tmp_path):
    info = probe_video(movie(tmp_path / "a.mp4", count=20, options=B_FRAMES))
    all_frames = [frame.pts for frame in read_frames(info)]
    for start, end in itertools.product(
        (None, 0, Fraction(1, 5), Fraction(9, 40)), (None, Fraction(2, 5), Fraction(3, 10))
    ):
        got = [frame.pts for frame in read_frames(info, start and Fraction(start), end)]
        wanted = [p for p in all_frames if p >= (start or 0) * 12_800 and (end is None or p < end * 12_800)]
        assert got == wanted
    assert list(read_frames(info, start=Fraction(100))) == []


@pytest.mark.parametrize("pts", [None, VARIABLE, [p + 777 for p in VARIABLE]], ids=["25", "vfr", "late"])
def test_one_frame_is_that_of_the_sequence(tmp_path, suffix, pts):
    info = probe_video(movie(tmp_path / f"a{suffix}", pts=pts, options=B_FRAMES))
    for frame in read_frames(info):
        single = read_frame_at(info, frame.pts)
        assert single.pts == frame.pts
        assert np.array_equal(luma(single), luma(frame))


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        (".avi", "libx264", {"bf": "2", "g": "6"}),
        (".mp4", "libx264", {"bf": "3", "g": "6", "x264-params": "open-gop=1"}),
        (".mp4", "libx265", {"x265-params": "log-level=error:open-gop=1:keyint=6:min-keyint=6:bframes=3"}),
        (".mkv", "libvpx-vp9", {"g": "6"}),
        (".flv", "libx264", {"bf": "2", "g": "6"}),
        (".mpg", "mpeg2video", {"bf": "2", "g": "6"}),
    ],
    ids=["avi", "open h264", "open hevc", "vp9", "flv", "mpeg2"],
)
def test_one_frame_in_other_containers(tmp_path, suffix, codec, options):
    time_base = Fraction(1, 25) if suffix == ".avi" else Fraction(1, 1000)
    time_base = Fraction(1, 25) if codec == "mpeg2video" else time_base
    info = probe_video(
        movie(tmp_path / f"a{suffix}", codec=codec, time_base=time_base, count=20, options=options)
    )
    frames = list(read_frames(info))
    assert len(frames) == 20
    steps = np.diff([frame.pts for frame in frames]) * float(info.time_base)
    np.testing.assert_allclose(steps, 0.04, atol=0.001)
    for frame in frames:
        single = read_frame_at(info, frame.pts)
        assert single.pts == frame.pts
        assert np.array_equal(luma(single), luma(frame))


def test_a_stream_without_any_times_has_its_rate(tmp_path):
    movie(tmp_path / "a.mp4", options=B_FRAMES)
    ffmpeg("-i", str(tmp_path / "a.mp4"), "-c", "copy", str(tmp_path / "a.h264"))
    info = probe_video(tmp_path / "a.h264")
    frames = list(read_frames(info))
    assert [info.seconds(frame.pts) for frame in frames] == [Fraction(n, 25) for n in range(12)]
    assert np.array_equal(luma(read_frame_at(info, frames[7].pts)), luma(frames[7]))


def test_a_time_between_frames_gives_one_of_its_neighbours(tmp_path):
    info = probe_video(movie(tmp_path / "a.mp4", pts=VARIABLE))
    assert read_frame_at(info, 2000).pts in {1100, 3000}


def test_transport_stream_without_its_first_key_frame(tmp_path):
    path = movie(tmp_path / "a.ts", count=30, options={"g": "10", "keyint_min": "10", "sc_threshold": "0"})
    data = path.read_bytes()
    keys = []
    with av.open(str(path)) as container:
        keys = [p.pos for p in container.demux(video=0) if p.is_keyframe and p.size]
    half = (keys[0] + keys[1]) // 2 // 188 * 188
    (tmp_path / "b.ts").write_bytes(data[: 188 * 3] + data[half:])
    info = probe_video(tmp_path / "b.ts")
    pts = [frame.pts for frame in read_frames(info)]
    assert 15 <= len(pts) < 30
    assert pts == sorted(set(pts))


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("form", [".ts", ".mkv", ".avi"])
def test_truncated_movie_ends_with_what_there_is(tmp_path, form, keep):
    time_base = Fraction(1, 25) if form == ".avi" else Fraction(1, 12_800)
    data = movie(tmp_path / f"a{form}", count=30, time_base=time_base).read_bytes()
    (tmp_path / f"b{form}").write_bytes(data[: int(len(data) * keep)])
    try:
        pts = [frame.pts for frame in read_frames(probe_video(tmp_path / f"b{form}"))]
    except MediaError:
        return
    assert 0 < len(pts) <= 30
    assert pts == sorted(set(pts))


def test_fast_start_movie_cut_off_in_its_samples(tmp_path):
    movie(tmp_path / "a.mp4", count=30)
    ffmpeg("-i", str(tmp_path / "a.mp4"), "-c", "copy", "-movflags", "+faststart", str(tmp_path / "b.mp4"))
    data = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "c.mp4").write_bytes(data[: len(data) * 3 // 4])
    frames = list(read_frames(probe_video(tmp_path / "c.mp4")))
    assert 0 < len(frames) < 30


@pytest.mark.parametrize("seed", range(6))
def test_noise_in_the_bytes_is_survived(tmp_path, seed):
    data = bytearray(movie(tmp_path / "a.mkv", count=20).read_bytes())
    random = np.random.default_rng(seed)
    for place in random.integers(len(data) // 4, len(data), 60):
        data[place] = random.integers(256)
    (tmp_path / "b.mkv").write_bytes(data)
    try:
        times = [frame.pts for frame in read_frames(probe_video(tmp_path / "b.mkv"))]
    except MediaError:
        return
    assert times


def test_still_pictures_repeat(tmp_path):
    info = probe_video(still(tmp_path / "a.png", (33, 21)))
    frames = list(read_frames(info, still_length=Fraction(1, 2)))
    assert [frame.pts for frame in frames] == list(range(13))
    assert {frame.time_base for frame in frames} == {Fraction(1, 25)}
    assert len({frame.to_ndarray().tobytes() for frame in frames}) == 1
    frames[0].make_writable()
    frames[0].planes[0].update(bytes(frames[0].planes[0].buffer_size))
    assert frames[1].to_ndarray().any()
    assert read_frame_at(info, 3).to_ndarray().any()


def test_still_limits(tmp_path):
    info = probe_video(still(tmp_path / "a.jpg"))
    got = [f.pts for f in read_frames(info, Fraction(1, 5), Fraction(2, 5), still_length=Fraction(1))]
    assert got == [5, 6, 7, 8, 9]


def test_the_look_of_a_large_picture_is_bounded(tmp_path):
    info = probe_video(still(tmp_path / "a.png", (5120, 60)))
    assert upright_image(next(read_frames(info)), info).shape == (48, ANALYSIS_LONG_SIDE, 3)


def test_pixels_become_square(tmp_path):
    info = probe_video(movie(tmp_path / "a.mp4", count=1, sample_aspect=Fraction(3, 2), rotation=90))
    image = upright_image(next(read_frames(info)), info)
    assert image.shape == (240, 96, 3)
    assert image.flags.c_contiguous
