"""What a `Look` does to pictures and sounds."""

import cv2
import numpy as np
import pytest

from lipdub.dataset.augmenting import crop_of, heard, resized, show
from lipdub.dataset.sampling import SMALL_SET, Look, look
from tests.support.shards import MARGIN, SIZE, drawn_face, hum, openness

INNER = 64
FACE = drawn_face(0.7, 3)


def test_without_changes_the_crop_is_cut_out():
    assert crop_of(SIZE, MARGIN, Look()) == (8, 8, 72, 72)
    assert np.array_equal(show(FACE, MARGIN, INNER, Look()), FACE[8:72, 8:72])
    half = show(FACE, MARGIN, INNER // 2, Look())
    means = FACE[8:72, 8:72].reshape(32, 2, 32, 2, 3).astype(float).mean((1, 3))
    assert abs(half - means).max() <= 0.5


def test_crop_stays_in_the_picture_whatever_is_drawn():
    for size in (80, 160, 161):
        for index in range(200):
            left, upper, right, lower = crop_of(size, MARGIN, look(SMALL_SET, 0, 0, index))
            assert 0 <= left < right <= size
            assert 0 <= upper < lower <= size
            assert right - left == lower - upper


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Look(dx=1), (16, 8, 80, 72)),
        (Look(dy=-0.5), (8, 4, 72, 68)),
        (Look(scale=1), (0, 0, 80, 80)),
        (Look(scale=-1), (16, 16, 64, 64)),
        (Look(scale=1, dx=1, dy=-1), (0, 0, 80, 80)),
        (Look(scale=0.5, dx=1), (8, 4, 80, 76)),
    ],
)
def test_crop_by_hand(seen: Look, expected: tuple[int, int, int, int]):
    assert crop_of(SIZE, MARGIN, seen) == expected


def test_mirror_mirrors():
    plain = show(FACE, MARGIN, INNER, Look())
    assert np.array_equal(show(FACE, MARGIN, INNER, Look(mirror=True)), plain[:, ::-1])


def test_colours_by_hand():
    image = np.full((SIZE, SIZE, 3), (100, 150, 50), np.uint8)
    assert show(image, MARGIN, 4, Look(brightness=1.2))[0, 0].tolist() == [120, 180, 60]
    assert show(image, MARGIN, 4, Look(contrast=0.5))[0, 0].tolist() == [114, 139, 89]
    grey = show(image, MARGIN, 4, Look(saturation=0))[0, 0]
    assert grey.tolist() == [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[0, 0]] * 3
    assert show(image, MARGIN, 4, Look(brightness=3))[0, 0].tolist() == [255, 255, 150]


@pytest.mark.parametrize("seen", [Look(quality=50), Look(detail=0.5)])
def test_worse_pictures_are_the_same_in_the_rough_and_less_sharp(seen: Look):
    plain = show(FACE, MARGIN, INNER, Look()).astype(float)
    worse = show(FACE, MARGIN, INNER, seen).astype(float)
    assert not np.array_equal(plain, worse)
    assert abs(plain - worse).mean() < 8
    assert abs(plain.mean((0, 1)) - worse.mean((0, 1))).max() < 3


def test_resizing_keeps_a_picture_of_that_size():
    assert resized(FACE, SIZE) is FACE


def test_sound_without_changes_is_the_sound():
    sound = hum(openness(20, 0), 0)
    assert heard(sound, Look(noise_seed=3)) is sound


def test_gain_and_noise_by_hand():
    sound = hum(openness(20, 0), 0)
    unit = sound / 32768
    np.testing.assert_allclose(heard(sound, Look(gain=-6)), unit * 10 ** (-6 / 20), atol=1e-6)
    noise = heard(sound, Look(noise=20.0, noise_seed=1)) - unit
    ratio = 20 * np.log10(np.sqrt((unit**2).mean()) / np.sqrt((noise**2).mean()))
    assert abs(ratio - 20) < 0.3
    assert np.array_equal(heard(sound, Look(noise=20.0, noise_seed=1)) - unit, noise)
    assert abs(heard(sound, Look(gain=60))).max() == 1


def test_silence_gets_noise_without_division_by_zero():
    found = heard(np.zeros(640, np.int16), Look(noise=20.0))
    assert 0 < abs(found).max() < 1e-3
    assert len(heard(np.zeros(0, np.int16), Look(noise=20.0))) == 0
