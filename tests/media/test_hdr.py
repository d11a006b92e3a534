"""HDR metadata and Dolby Vision through `lipdub.sync`, read back by our own reader and by ffmpeg."""

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import pytest

from lipdub import sync
from lipdub.errors import MediaError, RenderError
from lipdub.media import described
from lipdub.media.described import Described, DolbyVision, describe, parsed
from lipdub.media.encoding import choose_encoding
from lipdub.media.hdr import Hdr, boxes_of, svt_parameters, x26x_parameters
from lipdub.media.hdr_boxes import describe_picture
from lipdub.media.probe import probe_video
from tests.support.formats import (
    HLG,
    IN_WORDS,
    SCREEN,
    asked,
    copied,
    dolby_movie,
    hdr_movie,
    shown_info,
)
from tests.support.jobs import Painter, grey, plan_by_hand
from tests.support.media import click_file, movie

ROWS = [
    ("libx264", "yuv420p10le", (".mp4", ".mov", ".mkv", ".ts")),
    ("libx265", "yuv420p10le", (".mp4", ".mov", ".mkv", ".ts")),
    ("libx265", "yuv422p12le", (".mp4",)),
    ("libsvtav1", "yuv420p10le", (".mp4", ".mkv", ".webm")),
    ("libvpx-vp9", "yuv420p", (".mp4", ".mkv", ".webm")),
    ("prores_ks", "yuv422p10le", (".mov", ".mkv")),
    ("ffv1", "yuv422p10le", (".mkv",)),
]
CASES = [(codec, pix_fmt, suffix) for codec, pix_fmt, ends in ROWS for suffix in ends]


@pytest.fixture(scope="module")
def dub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return click_file(tmp_path_factory.mktemp("dub") / "dub.wav", seconds=0.16, times=(0.08,))


def through(path: Path, dub: Path, suffix: str) -> tuple[Path, tuple[str, ...]]:
    output = path.with_name(f"out{suffix}")
    result = sync(path, dub, output, plan=plan_by_hand(path), inpainter=Painter(grey))
    return output, result.notes


def near(one: Hdr, other: Hdr) -> bool:
    """Equal but for the steps in which each codec and container counts."""
    assert one.mastering is not None
    assert other.mastering is not None
    places = [
        abs(a - b)
        for name in ("red", "green", "blue", "white")
        for a, b in zip(getattr(one.mastering, name), getattr(other.mastering, name), strict=True)
    ]
    dark = abs(one.mastering.darkest - other.mastering.darkest)
    bright = abs(one.mastering.brightest - other.mastering.brightest)
    close = max(places) <= Fraction(1, 50_000) and dark <= Fraction(1, 16_384) and bright <= 1
    return close and one.light == other.light


@pytest.mark.parametrize(("codec", "pix_fmt", "suffix"), CASES)
def test_the_screen_and_the_light_are_kept(tmp_path: Path, dub: Path, codec: str, pix_fmt: str, suffix: str):
    path = hdr_movie(tmp_path / f"movie{suffix}", codec, pix_fmt)
    before = probe_video(path)
    assert near(before.hdr, SCREEN)
    output, notes = through(path, dub, suffix)
    after = probe_video(output)
    assert (after.codec, after.colour) == (before.codec, before.colour)
    assert near(after.hdr, before.hdr)
    assert not any("HDR" in note for note in notes)
    words = shown_info(output)
    assert re.search(r"[Mm]astering display", words)
    assert re.search(r"MaxCLL\W+1000\D+400", words)
    if suffix != ".ts":  # what a player sees before it decodes
        assert "Mastering" in words.split("Stream mapping")[0]


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libx265", ".mp4"), ("libx264", ".mov"), ("libsvtav1", ".mp4")]
)
def test_the_metadata_is_in_the_container_and_in_the_stream(
    tmp_path: Path, dub: Path, codec: str, suffix: str
):
    output, _ = through(hdr_movie(tmp_path / f"movie{suffix}", codec), dub, suffix)
    data = output.read_bytes()
    assert data.count(b"mdcv") == data.count(b"clli") == 1
    family = probe_video(output).codec
    bare = copied(output, tmp_path / {"h264": "a.h264", "hevc": "a.hevc", "av1": "a.obu"}[family], "0:v:0")
    assert "Mastering display" in shown_info(bare) or "mastering display" in shown_info(bare)


def test_hlg_may_have_a_screen_too(tmp_path: Path, dub: Path):
    path = hdr_movie(tmp_path / "movie.mp4", "libx265", tags=HLG)
    output, _ = through(path, dub, ".mp4")
    after = probe_video(output)
    assert after.colour.transfer == 18
    assert near(after.hdr, SCREEN)


def test_another_codec_keeps_it(tmp_path: Path, dub: Path):
    path = hdr_movie(tmp_path / "movie.mp4", "libx265")
    for codec, suffix in (("av1", ".webm"), ("h264", ".mp4"), ("prores", ".mov"), ("ffv1", ".mkv")):
        output = tmp_path / f"{codec}{suffix}"
        sync(path, dub, output, plan=plan_by_hand(path), inpainter=Painter(grey), codec=codec)
        assert near(probe_video(output).hdr, SCREEN)
        assert probe_video(output).colour == probe_video(path).colour or codec == "prores"


def test_a_place_that_is_missing_is_said(tmp_path: Path):
    info = probe_video(hdr_movie(tmp_path / "movie.mkv", "ffv1"))
    assert choose_encoding(info, ".mkv").notes == ()
    (note,) = choose_encoding(info, ".avi").notes
    assert note == "the HDR metadata is lost: neither FFV1 nor .avi files have a place for it here."


def test_movies_without_it_get_none(tmp_path: Path, dub: Path):
    path = movie(tmp_path / "movie.mp4", count=4)
    assert not probe_video(path).hdr
    output, _ = through(path, dub, ".mp4")
    assert probe_video(output).hdr == Hdr()
    assert b"mdcv" not in output.read_bytes()


def test_the_words_of_each_encoder():
    words = [f"master-display={IN_WORDS}", "max-cll=1000,400"]
    assert x26x_parameters(SCREEN, "master-display", "max-cll") == words
    assert svt_parameters(replace(SCREEN, mastering=None)) == ["content-light=1000,400"]
    assert svt_parameters(Hdr()) == [] == x26x_parameters(Hdr(), "a", "b")
    assert boxes_of(Hdr()) == b""
    display, light = boxes_of(SCREEN)[:32], boxes_of(SCREEN)[32:]
    assert display[8:12] == (13_250).to_bytes(2, "big") + (34_500).to_bytes(2, "big")  # green comes first
    assert light == bytes.fromhex("0000000c636c6c69") + (1000).to_bytes(2, "big") + (400).to_bytes(2, "big")


def test_boxes_go_into_files_with_their_index_at_the_end_only(tmp_path: Path):
    early = movie(tmp_path / "a.mp4", count=2)
    copied(early, tmp_path / "b.mkv")
    asked(early, "-c", "copy", "-movflags", "faststart", str(tmp_path / "early.mp4"))
    for name in ("early.mp4", "b.mkv"):
        with pytest.raises(RenderError, match="no index after its samples"):
            describe_picture(tmp_path / name, boxes_of(SCREEN))
    before = [frame for frame in asked(early, "-f", "framehash", "-").splitlines() if frame.startswith("0,")]
    describe_picture(early, boxes_of(SCREEN))
    after = [frame for frame in asked(early, "-f", "framehash", "-").splitlines() if frame.startswith("0,")]
    assert before == after
    assert probe_video(early).hdr == SCREEN


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    ("profile", "base", "words"),
    [(8, 1, "(profile 8.1): its base layer (HDR10)"), (8, 4, "(profile 8.4): its base layer (HLG)"),
     (7, 6, "(profile 7): its base layer (HDR10)"), (9, 2, "(profile 9): its base layer (SDR)")],
)  # fmt: skip
def test_dolby_vision_keeps_its_base_layer(
    tmp_path: Path, dub: Path, suffix: str, profile: int, base: int, words: str
):
    path = dolby_movie(tmp_path / f"made{suffix.replace('mkv', 'mp4')}", profile, base)
    path = path if suffix == path.suffix else copied(path, tmp_path / f"movie{suffix}")
    info = probe_video(path)
    assert info.dolby == DolbyVision(profile, enhancement=profile == 7, base=base)
    output, notes = through(path, dub, suffix)
    (note,) = [note for note in notes if "Dolby" in note]
    assert words in note
    assert ("enhancement" in note) == (profile == 7)
    assert probe_video(output).dolby is None
    assert probe_video(output).colour == info.colour
    assert "DOVI" not in shown_info(output)


@pytest.mark.parametrize(("profile", "base"), [(5, 0), (10, 0)])
def test_a_base_layer_that_cannot_be_shown_is_refused(tmp_path: Path, dub: Path, profile: int, base: int):
    path = dolby_movie(tmp_path / "movie.mp4", profile, base)
    with pytest.raises(MediaError, match=r"Dolby Vision of profile (5|10\.0).*convert it to HDR10"):
        sync(path, dub, tmp_path / "out.mp4", inpainter=Painter(grey))
    assert not (tmp_path / "out.mp4").exists()


def test_what_is_said_of_other_streams_is_not_taken_for_this_one():
    words = """Input #0, matroska,webm, from 'a.mkv':
  Stream #0:0: Video: hevc (Main 10), 1 reference frame, yuv420p10le(tv, bt2020nc/bt2020/smpte2084, topleft), 3840x2160
    Side data:
      Content light level metadata: MaxCLL=1000, MaxFALL=400
  Stream #0:1: Video: hevc (Main 10), 1 reference frame, yuv420p10le(tv), 1920x1080
    Side data:
      DOVI configuration record: version: 1.0, profile: 7, level: 6, rpu flag: 1, el flag: 1, bl flag: 0, compatibility id: 6, compression: 0
"""  # noqa: E501
    assert parsed(words, 0) == Described(None, "topleft")
    assert parsed(words, 1) == Described(DolbyVision(7, enhancement=True, base=6), "")
    assert parsed(words, 2) == parsed("", 0) == Described()
    assert describe(Path("nothing.mp4"), 0) == Described()


def test_silence_about_dolby_vision_is_not_taken_for_a_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    slow = tmp_path / "ffmpeg"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setattr(described, "PATIENCE", 0.2)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: slow)
    with pytest.raises(MediaError, match=r"whether a\.mp4 is Dolby Vision; copy it"):
        describe(Path("a.mp4"), 0)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: tmp_path / "none")
    with pytest.raises(RenderError, match="could not be started"):
        describe(Path("a.mp4"), 0)
