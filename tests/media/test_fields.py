"""Interlaced pictures stay interlaced, and say so with the right field first."""

import re
from pathlib import Path

import av
import numpy as np
import pytest

from lipdub import sync
from lipdub.media.encode import padded
from lipdub.media.encoding import choose_encoding
from lipdub.media.fields import FieldOrder, field_order, top_first, with_fields
from lipdub.media.planes import as_planar, copy_frame
from lipdub.media.probe import probe_video
from tests.support.formats import QUIET, asked, copied, fields_shown, interlaced_movie, shown_info
from tests.support.jobs import Painter, grey, plan_by_hand
from tests.support.media import click_file, filled_frame, movie

TOP, BOTTOM, WHOLE = FieldOrder.TOP, FieldOrder.BOTTOM, FieldOrder.PROGRESSIVE
SAID = {TOP: "top first", BOTTOM: "bottom first"}
SHOWN = {TOP: {"T"}, BOTTOM: {"B"}}
orders = pytest.mark.parametrize("order", [TOP, BOTTOM])


@pytest.fixture(scope="module")
def dub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return click_file(tmp_path_factory.mktemp("dub") / "dub.wav", seconds=0.24, times=(0.12,))


def through(path: Path, dub: Path, suffix: str, **choices: object) -> tuple[Path, tuple[str, ...]]:
    output = path.with_name(f"out{suffix}")
    result = sync(path, dub, output, plan=plan_by_hand(path), inpainter=Painter(grey), **choices)
    return output, result.notes


def said_by_the_container(path: Path) -> str:
    line = next(line for line in asked(path, "-t", "0", "-f", "null", "-").splitlines() if "Video:" in line)
    found = re.search(r"(top|bottom) (first|coded first[^,)]*)", line)
    return found[0] if found else ""


@orders
@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix"),
    [
        ("libx264", "yuv420p", ".mp4"),
        ("libx264", "yuv420p", ".mov"),
        ("libx264", "yuv422p10le", ".mkv"),
        ("libx264", "yuv420p", ".ts"),
        ("prores_ks", "yuv422p10le", ".mov"),
        ("prores_ks", "yuv422p10le", ".mkv"),
        ("ffv1", "yuv420p", ".mkv"),
    ],
)
def test_frames_of_two_fields_stay_so(
    tmp_path: Path, dub: Path, codec: str, pix_fmt: str, suffix: str, order: FieldOrder
):
    made = interlaced_movie(tmp_path / f"movie{suffix.replace('ts', 'mp4')}", codec, pix_fmt, order)
    path = made if made.suffix == suffix else copied(made, tmp_path / f"movie{suffix}")
    info = probe_video(path)
    assert (info.interlaced, info.fields) == (True, order)
    output, notes = through(path, dub, suffix)
    after = probe_video(output)
    assert (after.codec, after.interlaced, after.fields) == (info.codec, True, order)
    assert fields_shown(output) == SHOWN[order]
    assert said_by_the_container(output) == SAID[order] or codec == "libx264"
    assert not any("interlaced" in note for note in notes)


@orders
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_hevc_says_so_beside_every_picture(tmp_path: Path, dub: Path, suffix: str, order: FieldOrder):
    """ffmpeg's decoder passes over that (*pic_struct*), so it is read from the bits."""
    options = {"x265-params": f"log-level=error:pic-struct={3 if order == TOP else 4}"}
    path = interlaced_movie(tmp_path / f"movie{suffix}", "libx265", "yuv420p", order, options=options)
    assert probe_video(path).fields == order
    output, notes = through(path, dub, suffix)
    assert probe_video(output).fields == order
    assert said_by_the_container(output) == SAID[order]
    words = asked(
        output, "-map", "0:v", "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-", level="trace"
    )
    told = re.findall(r"pic_struct +\d+ = (\d+)", words)
    assert len(told) == 6
    assert set(told) == {"3" if order == TOP else "4"}
    assert not any("interlaced" in note for note in notes)


@orders
def test_hevc_becomes_other_codecs(tmp_path: Path, dub: Path, order: FieldOrder):
    """Where only the container of the source says so, the frames of the output do."""
    options = QUIET["libx265"]
    path = interlaced_movie(tmp_path / "movie.mov", "libx265", "yuv420p", order, options=options)
    assert fields_shown(path) == {"P"}
    for codec, suffix in (("h264", ".mp4"), ("prores", ".mov"), ("ffv1", ".mkv")):
        output, _ = through(path, dub, suffix, codec=codec, overwrite=True)
        assert fields_shown(output) == SHOWN[order]
        assert probe_video(output).fields == order


@pytest.mark.parametrize(("codec", "suffix"), [("vp9", ".webm"), ("av1", ".mp4"), ("av1", ".mkv")])
def test_what_cannot_say_so_is_said(tmp_path: Path, dub: Path, codec: str, suffix: str):
    path = interlaced_movie(tmp_path / "movie.mp4", "libx264", "yuv420p", BOTTOM)
    output, notes = through(path, dub, suffix, codec=codec)
    (note,) = [note for note in notes if note.startswith("the picture is interlaced; ")]
    assert ("only the file around it says" in note) == (suffix != ".webm")
    assert said_by_the_container(output) == ("" if suffix == ".webm" else "bottom first")


def test_dnxhr_has_no_fields_here(tmp_path: Path):
    path = interlaced_movie(tmp_path / "a.mov", "prores_ks", "yuv422p10le", TOP, size=(256, 144), count=2)
    notes = choose_encoding(probe_video(path), ".mov", codec="dnxhr").notes
    assert any("interlaced" in note for note in notes)


def test_hevc_of_single_fields_is_left_alone_and_that_is_said(tmp_path: Path, dub: Path):
    options = {"x265-params": "log-level=error:interlace=tff"}
    path = interlaced_movie(tmp_path / "movie.mkv", "libx265", "yuv420p", TOP, options=options)
    info = probe_video(path)
    assert (info.interlaced, info.separate_fields) == (False, True)
    output, notes = through(path, dub, ".mkv")
    assert fields_shown(output) == {"P"}
    assert any("each field" in note for note in notes)


def test_a_film_in_an_interlaced_stream_keeps_its_whole_frames(tmp_path: Path, dub: Path):
    """Frames of H.264 speak for themselves, one by one, whatever the first of them says."""
    path = tmp_path / "movie.mkv"
    flags = av.codec.context.Flags
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.flags |= flags.interlaced_dct
        for number in range(6):
            frame = with_fields(filled_frame("yuv420p", (64, 48), seed=number), WHOLE if number % 3 else TOP)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    output, _ = through(path, dub, ".mkv")
    shown = re.findall(r" i:([TBP]) ", shown_info(output))
    assert shown == re.findall(r" i:([TBP]) ", shown_info(path)) == ["T", "P", "P", "T", "P", "P"]


@pytest.mark.parametrize("codec", ["libx264", "prores_ks", "ffv1", "libx265"])
def test_whole_pictures_are_not_called_interlaced(tmp_path: Path, codec: str):
    pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    info = probe_video(
        movie(tmp_path / "a.mkv", codec=codec, pix_fmt=pix_fmt, options=QUIET.get(codec), count=6)
    )
    assert (info.interlaced, info.fields) == (False, WHOLE)


@orders
def test_flags_are_set_and_read_without_touching_a_sample(order: FieldOrder):
    frame = filled_frame("yuv422p10le", (64, 48), bits=10)
    frame.pts, frame.duration, frame.colorspace, frame.color_trc = 7, 3, 9, 16
    flagged = with_fields(frame, order)
    assert (flagged.interlaced_frame, top_first(flagged)) == (True, order == TOP)
    assert field_order(flagged, 0) == order
    assert not frame.interlaced_frame
    assert [bytes(a) for a in flagged.planes] == [bytes(b) for b in frame.planes]
    assert (flagged.pts, flagged.duration, flagged.time_base) == (7, 3, frame.time_base)
    assert (flagged.colorspace, flagged.color_trc) == (9, 16)
    assert not with_fields(flagged, WHOLE).interlaced_frame


@orders
def test_flags_survive_what_is_made_of_a_frame(order: FieldOrder):
    packed = with_fields(filled_frame("uyvy422", (64, 48)), order)
    odd = with_fields(filled_frame("yuv420p", (63, 47)), order)
    for made in (as_planar(packed), copy_frame(odd), padded(odd, 64, 48)):
        assert field_order(made, 0) == order


@pytest.mark.parametrize(
    ("said", "order"), [(0, WHOLE), (1, WHOLE), (2, TOP), (3, BOTTOM), (4, BOTTOM), (5, TOP)]
)
def test_the_containers_word_counts_where_the_frame_is_silent(said: int, order: FieldOrder):
    frame = filled_frame("yuv420p", (64, 48))
    assert field_order(frame, said) == order
    assert field_order(with_fields(frame, BOTTOM), said) == BOTTOM


def test_two_moments_stay_apart(tmp_path: Path, dub: Path):
    """Outside the mouth a lossless output has both fields exactly as they were."""
    path = interlaced_movie(tmp_path / "movie.mkv", "ffv1", "yuv420p", TOP)
    output, _ = through(path, dub, ".mkv")
    with av.open(str(path)) as one, av.open(str(output)) as other:
        for before, after in zip(one.decode(video=0), other.decode(video=0), strict=True):
            assert np.array_equal(before.to_ndarray()[:40, :28], after.to_ndarray()[:40, :28])
