"""The portrait of the demo, where it lies in the package it comes with."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.errors import InputError, MediaError

PACKAGE, MEMBER = "skimage", "data/astronaut.png"
SIDE = 512
"""Pixels, of its width and its height: the camera's way is laid out in them."""


def portrait_file() -> Path:
    """The portrait's place.

    scikit-image's own function for it is left aside: it would import much, and may ask the network.

    Raises:
        InputError: scikit-image is not installed.
    """
    found = find_spec(PACKAGE)
    for folder in (found.submodule_search_locations or []) if found else []:
        if (Path(folder) / MEMBER).is_file():
            return Path(folder) / MEMBER
    raise InputError("the demo needs a portrait that comes with scikit-image: pip install 'lipdub[demo]'")


def read_portrait(path: Path) -> npt.NDArray[np.uint8]:
    """The portrait, RGB, [SIDE, SIDE, 3].

    Raises:
        MediaError: it is damaged, or another picture.
    """
    data = np.frombuffer(path.read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None or image.shape != (SIDE, SIDE, 3):
        raise MediaError(f"{path} is not the portrait that the demo knows; reinstall scikit-image.")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
