"""Records of analyses: whatever was seen before a run was stopped, the result is that of a run that was
not."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lipdub.faces import analyse as analysing
from lipdub.faces import looks, speaker, transitions
from lipdub.faces.analyse import Analysis, analyse
from lipdub.faces.looks import Looks
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.progress import Step
from tests.support.faces import BlobLandmarker, blank_image, draw_face
from tests.support.media import movie

COUNT = 61
PART = 8
"""Frames of a part: few, so that there are many borders."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> VideoInfo:
    """Two faces that move, one of which goes and comes back, and a cut in the middle."""

    def frames():
        for n in range(COUNT):
            image = blank_image(320, 180)
            if n >= 33:
                image[:, ::40] = image[90:] = 220
            draw_face(image, (20 + n, 30, 48, 62))
            if not 12 <= n < 25:
                draw_face(image, (200 - n, 60, 40, 52))
            yield av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="bgr0")

    path = tmp_path_factory.mktemp("looks") / "faces.mkv"
    return probe_video(
        movie(path, codec="ffv1", pix_fmt="bgr0", size=(320, 180), count=COUNT, frames=frames())
    )


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysing, "PART_FRAMES", PART)


def same(one: Analysis, other: Analysis) -> bool:
    return (
        np.array_equal(one.pts, other.pts)
        and one.shots == other.shots
        and one.transitions == other.transitions
        and {track: who.tobytes() for track, who in one.who.items()}
        == {track: who.tobytes() for track, who in other.who.items()}
        and len(one.tracks) == len(other.tracks)
        and all(
            (a.id, a.shot) == (b.id, b.shot)
            and np.array_equal(a.pts, b.pts)
            and a.faces.tobytes() == b.faces.tobytes()
            and np.array_equal(a.seen, b.seen)
            and np.array_equal(a.clear, b.clear)
            for a, b in zip(one.tracks, other.tracks, strict=True)
        )
    )


class Counting:
    """Stands in for SFace: a face is what its picture holds, and when it was asked for."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        self.calls += 1
        return np.resize(landmarks[:64], 128) + image.mean()


class StoppedError(Exception):
    pass


def stopped_at(count: int):
    def progress(step: Step) -> None:
        if step.done == count:
            raise StoppedError

    return progress


@pytest.mark.parametrize("stops", [[1], [8], [9], [30], [33, 34], [12, 25, 40, 57], [61]], ids=str)
def test_an_analysis_that_is_stopped_goes_on_and_ends_the_same(
    made: VideoInfo, tmp_path: Path, stops: list[int]
):
    whole = analyse(made, BlobLandmarker(), embedder=Counting())
    assert len(whole.tracks) >= 4
    assert set(whole.who) == {track.id for track in whole.tracks}
    for stop in stops:
        record = Looks(tmp_path / "record")
        with pytest.raises(StoppedError):
            analyse(made, BlobLandmarker(), None, None, stopped_at(stop), record, embedder=Counting())
    landmarker = BlobLandmarker()
    again = analyse(made, landmarker, record=Looks(tmp_path / "record"), embedder=Counting())
    assert same(again, whole)
    known = max(stops) // PART * PART
    assert landmarker.calls <= 4 * (COUNT - known) + 20  # what was seen is not looked at again


@pytest.fixture(scope="module")
def dissolving(tmp_path_factory: pytest.TempPathFactory) -> VideoInfo:
    """A face before a wall that dissolves into another wall, twice: over frames 20 to 31, and 60 to 71."""
    walls = np.random.default_rng(3).integers(0, 200, (3, 9, 16, 3)).astype(np.float64)

    def frames():
        for n in range(100):
            share = np.clip((n - 19) / 13, 0, 1) + np.clip((n - 59) / 13, 0, 1)
            weights = np.maximum(1 - np.abs(share - np.arange(3)), 0)
            wall = np.tensordot(weights, walls, 1).astype(np.uint8)
            image = np.ascontiguousarray(wall.repeat(20, axis=0).repeat(20, axis=1))
            draw_face(image, (100, 40, 48, 62))
            yield av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="bgr0")

    path = tmp_path_factory.mktemp("looks") / "dissolving.mkv"
    return probe_video(movie(path, codec="ffv1", pix_fmt="bgr0", size=(320, 180), count=100, frames=frames()))


@pytest.mark.parametrize("stops", [[25], [33, 95], [60, 66, 99]], ids=str)
def test_dissolves_are_the_same_in_an_analysis_that_was_stopped(
    dissolving: VideoInfo, tmp_path: Path, stops: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(transitions, "REACH", 30)
    whole = analyse(dissolving, BlobLandmarker())
    tick = Fraction(1, 25) / dissolving.time_base
    assert [(round(t.first / tick), round(t.last / tick)) for t in whole.transitions] == [(19, 32), (59, 72)]
    assert all(track.clear.min() < 0.1 for track in whole.tracks)  # an odd number of steps has no middle
    for stop in stops:
        with pytest.raises(StoppedError):
            progress, record = stopped_at(stop), Looks(tmp_path / "record")
            analyse(dissolving, BlobLandmarker(), progress=progress, record=record)
    assert same(analyse(dissolving, BlobLandmarker(), record=Looks(tmp_path / "record")), whole)
    assert same(analyse(dissolving, BlobLandmarker(), record=Looks(tmp_path / "record")), whole)


def test_faces_are_embedded_about_once_a_second(made: VideoInfo, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(analysing, "PART_FRAMES", 250)
    embedder = Counting()
    analysis = analyse(made, BlobLandmarker(), embedder=embedder)
    seconds = sum(float((track.pts[-1] - track.pts[0]) * made.time_base) for track in analysis.tracks)
    assert len(analysis.tracks) <= embedder.calls <= len(analysis.tracks) + seconds
    assert all(np.linalg.norm(who) == pytest.approx(1, abs=1e-6) for who in analysis.who.values())
    assert not analyse(made, BlobLandmarker()).who


def test_a_record_that_is_complete_needs_no_landmarker(made: VideoInfo, tmp_path: Path):
    whole = analyse(made, BlobLandmarker(), record=Looks(tmp_path))
    landmarker = BlobLandmarker()
    assert same(analyse(made, landmarker, record=Looks(tmp_path)), whole)
    assert landmarker.calls == 0


def test_a_part_of_the_movie_is_recorded_as_such(made: VideoInfo, tmp_path: Path):
    limits = Fraction(1, 4), Fraction(2)
    whole = analyse(made, BlobLandmarker(), *limits)
    with pytest.raises(StoppedError):
        analyse(made, BlobLandmarker(), *limits, progress=stopped_at(20), record=Looks(tmp_path))
    assert same(analyse(made, BlobLandmarker(), *limits, record=Looks(tmp_path)), whole)


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "gone"])
def test_a_damaged_part_is_made_again(made: VideoInfo, tmp_path: Path, harm: str):
    whole = analyse(made, BlobLandmarker(), record=Looks(tmp_path))
    part = tmp_path / "000003.npz"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 16
    changed = {"cut": part.read_bytes()[:-100], "flip": bytes(data), "empty": b""}
    part.write_bytes(changed[harm]) if harm in changed else part.unlink()
    assert same(analyse(made, BlobLandmarker(), record=Looks(tmp_path)), whole)


def test_numbers_are_kept_beside_the_parts(tmp_path: Path):
    record = Looks(tmp_path / "record")
    assert record.recall("speech") is None
    record.keep("speech", np.array([[1.5, 2.0]]))
    np.testing.assert_array_equal(Looks(tmp_path / "record").recall("speech"), [[1.5, 2.0]])
    (tmp_path / "record" / "speech.npy").write_bytes(b"\x93NUM")
    assert record.recall("speech") is None
    (tmp_path / "file").touch()
    Looks(tmp_path / "file").keep("speech", np.zeros((0, 2)))  # what cannot be written is not kept


def test_what_cannot_be_recorded_is_no_error(made: VideoInfo, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    record = Looks(tmp_path / "file" / "record")
    assert same(analyse(made, BlobLandmarker(), record=record), analyse(made, BlobLandmarker()))
    assert looks.PART_FRAMES >= 100  # a part is a write to the disk


def loudness(pictures: np.ndarray, start: float) -> np.ndarray:
    """A stand-in for the active-speaker network that depends on the pictures, their number and their time."""
    return (pictures.mean(axis=(1, 2)) + len(pictures) + start).astype(np.float32)


@pytest.mark.parametrize("stops", [[9], [12, 25, 40, 57]], ids=str)
def test_who_speaks_is_the_same_in_an_analysis_that_was_stopped(
    made: VideoInfo, tmp_path: Path, stops: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(speaker, "FEWEST", 3)
    whole = analyse(made, BlobLandmarker(), scorer=loudness)
    assert any(np.isfinite(track.faces["speaking"]).any() for track in whole.tracks)
    for stop in stops:
        with pytest.raises(StoppedError):
            progress, record = stopped_at(stop), Looks(tmp_path / "record")
            analyse(made, BlobLandmarker(), progress=progress, record=record, scorer=loudness)
    assert same(analyse(made, BlobLandmarker(), record=Looks(tmp_path / "record"), scorer=loudness), whole)


def test_without_a_scorer_it_is_left_open_who_speaks(made: VideoInfo):
    assert all(np.isnan(t.faces["speaking"]).all() for t in analyse(made, BlobLandmarker()).tracks)
