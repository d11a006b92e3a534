"""Which videos are prepared: folders, lists, the layouts of VoxCeleb2 and LRW."""

from pathlib import Path

import pytest

from lipdub.dataset.sources import Source, chunked, find_sources, sound_beside, speaker_of
from lipdub.errors import DatasetError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1234")


def test_a_folder_is_searched_in_the_order_of_its_names(tmp_path: Path):
    movies = tmp_path / "movies"
    touch(
        movies / "b.mp4", movies / "a/2.mkv", movies / "a/1.MP4", movies / "a/notes.txt", movies / "._a.mp4"
    )
    touch(movies / "shards/x.mp4", movies / ".hidden/x.mp4")
    found = find_sources([movies], apart=movies / "shards")
    assert [source.name for source in found] == ["movies/b.mp4", "movies/a/1.MP4", "movies/a/2.mkv"]
    assert [source.speaker for source in found] == ["movies", "a", "a"]
    assert found[0] == Source(str((movies / "b.mp4").resolve()), "movies/b.mp4", "movies", 4)


def test_a_video_is_taken_once(tmp_path: Path):
    touch(tmp_path / "a.mp4")
    (tmp_path / "list.txt").write_text("a a.mp4\na a\n")
    assert len(find_sources([tmp_path / "a.mp4", tmp_path, tmp_path / "list.txt"])) == 1


def test_a_list_names_videos_below_its_root(tmp_path: Path):
    touch(tmp_path / "root/id00012/x/00001.mp4", tmp_path / "root/ABOUT/test/ABOUT_00001.mp4")
    listed = tmp_path / "lists/pairs.txt"
    touch(listed)
    listed.write_text("other/1 id00012/x/00001\nABOUT_00001 ABOUT_00001\nz missing\n")
    found = find_sources([listed], tmp_path / "root")
    assert [(source.name, source.speaker, source.bytes) for source in found] == [
        ("id00012/x/00001.mp4", "id00012", 4),
        ("ABOUT/test/ABOUT_00001.mp4", "ABOUT", 4),
        ("missing", "root", 0),
    ]


def test_a_list_may_name_whole_paths(tmp_path: Path):
    touch(tmp_path / "far/anna/1.mp4", tmp_path / "lists/pairs.txt")
    (tmp_path / "lists/pairs.txt").write_text(f"x {tmp_path}/far/anna/1\n")
    found = find_sources([tmp_path / "lists/pairs.txt"])
    assert [(source.name, source.speaker) for source in found] == [
        (f"{tmp_path}/far/anna/1.mp4".removeprefix("/"), "anna")
    ]
    with pytest.raises(DatasetError, match="does not lie in"):
        find_sources([tmp_path / "lists/pairs.txt"], tmp_path / "lists")


def test_each_file_may_show_a_speaker_of_its_own(tmp_path: Path):
    touch(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert len({source.speaker for source in find_sources([tmp_path], speakers="file")}) == 2


@pytest.mark.parametrize(
    ("path", "speaker"),
    [
        ("dev/mp4/id00012/21Uxsk56VDQ/00001.mp4", "id00012"),
        ("lipread_mp4/ABOUT/train/ABOUT_00001.mp4", "ABOUT"),
        ("ABOUT/train/other.mp4", "train"),
        ("anna/1.mp4", "anna"),
    ],
)
def test_the_place_of_a_video_tells_its_speaker(path: str, speaker: str):
    assert speaker_of(Path("/data") / path) == speaker


def test_the_sound_of_voxceleb2_is_in_a_tree_of_its_own(tmp_path: Path):
    video = tmp_path / "dev/mp4/id00012/x/00001.mp4"
    touch(video)
    assert sound_beside(video) is None
    touch(tmp_path / "dev/aac/id00012/x/00001.m4a")
    assert sound_beside(video) == tmp_path / "dev/aac/id00012/x/00001.m4a"
    touch(video.with_suffix(".wav"))
    assert sound_beside(video) == video.with_suffix(".wav")


def test_chunks_are_bounded_in_number_and_in_bytes():
    sources = [Source("", str(n), "", size) for n, size in enumerate([1, 1, 1, 9, 1, 30, 1])]
    chunks = [[int(source.name) for source in chunk] for chunk in chunked(sources, 3, 10)]
    assert chunks == [[0, 1, 2], [3, 4], [5], [6]]


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_nothing_to_prepare_is_said(tmp_path: Path, name: str):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=name):
        find_sources([tmp_path / name])
