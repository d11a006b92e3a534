import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.faces.crop import ASPECT, RIGID_POINTS, framing_box, from_crop, lip_aperture, to_crop
from tests.support.faces import landmarks_in

PLACES = np.random.default_rng(0).random((20, 2))


@settings(deadline=None)
@given(
    x=st.floats(-200, 4000),
    y=st.floats(-200, 4000),
    height=st.floats(16, 2000),
    roll=st.floats(-179, 179),
)
def test_the_box_is_exact_for_a_face_like_the_template(x: float, y: float, height: float, roll: float):
    box = np.array([x, y, height * ASPECT, height, roll])
    upright = landmarks_in(box[:4]).astype(np.float64)
    x_, y_ = (upright - box[:2] - box[2:4] / 2).T
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    turned = np.column_stack([x_ * cos - y_ * sin, x_ * sin + y_ * cos])  # clockwise, since y points down
    landmarks = (turned + box[:2] + box[2:4] / 2).astype(np.float32)

    # float32 landmarks: 24 bits of the largest coordinate
    found = framing_box(landmarks)
    np.testing.assert_allclose(found[:4], box[:4], atol=1e-6 * (abs(x) + abs(y) + height) + 1e-4)
    assert found[4] == pytest.approx(roll, abs=1e-4 * (abs(x) + abs(y) + height) / height + 1e-3)
    np.testing.assert_allclose(to_crop(from_crop(PLACES, box), box), PLACES, atol=1e-9)
    np.testing.assert_allclose(from_crop(to_crop(landmarks, found), found), landmarks, atol=1e-3)


def test_the_box_has_the_aspect_of_training():
    assert framing_box(landmarks_in(np.array([10.0, 20, 310, 395])))[2:4] @ [1, -ASPECT] == pytest.approx(0)


@settings(deadline=None)
@given(seed=st.integers(0, 1000), size=st.floats(0, 500))
def test_the_jaw_does_not_move_the_box(seed: int, size: float):
    landmarks = landmarks_in(np.array([100.0, 50, 124, 158]))
    others = np.setdiff1d(np.arange(478), list(RIGID_POINTS))
    moved = landmarks.copy()
    moved[others] += np.random.default_rng(seed).uniform(-size, size, (len(others), 2)).astype(np.float32)

    assert np.array_equal(framing_box(moved), framing_box(landmarks))


def test_a_turned_head_keeps_the_height_of_its_box():
    box = np.array([100.0, 50, 124, 158])
    landmarks = landmarks_in(box)
    landmarks[:, 0] = 162 + (landmarks[:, 0] - 162) * np.cos(np.radians(40))  # narrowed about its middle
    height = framing_box(landmarks)[3]

    assert height == pytest.approx(0.887 * 158, rel=0.01)  # a fit without weights: 0.823


@pytest.mark.parametrize("aperture", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("height", [20.0, 900.0])
def test_lip_aperture_is_relative_to_the_face(aperture: float, height: float):
    landmarks = landmarks_in(np.array([5.0, 7, height * ASPECT, height]), aperture)
    assert lip_aperture(landmarks) == pytest.approx(aperture, abs=1e-5)
