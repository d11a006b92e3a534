import cv2
import numpy as np
import pytest

from lipdub.faces.mouths import EDGE_ANGLES, SURFACE_SHAPE, covered, look_at_mouth, lost_detail
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
    assert _covered([image] * 5 + [hidden] * 2, box) == pytest.approx([0] * 5 + [1] * 2, abs=0.2)


def test_a_hand_in_the_colour_of_the_face_is_told_by_the_lines_it_hides():
    image, box = _picture()
    hidden = image.copy()
    x, y = (box[:2] + box[2:4] * (0.5, 0.75)).astype(int)
    near = hidden[y - 40 : y + 40, x - 50 : x + 50]
    near[:] = near.mean(axis=(0, 1))
    sure = _covered([image] * 5 + [hidden] * 2, box)
    assert sure[:5].max() < 0.1
    assert sure[5:].min() > 0.55


def test_what_is_at_the_lower_lip_only_is_found_as_well():
    image, box = _picture()
    hidden = image.copy()
    x, y = (box[:2] + box[2:4] * (0.5, 0.95)).astype(int)
    cv2.circle(hidden, (int(x), int(y)), 18, (30, 30, 30), -1)
    assert (_covered([image] * 5 + [hidden] * 2, box) > 0.55).tolist() == [False] * 5 + [True] * 2


def test_light_on_the_whole_face_covers_nothing():
    image, box = _picture()
    lit = [(image * k).astype(np.uint8) for k in (1, 1, 1, 0.7, 0.5)]
    assert _covered(lit, box).max() < 0.4


def test_a_mouth_is_compared_with_those_of_a_head_that_is_turned_alike():
    front, side = (look_at_mouth(*_picture(seed=seed)).surface for seed in (0, 1))
    surface = np.array([front] * 8 + [side] * 4)
    turned = np.column_stack([[0] * 8 + [40] * 4, np.zeros(12)])
    assert covered(surface, turned).max() < 1e-6
    assert covered(surface, 0 * turned)[8:].min() > 0.2
    np.testing.assert_allclose(covered(surface, turned + 3.1), covered(surface, turned))


def test_a_cover_that_lasts_for_a_third_of_a_long_track_is_told():
    rng = np.random.default_rng(0)
    front, hand = (look_at_mouth(*_picture(seed=seed)).surface for seed in (0, 1))
    hand[..., :3] += 30
    hides = (np.arange(900) >= 300) & (np.arange(900) < 600)
    surface = np.where(hides[:, None, None, None], hand, front) + rng.normal(0, 0.1, (900, *SURFACE_SHAPE))
    sure = covered(surface, rng.normal(0, 1.5, (900, 2)))
    np.testing.assert_array_equal(sure > 0.55, hides)


def test_what_is_not_known_stays_so():
    surface, pose = np.zeros((5, *SURFACE_SHAPE)), np.zeros((5, 2))
    surface[1], surface[3], pose[4] = np.nan, 50, np.nan
    np.testing.assert_array_equal(covered(surface, pose), [0, np.nan, 0, 1, np.nan])
    assert np.isnan(covered(np.full((2, *SURFACE_SHAPE), np.nan), pose[:2])).all()
    edges = np.ones((3, EDGE_ANGLES))
    edges[1] = np.nan
    np.testing.assert_array_equal(lost_detail(edges, np.ones(3)), [0, np.nan, 0])
    assert np.isnan(lost_detail(edges, np.full(3, np.nan))).all()


@pytest.mark.parametrize("angle", [0, 45, 90, 135])
def test_motion_is_told_by_what_is_lost_along_it(angle: int):
    box = _picture()[1]
    rng = np.random.default_rng(0)  # details of all sizes, as pictures have them
    octaves = [cv2.resize(rng.normal(0, 300 / n, (n, n)), (256, 256)) for n in (8, 16, 32, 64, 128)]
    image = np.clip(sum(octaves)[..., None] + SKIN, 0, 255).astype(np.uint8)
    kernel = np.zeros((31, 31), np.float32)
    x, y = 15 * np.cos(np.radians(angle)), 15 * np.sin(np.radians(angle))
    cv2.line(kernel, (round(15 - x), round(15 - y)), (round(15 + x), round(15 + y)), 1)
    moved = cv2.filter2D(image, -1, kernel / kernel.sum())
    mouths = [look_at_mouth(picture, box) for picture in [image] * 4 + [moved]]
    lost = lost_detail(np.array([m.edges for m in mouths]), np.array([m.sharpness for m in mouths]))
    assert lost[:4].max() == 0
    assert lost[4] > 0.4


def test_less_contrast_is_no_lost_detail():
    image, box = _picture()
    mouths = [look_at_mouth((image * k).astype(np.uint8), box) for k in (1, 1, 1, 0.5)]
    assert (
        lost_detail(np.array([m.edges for m in mouths]), np.array([m.sharpness for m in mouths])).max() == 0
    )


def _covered(images: list[np.ndarray], box: np.ndarray) -> np.ndarray:
    return covered(np.array([look_at_mouth(i, box).surface for i in images]), np.zeros((len(images), 2)))


@pytest.mark.parametrize("x", [-500.0, 230.0, 5000.0])
def test_a_face_beyond_the_border_is_no_error(x: float):
    image, _ = _picture()
    mouth = look_at_mouth(image, np.array([x, 100, 100, 127, 10]))
    assert 0 <= mouth.sharpness <= 1
    assert np.isfinite(mouth.surface).all()
    assert np.isfinite(mouth.edges).all()


def test_sightings_are_in_pixels_of_the_upright_picture():
    image, box = _picture()
    face = face_in(box)
    (row,), (large,) = sightings([face], image), sightings([face], image, 2.0)
    np.testing.assert_allclose(large["box"], row["box"] * (2, 2, 2, 2, 1))
    assert large["sharpness"] == row["sharpness"]
    assert np.isfinite([row["yaw"], row["pitch"], row["sharpness"]]).all()
    assert np.isnan(sightings([face])["sharpness"]).all()
