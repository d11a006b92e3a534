"""Names of pairs, and what is known of who speaks."""

from pathlib import Path

import numpy as np
import pytest

from lipdub.dataset.lists import Pair
from lipdub.errors import DatasetError
from lipdub.evaluation.measure import Seen
from lipdub.faces.crop import lip_aperture
from lipdub.protocol.truths import (
    aperture_at,
    at_moments,
    file_id,
    is_one_clip,
    pair_name,
    read_truths,
    truth_of,
)
from tests.support.faces import landmarks_in

ROOT = Path("/data")
PAIR = Pair(ROOT / "id1/abc/00001", ROOT / "id2/x.y/00002.mp4", 1)


def test_a_pair_is_named_as_the_published_examples_are():
    assert pair_name(PAIR, ROOT) == "id1.abc.00001__id2.x.y.00002"
    assert file_id(ROOT / "a/b.WAV", ROOT) == "a.b"
    assert file_id(ROOT / "a.b/c.d", ROOT) == "a.b.c.d"
    assert file_id(Path("/elsewhere/a.mp4"), ROOT) == "elsewhere.a"


def test_one_clip_has_one_name_or_its_sound_where_sounds_are_kept(tmp_path: Path):
    video, sound = tmp_path / "mp4/id1/1.mp4", tmp_path / "aac/id1/1.m4a"
    for path in (video, sound):
        path.parent.mkdir(parents=True)
        path.touch()
    assert is_one_clip(Pair(sound, video, 1), video, sound, tmp_path)
    assert is_one_clip(Pair(video, video, 1), video, video, tmp_path)
    bare = tmp_path / "id1/1"
    assert is_one_clip(Pair(bare, bare, 1), bare.with_suffix(".mp4"), bare.with_suffix(".wav"), tmp_path)
    other = tmp_path / "aac/id2/1.m4a"
    assert not is_one_clip(Pair(other, video, 1), video, other, tmp_path)


def test_a_truth_has_the_name_of_the_pair_or_of_the_sound(tmp_path: Path):
    whole, sound, other = np.arange(3.0), np.arange(4.0), np.arange(5.0)
    path = tmp_path / "truth.npz"
    np.savez(path, **{"id1.abc.00001__id2.x.y.00002.mp4": whole, "id1.abc.00001": sound, "id9": other})
    truths = read_truths(path)
    assert truth_of(PAIR, ROOT, truths) is truths["id1.abc.00001__id2.x.y.00002.mp4"]
    del truths["id1.abc.00001__id2.x.y.00002.mp4"]
    assert truth_of(PAIR, ROOT, truths) is truths["id1.abc.00001"]
    assert truth_of(PAIR, ROOT, {"id9": other}) is None


def test_else_the_movie_of_the_sound_tells_it(tmp_path: Path):
    (tmp_path / "id1").mkdir()
    movie = tmp_path / "id1" / "00001.mp4"
    for name in ("00001", "00001.wav", "00001.mp4"):
        assert (
            truth_of(Pair(tmp_path / "id1" / name, tmp_path / "v", 1), tmp_path, {}) is None or movie.exists()
        )
        movie.touch()
    for name in ("00001", "00001.wav", "00001.mp4"):
        assert truth_of(Pair(tmp_path / "id1" / name, tmp_path / "v", 1), tmp_path, {}) == movie


def test_apertures_by_time():
    truth = np.array([0.1, 0.2, 0.3])
    np.testing.assert_array_equal(
        aperture_at(truth, np.array([0, 0.02, 0.041, 0.08, 0.12, -0.1])), [0.1, 0.1, 0.2, 0.3, np.nan, np.nan]
    )
    assert np.isnan(aperture_at(np.zeros(0), np.array([0.0]))).all()


def test_another_movie_is_looked_at_where_its_frames_are():
    points = np.stack([landmarks_in(np.array([10.0, 10, 124, 158]), a) for a in (0.02, 0.1, 0.2)])
    seen = Seen(np.zeros((3, 224, 224, 3), np.uint8), points)
    aperture, found = at_moments(seen, np.array([1.0, 1.04, 1.08]), np.array([0.5, 1.0, 1.05, 1.09, 1.2]))
    expected = [lip_aperture(point) for point in points]
    np.testing.assert_allclose(aperture, [np.nan, *expected, np.nan], rtol=1e-5)
    np.testing.assert_array_equal(found[2], points[1])
    assert not np.isnan(seen.points).any()


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "truth.npz"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"truth\.npz is no npz file of apertures"):
        read_truths(path)
    np.savez(path, a=np.zeros((2, 2)))
    with pytest.raises(DatasetError, match=r"a is not a row of apertures, but has shape \(2, 2\)"):
        read_truths(path)
    with pytest.raises(DatasetError, match="no npz"):
        read_truths(tmp_path / "none.npz")
