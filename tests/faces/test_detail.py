"""The texture has the strength, the colour of noise and the movement of the source's, and not its shape."""

import cv2
import numpy as np
import pytest

from lipdub.faces.detail import dulled, keeping, kept_detail, lost_share, sharpened, skin_field, texture

SIZE = 64
SHAPE = (220, 240)
"""Rows and columns of the lower half of a face 300 pixels high."""


def _to_crop(left: float = 0.0, top: float = 0.0) -> np.ndarray:
    """From pixels of that lower half, moved by (left, top), to the crop."""
    scale = np.diag([SIZE / 236, SIZE / 300])
    return np.column_stack([scale, [-0.5, SIZE / 2 - 0.5] - scale @ [left + 2, top + 35]])


def _noise(seed: int, sigma: float = 1.0) -> np.ndarray:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal(SHAPE), (0, 0), sigma)
    return (0.01 * noise / noise.std()).astype(np.float32)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize("sigma", [0.7, 1.5])
def test_a_texture_is_as_strong_and_as_fine_as_the_detail_it_is_made_from(sigma: float):
    detail = _noise(1, sigma)
    made = texture(detail, _to_crop(), SIZE, None)
    assert made.std() / detail.std() == pytest.approx(1, abs=0.15)
    for shift in (1, 2):
        wanted = _correlation(detail[:, shift:], detail[:, :-shift])
        assert _correlation(made[:, shift:], made[:, :-shift]) == pytest.approx(wanted, abs=0.12)
    assert abs(_correlation(made, detail)) < 0.05


def test_grain_stays_new_in_each_frame_and_pores_stay_where_they_are():
    grain = [texture(_noise(seed), _to_crop(), SIZE, None) for seed in (1, 2)]
    assert abs(_correlation(*grain)) < 0.15
    pores = [texture(_noise(1) + 0.2 * _noise(seed), _to_crop(), SIZE, None) for seed in (2, 3)]
    assert _correlation(*pores) > 0.9


@pytest.mark.parametrize("move", [(0.0, 1.0), (3.0, -2.0), (0.5, 0.0), (0.25, 0.6)])
def test_a_texture_moves_with_the_face(move: tuple[float, float]):
    """Also by parts of a pixel: the same pores on a face that has moved give the same texture, moved."""
    shift = np.array([[1, 0, -move[0]], [0, 1, -move[1]]])
    moved = cv2.warpAffine(_noise(1, 2.0), shift, SHAPE[::-1], flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    still = texture(_noise(1, 2.0), _to_crop(), SIZE, None)
    made = texture(moved, _to_crop(*move), SIZE, None)
    expected = cv2.warpAffine(still, shift, SHAPE[::-1], flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    middle = slice(60, -60), slice(60, -60)
    assert _correlation(made[middle], expected[middle]) > 0.97


def test_hair_on_the_cheek_is_no_texture():
    detail = _noise(1)
    detail[60:63, 20:80] = 0.2
    assert texture(detail, _to_crop(), SIZE, None).std() < 2.5 * _noise(1).std()


def test_a_face_that_leaves_the_picture_has_no_cheek_to_learn_from():
    assert np.isfinite(texture(_noise(1)[:40, :30], _to_crop(), SIZE, None)).all()


def test_nothing_is_lost_where_the_face_is_no_larger_than_the_network():
    assert lost_share(np.eye(2, 3) * 1.0) == 0
    assert lost_share(np.eye(2, 3) * 1.7) == 0
    assert 0 < lost_share(np.eye(2, 3) / 1.1) < 1
    assert lost_share(np.eye(2, 3) / 2) == 1


def test_lips_keep_no_detail_and_skin_keeps_it_where_it_is_the_same():
    skin = skin_field(None)
    same = kept_detail(np.zeros((SIZE, SIZE, 3), np.float32), skin)
    assert np.array_equal(same, skin)
    assert not skin[round(0.69 * 64) : round(0.85 * 64), 20:44].any()
    assert skin[40, 4] == 1
    assert kept_detail(np.full((SIZE, SIZE, 3), 30 / 255, np.float32), skin).max() < 0.01


def test_sharpening_keeps_flat_pictures_and_raises_what_is_fine():
    waves = np.sin(2 * np.pi * np.tile(np.arange(SIZE), (SIZE, 1)) / 3).astype(np.float32)
    assert sharpened(np.ones((8, 8), np.float32), 1.0) == pytest.approx(1)
    assert sharpened(waves, 1.0).std() > 1.1 * waves.std()
    assert sharpened(waves, 0.0) is waves


def test_lips_keep_their_detail_only_where_they_are_the_old_ones_and_nothing_is_lost():
    skin = skin_field(None)

    def kept(levels: float, lost: float) -> float:
        return float(keeping(np.full((SIZE, SIZE, 3), levels / 255, np.float32), skin, lost).min())

    assert (keeping(np.zeros((SIZE, SIZE, 3), np.float32), skin, 0.0) == 1).all()
    assert kept(1.9, 0) == 1
    assert 0 < kept(3.5, 0) < kept(3, 0) < kept(2.5, 0) < 1
    assert kept(4.1, 0) == kept(0, 1) == 0
    assert kept(0, 0.4) == pytest.approx(0.6)
    assert np.array_equal(keeping(np.ones((SIZE, SIZE, 3), np.float32), skin, 0.0), skin)


def test_lips_are_judged_as_a_whole():
    """Of lips of which half are the same nothing stays; what changes outside them does not count."""
    skin = skin_field(None)
    error = np.zeros((SIZE, SIZE, 3), np.float32)
    error[:, 32:] = 20 / 255
    assert np.array_equal(keeping(error, skin, 0.0), skin)
    error[:] = 20 / 255 * (skin == 1)[..., None]
    assert (keeping(error, skin, 0.0) == 1).all()


def test_sharpening_is_for_faces_of_another_size_than_the_network():
    assert dulled(np.eye(2, 3)) == (0, 1)
    assert dulled(np.eye(2, 3) / 2) == (1, 1)
    assert dulled(np.eye(2, 3) * 2.5) == (1, 2.5)
    assert 0 < dulled(np.eye(2, 3) * 1.3)[0] < 0.5
