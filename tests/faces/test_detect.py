import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.errors import WeightsFormatError
from lipdub.faces import detect
from lipdub.faces.detect import (
    SAME_FACE_IOU,
    FaceDetector,
    FaceLandmarker,
    distinct,
    overlap,
    scaled,
    shifted,
)
from lipdub.faces.finder import EMPTY_SECONDS, ROUND_SECONDS, SLOW_ROUND_SECONDS, FaceFinder, squares, tiles
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import probe_video
from tests.support.faces import FOOTAGE, BlobLandmarker, blank_image, draw_face, face_in

SCENES = FOOTAGE / "scenes"
boxes = st.tuples(st.integers(0, 80), st.integers(0, 80), st.integers(10, 90), st.integers(10, 90)).map(
    lambda box: np.array(box, dtype=np.float64)
)


@settings(deadline=None)
@given(width=st.integers(64, 4000), height=st.integers(64, 4000), data=st.data())
def test_the_squares_hold_every_face_down_to_a_quarter_of_the_short_side(
    width: int, height: int, data: st.DataObject
):
    side = min(width, height) // 4
    x = data.draw(st.integers(0, width - side))
    y = data.draw(st.integers(0, height - side))
    found = squares(width, height)
    assert all(0 <= left <= width - s and 0 <= top <= height - s for left, top, s in found)
    # a pixel of tolerance: squares lie at whole pixels
    assert any(
        left - 1 <= x and x + side <= left + s + 1 and top - 1 <= y and y + side <= top + s + 1
        for left, top, s in found
    )


@pytest.mark.parametrize(("width", "height"), [(64, 64), (200, 100), (1920, 1080), (101, 333), (65, 64)])
def test_the_squares_cover_every_pixel_with_each_size(width: int, height: int):
    found = squares(width, height)
    for size in {side for *_, side in found}:
        covered = np.zeros((height, width), bool)
        for x, y, side in found:
            if side == size:
                covered[y : y + side, x : x + side] = True
        assert covered.all()
    assert len(found) < 60


def test_a_picture_too_small_for_squares_has_none():
    assert squares(60, 40) == []


@settings(deadline=None)
@given(a=boxes, b=boxes)
def test_overlap_is_a_share_and_symmetric(a: np.ndarray, b: np.ndarray):
    assert overlap(a, b) == pytest.approx(overlap(b, a))
    assert 0 <= overlap(a, b) <= 1
    assert overlap(a, a) == pytest.approx(1)
    assert overlap(a + np.array([500, 0, 0, 0]), b) == 0
    assert overlap(a * 2, b * 2) == pytest.approx(overlap(a, b))


def test_overlap_counts_pixels():
    assert overlap(np.array([0.0, 0, 10, 10]), np.array([5.0, 0, 10, 10])) == pytest.approx(50 / 150)


@settings(deadline=None)
@given(st.lists(boxes, max_size=12))
def test_distinct_keeps_the_largest_of_those_that_overlap(given_boxes: list[np.ndarray]):
    faces = [face_in(box) for box in given_boxes]
    kept = distinct(faces)
    heights = [face.box[3] for face in kept]
    assert heights == sorted(heights, reverse=True)
    for i, face in enumerate(kept):
        assert all(overlap(face.box, other.box) <= SAME_FACE_IOU for other in kept[:i])
    for face in faces:  # who is not kept is covered by one who is, and who is at least as large
        assert any(overlap(face.box, k.box) > SAME_FACE_IOU and k.box[3] >= face.box[3] for k in kept)


def test_moving_and_scaling_a_face_moves_its_box_with_it():
    face = face_in(np.array([10.0, 20, 124, 158]))
    for changed in (shifted(face, 7, -3), scaled(face, 2.5)):
        again = detect.framing_box(changed.landmarks)
        np.testing.assert_allclose(changed.box, again, atol=1e-3)


def _image(*faces: tuple[int, int, int, int]) -> np.ndarray:
    image = blank_image(640, 360)
    for face in faces:
        draw_face(image, face)
    return image


def _heights(faces: list) -> list[int]:
    return [round(float(face.box[3])) for face in faces]


@pytest.mark.parametrize("corner", [(0, 0), (590, 310), (300, 100), (137, 201)])
def test_a_small_face_is_found_through_the_squares(corner: tuple[int, int]):
    landmarker = BlobLandmarker(smallest=0.2)
    image = _image((*corner, 37, 47))
    assert landmarker(image) == []  # 47 of 360 pixels: too small in the whole picture

    (face,) = FaceFinder(landmarker)(image, 0.0, True)

    np.testing.assert_allclose(face.box[:2], corner, atol=1)
    assert face.box[3] == pytest.approx(47, rel=0.02)


def test_a_known_face_costs_one_look_a_frame():
    landmarker = BlobLandmarker()
    find = FaceFinder(landmarker)
    for i in range(25):
        assert len(find(_image((100 + 4 * i, 100, 37, 47)), i / 25, i == 0)) == 1
        if i == 0:
            landmarker.calls = 0
    parts = 1 + len(squares(640, 360))
    turns = 24 / 25 * parts / SLOW_ROUND_SECONDS
    assert 24 < landmarker.calls < 24 + turns + 4  # each finding is looked at twice


def test_a_moving_face_is_followed():
    find = FaceFinder(BlobLandmarker())
    for i in range(100):
        corner = (20 + 5 * i, 100 + round(60 * np.sin(i / 10)))
        (face,) = find(_image((*corner, 37, 47)), i / 25, i == 0)
        np.testing.assert_allclose(face.box[:2], corner, atol=1)


def test_a_face_at_the_border_is_followed_out_of_the_picture():
    find = FaceFinder(BlobLandmarker(smallest=0.05))
    for i in range(30):
        faces = find(_image((60 - 6 * i, 60 - 6 * i, 60, 76)), i / 25, i == 0)
        assert len(faces) == (1 if 60 - 6 * i > -35 else len(faces))
    assert faces == []


def test_at_a_cut_nothing_is_where_it_was():
    landmarker = BlobLandmarker()
    find = FaceFinder(landmarker)
    find(_image((100, 100, 80, 100)), 0.0, True)
    (face,) = find(_image((400, 200, 80, 100)), 0.04, True)
    assert round(face.box[0]) == 400
    assert find(_image(), 0.08, True) == []


def test_a_lost_face_is_searched_for_at_once():
    find = FaceFinder(BlobLandmarker())
    find(_image((100, 100, 80, 100)), 0.0, True)
    (face,) = find(_image((500, 200, 80, 100)), 0.04, False)
    assert round(face.box[0]) == 500


def test_a_second_face_is_found_within_the_time_of_a_new_search():
    find = FaceFinder(BlobLandmarker())
    first, second = (100, 100, 80, 100), (450, 120, 90, 110)
    counts = [len(find(_image(first, second) if i > 3 else _image(first), i / 25, i == 0)) for i in range(40)]
    assert counts[:4] == [1] * 4
    assert counts.index(2) / 25 <= SLOW_ROUND_SECONDS + 1 / 25
    assert set(counts[counts.index(2) :]) == {2}


def test_a_face_that_is_hidden_for_a_moment_is_found_as_soon_as_it_is_back():
    find = FaceFinder(BlobLandmarker())
    first, second = (100, 100, 80, 100), (450, 120, 40, 50)  # the second is too small for the whole picture
    frames = [_image(first, second)] * 10 + [_image(first)] * 8 + [_image(first, second)] * 10
    smaller = BlobLandmarker(smallest=0.1)
    find = FaceFinder(smaller)
    counts = []
    for i, frame in enumerate(frames):
        smaller.smallest = 0.1 if i < 10 else 0.2
        counts.append(len(find(frame, i / 25, i == 0)))
    assert counts == [2] * 10 + [1] * 8 + [2] * 10


def test_an_empty_picture_is_searched_again_soon_but_not_always():
    landmarker = BlobLandmarker()
    find = FaceFinder(landmarker)
    looks = []
    for i in range(50):
        landmarker.calls = 0
        assert find(_image(), i / 25, i == 0) == []
        looks.append(landmarker.calls)
    searches = [i for i, calls in enumerate(looks) if calls]
    assert all(step / 25 <= EMPTY_SECONDS + 1 / 25 for step in np.diff(searches))
    assert max(looks[1:]) == 2  # the whole, and the part whose turn it is: no frame costs more


class SpotDetector:
    """Stands in for YuNet: finds magenta rectangles of ten pixels and more, and green ones, which are
    no faces."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def __call__(self, image: np.ndarray) -> np.ndarray:
        self.shown.append(image.shape[:2])
        mask = ((image[..., 1] < 45) | (image[..., 1] > 200)).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        return np.array([[*s[:4], 0] for s in stats[1:] if s[3] >= 10], np.float64).reshape(-1, 5)


def _spotting() -> BlobLandmarker:
    landmarker = BlobLandmarker(smallest=0.2)
    landmarker.detector = SpotDetector()
    return landmarker


@pytest.mark.parametrize("size", [(3840, 2160), (1920, 1080), (1080, 1920), (640, 360), (320, 240)], ids=str)
@settings(deadline=None, max_examples=8)
@given(data=st.data())
def test_a_face_of_32_pixels_is_found_at_a_cut_wherever_it_is(size: tuple[int, int], data: st.DataObject):
    width, height = size
    corner = data.draw(st.integers(0, width - 25)), data.draw(st.integers(0, height - 32))
    image = blank_image(width, height)
    draw_face(image, (*corner, 25, 32))

    (face,) = FaceFinder(_spotting())(image, 0.0, True)

    np.testing.assert_allclose(face.box[:2], corner, atol=1)


def test_what_only_the_detector_takes_for_a_face_is_none():
    image = _image((300, 100, 37, 47))
    image[200:240, 100:130] = (0, 255, 0)
    (face,) = FaceFinder(_spotting())(image, 0.0, True)
    assert round(face.box[0]) == 300


def test_a_small_face_that_comes_beside_a_large_one_is_found_within_a_round():
    find = FaceFinder(_spotting())
    for i in range(40):
        image = blank_image(1920, 1080)
        draw_face(image, (200, 200, 400, 500))
        if i > 3:
            draw_face(image, (1500, 700, 25, 32))
        faces = find(image, i / 25, i == 0)
        if len(faces) == 2:
            break
    assert 3 < i <= 4 + ROUND_SECONDS * 25


def test_only_at_a_cut_are_all_parts_searched_at_once():
    landmarker = _spotting()
    find, image = FaceFinder(landmarker), blank_image(3840, 2160)
    counts = []
    for i in range(30):
        landmarker.detector.shown.clear()
        find(image, i / 25, i == 0)
        counts.append(len(landmarker.detector.shown))
    assert counts[0] == 1 + len(tiles(3840, 2160))
    assert max(counts[1:]) == 2


@settings(deadline=None)
@given(width=st.integers(321, 4096), height=st.integers(64, 4096))
def test_the_tiles_hold_every_small_face_and_are_no_larger_than_the_detector_likes(width: int, height: int):
    found = tiles(width, height)
    for (x, y, w, h), scale in found:
        assert 0 <= x <= width - w and 0 <= y <= height - h
        assert w * scale <= 641 and h * scale <= 385
    for length, axis in ((width, 0), (height, 1)):
        spans = sorted({(area[axis], area[axis] + area[axis + 2]) for area, _ in found})
        assert spans[0][0] == 0 and spans[-1][1] == length
        assert all(end - begin >= 32 for (_, end), (begin, _) in itertools.pairwise(spans))


def test_a_large_picture_is_searched_in_few_parts():
    assert tiles(320, 240) == []
    assert len(tiles(640, 360)) == 1
    assert len(tiles(1920, 1080)) <= 9
    assert len(tiles(3840, 2160)) <= 25


def test_what_is_not_yunet_is_said_to_be_none(tmp_path: Path):
    bad = tmp_path / "yunet.onnx"
    bad.write_bytes(b"no model" * 100)
    for path in (bad, tmp_path / "missing.onnx"):
        with pytest.raises(WeightsFormatError, match="lipdub fetch-weights yunet"):
            FaceDetector(path)


def test_yunet_and_the_landmarker_agree_on_a_face_on_a_stage(landmarker: FaceLandmarker):
    (image,) = _frames("stage_small_face.mp4", {0})
    both = FaceDetector(_model("face_detection_yunet_2023mar.onnx"))
    (box,) = both(image)
    (face,) = FaceFinder(landmarker)(image, 0.0, True)
    assert overlap(box, face.box) > 0.4


def _model(name: str = "face_landmarker.task") -> Path:
    """A model's file, if this machine has it; nothing is downloaded for a test."""
    folders = [FOOTAGE.parent / "weights", *map(Path, filter(None, [os.environ.get("LIPDUB_WEIGHTS")]))]
    folders += [Path.home() / ".cache" / "lipdub"]
    for folder in folders:
        for found in (*folder.glob(name), *folder.glob(f"**/{name}")):
            return found
    pytest.skip(f"{name} is in none of {', '.join(map(str, folders))}")


@pytest.fixture(scope="module")
def landmarker():
    with FaceLandmarker(_model()) as made:
        yield made


def _frames(name: str, wanted: set[int]) -> list[np.ndarray]:
    if not (SCENES / name).is_file():
        pytest.skip(f"real footage is not there: {SCENES / name}")
    info = probe_video(SCENES / name)
    images = []
    for i, frame in enumerate(read_frames(info)):
        if i in wanted:
            images.append(upright_image(frame, info))
        if i == max(wanted):
            return images
    raise AssertionError(f"{name} has only {i + 1} frames")


@pytest.mark.parametrize(
    ("name", "wanted", "height"),
    [
        ("speaker_portrait_1080p.mp4", {0, 10, 20}, (200, 280)),
        ("speaker_2213fps.mp4", {0, 30, 60}, (240, 300)),
        ("face_noface.mov", {0, 30, 60}, (280, 340)),
        ("stage_small_face.mp4", {0, 40}, (30, 45)),
    ],
)
def test_real_faces_are_found(
    landmarker: FaceLandmarker, name: str, wanted: set[int], height: tuple[int, int]
):
    find = FaceFinder(landmarker)
    for i, image in enumerate(_frames(name, wanted)):
        (face,) = find(image, float(i), True)
        assert face.landmarks.shape == (478, 2)
        assert height[0] < face.box[3] < height[1]


def test_where_there_is_no_face_none_is_found(landmarker: FaceLandmarker):
    for image in _frames("face_noface.mov", {73, 90, 110, 130}):
        assert FaceFinder(landmarker)(image, 0.0, True) == []


def test_what_is_not_a_landmarker_is_said_to_be_none(tmp_path: Path):
    bad = tmp_path / "face_landmarker.task"
    bad.write_bytes(b"no model" * 100)
    for path in (bad, tmp_path / "missing.task"):
        with pytest.raises(WeightsFormatError, match="lipdub fetch-weights"):
            FaceLandmarker(path)


def test_mediapipe_writes_nothing_to_standard_error():
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from lipdub.faces.detect import FaceLandmarker\n"
        "with FaceLandmarker(Path(sys.argv[1])) as find:\n"
        "    find(np.zeros((100, 200, 3), np.uint8)); print('before', file=sys.stderr)\n"
        "print('after', file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, str(_model())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.split() == ["before", "after"]


def test_threads_that_keep_quiet_at_once_give_standard_error_back():
    before = os.fstat(2)

    def work() -> None:
        for _ in range(200):
            with detect._quiet():
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.path.samestat(os.fstat(2), before)
