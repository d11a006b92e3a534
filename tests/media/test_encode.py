"""Pictures in, file, pictures out: the same times, tags and format, and nearly the same samples."""

import math
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from lipdub.errors import RenderError
from lipdub.media.colour import Region, colour_model
from lipdub.media.encode import exact_timescale
from lipdub.media.encoders import plain_name
from lipdub.media.encoding import choose_encoding
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.planes import layout, plane_views
from lipdub.media.probe import probe_video
from tests.support.media import (
    Tags,
    ffmpeg,
    filled_frame,
    frame_times,
    images,
    movie,
    psnr,
    regular_pts,
    still,
)
from tests.support.picture import PictureWriter


def rewrite(info, suffix, folder, frames=None, cuts=()):
    """Encode a movie anew, in segments that begin at the frames `cuts`; the file, and the choice."""
    encoding = choose_encoding(info, suffix)
    path = folder / f"picture.{encoding.encoder.carrier}"
    with PictureWriter(path, info, encoding, cuts) as writer:
        for frame in frames or read_frames(info):
            writer.write(frame)
    return path, encoding


def samples(info):
    form = layout(info.pix_fmt)
    return [[np.array(plane) for plane in plane_views(frame, form)] for frame in read_frames(info)]


RATES = [
    Fraction(24_000, 1001),
    Fraction(24),
    Fraction(25),
    Fraction(30_000, 1001),
    Fraction(30),
    Fraction(50),
    Fraction(60_000, 1001),
    Fraction(2213, 100),
]


@pytest.mark.parametrize("rate", RATES, ids=float)
@pytest.mark.parametrize("time_base", [None, Fraction(1, 15_360), Fraction(1, 90_000)], ids=str)
def test_times_of_constant_rates(tmp_path, rate, time_base):
    time_base = time_base or 1 / rate
    pts = regular_pts(15, rate, time_base, start=0)
    info = probe_video(movie(tmp_path / "a.mp4", pts=pts, rate=rate, time_base=time_base))
    path, _ = rewrite(info, ".mp4", tmp_path)
    assert frame_times(path) == [n * time_base for n in pts]
    # The source's own encoder may have its last frame wrong by a tick.
    assert abs(probe_video(path).duration - info.duration) <= time_base


VARIABLE = [0, 1, 600, 1280, 1281, 2000, 9000, 9500, 9501, 9502, 12_000, 13_000, 13_100, 20_000, 20_640]


@pytest.mark.parametrize("cuts", [(), (1, 7, 14)], ids=["whole", "in segments"])
@pytest.mark.parametrize("start", [0, 1, 507, 90_000])
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("libx264", ".mp4"),
        ("libx265", ".mp4"),
        ("libsvtav1", ".mp4"),
        ("libvpx-vp9", ".mp4"),
        ("prores_ks", ".mov"),
        ("mjpeg", ".mov"),
        ("ffv1", ".mkv"),
        ("libvpx", ".webm"),
        ("libx264", ".mkv"),
    ],
)
def test_variable_times_and_any_start(tmp_path, codec, suffix, start, cuts):
    pix_fmt = {"prores_ks": "yuv422p10le", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    source = ".mov" if suffix == ".mov" else ".mkv" if codec == "libvpx" else ".mp4"
    step = 20 if source == ".mkv" else 1  # Matroska has milliseconds
    pts = [start + step * p for p in VARIABLE]
    options = {"x265-params": "log-level=error"} if codec == "libx265" else {}
    info = probe_video(
        movie(
            tmp_path / f"a{source}",
            codec=codec,
            pix_fmt=pix_fmt,
            pts=pts,
            options=options,
            size=(96, 64),
            time_base=Fraction(1, 15_360),
        )
    )
    before = [frame.pts * info.time_base for frame in read_frames(info)]
    path, encoding = rewrite(info, suffix, tmp_path, cuts=cuts)
    assert encoding.encoder.name == codec
    assert frame_times(path) == before
    assert len(set(before)) == len(pts)


@pytest.mark.parametrize("last", [1, 200, 640, 4000])
@pytest.mark.parametrize("codec", ["libx264", "libx265", "prores_ks"])
def test_the_last_frame_is_as_long_as_it_was(tmp_path, codec, last):
    pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    options = {"x265-params": "log-level=error"} if codec == "libx265" else {}
    path = movie(
        tmp_path / "a.mov",
        codec=codec,
        pix_fmt=pix_fmt,
        options=options,
        time_base=Fraction(1, 15_360),
        pts=[0, 640, 1280, 1400, 2500, 3000, 3640, 4280, 4920, 5000, 6000],
    )
    info = probe_video(path)
    frames = list(read_frames(info))
    frames[-1].duration = last
    path, _ = rewrite(info, ".mov", tmp_path, frames)
    assert probe_video(path).duration == Fraction(6000 + last, 15_360)


@pytest.mark.parametrize("size", [(96, 64), (37, 23)])
@pytest.mark.parametrize(
    ("pix_fmt", "bits"), [("yuv420p", 8), ("yuv422p10le", 10), ("yuv444p", 8), ("gray", 8), ("gbrp10le", 10)]
)
def test_lossless_in_is_bit_identical_out(tmp_path, pix_fmt, bits, size):
    """Random samples: most of them have no RGB."""
    frames = (filled_frame(pix_fmt, size, bits=bits, seed=n) for n in range(5))
    path = movie(tmp_path / "a.mkv", codec="ffv1", pix_fmt=pix_fmt, size=size, frames=frames, count=5)
    info = probe_video(path)
    again, encoding = rewrite(info, ".mkv", tmp_path)
    assert encoding.notes == ()
    for old, new in zip(samples(info), samples(probe_video(again)), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(old, new, strict=True))


def test_packed_rgb_stays_packed_and_lossless(tmp_path):
    info = probe_video(movie(tmp_path / "a.mkv", codec="ffv1", pix_fmt="bgr0", count=3))
    path, encoding = rewrite(info, ".mkv", tmp_path)
    assert (encoding.pix_fmt, encoding.notes) == ("bgr0", ())
    for old, new in zip(read_frames(info), read_frames(probe_video(path)), strict=True):
        assert np.array_equal(old.to_ndarray(format="rgb24"), new.to_ndarray(format="rgb24"))


KEPT = [
    ("libx264", "yuv420p", ".mp4"),
    ("libx264", "yuv420p10le", ".mp4"),
    ("libx264", "yuv444p", ".mp4"),
    ("libx264", "yuvj420p", ".mp4"),
    ("libx265", "yuv420p10le", ".mp4"),
    ("libx265", "yuv422p10le", ".mov"),
    ("prores_ks", "yuv422p10le", ".mov"),
    ("libsvtav1", "yuv420p", ".mp4"),
    ("libsvtav1", "yuv420p10le", ".mp4"),
    ("libvpx-vp9", "yuv420p", ".webm"),
    ("ffv1", "yuv422p10le", ".mkv"),
]


@pytest.mark.parametrize(("codec", "pix_fmt", "suffix"), KEPT)
def test_codec_format_colour_and_aspect_are_kept(tmp_path, codec, pix_fmt, suffix):
    tags = Tags(range=1, matrix=9, primaries=9, transfer=16) if "10" in pix_fmt else Tags()
    tags = replace(tags, range=2) if pix_fmt.startswith("yuvj") else tags
    options = {"x265-params": "log-level=error"} if codec == "libx265" else {}
    path = movie(
        tmp_path / f"a{suffix}",
        codec=codec,
        pix_fmt=pix_fmt,
        tags=tags,
        options=options,
        count=4,
        sample_aspect=Fraction(4, 3),
    )
    info = probe_video(path)
    assert info.colour.matrix == tags.matrix
    again, encoding = rewrite(info, suffix, tmp_path)
    new = probe_video(again)
    assert encoding.notes == ()
    assert (new.codec, new.pix_fmt, new.colour) == (info.codec, info.pix_fmt, info.colour)
    assert new.geometry == info.geometry
    assert new.profile == info.profile or codec.startswith("libx264")


@pytest.mark.parametrize("profile", ["0", "1", "2", "3"])
def test_prores_profiles_are_kept(tmp_path, profile):
    info = probe_video(
        movie(
            tmp_path / "a.mov",
            codec="prores_ks",
            pix_fmt="yuv422p10le",
            options={"profile": profile},
            count=2,
        )
    )
    path, _ = rewrite(info, ".mov", tmp_path)
    assert probe_video(path).profile == info.profile


SOURCES = {
    "h264": ("libx264", "yuv420p", ".mkv"),
    "hevc": ("libx265", "yuv420p", ".mkv"),
    "av1": ("libsvtav1", "yuv420p", ".mkv"),
    "vp9": ("libvpx-vp9", "yuv420p", ".mkv"),
    "vp8": ("libvpx", "yuv420p", ".mkv"),
    "prores": ("prores_ks", "yuv422p10le", ".mov"),
    "ffv1": ("ffv1", "yuv420p", ".mkv"),
    "mjpeg": ("mjpeg", "yuvj420p", ".mkv"),
    "mpeg4": ("mpeg4", "yuv420p", ".avi"),
    "qtrle": ("qtrle", "rgb24", ".mov"),
}
BECOMES = {
    ("h264", ".mp4"): "libx264",
    ("h264", ".mov"): "libx264",
    ("h264", ".mkv"): "libx264",
    ("h264", ".avi"): "libx264",
    ("h264", ".ts"): "libx264",
    ("h264", ".webm"): "libvpx-vp9",
    ("hevc", ".mp4"): "libx265",
    ("hevc", ".MOV"): "libx265",
    ("hevc", ".avi"): "libx264",
    ("hevc", ".webm"): "libvpx-vp9",
    ("av1", ".mp4"): "libsvtav1",
    ("av1", ".webm"): "libsvtav1",
    ("av1", ".mov"): "libx264",
    ("vp9", ".mp4"): "libvpx-vp9",
    ("vp9", ".webm"): "libvpx-vp9",
    ("vp9", ".mov"): "libx264",
    ("vp8", ".webm"): "libvpx",
    ("vp8", ".mp4"): "libx264",
    ("prores", ".mov"): "prores_ks",
    ("prores", ".mkv"): "prores_ks",
    ("prores", ".mp4"): "libx264",
    ("ffv1", ".mkv"): "ffv1",
    ("ffv1", ".mp4"): "libx264",
    ("ffv1", ".mov"): "libx264",
    ("mjpeg", ".mov"): "mjpeg",
    ("mjpeg", ".avi"): "mjpeg",
    ("mpeg4", ".avi"): "libx264",
    ("mpeg4", ".mp4"): "libx264",
    ("qtrle", ".mov"): "libx264",
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    return {
        name: probe_video(
            movie(
                folder / f"{name}{suffix}",
                codec=codec,
                pix_fmt=pix_fmt,
                count=3,
                size=(96, 64),
                time_base=Fraction(1, 25),
            )
        )
        for name, (codec, pix_fmt, suffix) in SOURCES.items()
    }


@pytest.mark.parametrize(("source", "suffix"), BECOMES)
def test_family_follows_source_and_container(tmp_path, sources, source, suffix):
    info = sources[source]
    assert info.codec == source
    path, encoding = rewrite(info, suffix, tmp_path)
    assert encoding.encoder.name == BECOMES[source, suffix]
    own = ENCODER_OF.get(source) == encoding.encoder.name
    said = [note for note in encoding.notes if note.startswith(f"the picture was {plain_name(source)} and ")]
    assert len(said) == (0 if own else 1)
    assert all(note.endswith(".") for note in encoding.notes)
    assert len(frame_times(path)) == 3


ENCODER_OF = {name: codec for name, (codec, *_) in SOURCES.items() if name not in {"mpeg4", "qtrle"}}


@pytest.mark.parametrize(
    ("pix_fmt", "size", "padded"),
    [("yuv420p", (97, 63), (98, 64)), ("yuv422p", (97, 63), (98, 63)), ("yuv444p", (97, 63), (97, 63))],
)
def test_odd_sizes_are_padded_and_said(tmp_path, pix_fmt, size, padded):
    info = probe_video(movie(tmp_path / "a.mkv", codec="ffv1", pix_fmt=pix_fmt, size=size, count=3))
    path, encoding = rewrite(info, ".mp4", tmp_path)
    new = probe_video(path)
    assert (new.geometry.width, new.geometry.height) == padded == (encoding.width, encoding.height)
    assert any("even sizes" in note for note in encoding.notes) == (size != padded)
    old_luma, new_luma = samples(info)[0][0], samples(new)[0][0]
    assert psnr(old_luma, new_luma[: size[1], : size[0]]) > 38


@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_codecs_that_can_keep_odd_sizes(tmp_path, suffix):
    codec = {".webm": "libvpx-vp9", ".mkv": "ffv1"}[suffix]
    info = probe_video(movie(tmp_path / f"a{suffix}", codec=codec, size=(97, 63), count=3))
    path, encoding = rewrite(info, suffix, tmp_path)
    assert encoding.notes == ()
    assert probe_video(path).geometry == info.geometry


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp"])
@pytest.mark.parametrize("size", [(97, 63), (64, 720)])
def test_still_pictures_become_movies_of_the_same_colours(tmp_path, name, size):
    """The colours that a player shows by the new file's tags are those of the picture."""
    info = probe_video(still(tmp_path / name, size))
    path, encoding = rewrite(info, ".mp4", tmp_path, read_frames(info, still_length=Fraction(1, 5)))
    assert (encoding.encoder.name, encoding.pix_fmt) == ("libx264", "yuv420p")
    assert frame_times(path) == [Fraction(n, 25) for n in range(5)]
    new, width, height = probe_video(path), *size
    frame = next(read_frames(new))
    model = colour_model(layout("yuv420p"), new.colour, height)
    shown = model.to_rgb(plane_views(frame, model.form), Region(0, 0, width, height)) * 255
    wanted = upright_image(next(read_frames(info)), info).astype(float)
    for part in (np.s_[: height // 2, : width // 2], np.s_[height // 2 :, width // 2 :]):
        np.testing.assert_allclose(shown[part].mean(axis=(0, 1)), wanted[part].mean(axis=(0, 1)), atol=2.5)


def test_rgb_movies_keep_their_colours_in_video_range(tmp_path):
    info = probe_video(movie(tmp_path / "a.mkv", codec="ffv1", pix_fmt="bgr0", count=2, noise=False))
    path, encoding = rewrite(info, ".mp4", tmp_path)
    new = probe_video(path)
    assert (new.colour.range, new.colour.matrix) == (1, 1)
    assert encoding.notes
    old, shown = (upright_image(next(read_frames(i)), i) for i in (info, new))
    assert psnr(old, shown) > 40


LOSSY = [
    ("libx264", "yuv420p", ".mp4"),
    ("libx265", "yuv420p10le", ".mp4"),
    ("libsvtav1", "yuv420p", ".mp4"),
    ("libvpx-vp9", "yuv420p", ".webm"),
    ("libvpx", "yuv420p", ".webm"),
    ("prores_ks", "yuv422p10le", ".mov"),
    ("mjpeg", "yuvj420p", ".mov"),
]


@pytest.mark.parametrize(("codec", "pix_fmt", "suffix"), LOSSY)
def test_default_quality_is_visually_lossless(tmp_path, codec, pix_fmt, suffix, capsys):
    """Against frames without noise and without a first generation's losses."""
    size, count = (320, 192), 12
    options = {"x265-params": "log-level=error"} if codec == "libx265" else {}
    info = probe_video(
        movie(tmp_path / f"a{suffix}", codec=codec, pix_fmt=pix_fmt, size=size, count=count, options=options)
    )
    full = pix_fmt.startswith("yuvj")
    frames = []
    for image, frame in zip(images(size, count, noise=False), read_frames(info), strict=True):
        new = av.VideoFrame.from_ndarray(image, format="rgb24")
        new = new.reformat(format=pix_fmt, dst_color_range=2 if full else 1)
        new.pts, new.time_base = frame.pts, frame.time_base
        frames.append(new)
    form = layout(pix_fmt)
    before = [np.array(plane_views(frame, form)[0]) for frame in frames]
    path, _ = rewrite(info, suffix, tmp_path, frames)
    after = [planes[0] for planes in samples(probe_video(path))]
    unit = 2.0 ** (form.bits - 8)
    error = np.mean([((a.astype(float) - b) / unit) ** 2 for a, b in zip(before, after, strict=True)])
    quality = 10 * math.log10(255**2 / error)
    with capsys.disabled():
        print(f" {codec} {pix_fmt}: {quality:.1f} dB", end="")  # noqa: T201
    assert quality > 44


def test_interlaced_pictures_stay_interlaced(tmp_path):
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "testsrc=s=96x64:r=50:d=0.4",
        "-vf",
        "interlace=lowpass=off",
        "-flags",
        "+ildct+ilme",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        str(tmp_path / "a.mp4"),
    )
    info = probe_video(tmp_path / "a.mp4")
    assert info.interlaced
    path, encoding = rewrite(info, ".mp4", tmp_path)
    assert probe_video(path).interlaced
    assert encoding.notes == ()
    assert any("interlaced" in note for note in choose_encoding(info, ".webm").notes)


def test_avi_has_no_times_to_reorder_by(tmp_path):
    info = probe_video(movie(tmp_path / "a.mp4"))
    path, _ = rewrite(info, ".avi", tmp_path)
    with av.open(str(path)) as container:
        assert all(packet.pts == packet.dts for packet in container.demux(video=0) if packet.size)


@pytest.mark.parametrize(
    ("time_base", "scale"),
    [
        (Fraction(1, 25), 10_000),
        (Fraction(1001, 24_000), 24_000),
        (Fraction(1, 90_000), 90_000),
        (Fraction(1, 600), 10_200),
    ],
)
def test_a_timescale_holds_every_tick(time_base, scale):
    assert exact_timescale(time_base) == scale
    assert (time_base * scale).denominator == 1


def test_an_encoder_that_refuses_is_a_render_error(tmp_path):
    info = probe_video(movie(tmp_path / "a.mp4", count=2))
    encoding = replace(choose_encoding(info, ".mp4"), options={"crf": "none of your business"})
    with pytest.raises(RenderError), PictureWriter(tmp_path / "b.mov", info, encoding) as writer:
        for frame in read_frames(info):
            writer.write(frame)


def test_a_missing_folder_is_a_render_error(tmp_path):
    info = probe_video(movie(tmp_path / "a.mp4", count=2))
    encoding = choose_encoding(info, ".mp4")
    with pytest.raises(RenderError), PictureWriter(tmp_path / "none" / "b.mov", info, encoding) as writer:
        for frame in read_frames(info):
            writer.write(frame)


def test_the_first_error_is_the_one_that_is_seen(tmp_path):
    info = probe_video(movie(tmp_path / "a.mp4", count=2))
    with (
        pytest.raises(KeyError, match="mine"),
        PictureWriter(tmp_path / "b.mov", info, choose_encoding(info, ".mp4")) as w,
    ):
        w.write(next(read_frames(info)))
        raise KeyError("mine")


def test_no_frames_at_all_are_no_crash(tmp_path):
    info = probe_video(movie(tmp_path / "a.mp4", count=2))
    with PictureWriter(tmp_path / "b.mov", info, choose_encoding(info, ".mp4")):
        pass


@pytest.mark.parametrize(("suffix", "kept"), [(".mov", True), (".mkv", True), (".mp4", False)])
def test_alpha_is_kept_or_its_loss_is_said(tmp_path, suffix, kept):
    options = {"profile": "4444"}
    path = movie(
        tmp_path / "a.mov", codec="prores_ks", pix_fmt="yuva444p10le", options=options, count=2, size=(96, 64)
    )
    picture, encoding = rewrite(probe_video(path), suffix, tmp_path)
    assert ("yuva" in encoding.pix_fmt) == ("yuva" in probe_video(picture).pix_fmt) == kept
    assert any("alpha" in note and "lost" in note for note in encoding.notes) == (not kept)


@pytest.mark.parametrize(("suffix", "encoder"), [(".webm", "libsvtav1"), (".mp4", "libsvtav1")])
def test_a_deep_vp9_keeps_its_depth_as_av1(tmp_path, suffix, encoder):
    plain = movie(tmp_path / "a.mp4", count=2, size=(96, 64))
    deep = ["-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p10le"]  # PyAV's VP9 has 8 bits only
    ffmpeg("-i", str(plain), *deep, str(tmp_path / "deep.webm"))
    picture, encoding = rewrite(probe_video(tmp_path / "deep.webm"), suffix, tmp_path)
    assert encoding.encoder.name == encoder
    assert probe_video(picture).pix_fmt == "yuv420p10le"
    assert encoding.notes[0].startswith("the picture was VP9 and becomes AV1: ")


def test_a_deep_picture_for_webm_keeps_its_depth(tmp_path):
    info = probe_video(movie(tmp_path / "a.mp4", pix_fmt="yuv420p10le", count=2, size=(96, 64)))
    encoding = choose_encoding(info, ".webm")
    assert (encoding.encoder.name, encoding.pix_fmt) == ("libsvtav1", "yuv420p10le")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_short_hevc(tmp_path, count):
    """x265 gives packets of one or two frames decoding times that it never set: garbage, most of the time."""
    info = replace(probe_video(movie(tmp_path / "in.mov", count=count)), codec="hevc")
    for _ in range(12):
        path, _ = rewrite(info, ".mov", tmp_path)
        assert frame_times(path) == frame_times(info.path)
