"""Lists of pairs: what they mean, what is wrong with them, and that no name leads out of the root."""

from pathlib import Path

import pytest

from lipdub.dataset.lists import (
    AUDIO_SUFFIXES,
    VIDEO_SUFFIXES,
    Pair,
    listed_file,
    name_below,
    parse_pairs,
    read_pairs,
)
from lipdub.errors import DatasetError

ROOT = Path("root")


def test_a_line_is_an_audio_and_a_video_below_the_root():
    text = "\ufeffid1/a/00001 id2/b/00002\r\n\r\n# no pair\n  x y  \n".removeprefix("\ufeff")
    assert parse_pairs(text, "list", ROOT) == [
        Pair(ROOT / "id1/a/00001", ROOT / "id2/b/00002", 1),
        Pair(ROOT / "x", ROOT / "y", 4),
    ]


def test_names_with_spaces_have_a_tab_between_them():
    pair = parse_pairs("my sound.wav\tmy film.mp4", "list", ROOT)[0]
    assert (pair.audio, pair.video) == (ROOT / "my sound.wav", ROOT / "my film.mp4")


@pytest.mark.parametrize(
    "line",
    ["one", "one two three", "a\t", "../a b", "a/../../b c", "a /etc/passwd", "C:\\a b", "a \\\\host\\b",
     "a ..\\b", "a b\x07"],
)  # fmt: skip
def test_a_bad_line_is_named(line: str):
    with pytest.raises(DatasetError, match=r"^list, line 2: ") as caught:
        parse_pairs(f"a b\n{line}\nc d\n", "list", ROOT)
    assert "\n" not in str(caught.value)


def test_whole_paths_are_for_lists_of_ones_own(tmp_path: Path):
    """Without a root they may lie anywhere, with one in it; up by two points no name goes."""
    path, other = tmp_path / "lists" / "list.txt", tmp_path / "movies" / "a.mp4"
    path.parent.mkdir()
    path.write_text(f"{path.parent}/sound.wav\t{other}\n")
    pair = Pair(path.parent / "sound.wav", other, 1)
    assert read_pairs(path) == read_pairs(path, tmp_path) == [pair]
    assert [name_below(p, path.parent) for p in (pair.audio, pair.video)] == ["sound.wav", str(other)[1:]]
    with pytest.raises(DatasetError, match=r"line 1: .*a\.mp4 does not lie in .*lists; give names below"):
        read_pairs(path, path.parent)
    for name in (f"{tmp_path}/lists/../a", "../a", "C:\\a", "\\\\host\\a"):
        path.write_text(f"a\t{name}\n")
        with pytest.raises(DatasetError, match=r"line 1: .* give names below"):
            read_pairs(path)


def test_dots_in_a_name_are_no_way_out():
    assert parse_pairs("a..b/c... ...d", "list", ROOT)[0].video == ROOT / "...d"


def test_all_bad_lines_are_named_but_not_thousands():
    with pytest.raises(DatasetError) as caught:
        parse_pairs("bad\n" * 1000, "list", ROOT)
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "list: 980 more lines are bad."


def test_a_list_without_pairs_is_none():
    with pytest.raises(DatasetError, match="no pairs"):
        parse_pairs("\n# nothing\n", "list", ROOT)


def test_a_file_is_read_with_its_mark(tmp_path: Path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfa b\n")
    assert read_pairs(path, tmp_path) == [Pair(tmp_path / "a", tmp_path / "b", 1)]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00a", b"\x00\x00\x00 ftypmp42", b"a b\n\xff c"])
def test_what_is_not_text_is_said(tmp_path: Path, content: bytes):
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="UTF-8"):
        read_pairs(path, tmp_path)


def test_a_list_that_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(DatasetError, match="no file"):
        read_pairs(tmp_path / "list.txt", tmp_path)


def test_names_without_suffix_find_their_files(tmp_path: Path):
    for name in ("id1/x/00001.mp4", "id1/x/00001.m4a", "b.c.mkv", "ABOUT/test/ABOUT_00001.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    clip = tmp_path / "id1/x/00001"
    assert listed_file(clip, VIDEO_SUFFIXES) == tmp_path / "id1/x/00001.mp4"
    assert listed_file(clip, AUDIO_SUFFIXES) == tmp_path / "id1/x/00001.m4a"
    assert listed_file(tmp_path / "b.c", VIDEO_SUFFIXES) == tmp_path / "b.c.mkv"
    for name in ("ABOUT_00001", "ABOUT_00001.mp4"):
        assert listed_file(tmp_path / name, VIDEO_SUFFIXES) == tmp_path / "ABOUT/test/ABOUT_00001.mp4"
    assert listed_file(tmp_path / "ABOUT_00002", VIDEO_SUFFIXES) is None
    assert listed_file(tmp_path / "id1", VIDEO_SUFFIXES) is None
