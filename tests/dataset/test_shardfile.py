"""Shards: members in their order, lossless sound, equal bytes for equal clips, and nothing half-written."""

import errno
import io
import json
import tarfile
from pathlib import Path

import av
import numpy as np
import pytest

from lipdub.dataset import shardfile
from lipdub.dataset.shardfile import ShardWriter, flac, plain
from lipdub.errors import RenderError

NOISE = np.random.default_rng(0).integers(-9000, 9000, 250 * 640).astype(np.int16)


def decoded(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.layout.name, stream.codec_context.name) == (16_000, "mono", "flac")
        return np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])


@pytest.mark.parametrize("frames", [1, 25, 250])
def test_sound_comes_back_bit_by_bit(frames: int):
    np.testing.assert_array_equal(decoded(flac(NOISE[: 640 * frames])), NOISE[: 640 * frames])


def write(path: Path) -> None:
    with ShardWriter(path) as writer:
        for number in range(2):
            writer.add(f"000000{number}_0000", {"speaker": "Zoë"}, NOISE[:1280], [b"one", b"two"], "jpg")


def test_the_files_of_a_clip_lie_together_in_order(tmp_path: Path):
    path = tmp_path / "shard-000000.tar"
    write(path)
    with tarfile.open(path) as tar:
        assert tar.getnames() == [
            f"000000{clip}_0000.{end}"
            for clip in range(2)
            for end in ("json", "flac", "000000.jpg", "000001.jpg")
        ]
        said = json.load(tar.extractfile("0000000_0000.json"))
        assert said == {"format": 1, "frames": 2, "speaker": "Zoë"}
        assert tar.extractfile("0000001_0000.000001.jpg").read() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["shard-000000.tar"]


def test_a_clip_that_cannot_be_encoded_leaves_nothing(tmp_path: Path):
    path = tmp_path / "shard-000000.tar"
    with ShardWriter(path) as writer:
        with pytest.raises(ValueError):
            writer.add("a", {}, NOISE.reshape(2, -1), [b"one"], "jpg")
        writer.add("b", {}, NOISE[:640], [b"one"], "jpg")
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["b.json", "b.flac", "b.000000.jpg"]


def test_equal_clips_make_equal_shards(tmp_path: Path):
    write(tmp_path / "a.tar")
    write(tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_shard_that_is_not_finished_is_not_there(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), ShardWriter(tmp_path / "a.tar") as writer:
        writer.add("a", {}, NOISE[:640], [b"1"], "jpg")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_shard_without_clips_is_not_there(tmp_path: Path):
    with ShardWriter(tmp_path / "a.tar") as writer:
        pass
    assert (writer.clips, writer.bytes, list(tmp_path.iterdir())) == (0, 0, [])


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shardfile.tarfile.TarFile, "addfile", full)
    with pytest.raises(RenderError, match="disk is full"), ShardWriter(tmp_path / "a.tar") as writer:
        writer.add("a", {}, NOISE[:640], [b"1"], "jpg")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_full_to_the_last_byte_leaves_nothing(tmp_path: Path):
    with pytest.raises(RenderError, match="disk is full"), ShardWriter(tmp_path / "a.tar") as writer:
        real, writer._file = writer._file, Path("/dev/full").open("wb")  # noqa: SIM115
        writer._tar.fileobj = writer._file
        writer.add("a", {}, NOISE[:64_000], [b"1"], "jpg")
    real.close()
    assert not list(tmp_path.iterdir())


def test_what_is_not_known_is_null():
    assert plain(np.array([0.12345, np.nan, -np.inf]), 3) == [0.123, None, None]
