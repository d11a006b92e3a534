"""Carry out a `Look`: pictures and sounds as training sees them. Pure functions."""

import cv2
import numpy as np
from numpy.typing import NDArray

from lipdub.dataset.sampling import Look

Picture = NDArray[np.uint8]
"""[H, W, 3] RGB."""
GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Luma of RGB (BT.601, as in JPEG)."""
MIDDLE = 128.0
"""What contrast leaves where it is."""
QUIETEST = 1e-4
"""Loudness of full scale, −80 dB, below which a sound counts as that loud when noise is measured off it."""


def crop_of(size: int, margin: float, seen: Look) -> tuple[int, int, int, int]:
    """The part of a stored picture that is seen, whole pixels: left, upper, right, lower.

    Args:
        size: side of the stored picture.
        margin: by how much of the crop's size it goes beyond the crop on every side.
        seen: how the crop is shifted and scaled. Where both would leave the picture, the shift gives way.
    """
    inner = size / (1 + 2 * margin)
    side = min(size, round(inner * (1 + 2 * margin * seen.scale)))
    corners = []
    for shift in (seen.dx, seen.dy):
        corner = round((size - side) / 2 + shift * margin * inner)
        corners.append(min(max(corner, 0), size - side))
    left, upper = corners
    return left, upper, left + side, upper + side


def show(picture: Picture, margin: float, size: int, seen: Look) -> Picture:
    """A stored picture as the network sees it.

    Args:
        picture: square, with a margin round the crop.
        margin: see `crop_of`.
        size: side that is wanted.
        seen: the changes. Without any, the crop is cut out and resized.

    Returns:
        [size, size, 3].
    """
    left, upper, right, lower = crop_of(len(picture), margin, seen)
    image = resized(picture[upper:lower, left:right], size)
    if seen.detail < 1:
        image = resized(resized(image, max(1, round(size * seen.detail))), size)
    image = coloured(image, seen)
    if seen.mirror:
        image = image[:, ::-1]
    return compressed(image, seen.quality) if seen.quality else np.ascontiguousarray(image)


def resized(image: Picture, size: int) -> Picture:
    """A square picture of another size: averaged where it shrinks, else interpolated between pixels."""
    if len(image) == size:
        return image
    how = cv2.INTER_AREA if size < len(image) else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=how), np.uint8)


def coloured(image: Picture, seen: Look) -> Picture:
    """Brightness, then contrast about the middle, then saturation about the grey of each pixel."""
    if seen.brightness == seen.contrast == seen.saturation == 1:
        return image
    factor = seen.brightness * seen.contrast
    matrix = factor * (seen.saturation * np.eye(3, dtype=np.float32) + (1 - seen.saturation) * GREY)
    offset = np.full((3, 1), MIDDLE * (1 - seen.contrast), np.float32)
    return np.asarray(cv2.transform(image, np.hstack([matrix, offset])), np.uint8)


def compressed(image: Picture, quality: int) -> Picture:
    """What JPEG of a quality (0 to 100) leaves of a picture."""
    _, packed = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR_RGB), np.uint8)


def heard(sound: NDArray[np.int16], seen: Look) -> NDArray[np.int16] | NDArray[np.float32]:
    """A sound, louder or softer, and with white noise.

    Args:
        sound: [n], 16 kHz mono.
        seen: the changes. Without any, it is the sound itself.

    Returns:
        [n], int16, or float32 in [-1, 1].
    """
    if seen.gain == 0 and np.isinf(seen.noise):
        return sound
    unit = sound.astype(np.float32) / 32768 * np.float32(10 ** (seen.gain / 20))
    if np.isfinite(seen.noise):
        loudness = max(QUIETEST, float(np.sqrt(np.mean(unit**2))) if len(unit) else 0.0)
        noise = np.random.default_rng(seen.noise_seed).standard_normal(len(unit), np.float32)
        unit += noise * np.float32(loudness * 10 ** (-seen.noise / 20))
    return unit.clip(-1, 1)
