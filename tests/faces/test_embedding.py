"""SFace, where its file is at hand: the same person is near, whatever the light; another is not."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lipdub import weights
from lipdub.engine import load_landmarker
from lipdub.errors import WeightsFormatError
from lipdub.faces.detect import FaceLandmarker
from lipdub.faces.identity import DIMENSIONS, SFace, five_points
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import probe_video
from lipdub.people import SAME_PERSON
from tests.support.faces import FOOTAGE, landmarks_in
from tests.support.jobs import need_landmarker


@pytest.fixture(scope="module")
def sface() -> SFace:
    if weights.status("sface").state == "missing":
        pytest.skip("SFace is not on this machine: run `lipdub fetch-weights sface`")
    return SFace(weights.locate("sface"))


def test_a_file_that_is_no_sface_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    for data in (b"", b"x" * 1000):
        (tmp_path / "sface.onnx").write_bytes(data)
        with pytest.raises(WeightsFormatError, match="fetch-weights sface"):
            SFace(tmp_path / "sface.onnx")
    with pytest.raises(WeightsFormatError):
        SFace(tmp_path / "missing.onnx")


def test_the_five_points_are_eyes_nose_and_mouth():
    landmarks = landmarks_in(np.array([0.0, 0, 124, 158]))
    landmarks[[33, 133]] = (10, 20), (30, 24)
    landmarks[[362, 263]] = (70, 20), (90, 24)
    landmarks[[1, 61, 291]] = (50, 60), (30, 80), (72, 81)
    expected = [(20, 22), (80, 22), (50, 60), (30, 80), (72, 81)]
    np.testing.assert_allclose(five_points(landmarks), expected, atol=1e-5)


def test_an_embedding_follows_the_face_and_not_its_place(sface: SFace):
    rng = np.random.default_rng(5)
    face = cv2.GaussianBlur(rng.integers(0, 256, (200, 160, 3), dtype=np.uint8), (0, 0), 6)
    face = cv2.normalize(face, None, 0, 255, cv2.NORM_MINMAX)
    here = landmarks_in(np.array([20.0, 20, 118, 150]))
    image = np.full((400, 400, 3), 127, np.uint8)
    image[150:350, 90:250] = face
    moved = np.full_like(image, 127)
    moved[20:220, 200:360] = face
    one = sface(image, here + np.float32([90, 150]))
    other = sface(moved, here + np.float32([200, 20]))
    assert one.shape == (DIMENSIONS,) and one.dtype == np.float32
    np.testing.assert_allclose(one, other, atol=2e-3)
    assert np.linalg.norm(one - sface(image, here + np.float32([60, 150]))) > 1


def first_face(path: Path, landmarker: FaceLandmarker, embed: SFace) -> np.ndarray:
    info = probe_video(path)
    image = upright_image(next(iter(read_frames(info))), info)
    vector = embed(image, max(landmarker(image), key=lambda face: face.box[3]).landmarks)
    return vector / np.linalg.norm(vector)


def test_people_are_known_again_in_other_clips(sface: SFace, monkeypatch: pytest.MonkeyPatch):
    words = FOOTAGE / "training" / "words"
    if not words.exists():
        pytest.skip(f"{words} is not there: real footage is not part of the repository")
    need_landmarker(monkeypatch)
    folders = [words / name for name in ("c00", "c03", "c07", "c10")]
    clips = [sorted(folder.glob("*.mp4"))[place] for folder in folders for place in (0, -1)]
    with load_landmarker() as landmarker:
        who = np.array([first_face(clip, landmarker, sface) for clip in clips])
    alike = who @ who.T
    same = np.arange(8) // 2 == (np.arange(8) // 2)[:, None]
    assert alike[same].min() > SAME_PERSON > alike[~same].max()
    assert np.median(alike[~same]) < 0.3
