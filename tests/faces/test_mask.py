"""The mask is the lower face inside the jaw, and moves with the face."""

import numpy as np
import pytest

from lipdub.faces.crop import turn
from lipdub.faces.mask import GRID, mask_field, mouth_mask, nose_of

ROW = (np.arange(GRID) + 0.5) / GRID
"""Centres of the cells, across and down."""


def jaw_of(chin: float = 1.01, shift: float = 0.0) -> np.ndarray:
    """A jaw like those measured: from the mouth's height at the face's sides round the chin."""
    angle = np.linspace(np.pi, 0, 17)
    return np.stack([0.5 + shift + 0.46 * np.cos(angle), 0.66 + (chin - 0.66) * np.sin(angle)], axis=-1)


@pytest.mark.parametrize("jaw", [None, np.full((17, 2), np.nan), jaw_of(), jaw_of(1.08), jaw_of(0.95, -0.15)])
def test_the_mask_is_one_at_the_mouth_and_nothing_outside_the_lower_half(jaw: np.ndarray | None):
    size = 128
    mask = mouth_mask(np.eye(2, 3), (size, size), size, jaw)
    assert not mask[: size // 2].any()
    assert mask.min() == 0 and mask.max() == 1
    assert not mask[-1].any() and not mask[:, [0, -1]].any()
    # Lips of the training framing: rows 0.69 to 0.84, columns 0.3 to 0.7.
    shift = 0 if jaw is None or np.isnan(jaw).any() else jaw[8, 0] - 0.5
    columns = slice(round((0.34 + shift) * size), round((0.66 + shift) * size))
    assert mask[round(0.7 * size) : round(0.84 * size), columns].min() > 0.97


def test_a_jaw_bounds_the_mask():
    jaw = jaw_of(0.95)
    field = mask_field(jaw)
    x, y = np.meshgrid(ROW, ROW)
    # The line is half an ellipse, straight up from its ends.
    outside = ((x - 0.5) / 0.46) ** 2 + (np.maximum(y - 0.66, 0) / 0.29) ** 2 > 1
    assert not field[outside].any()
    assert (field[~outside & (y > 0.6)] > 0).mean() > 0.9
    assert np.abs(field - field[:, ::-1]).max() < 1e-5
    assert np.abs(np.diff(field[GRID // 2 :], axis=0)).max() < 0.5  # it ends softly, over some cells
    assert np.abs(np.diff(field, axis=1)).max() < 0.35


def test_the_nose_is_left_alone():
    jaw = jaw_of()
    x, y = nose_of(jaw)
    field = mask_field(jaw)
    assert (x, y) == pytest.approx((0.5, 0.605))
    assert not field[y - 0.02 > ROW][:, 31:33].any()
    assert field[(ROW > 0.6) & (ROW < 0.63)][:, 10:14].min() > 0.8  # the cheeks are not


def test_a_mask_follows_its_jaw_smoothly():
    fields = [mask_field(jaw_of(1 - drop)) for drop in (0.04, 0.0401)]
    assert 0 < np.abs(fields[0] - fields[1]).max() < 0.005


@pytest.mark.parametrize("roll", [0.0, 11.0])
@pytest.mark.parametrize("height", [80, 350])
def test_a_moving_mask_does_not_swim(roll: float, height: float):
    """A box moved by a part of a pixel takes its mask along by just that."""
    jaw, size = jaw_of(), 128
    shape = int(1.5 * height), int(1.5 * height)
    y, x = np.mgrid[: shape[1], : shape[0]]
    scale = turn(-roll) / [[0.785 * height / size], [height / size]]
    places = []
    for part in np.linspace(0, 1, 9):
        move = np.array([part, 0.5 * part])
        middle = np.array(shape) / 2 + move
        mask = mouth_mask(np.column_stack([scale, [64, 64] - scale @ middle]), shape, size, jaw)
        places.append(np.array([(mask * x).sum(), (mask * y).sum()]) / mask.sum() - move)
    assert np.ptp(places, axis=0).max() < 0.02
