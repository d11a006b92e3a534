import os
from pathlib import Path

import pytest

from lipdub.errors import OutputError
from lipdub.outputs import MEBIBYTE, check_output, content_key, publish, workspace


def test_an_output_that_exists_needs_overwrite(tmp_path: Path):
    output = tmp_path / "out.mp4"
    output.write_bytes(b"old")
    with pytest.raises(OutputError, match="--overwrite"):
        check_output(output, (), overwrite=False)
    check_output(output, (), overwrite=True)


@pytest.mark.parametrize("link", [False, True])
def test_an_output_that_is_an_input_is_refused_also_through_a_link(tmp_path: Path, link: bool):
    movie = tmp_path / "in.mp4"
    movie.write_bytes(b"movie")
    output = movie
    if link:
        output = tmp_path / "other.mp4"
        output.symlink_to(movie)
    with pytest.raises(OutputError, match="also an input"):
        check_output(output, (movie,), overwrite=True)


def test_folders_are_looked_at(tmp_path: Path):
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path, (), overwrite=True)
    with pytest.raises(OutputError, match="create it first"):
        check_output(tmp_path / "nowhere" / "out.mp4", (), overwrite=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="nothing can be written"):
        check_output(tmp_path / "out.mp4", (), overwrite=True)


def test_a_workspace_that_cannot_be_made_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="nothing can be written"), workspace(tmp_path / "file" / "out.mp4"):
        pass


def test_a_workspace_is_gone_whatever_happens(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), workspace(tmp_path / "out.mp4") as work:
        (work / "half.mp4").write_bytes(b"half")
        assert work.parent == tmp_path
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_publishing_replaces_in_one_step_and_never_unasked(tmp_path: Path):
    output, finished = tmp_path / "out.mp4", tmp_path / "work"
    output.write_bytes(b"old")
    for number in (2, 3):
        finished.unlink(missing_ok=True)
        finished.write_bytes(b"hours of work")
        written = publish(finished, output, overwrite=False)
        assert written == tmp_path / f"out ({number}).mp4"
        assert written.read_bytes() == b"hours of work"
        assert not finished.exists()  # a second name, through which the next run would write into it
    assert output.read_bytes() == b"old"
    finished.write_bytes(b"hours of work")
    assert publish(finished, output, overwrite=True) == output
    assert output.read_bytes() == b"hours of work"
    assert not finished.exists()


def test_publishing_takes_the_name_if_it_is_free(tmp_path: Path):
    finished = tmp_path / "work"
    finished.write_bytes(b"new")
    assert publish(finished, tmp_path / "out.mp4", overwrite=False) == tmp_path / "out.mp4"
    with pytest.raises(OutputError, match="cannot be written"):
        publish(finished, tmp_path / "nowhere" / "out.mp4", overwrite=True)


def test_a_content_key_tells_files_apart_by_size_beginning_and_end(tmp_path: Path):
    path = tmp_path / "file"
    data = bytearray(3 * MEBIBYTE)
    keys = []
    for place in (None, 0, len(data) - 1):
        if place is not None:
            data[place] ^= 1
        path.write_bytes(data)
        keys.append(content_key(path))
    path.write_bytes(data + b"x")
    keys.append(content_key(path))
    assert len(set(keys)) == 4
    path.rename(tmp_path / "other")
    assert content_key(tmp_path / "other") == keys[-1]
