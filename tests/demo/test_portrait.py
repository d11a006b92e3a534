"""The portrait is found in the package it comes with, and nowhere else."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lipdub.demo import portrait
from lipdub.demo.portrait import SIDE, portrait_file, read_portrait
from lipdub.errors import InputError, MediaError


def png(bgr: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", bgr)[1].tobytes()


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(portrait, "PACKAGE", "a_package_that_nobody_has")
    with pytest.raises(InputError, match=r"pip install 'lipdub\[demo\]'"):
        portrait_file()


def test_a_package_without_the_picture_is_as_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(portrait, "PACKAGE", "lipdub")
    with pytest.raises(InputError, match="portrait"):
        portrait_file()


@pytest.mark.parametrize(
    "data", [b"", b"no picture", cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes()]
)
def test_another_picture_is_refused(tmp_path, data: bytes):
    (tmp_path / "astronaut.png").write_bytes(data)
    with pytest.raises(MediaError, match="not the portrait"):
        read_portrait(tmp_path / "astronaut.png")


def test_it_is_the_picture_that_scikit_image_gives():
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed: pip install '.[demo]'")
    np.testing.assert_array_equal(read_portrait(portrait_file()), data.astronaut())


def test_it_is_read_as_rgb(tmp_path):
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[..., 2] = 200  # red, to OpenCV
    (tmp_path / "astronaut.png").write_bytes(png(image))
    assert read_portrait(tmp_path / "astronaut.png")[0, 0].tolist() == [200, 0, 0]
