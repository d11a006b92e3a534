"""Grain and sharpness for a mouth that is larger than the network's picture, without the old lips.

What the network's resolution cannot carry is the source's fine detail: the picture minus the crop scaled up
again. Skin round the mouth that the network left as it was keeps its own. The lips must not, since theirs are
the old ones: they get a texture instead, which has the spectrum of the cheeks' fine detail in the same frame
and no shape: white noise, fixed to the face, convolved with a patch of that detail. Grain that is new in each
frame stays so, pores that stay with the skin stay with it, because the patch does.
"""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.faces.mask import GRID, Field, Outline, chin_of, nose_of, places_of_cells, smoothstep
from lipdub.media.geometry import Affine

FULL_SCALE = 1.25
"""From 1 to so many times the network's size, the treatment of detail fades in: below, none is lost."""
SHARPENING = 0.25
"""Share of the difference to a blurred picture that is added: makes up for averaging and interpolation."""
LIPS_BELOW_NOSE, LIPS_HALF_SIZE = 0.165, (0.34, 0.16)
"""How far the lips lie below the nose's base in the crop, and the zone in which lips old or new may lie."""
LIPS_FADE = 0.3
"""Share of that zone's size over which it ends."""
SAME_LIGHT = 8 / 255
"""Where the network changed the skin by this much, a third of the old detail is kept."""
SAME_LIPS = (2 / 255, 4 / 255)
"""CHOOSE"""
CHEEKS = ((0.2, 0.6), (0.8, 0.6))
CHEEK_HALF_SIZE = 0.07
"""Patches of skin beside the nose, whose detail the mouth's is like; half a side in heights of the crop."""
LARGEST_PATCH = 40
"""Half the side, in pixels, of the largest: grain is finer than that, however large the face."""
OUTLIER = 2.5
"""So many times the median size of detail is the most that counts: hair and edges are no texture."""
NOISE_SIZE, NOISE_SEED = 1024, 478
"""The noise repeats after so many pixels, which is more than a mouth in most films."""


def lost_share(to_crop: Affine) -> float:
    """How much of the treatment is needed, 0 to 1, where a crop is scaled up by the inverse of this map."""
    scale = 1 / np.linalg.norm(to_crop[:, :2], axis=0).min()
    return float(smoothstep(np.array((scale - 1) / (FULL_SCALE - 1))))


def sharpened(image: npt.NDArray[np.float32], to_crop: Affine) -> npt.NDArray[np.float32]:
    """A crop in which averaging and interpolation by the inverse of this map are made up for."""
    coarser = max(1.0, float(np.linalg.norm(to_crop[:, :2], axis=0).mean()))
    return image + np.float32(SHARPENING) * (image - cv2.GaussianBlur(image, (0, 0), coarser))


def skin_field(outline: Outline | None) -> Field:
    """1 where there are no lips, old or new, 0 where there may be."""
    lips = np.array([chin_of(outline)[0], nose_of(outline)[1] + LIPS_BELOW_NOSE], np.float32)
    offset = (places_of_cells() - lips) / np.array(LIPS_HALF_SIZE, np.float32)
    return smoothstep((np.hypot(offset[..., 0], offset[..., 1]) - 1) / LIPS_FADE)


def keeping(error: npt.NDArray[np.float32], skin: Field, lost: float) -> Field:
    """Where old detail may stay: on skin, and at lips only if they are the old ones and nothing is lost."""
    small = cv2.resize(np.abs(error).max(axis=-1), (GRID, GRID), interpolation=cv2.INTER_AREA)
    lips = 1 - skin
    changed = np.sqrt((lips * small**2).sum() / lips.sum())
    same, other = SAME_LIPS
    return np.maximum(skin, (1 - lost) * smoothstep((other - changed) / (other - same)))


def kept_detail(error: npt.NDArray[np.float32], skin: Field) -> Field:
    """How much of the old fine detail stays, where the network changed the crop by `error` [S, S, 3]."""
    small = cv2.resize(np.abs(error).max(axis=-1), (GRID, GRID), interpolation=cv2.INTER_AREA)
    changed = cv2.GaussianBlur(small, (0, 0), 1.5)
    return np.asarray(skin * np.exp(-((changed / SAME_LIGHT) ** 2)), dtype=np.float32)


def texture(
    detail: npt.NDArray[np.float32], to_crop: Affine, size: int, outline: Outline | None
) -> npt.NDArray[np.float32]:
    """Fine detail of the cheeks' spectrum.

    Args:
        detail: [height, width], of the source's luma.
        to_crop: the map from its pixels to those of an S×S crop.
        size: S.
        outline: says which cheek is seen.

    Returns:
        [height, width].
    """
    from_crop = np.linalg.inv(to_crop[:, :2])
    half = int(np.clip(CHEEK_HALF_SIZE * size * np.linalg.norm(from_crop[:, 1]), 2, LARGEST_PATCH))
    first, second = ((np.array(cheek) * size - 0.5 - to_crop[:, 2]) @ from_crop.T for cheek in CHEEKS)
    # Rounded once, so that noise and patches stay together when the face moves by a part of a pixel.
    origin = np.rint(first).astype(int)
    left = float(smoothstep(np.array((chin_of(outline)[0] - 0.4) / 0.2)))
    kernel = np.sqrt(left) * _grain(detail, origin, half)
    kernel += np.sqrt(1 - left) * _grain(detail, origin + np.rint(second - first).astype(int), half)
    return np.asarray(
        cv2.filter2D(_noise(detail.shape, origin), -1, kernel, borderType=cv2.BORDER_REFLECT),
        dtype=np.float32,
    )


def _grain(
    detail: npt.NDArray[np.float32], centre: npt.NDArray[np.int_], half: int
) -> npt.NDArray[np.float32]:
    """A patch of detail as the kernel that gives white noise its spectrum and strength; 0 off the picture."""
    (x, y), (height, width), side = centre, detail.shape, 2 * half + 1
    if not (half <= x < width - half and half <= y < height - half):
        return np.zeros((side, side), np.float32)
    patch = detail[y - half : y + half + 1, x - half : x + half + 1]
    bound = OUTLIER * float(np.median(np.abs(patch)))
    window = np.hanning(side + 2)[1:-1].astype(np.float32)
    taper = np.outer(window, window)
    kernel = np.clip(patch, -bound, bound) * taper
    kernel -= taper * (kernel.sum() / taper.sum())
    # OpenCV correlates; turned round, the texture moves as the patch does.
    return np.ascontiguousarray(kernel[::-1, ::-1] / np.sqrt((taper**2).sum()))


def _noise(shape: tuple[int, ...], origin: npt.NDArray[np.int_]) -> npt.NDArray[np.float32]:
    """White noise [height, width] that is fixed to a place of the picture."""
    rows, columns = ((np.arange(n) - int(o)) % NOISE_SIZE for n, o in zip(shape, origin[::-1], strict=True))
    return _white()[np.ix_(rows, columns)]


@lru_cache
def _white() -> npt.NDArray[np.float32]:
    noise = np.random.Generator(np.random.Philox(key=NOISE_SEED))
    return noise.standard_normal((NOISE_SIZE, NOISE_SIZE), dtype=np.float32)
