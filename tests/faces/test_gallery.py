import numpy as np
import pytest

from lipdub.faces.detect import Face
from lipdub.faces.gallery import CLEARER, EMBEDDED, EmbeddingWatch, Gallery
from lipdub.faces.identity import FROM_THE_SIDE, NOSE_TIP, SMALLEST, clearness, five_points
from lipdub.faces.sighting import sightings
from tests.support.faces import face_in, landmarks_in

IMAGE = np.zeros((300, 300, 3), np.uint8)
BOX = np.array([50.0, 40.0, 98.0, 125.0])


def turned(aside: float, height: float = 125.0) -> Face:
    """A face whose nose is `aside` eye distances off the middle."""
    face = face_in(np.array([50.0, 40.0, height * 98 / 125, height]))
    left, right = five_points(face.landmarks)[:2]
    face.landmarks[NOSE_TIP] = (left + right) / 2 + aside * (right - left) + (0, 5)
    return face


def one(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    return np.eye(128, dtype=np.float32)[0]


def test_a_face_is_clear_if_it_is_large_and_frontal():
    clear = [clearness(turned(aside).landmarks, 125) for aside in (0, 0.1, 0.3, 1.01 * FROM_THE_SIDE, 1)]
    assert clear[0] > clear[1] > clear[2] > clear[3] == clear[4] == 0
    assert clear[0] > 0.99
    assert clearness(turned(0).landmarks, 56) == pytest.approx(clear[0] / 2)
    assert clearness(turned(0).landmarks, SMALLEST - 1) == 0
    rolled = landmarks_in(np.array([*BOX, 30.0]))
    upright = landmarks_in(BOX)
    assert abs(clearness(rolled, 125) - clearness(upright, 125)) < 1e-3


def looked(watch: EmbeddingWatch, faces: list[Face], now: int, *, cut: bool = False) -> np.ndarray:
    return watch.look(IMAGE, faces, sightings(faces), now, cut=cut)


def test_a_face_is_embedded_again_after_a_while_or_when_it_is_clearer():
    watch = EmbeddingWatch(one, max_gap=1000, interval=100)
    times = (0, 0.3), (10, 0.3), (20, 0.2), (30, 0.2), (119, 0.2), (120, 0.2), (300, 0.4), (301, 0)
    due = [len(looked(watch, [turned(aside)], now)) for now, aside in times]
    assert due == [1, 0, 1, 0, 0, 1, 0, 1]
    assert CLEARER < (1 - 0.2 / FROM_THE_SIDE) / (1 - 0.3 / FROM_THE_SIDE)


def test_a_face_is_embedded_at_once_after_a_cut_and_in_the_next_part():
    watch = EmbeddingWatch(one, max_gap=1000, interval=100)
    due = [len(looked(watch, [turned(0)], now, cut=now == 2)) for now in range(4)]
    watch.forget()
    assert [*due, len(looked(watch, [turned(0)], 4))] == [1, 0, 1, 0, 1]


def test_clear_faces_count_most():
    gallery = Gallery()
    rows = np.zeros(2, EMBEDDED)
    rows["clearness"], rows["face"] = (0.9, 0.1), 1
    rows["vector"][0, 0], rows["vector"][1, 1] = 10, 10
    gallery.take(rows, [3, 4])
    who = gallery.people()
    assert list(who) == [4]
    np.testing.assert_allclose(who[4][:2], np.array([9, 1]) / np.sqrt(82), atol=1e-6)


def test_nobody_is_known_from_the_side():
    assert not len(looked(EmbeddingWatch(one, 1000, 100), [turned(0.5)], 0))
    assert not Gallery().people()
