"""What the source's picture is, the output's is: depth, subsampling, range, matrix, primaries, transfer.

Each row goes the whole road, `lipdub.sync`, and is read back by our own reader and by ffmpeg.
"""

from fractions import Fraction
from pathlib import Path

import pytest

from lipdub import sync
from lipdub.media.probe import probe_video
from tests.support.formats import FULL, HLG, NTSC, PAL, PQ, QUIET, SDR, WIDE, asked, copied, described_format
from tests.support.jobs import Painter, grey, plan_by_hand
from tests.support.media import Tags, click_file, movie

X264, X265, AV1, VP9 = "libx264", "libx265", "libsvtav1", "libvpx-vp9"
ANY = (".mp4", ".mov", ".mkv")
WEB = (".mp4", ".mkv", ".webm")
ROWS = [
    # encoder, pixel format, tags, containers
    (X264, "yuv420p", SDR, (*ANY, ".ts")),
    (X264, "yuv420p", NTSC, ANY),
    (X264, "yuvj420p", FULL, ANY),
    (X264, "yuv422p", PAL, (".mp4",)),
    (X264, "yuv444p", SDR, (".mkv",)),
    (X265, "gray", SDR, (".mp4",)),
    (X264, "yuv420p10le", PQ, ANY),
    (X264, "yuv422p10le", HLG, (".mov",)),
    (X264, "yuv444p10le", WIDE, (".mkv",)),
    (X265, "yuv420p", SDR, (*ANY, ".ts")),
    (X265, "yuv420p", PAL, (".mp4",)),
    (X265, "yuvj420p", FULL, (".mp4",)),
    (X265, "yuv422p", NTSC, (".mov",)),
    (X265, "yuv444p", SDR, (".mkv",)),
    (X265, "yuv420p10le", PQ, ANY),
    (X265, "yuv420p10le", HLG, ANY),
    (X265, "yuv422p10le", PQ, (".mov",)),
    (X265, "yuv444p10le", WIDE, (".mp4",)),
    (X265, "yuv420p12le", PQ, (".mp4", ".mkv")),
    (X265, "yuv422p12le", HLG, (".mov",)),
    (X265, "yuv444p12le", PQ, (".mkv",)),
    (X265, "gbrp", Tags(2, 0, 1, 13), (".mp4",)),
    (X265, "gbrp10le", Tags(2, 0, 9, 16), (".mkv",)),
    (AV1, "yuv420p", SDR, WEB),
    (AV1, "yuv420p", Tags(2, 6, 6, 6), (".mp4",)),
    (AV1, "yuv420p10le", PQ, WEB),
    (AV1, "yuv420p10le", HLG, (".webm",)),
    (VP9, "yuv420p", SDR, WEB),
    (VP9, "yuv420p", FULL, WEB),
    (VP9, "yuv422p", NTSC, (".mkv",)),
    (VP9, "yuv444p", WIDE, WEB),
    ("ffv1", "yuv420p", SDR, (".mkv",)),
    ("ffv1", "yuv422p", FULL, (".mkv",)),
    ("ffv1", "yuv420p10le", PQ, (".mkv",)),
    ("ffv1", "yuv422p12le", HLG, (".mkv",)),
    ("ffv1", "yuv444p16le", WIDE, (".mkv",)),
    ("ffv1", "gray10le", FULL, (".mkv",)),
    ("ffv1", "gbrp10le", Tags(2, 0, 9, 16), (".mkv",)),
    ("prores_ks", "yuv422p10le", SDR, (".mov", ".mkv")),
    ("prores_ks", "yuv422p10le", NTSC, (".mov",)),
    ("prores_ks", "yuv422p10le", PQ, (".mov", ".mkv")),
    ("dnxhd", "yuv422p", SDR, (".mov",)),
    ("dnxhd", "yuv422p10le", NTSC, (".mov",)),
    ("dnxhd", "yuv444p10le", SDR, (".mov",)),
]
CASES = [(codec, pix_fmt, tags, suffix) for codec, pix_fmt, tags, ends in ROWS for suffix in ends]
DNXHR = {"yuv422p": "dnxhr_hq", "yuv422p10le": "dnxhr_hqx", "yuv444p10le": "dnxhr_444"}


def _name(value: object) -> str:
    return f"{value.range}-{value.matrix}-{value.transfer}" if isinstance(value, Tags) else str(value)


@pytest.fixture(scope="module")
def dub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return click_file(tmp_path_factory.mktemp("dub") / "dub.wav", seconds=0.16, times=(0.08,))


def source(folder: Path, codec: str, pix_fmt: str, tags: Tags | None, suffix: str, **more: object) -> Path:
    """A movie in this container; those that PyAV cannot give exact times are copied there."""
    options = dict(QUIET.get(codec, {})) | ({"profile": DNXHR[pix_fmt]} if codec == "dnxhd" else {})
    size = (256, 144) if codec == "dnxhd" else (160, 96)
    bare = folder / ("bare.mkv" if suffix in {".ts", ".avi"} else f"movie{suffix}")
    movie(
        bare,
        codec=codec,
        pix_fmt=pix_fmt,
        tags=tags,
        options=options | more,
        count=4,
        size=size,
        time_base=Fraction(1, 25),
    )
    return bare if suffix == bare.suffix else copied(bare, folder / f"movie{suffix}")


@pytest.mark.parametrize(("codec", "pix_fmt", "tags", "suffix"), CASES, ids=_name)
def test_the_format_is_kept(tmp_path: Path, dub: Path, codec: str, pix_fmt: str, tags: Tags, suffix: str):
    path = source(tmp_path, codec, pix_fmt, tags, suffix)
    output = tmp_path / f"out{suffix}"
    result = sync(path, dub, output, plan=plan_by_hand(path), inpainter=Painter(grey))
    before, after = probe_video(path), probe_video(output)
    assert not [note for note in result.notes if "picture" in note or "format" in note]
    assert (after.codec, after.pix_fmt) == (before.codec, before.pix_fmt)
    assert after.colour == before.colour
    assert (before.pix_fmt, before.colour.matrix) == (pix_fmt, tags.matrix)
    assert described_format(output) == described_format(path)


@pytest.mark.parametrize(("codec", "suffix"), [(X264, ".mp4"), (X265, ".mov"), (AV1, ".webm"), (AV1, ".mp4")])
@pytest.mark.parametrize("location", ["topleft", "left"])
def test_chroma_stays_where_it_lies(tmp_path: Path, dub: Path, codec: str, suffix: str, location: str):
    path = source(tmp_path, codec, "yuv420p10le", PQ, suffix, chroma_sample_location=location)
    assert location in described_format(path)
    output = tmp_path / f"out{suffix}"
    sync(path, dub, output, plan=plan_by_hand(path), inpainter=Painter(grey))
    assert described_format(output) == described_format(path)
    assert probe_video(output).colour == probe_video(path).colour


@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_transparency_beside_the_picture_is_lost_and_said(tmp_path: Path, dub: Path, suffix: str):
    """VP9's lies in blocks of its own, which no decoder here looks at. The output must not claim it."""
    opaque = movie(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuva420p", count=4)
    path = tmp_path / f"movie{suffix}"
    asked(opaque, "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", f"file:{path}")
    assert probe_video(path).hidden_alpha
    output = tmp_path / f"out{suffix}"
    result = sync(path, dub, output, plan=plan_by_hand(path), inpainter=Painter(grey))
    assert any("transparency (alpha) that lies beside the picture, as VP9" in note for note in result.notes)
    assert not probe_video(output).hidden_alpha


TURNED = [
    ("h264", (".mp4", ".mov", ".mkv")), ("hevc", (".mp4", ".mov", ".mkv")),
    ("av1", (".mp4", ".mkv", ".webm")), ("vp9", (".mp4", ".mkv", ".webm")),
    ("prores", (".mov", ".mkv")), ("dnxhr", (".mov",)),
    ("ffv1", (".mkv",)),
]  # fmt: skip


@pytest.mark.parametrize(("codec", "suffix"), [(c, suffix) for c, ends in TURNED for suffix in ends])
def test_aspect_and_rotation_are_kept_by_every_codec(tmp_path: Path, dub: Path, codec: str, suffix: str):
    aspect, size = Fraction(4, 3), (288, 144)  # Matroska keeps the size that is shown, in whole pixels
    path = movie(tmp_path / "movie.mp4", size=size, count=4, rotation=90, sample_aspect=aspect, tags=SDR)
    output = tmp_path / f"out{suffix}"
    sync(path, dub, output, plan=plan_by_hand(path), inpainter=Painter(grey), codec=codec)
    before, after = probe_video(path), probe_video(output)
    assert before.geometry.sample_aspect == aspect
    assert after.geometry == before.geometry
    assert after.colour == before.colour
