"""Upright and coded coordinates, against pictures turned and widened by others."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.media.geometry import Geometry, compose, invert

ROTATIONS = [0, 90, 180, 270]


def mapped(matrix, points):
    return points @ matrix[:, :2].T + matrix[:, 2]


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_square_pixels_follow_rot90_exactly(rotation):
    height, width = 5, 8
    index = np.arange(height * width).reshape(height, width)
    upright = np.rot90(index, rotation // 90)
    geometry = Geometry(width, height, rotation=rotation)
    assert geometry.upright_size == upright.shape[::-1]
    y, x = np.mgrid[: upright.shape[0], : upright.shape[1]]
    coded = mapped(geometry.to_coded(), np.stack([x.ravel(), y.ravel()], axis=-1).astype(float))
    assert np.array_equal(coded, np.rint(coded))
    column, row = coded.astype(int).T
    assert np.array_equal(index[row, column].reshape(upright.shape), upright)


@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(8, 9), Fraction(2)])
def test_other_aspects_follow_an_area_average(rotation, aspect):
    """Every coded pixel holds its own x (or y); averaged over square pixels it must match the map."""
    height, width = 24, 36
    square = round(width * aspect)
    edges = np.arange(square + 1) * width / square  # of the square pixels, in coded pixels
    middle = (edges[:-1] + edges[1:]) / 2 - 0.5
    x = np.broadcast_to(middle, (height, square))
    y = np.broadcast_to(np.arange(height)[:, None], (height, square))
    geometry = Geometry(width, height, aspect, rotation)
    rows, columns = np.rot90(y, rotation // 90), np.rot90(x, rotation // 90)
    assert geometry.upright_size == rows.shape[::-1]
    v, u = np.mgrid[: rows.shape[0], : rows.shape[1]]
    coded = mapped(geometry.to_coded(), np.stack([u.ravel(), v.ravel()], axis=-1).astype(float))
    np.testing.assert_allclose(coded[:, 0], columns.ravel(), atol=1e-9)
    np.testing.assert_allclose(coded[:, 1], rows.ravel(), atol=1e-9)


numbers = st.floats(-100, 100)
affine = st.tuples(st.floats(0.2, 5), st.floats(-3, 3), numbers, numbers, st.floats(0.2, 5)).map(
    lambda v: (
        np.column_stack(
            [np.cos(v[1]) * v[0], np.sin(v[1]) * v[0], -np.sin(v[1]) * v[4], np.cos(v[1]) * v[4], v[2], v[3]]
        )
        .reshape(3, 2)
        .T
    )
)


@settings(max_examples=50, deadline=None)
@given(affine, affine, affine)
def test_compose_is_association_of_maps(one, two, three):
    points = np.array([[0.0, 0], [1, 0], [0, 1], [17, -5]])
    np.testing.assert_allclose(mapped(compose(one, two), points), mapped(one, mapped(two, points)), atol=1e-6)
    np.testing.assert_allclose(
        compose(compose(one, two), three), compose(one, compose(two, three)), atol=1e-6
    )


@settings(max_examples=50, deadline=None)
@given(affine)
def test_invert_undoes(matrix):
    nothing = np.array([[1.0, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(compose(matrix, invert(matrix)), nothing, atol=1e-7)
    np.testing.assert_allclose(compose(invert(matrix), matrix), nothing, atol=1e-7)
