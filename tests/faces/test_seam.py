"""Light is matched, shapes are not."""

import cv2
import numpy as np
import pytest

from lipdub.faces.detail import skin_field
from lipdub.faces.mask import mask_field
from lipdub.faces.seam import membrane
from tests.faces.test_mask import outline_of

MASK, SKIN = mask_field(outline_of()), skin_field(outline_of())
FLAT = np.full((128, 128, 3), 0.5, np.float32)
Y, X = (np.mgrid[:128, :128] + 0.5) / 128
INSIDE = cv2.resize(MASK, (128, 128)) > 0.01


def _lower(error: np.ndarray) -> np.ndarray:
    """An error [..., 3] of the lower half."""
    result = np.broadcast_to(error, (128, 128, 3)).astype(np.float32)
    result[:64] = 0
    return result


def test_no_error_is_no_membrane():
    assert not membrane(np.zeros_like(FLAT), FLAT, MASK, SKIN).any()


@pytest.mark.parametrize("colour", [(8, 8, 8), (-6, 3, 10)])
def test_an_error_of_light_is_found(colour: tuple[int, int, int]):
    error = _lower(np.array(colour) / 255)
    left = error - membrane(error, FLAT, MASK, SKIN)
    assert np.abs(left[INSIDE]).max() * 255 < 0.8


def test_light_that_changes_over_the_face_is_followed():
    slope = (4 + 6 * (X - 0.5))[..., None] / 255
    error = _lower(np.repeat(slope, 3, axis=-1))
    left = error - membrane(error, FLAT, MASK, SKIN)
    assert np.abs(left[INSIDE]).mean() < 0.3 * np.abs(error[INSIDE] - error[INSIDE].mean()).mean()


def test_a_mouth_of_another_shape_is_not_taken_for_light():
    """Lips that are 100 levels darker, of which a plain membrane or mean would take off a part."""
    error = _lower(np.float32(8 / 255))
    lips = ((X - 0.5) / 0.2) ** 2 + ((Y - 0.77) / 0.08) ** 2 < 1
    error[lips] -= 100 / 255
    light = membrane(error, FLAT, MASK, SKIN) * 255
    assert np.abs(light[INSIDE] - 8).max() < 0.8


def test_edges_say_little_about_light():
    """A collar that moved: an error of 20 levels, on the steep part of the picture only."""
    edge = (np.abs(Y - 0.93) < 0.02) & INSIDE
    seen = FLAT + np.float32(0.4) * (Y > 0.93)[..., None].astype(np.float32)
    error = _lower(20 / 255 * edge[..., None])
    taken, without = (
        np.abs(membrane(error, image, MASK, SKIN)[INSIDE]).mean() * 255 for image in (seen, FLAT)
    )
    assert taken < 0.7 * without


def test_where_nothing_can_be_trusted_nothing_is_matched():
    error = _lower(np.float32(0.9))
    assert membrane(error, FLAT, MASK, SKIN).max() < 0.1


@pytest.mark.parametrize("seed", range(4))
def test_light_is_found_round_a_mouth_of_another_shape_and_does_not_flicker(seed: int):
    """The same light on other shapes (40 levels strong, in the lower half), frame after frame."""
    rng = np.random.default_rng(seed)
    lights = []
    for _ in range(3):
        rough = cv2.GaussianBlur(rng.standard_normal((128, 128)), (0, 0), 5)
        shapes = _lower((40 / 255 * rough / rough.std() * (np.hypot(X - 0.5, Y - 0.77) < 0.2))[..., None])
        lit = membrane(shapes + _lower(np.float32(8 / 255)), FLAT, MASK, SKIN)
        lights.append(255 * (lit - membrane(shapes, FLAT, MASK, SKIN))[INSIDE])
    assert np.abs(np.mean(lights, axis=(1, 2)) - 8).max() < 0.5
    assert np.abs(np.diff(lights, axis=0)).mean() < 0.3
