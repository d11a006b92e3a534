import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.evaluation.images import flicker, psnr, ssim, ssim_map

RNG = np.random.default_rng(3)
PICTURE = cv2.GaussianBlur(RNG.uniform(0, 255, (40, 36, 3)), (0, 0), 2) * 3 % 255
NOISY = np.clip(PICTURE + RNG.normal(0, 12, PICTURE.shape), 0, 255)


def slow_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Window by window, from weighted sums of squared deviations, as the paper's equations read."""
    y, x = np.mgrid[-5:6, -5:6]
    w = np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    w /= w.sum()
    out = np.empty((a.shape[0] - 10, a.shape[1] - 10))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            m, n = (w * p).sum(), (w * q).sum()
            v, u, c = (w * (p - m) ** 2).sum(), (w * (q - n) ** 2).sum(), (w * (p - m) * (q - n)).sum()
            out[i, j] = (2 * m * n + 6.5025) * (2 * c + 58.5225)
            out[i, j] /= (m * m + n * n + 6.5025) * (v + u + 58.5225)
    return out


def test_ssim_is_that_of_the_equations_window_by_window():
    slow = np.stack([slow_ssim(PICTURE[..., k], NOISY[..., k]) for k in range(3)], axis=-1)
    assert 0.1 < slow.mean() < 0.95
    np.testing.assert_allclose(ssim_map(PICTURE, NOISY), slow, atol=1e-10)
    np.testing.assert_allclose(ssim_map(PICTURE[..., 1], NOISY[..., 1]), slow[..., 1], atol=1e-10)
    assert ssim(PICTURE, NOISY) == pytest.approx(slow.mean())


def test_ssim_of_a_mask_is_the_mean_over_the_windows_centred_in_it():
    mask = np.zeros((40, 36), bool)
    mask[3:20, 9:30] = True  # rows 3 and 4 are no centres
    assert ssim(PICTURE, NOISY, mask) == pytest.approx(ssim_map(PICTURE, NOISY)[0:15, 4:25].mean())
    assert math.isnan(ssim(PICTURE, NOISY, np.zeros((40, 36), bool)))


def test_flat_pictures_differ_by_their_light_alone():
    a, b = np.full((20, 20), 100.0), np.full((20, 20), 150.0)
    assert ssim(a, b) == pytest.approx((2 * 100 * 150 + 6.5025) / (100**2 + 150**2 + 6.5025))


@settings(deadline=None)
@given(st.floats(0.2, 3), st.floats(1, 40))
def test_ssim_and_psnr_are_symmetric_and_best_for_equal_pictures(gain: float, noise: float):
    other = PICTURE * gain + np.random.default_rng(0).normal(0, noise, PICTURE.shape)
    assert ssim(PICTURE, other) == pytest.approx(ssim(other, PICTURE))
    assert psnr(PICTURE, other) == pytest.approx(psnr(other, PICTURE))
    assert -1 <= ssim(PICTURE, other) < 1
    assert ssim(other, other) == pytest.approx(1, abs=1e-9)
    assert psnr(other, other) == math.inf


def test_a_negative_is_worse_than_unlike():
    assert ssim(PICTURE, 255 - PICTURE) < 0


def test_psnr_of_known_errors():
    a = np.zeros((12, 12, 3), np.uint8)
    assert psnr(a, a + 255) == pytest.approx(0)
    assert psnr(a, a + 1) == pytest.approx(48.1308, abs=1e-4)
    # Whole numbers do not wrap round below 0.
    assert psnr(a, a + 200) == pytest.approx(psnr(a + 200, a))
    b = a.copy()
    b[:6] = 10
    assert psnr(a, b) == pytest.approx(20 * np.log10(255 / 10) + 10 * np.log10(2))


def test_psnr_of_a_mask_sees_nothing_else():
    a, b = np.zeros((12, 12, 3), np.uint8), np.zeros((12, 12, 3), np.uint8)
    b[:6], b[6:] = 10, 99
    mask = np.zeros((12, 12), bool)
    mask[:6] = True
    assert psnr(a, b, mask) == pytest.approx(20 * np.log10(255 / 10))
    assert math.isnan(psnr(a, b, mask & False))


@pytest.mark.parametrize("measure", [psnr, ssim, flicker])
def test_pictures_of_other_shapes_are_refused(measure):
    with pytest.raises(ValueError, match="cannot be compared"):
        measure(PICTURE, PICTURE[:-1])


def test_pictures_smaller_than_the_window_are_refused():
    with pytest.raises(ValueError, match="10x40 are smaller"):
        ssim(PICTURE[:, :10], PICTURE[:, :10])


CLIP = RNG.integers(0, 256, (6, 9, 8, 3), dtype=np.uint8)


def test_flicker_compares_changes_of_successive_frames():
    assert flicker(CLIP, CLIP) == 1
    assert flicker(CLIP // 2 + 100, CLIP) == pytest.approx(0.5, abs=0.01)
    assert flicker(np.repeat(CLIP[:1], 6, axis=0), CLIP) == 0
    assert flicker(CLIP[..., 0], CLIP[..., 0]) == 1
    # A constant difference is no flicker.
    assert flicker(CLIP.astype(float) + 40, CLIP.astype(float)) == pytest.approx(1)


def test_flicker_sees_only_pixels_that_are_in_the_masks_of_both_frames():
    mask = np.zeros((9, 8), bool)
    mask[4:] = True
    other = CLIP.copy()
    other[:, :4] = 0
    assert flicker(other, CLIP, mask) == 1
    assert flicker(other, CLIP, ~mask) == 0
    moving = np.repeat(mask[None], 6, axis=0)
    moving[1::2] = ~mask  # no pixel is in two masks in a row
    assert math.isnan(flicker(other, CLIP, moving))


def test_flicker_of_a_still_source_or_of_one_frame_is_not_known():
    assert math.isnan(flicker(CLIP, np.zeros_like(CLIP)))
    assert math.isnan(flicker(CLIP[:1], CLIP[:1]))
