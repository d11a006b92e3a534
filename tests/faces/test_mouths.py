import cv2
import numpy as np
import pytest

from lipdub.faces.mouths import SKIN_SHAPE, covered, look_at_mouth
from lipdub.faces.sighting import sightings
from tests.support.faces import face_in

SKIN = (200, 150, 130)


def _picture(height: int = 128, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Skin with edges, each four pixels from the next in a face of 128, and the box of a face in it."""
    image = np.tile(np.array(SKIN, np.float32), (2 * height, 2 * height, 1))
    pattern = np.random.default_rng(seed).normal(0, 20, (64, 64)).astype(np.float32)
    image += cv2.resize(pattern, (2 * height, 2 * height), interpolation=cv2.INTER_NEAREST)[..., None]
    box = np.array([height * 0.6, height * 0.5, height * 124 / 158, height, 0.0])
    return np.clip(image, 0, 255).astype(np.uint8), box


def test_blur_makes_less_sharp():
    image, box = _picture()
    values = [look_at_mouth(image, box).sharpness]
    values += [look_at_mouth(cv2.GaussianBlur(image, (0, 0), s), box).sharpness for s in (1, 2, 4)]
    assert (np.diff(values) < 0).all()
    assert values[-1] < 0.5 * values[0]  # measured 0.42


def test_motion_in_one_direction_is_blur():
    image, box = _picture()
    moved = cv2.filter2D(image, -1, np.full((1, 15), 1 / 15, np.float32))
    assert look_at_mouth(moved, box).sharpness < 0.8 * look_at_mouth(image, box).sharpness


def test_sharpness_is_of_what_the_size_allows_and_not_of_contrast():
    small, large = (look_at_mouth(*_picture(height)).sharpness for height in (128, 512))
    assert small == pytest.approx(large, abs=0.05)
    image, box = _picture()
    faint = (image * 0.4 + 60).astype(np.uint8)
    assert look_at_mouth(faint, box).sharpness == pytest.approx(look_at_mouth(image, box).sharpness, abs=0.05)


@pytest.mark.parametrize("roll", [-40.0, 0.0, 90.0])
def test_what_is_put_over_the_mouth_is_found_where_the_face_is(roll: float):
    image, box = _picture()
    box[4] = roll
    hidden = image.copy()
    mouth = (
        box[:2] + box[2:4] / 2 + np.array([-np.sin(np.radians(roll)), np.cos(np.radians(roll))]) * 0.27 * 128
    )
    cv2.circle(hidden, (int(mouth[0]), int(mouth[1])), 40, (20, 20, 20), -1)
    skin = np.array([look_at_mouth(i, box).skin for i in [image] * 5 + [hidden] * 2])
    np.testing.assert_allclose(covered(skin), [0] * 5 + [1] * 2, atol=0.34)


def test_light_on_the_whole_face_covers_nothing():
    image, box = _picture()
    skin = np.array([look_at_mouth((image * k).astype(np.uint8), box).skin for k in (1, 1, 1, 0.7, 0.5)])
    assert covered(skin).max() == 0


def test_colours_that_are_not_known_stay_so():
    skin = np.zeros((4, *SKIN_SHAPE))
    skin[1] = np.nan
    skin[3] = 50
    np.testing.assert_array_equal(covered(skin), [0, np.nan, 0, 1])
    assert np.isnan(covered(np.full((2, *SKIN_SHAPE), np.nan))).all()


@pytest.mark.parametrize("x", [-500.0, 230.0, 5000.0])
def test_a_face_beyond_the_border_is_no_error(x: float):
    image, _ = _picture()
    mouth = look_at_mouth(image, np.array([x, 100, 100, 127, 10]))
    assert 0 <= mouth.sharpness <= 1
    assert np.isfinite(mouth.skin).all()


def test_sightings_are_in_pixels_of_the_upright_picture():
    image, box = _picture()
    face = face_in(box)
    (row,), (large,) = sightings([face], image), sightings([face], image, 2.0)
    np.testing.assert_allclose(large["box"], row["box"] * (2, 2, 2, 2, 1))
    assert large["sharpness"] == row["sharpness"]
    assert np.isfinite([row["yaw"], row["pitch"], row["sharpness"]]).all()
    assert np.isnan(sightings([face])["sharpness"]).all()
