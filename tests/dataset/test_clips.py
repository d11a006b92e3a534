"""Reading shards: against the tarfile module, bit for bit, and what is said of damaged ones."""

import json
import pickle
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from lipdub.dataset.clips import Clips
from lipdub.dataset.tar import members
from lipdub.errors import DatasetError
from tests.support.shards import MARGIN, SIZE, clip_files, hum, openness, write_shards, write_tar


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_shards(tmp_path / "shards", clips=3, shards=2, frames=12)


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_lie_where_tarfile_finds_them(tmp_path: Path, kind: int):
    with tarfile.open(tmp_path / "some.tar", "w", format=kind) as tar:
        for number in range(4):
            content = tmp_path / f"{number}.bin"
            content.write_bytes(bytes(range(number)) * 300)
            tar.add(content, content.name)  # with a time that only pax can write in full
    with tarfile.open(tmp_path / "some.tar") as tar:
        expected = [(info.name, info.offset_data, info.size) for info in tar]
    assert list(members(tmp_path / "some.tar")) == expected


def test_clips_come_back_as_they_were_written(tmp_path: Path):
    files = clip_files("kate", 9, "kate", seed=5, kind="png")
    write_tar(tmp_path / "shard-000000.tar", files)
    (clip,) = Clips([tmp_path])
    assert (clip.key, clip.frames, clip.speaker, clip.size, clip.margin) == ("kate", 9, "kate", SIZE, MARGIN)
    assert np.array_equal(clip.sound(), hum(openness(9, 5), 5))
    assert np.array_equal(clip.sound(3, 7), clip.sound()[3 * 640 : 7 * 640])
    for frame in range(9):
        bgr = cv2.imdecode(np.frombuffer(files[f"kate.{frame:06d}.png"], np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(clip.picture(frame), bgr[..., ::-1])
    assert clip.meta["aperture"] == [round(0.2 * o, 4) for o in openness(9, 5).tolist()]
    for frame in (-1, 9):
        with pytest.raises(IndexError):
            clip.picture(frame)


def test_folders_and_shards_follow_each_other(folder: Path, tmp_path: Path):
    more = write_shards(tmp_path / "more", clips=1, shards=1, frames=8, first=7)
    clips = Clips([folder, more])
    assert [clip.key for clip in clips] == ["clip0000", "clip0002", "clip0001", "clip0007"]
    assert clips.speakers == ["speaker0", "speaker0", "speaker1", "speaker1"]
    assert [clip.key for clip in clips[1:3]] == ["clip0002", "clip0001"]


def test_clips_go_to_other_processes(folder: Path):
    clips = Clips([folder])
    copies = pickle.loads(pickle.dumps(clips))
    assert np.array_equal(copies[0].picture(3), clips[0].picture(3))


def test_only_what_is_asked_for_is_read(folder: Path):
    """A damaged picture is met when it is read, not before, and the others are as good as ever."""
    clips = Clips([folder])
    offset, length = clips[0].places[2 + 4]
    with clips[0].shard.open("rb+") as shard:
        shard.seek(offset)
        shard.write(bytes(length))
    assert clips[0].picture(5).shape == (SIZE, SIZE, 3)
    with pytest.raises(DatasetError, match=r"shard-000000.tar, frame 4 of the clip clip0000 is damaged"):
        clips[0].picture(4)


@pytest.mark.parametrize("kept", [0, 100, 700, 5000, -512, -1024, -10240])
def test_a_shard_cut_short_is_said_to_be(folder: Path, kept: int):
    """Anywhere: in a header, in a content, in the zeros at the end."""
    shard = folder / "shard-000001.tar"
    content = shard.read_bytes()
    end = -(-len(content.rstrip(b"\0")) // 512) * 512  # where the last picture ends
    shard.write_bytes(content[:kept] if kept >= 0 else content[: end + kept + 512])
    with pytest.raises(DatasetError, match=r"shard-000001.tar is cut short; delete it and run"):
        Clips([folder])


def test_missing_things_are_named(tmp_path: Path):
    with pytest.raises(DatasetError, match="There is no folder"):
        Clips([tmp_path / "nowhere"])
    with pytest.raises(DatasetError, match="There are no shards"):
        Clips([tmp_path])
    write_tar(tmp_path / "shard-000000.tar", {})
    with pytest.raises(DatasetError, match="There is no clip"):
        Clips([tmp_path])
    (tmp_path / "shard-000000.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(DatasetError, match="damaged or no tar"):
        Clips([tmp_path])


@pytest.mark.parametrize(
    ("drop", "said"),
    [("a.flac", "lacks its sound"), ("a.json", "lacks its JSON"), ("a.000002.jpg", "lacks its pictures")],
)
def test_a_clip_that_lacks_a_part_is_named(tmp_path: Path, drop: str, said: str):
    files = clip_files("a", 6)
    del files[drop]
    write_tar(tmp_path / "shard-000000.tar", files)
    with pytest.raises(DatasetError, match=f"the clip a {said}"):
        Clips([tmp_path])


@pytest.mark.parametrize("told", [b"{", b"[]", b"{}", b'{"format": 2, "frames": 6, "size": 80}'])
def test_json_that_does_not_fit_is_refused(tmp_path: Path, told: bytes):
    write_tar(tmp_path / "shard-000000.tar", clip_files("a", 6) | {"a.json": told})
    with pytest.raises(DatasetError, match=r"the JSON of .*a (is damaged|does not fit)"):
        Clips([tmp_path])


@pytest.mark.parametrize("aperture", [None, [0.1] * 5, [0.1] * 7])
def test_a_clip_has_an_aperture_for_each_frame(tmp_path: Path, aperture: object):
    files = clip_files("a", 6)
    told = {**json.loads(files["a.json"]), "aperture": aperture}
    write_tar(tmp_path / "shard-000000.tar", files | {"a.json": json.dumps(told).encode()})
    with pytest.raises(DatasetError, match=r"the JSON of a does not fit"):
        Clips([tmp_path])


@pytest.mark.parametrize("sound", [b"no sound", b""])
def test_damaged_sound_is_named(tmp_path: Path, sound: bytes):
    write_tar(tmp_path / "shard-000000.tar", clip_files("a", 6) | {"a.flac": sound})
    with pytest.raises(DatasetError, match="the sound of the clip a is damaged"):
        Clips([tmp_path])[0].sound()


def test_sound_of_another_length_is_refused(tmp_path: Path):
    write_tar(tmp_path / "shard-000000.tar", clip_files("a", 6) | {"a.flac": clip_files("a", 7)["a.flac"]})
    with pytest.raises(DatasetError, match="the sound of the clip a is damaged"):
        Clips([tmp_path])[0].sound()
