"""Views frame a face as VoxCeleb2 does, wherever it is, and frames are found by their times."""

import numpy as np
import pytest

from lipdub.evaluation.views import (
    FIXED,
    SIDE,
    crops_of,
    lower_halves,
    nearest,
    nearest_frames,
    view_of,
)
from lipdub.faces.crop import from_crop


def test_a_view_already_is_left_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    assert view_of(image, FIXED) is image


@pytest.mark.parametrize("roll", [0.0, 20.0, -35.0])
@pytest.mark.parametrize("scale", [0.8, 1.0, 2.5])
def test_a_place_in_the_box_lies_at_that_place_in_the_crop(roll: float, scale: float):
    """A bright dot in the picture is found where the box says."""
    box = np.array([150.0, 120.0, 124 * scale, 158 * scale, roll])
    y, x = np.mgrid[:700, :700]
    for place in ([0.3, 0.4], [0.5, 0.9]):
        at = from_crop(np.array([place]), box)[0]
        dot = 255 * np.exp(-((x + 0.5 - at[0]) ** 2 + (y + 0.5 - at[1]) ** 2) / (2 * (4 * scale) ** 2))
        view = view_of(np.repeat(dot[..., None], 3, 2).astype(np.uint8), box)[..., 0].astype(float)
        total = view.sum()
        rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
        found = np.array([(view * columns).sum(), (view * rows).sum()]) / total
        np.testing.assert_allclose(found, [50 + 124 * place[0], 158 * place[1]], atol=0.15)


def test_crops_and_their_lower_halves():
    views = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)
    assert crops_of(views).shape == (2, 158, 124, 3)
    np.testing.assert_array_equal(lower_halves(views), crops_of(views)[:, 79:])
    np.testing.assert_array_equal(crops_of(views)[1, 0, 0], views[1, 0, 50])


def test_frames_at_25_a_second():
    assert nearest_frames(np.arange(50) / 25, 25).tolist() == list(range(50))
    assert nearest_frames(3 + np.arange(50) / 50, 25).tolist() == list(range(0, 50, 2))
    assert nearest_frames(np.array([0, 0.5]), 25).tolist() == [0] * 7 + [1] * 6
    assert nearest_frames(np.array([1.0]), 25).tolist() == [0]


def test_the_nearest_moment():
    times = np.array([0.0, 1.0, 3.0])
    assert nearest(times, np.array([-5, 0.4, 0.6, 1.9, 2.1, 9])).tolist() == [0, 0, 1, 1, 2, 2]
