"""At every size of face a copy is exact, another mouth keeps none of the old detail, and nothing flickers."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from lipdub.faces.paste import Canvas, paste, take_crop
from lipdub.media.planes import Plane
from lipdub.render import canvas_of
from tests.support.faces import movie_info

SIZE = 128
CORNER = (20.3, 14.6)
LEVEL = 65535 / 255
HEIGHTS = [60, 100, 128, 144, 200, 400]
heights = pytest.mark.parametrize("height", HEIGHTS)


def _side(height: int) -> int:
    return height + 40


def _canvas(height: int) -> Canvas:
    return canvas_of(movie_info(_side(height), _side(height), "gray16le"))


def _box(height: int) -> np.ndarray:
    return np.array([*CORNER, 0.785 * height, height, 0.0])


def _lips(height: int) -> tuple[slice, slice]:
    """Rows and columns in the middle of the lips, where the mask is 1."""
    x, y = np.array(CORNER) + np.array([0.785 * 0.5, 0.77]) * height
    return (
        slice(round(y - 0.07 * height), round(y + 0.07 * height)),
        slice(round(x - 0.14 * height), round(x + 0.14 * height)),
    )


def _face(height: int, seed: int) -> Plane:
    """A picture, 16 bits: shapes that grow with the face, and a texture as fine as the pixels."""
    rng = np.random.default_rng(seed)
    shapes, texture = (
        cv2.GaussianBlur(rng.standard_normal((_side(height), _side(height))), (0, 0), sigma)
        for sigma in (0.03 * height, 0.6)
    )
    return _samples(128 + 25 * shapes / shapes.std() + 6 * texture / texture.std())


def _samples(levels: np.ndarray) -> Plane:
    return np.rint(np.clip(levels, 0, 255) * LEVEL).astype(np.uint16)


def _levels(plane: Plane) -> np.ndarray:
    return plane.astype(np.float64) / LEVEL


def _pasted(plane: Plane, generated: np.ndarray, height: int) -> Plane:
    result = plane.copy()
    paste([result], _canvas(height), _box(height), generated, 1.0)
    return result


def _crop(plane: Plane, height: int) -> np.ndarray:
    return take_crop([plane], _canvas(height), _box(height), SIZE)


def _fine(plane: Plane, height: int) -> np.ndarray:
    levels = _levels(plane).astype(np.float32)
    return (levels - cv2.GaussianBlur(levels, (0, 0), 1))[_lips(height)]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@heights
def test_another_mouth_has_no_fine_detail_of_the_old_one(height: int):
    """Mean of three pairs: by chance, the two mouths themselves agree a little where they have few pixels."""
    results = []
    for seed in (1, 3, 5):
        old, other = _face(height, seed), _face(height, seed + 1)
        new = _pasted(old, _crop(other, height), height)
        details = [_fine(plane, height) for plane in (new, old, other)]
        results.append(
            (_correlation(*details[:2]), _correlation(*details[1:]), details[0].std() / details[2].std())
        )
    leaked, own, strength = np.mean(results, axis=0)
    assert abs(leaked - own) < 0.03
    assert 0.75 < strength < 1.15


@pytest.mark.parametrize("height", [60, 100, 128])
def test_a_copy_is_the_source_up_to_the_size_of_the_network(height: int):
    plane = _face(height, 1)
    assert np.array_equal(_pasted(plane, _crop(plane, height), height), plane)


@pytest.mark.parametrize("height", [60, 100, 128])
def test_a_copy_with_the_noise_of_an_encoder_keeps_the_lips_detail(height: int):
    plane = _face(height, 1)
    noise = 2 / 255 * np.random.default_rng(2).standard_normal((SIZE, SIZE, 1)).astype(np.float32)
    new = _pasted(plane, _crop(plane, height) + noise, height)
    assert _correlation(_fine(new, height), _fine(plane, height)) > 0.95


@heights
@pytest.mark.parametrize("other", [False, True], ids=["own mouth", "another mouth"])
def test_noise_is_not_raised(height: int, other: bool):
    """Two frames alike but for noise, in the picture and in what the network makes, give results as alike."""
    still, mouth = _face(height, 1), _face(height, 2 if other else 1)
    frames, news = [], []
    for seed in (7, 8):
        rng = np.random.default_rng(seed)
        frame = _samples(_levels(still) + rng.standard_normal((_side(height), _side(height))))
        made = _crop(mouth, height) + 2 / 255 * rng.standard_normal((SIZE, SIZE, 1)).astype(np.float32)
        frames.append(_levels(frame)[_lips(height)])
        news.append(_levels(_pasted(frame, made, height))[_lips(height)])
    assert np.std(news[1] - news[0]) < 1.5 * np.std(frames[1] - frames[0])


@pytest.mark.parametrize("height", [60, 100, 128])
def test_lips_that_become_others_lose_the_old_detail_little_by_little(height: int):
    """From a copy to another mouth in 30 steps, the result moves in small ones."""
    old, other = _face(height, 1), _face(height, 2)
    own, new = _crop(old, height), _crop(other, height)
    shares = np.linspace(0, 1, 31).astype(np.float32)
    results = [_levels(_pasted(old, own + share * (new - own), height))[_lips(height)] for share in shares]
    steps = [np.std(b - a) for a, b in pairwise(results)]
    assert max(steps) < 4 * np.std(results[-1] - results[0]) / len(steps)
