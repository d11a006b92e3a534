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

from lipdub.faces.mask import GRID, Field, Jaw, chin_of, nose_of, places_of_cells, smoothstep
from lipdub.media.geometry import Affine

FULL_SCALE = 1.25
"""From 1 to so many times the network's size, the treatment of detail fades in: below, none is lost."""
SHARPENING = 0.5
"""Share of the difference to a blurred picture that is added: makes up for averaging and interpolation."""
LIPS_BELOW_NOSE, LIPS_HALF_SIZE = 0.165, (0.36, 0.19)
"""How far the lips lie below the nose's base in the crop, and the zone in which lips old or new may lie."""
SAME_LIGHT = 8 / 255
"""Where the network changed the skin by this much, a third of the old detail is kept."""
CHEEKS = ((0.2, 0.6), (0.8, 0.6))
CHEEK_HALF_SIZE = 0.07
"""Patches of skin beside the nose, whose detail is the model for that of the mouth, in heights of the crop."""
OUTLIER = 4.0
"""So many times the median size of detail is the most that counts: hair and edges are no texture."""
NOISE_SIZE = 1024


def lost_share(to_crop: Affine) -> float:
    """How much of the treatment is needed, 0 to 1, where a crop is scaled up by the inverse of this map."""
    scale = 1 / np.linalg.norm(to_crop[:, :2], axis=0).min()
    return float(smoothstep(np.array((scale - 1) / (FULL_SCALE - 1))))


def sharpened(image: npt.NDArray[np.float32], amount: float) -> npt.NDArray[np.float32]:
    """A picture in which averaging and interpolation are made up for."""
    if amount == 0:
        return image
    return image + np.float32(amount * SHARPENING) * (image - cv2.GaussianBlur(image, (0, 0), 1))


def kept_detail(error: npt.NDArray[np.float32], jaw: Jaw | None) -> Field:
    """How much of the old fine detail stays, where the network changed the crop by `error` [S, S, 3]."""
    lips = np.array([chin_of(jaw)[0], nose_of(jaw)[1] + LIPS_BELOW_NOSE], np.float32)
    offset = (places_of_cells() - lips) / np.array(LIPS_HALF_SIZE, np.float32)
    outside = smoothstep((np.sqrt((offset**2).sum(axis=-1)) - 1) / 0.3)
    small = cv2.resize(np.abs(error).max(axis=-1), (GRID, GRID), interpolation=cv2.INTER_AREA)
    changed = cv2.GaussianBlur(small, (0, 0), 1.5)
    return np.asarray(outside * np.exp(-((changed / SAME_LIGHT) ** 2)), dtype=np.float32)


def texture(
    detail: npt.NDArray[np.float32], to_crop: Affine, size: int, jaw: Jaw | None
) -> npt.NDArray[np.float32]:
    """Fine detail of the cheeks' spectrum.

    Args:
        detail: [height, width], of the source's luma.
        to_crop: the map from its pixels to those of an S×S crop.
        size: S.
        jaw: says which cheek is seen.

    Returns:
        [height, width].
    """
    from_crop = np.linalg.inv(to_crop[:, :2])
    height = size * float(np.linalg.norm(from_crop[:, 1]))
    half = max(round(CHEEK_HALF_SIZE * height), 2)
    left = smoothstep(np.array((chin_of(jaw)[0] - 0.4) / 0.2))
    result = np.zeros(detail.shape, np.float32)
    for number, (place, share) in enumerate(zip(CHEEKS, (left, 1 - left), strict=True)):
        centre = np.rint(from_crop @ (np.array(place) * size - 0.5 - to_crop[:, 2])).astype(int)
        grain = _grain(detail, centre, half)
        if share > 0 and grain is not None:
            white = _noise(number, detail.shape, centre)
            result += np.float32(np.sqrt(share)) * cv2.filter2D(white, -1, grain, borderType=cv2.BORDER_REFLECT)
    return result


def _grain(
    detail: npt.NDArray[np.float32], centre: npt.NDArray[np.int_], half: int
) -> npt.NDArray[np.float32] | None:
    """A patch of detail as the kernel that gives white noise its spectrum and strength; None off the picture."""
    (x, y), (height, width) = centre, detail.shape
    if x < half or y < half or x + half >= width or y + half >= height:
        return None
    patch = detail[y - half : y + half + 1, x - half : x + half + 1]
    bound = OUTLIER * float(np.median(np.abs(patch)))
    window = np.hanning(2 * half + 3)[1:-1].astype(np.float32)
    taper = np.outer(window, window)
    kernel = np.clip(patch, -bound, bound) * taper
    kernel -= taper * (kernel.sum() / taper.sum())
    # OpenCV correlates; turned round, the noise moves as the patch does.
    return np.ascontiguousarray(kernel[::-1, ::-1] / np.sqrt((taper**2).sum()))


def _noise(
    number: int, shape: tuple[int, int], origin: npt.NDArray[np.int_]
) -> npt.NDArray[np.float32]:
    """White noise [height, width] that is fixed to a place of the picture."""
    rows, columns = ((np.arange(n) - int(o)) % NOISE_SIZE for n, o in zip(shape, origin[::-1], strict=True))
    return _white(number)[np.ix_(rows, columns)]


@lru_cache
def _white(number: int) -> npt.NDArray[np.float32]:
    noise = np.random.Generator(np.random.Philox(key=number))
    return noise.standard_normal((NOISE_SIZE, NOISE_SIZE), dtype=np.float32)
