"""The mask is the lower face inside the outline, and moves with the face."""

import numpy as np
import pytest

from lipdub.faces.crop import turn
from lipdub.faces.mask import GRID, mask_field, mouth_mask, nose_of

ROW = (np.arange(GRID) + 0.5) / GRID
"""Centres of the cells, across and down."""


def outline_of(chin: float = 1.01, shift: float = 0.0, aside: float = 0.0) -> np.ndarray:
    """A face like those measured: its jaw from the mouth's height round the chin, its mouth, its nose.

    Turned to the side, nose and mouth lie `aside` in the jaw.
    """
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.stack([0.5 + 0.46 * np.cos(angle), 0.66 + (chin - 0.66) * np.sin(angle)], axis=-1)
    mouth = [(0.36, 0.765), (0.64, 0.765), (0.5, 0.69), (0.5, 0.84), (0.5, 0.75), (0.5, 0.78)]
    inner = np.array([*mouth, (0.5, 0.605)]) + np.array([aside, 0])
    return np.concatenate([jaw, inner]) + np.array([shift, 0])


@pytest.mark.parametrize(
    "outline", [None, np.full((24, 2), np.nan), outline_of(), outline_of(1.08), outline_of(0.95, -0.15)]
)
def test_the_mask_is_one_at_the_mouth_and_nothing_outside_the_lower_half(outline: np.ndarray | None):
    size = 128
    mask = mouth_mask(np.eye(2, 3), (size, size), size, outline)
    assert not mask[: size // 2].any()
    assert mask.min() == 0 and mask.max() == 1
    assert not mask[-1].any() and not mask[:, [0, -1]].any()
    # Lips of the training framing: rows 0.69 to 0.84, columns 0.3 to 0.7.
    shift = 0 if outline is None or np.isnan(outline).any() else outline[8, 0] - 0.5
    columns = slice(round((0.34 + shift) * size), round((0.66 + shift) * size))
    assert mask[round(0.7 * size) : round(0.84 * size), columns].min() > 0.97


def test_a_jaw_bounds_the_mask():
    outline = outline_of(0.95)
    field = mask_field(outline)
    x, y = np.meshgrid(ROW, ROW)
    # The line is half an ellipse, straight up from its ends.
    outside = ((x - 0.5) / 0.46) ** 2 + (np.maximum(y - 0.66, 0) / 0.29) ** 2 > 1
    assert not field[outside].any()
    assert (field[~outside & (y > 0.6)] > 0).mean() > 0.9
    assert np.abs(field - field[:, ::-1]).max() < 1e-5
    assert np.abs(np.diff(field[GRID // 2 :], axis=0)).max() < 0.5  # it ends softly, over some cells
    assert np.abs(np.diff(field, axis=1)).max() < 0.35


def test_the_nose_is_left_alone():
    outline = outline_of()
    x, y = nose_of(outline)
    field = mask_field(outline)
    assert (x, y) == pytest.approx((0.5, 0.605))
    assert not field[y - 0.02 > ROW][:, 31:33].any()
    assert field[(ROW > 0.6) & (ROW < 0.63)][:, 10:14].min() > 0.8  # the cheeks are not


@pytest.mark.parametrize("aside", [-0.3, 0.25, 0.3])
def test_lips_on_the_line_of_the_far_jaw_are_replaced(aside: float):
    """A head turned by 40 degrees: the jaw's far line passes through the lips."""
    outline = outline_of(aside=aside)
    columns, rows = (outline[17:23] * GRID).astype(int).T
    inside = (columns > 6) & (columns < GRID - 7)  # but for the feather of the crop's own border
    assert inside.sum() >= 5
    assert mask_field(outline)[rows, columns][inside].min() > 0.9


def test_an_open_mouth_is_replaced_up_to_its_upper_lip():
    """The chin drops and the nose stays: the upper lip is where it was."""
    field = mask_field(outline_of(chin=1.08))
    assert field[round(0.695 * GRID), GRID // 2] > 0.9


def test_a_mask_follows_its_jaw_smoothly():
    fields = [mask_field(outline_of(1 - drop)) for drop in (0.04, 0.0401)]
    assert 0 < np.abs(fields[0] - fields[1]).max() < 0.005


@pytest.mark.parametrize("roll", [0.0, 11.0])
@pytest.mark.parametrize("height", [80, 350])
def test_a_moving_mask_does_not_swim(roll: float, height: float):
    """A box moved by a part of a pixel takes its mask along by just that."""
    outline, size = outline_of(), 128
    shape = int(1.5 * height), int(1.5 * height)
    y, x = np.mgrid[: shape[1], : shape[0]]
    scale = turn(-roll) / [[0.785 * height / size], [height / size]]
    places = []
    for part in np.linspace(0, 1, 9):
        move = np.array([part, 0.5 * part])
        middle = np.array(shape) / 2 + move
        mask = mouth_mask(np.column_stack([scale, [64, 64] - scale @ middle]), shape, size, outline)
        places.append(np.array([(mask * x).sum(), (mask * y).sum()]) / mask.sum() - move)
    assert np.ptp(places, axis=0).max() < 0.02
