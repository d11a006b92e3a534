"""Grain and sharpness for a mouth that had to be resampled, without the old lips.

The source's fine detail is what the network's picture cannot carry: the picture minus the crop scaled up or
down again. In a large face that is pores and grain, and in a small one what resampling blurs. Skin round the
mouth that the network left as it was keeps its own. The lips must not, since theirs are the old ones: they
get a texture instead, with the spectrum of the cheeks' fine detail in the same frame and no shape: white
noise, fixed to the face, convolved with a patch of that detail. Grain that is new in each frame stays so,
pores that stay with the skin stay with it, because the patch does.
"""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.faces.mask import GRID, Field, Outline, chin_of, nose_of, places_of_cells, smoothstep
from lipdub.media.geometry import Affine

FULL_SCALE = 1.25
"""Lips that did not change keep their detail up to the network's size, and none from so many times it."""
FULL_SHRINKAGE = 2.0
"""From 1 to so many times smaller than the network's picture, sharpening fades in. Measured with another
mouth, its own sharpness being 1: faces of 62, 54 and 31 pixels get 1.01, 1.01 and 1.02, and 0.86 without."""
SHARPENING = 0.25
"""Share of the difference to a blurred picture that is added: makes up for averaging and interpolation."""
LIPS_BELOW_NOSE, LIPS_HALF_SIZE = 0.165, (0.34, 0.16)
"""How far the lips lie below the nose's base in the crop, and the zone in which lips old or new may lie."""
LIPS_FADE = 0.3
"""Share of that zone's size over which it ends."""
SAME_LIGHT = 8 / 255
"""Where the network changed the picture by this much, a third of the old detail is kept."""
SAME_LIPS = (2 / 255, 4 / 255)
"""Lips that changed by less, root mean square, light apart, are the old ones, and by more, others. Measured:
a copy with 8 levels and 5 % of gamma too much is off by 0.4 to 1.8 levels, another frame's mouth by 2.8 (a
mouth that does not move) to 55, what the published network makes of 8 videos by 4.4 to 20."""
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
    """How much more than the network's size a picture holds, 0 to 1, whose crop this map makes."""
    scale = 1 / np.linalg.norm(to_crop[:, :2], axis=0).min()
    return float(smoothstep(np.array((scale - 1) / (FULL_SCALE - 1))))


def dulled(to_crop: Affine) -> tuple[float, float]:
    """How much sharpness a crop loses, 0 to 1, where it is put back by the inverse of this map, and how fine.

    Returns:
        that share, and the size of the picture's pixels in those of the crop, at least 1.
    """
    pixel = max(1.0, float(np.linalg.norm(to_crop[:, :2], axis=0).mean()))
    shrunk = float(smoothstep(np.array((pixel - 1) / (FULL_SHRINKAGE - 1))))
    return max(lost_share(to_crop), shrunk), pixel


def sharpened(image: npt.NDArray[np.float32], amount: float, pixel: float = 1.0) -> npt.NDArray[np.float32]:
    """A picture in which averaging and interpolation are made up for, down to details of `pixel` pixels."""
    if amount == 0:
        return image
    return image + np.float32(amount * SHARPENING) * (image - cv2.GaussianBlur(image, (0, 0), pixel))


def skin_field(outline: Outline | None) -> Field:
    """1 where there are no lips, old or new, 0 where there may be."""
    lips = np.array([chin_of(outline)[0], nose_of(outline)[1] + LIPS_BELOW_NOSE], np.float32)
    offset = (places_of_cells() - lips) / np.array(LIPS_HALF_SIZE, np.float32)
    return smoothstep((np.hypot(offset[..., 0], offset[..., 1]) - 1) / LIPS_FADE)


def keeping(error: npt.NDArray[np.float32], skin: Field, lost: float) -> Field:
    """Where old fine detail may stay.

    On skin; and at the lips of a face that is no larger than the network's picture, if the network left them
    as they were. That is judged of the lips as a whole: in places, an old and a new mouth agree by chance.

    Args:
        error: [S, S, 3], new minus old in the crop, its light matched.
        skin: 1 where there are no lips.
        lost: see `lost_share`; at 1, lips keep nothing.

    Returns:
        [`GRID`, `GRID`] in [0, 1]; exactly 1 where the error is 0 and nothing is lost.
    """
    lips = 1 - skin
    changed = float(np.sqrt((lips * _changes(error) ** 2).sum() / lips.sum()))
    same, other = SAME_LIPS
    share = (1 - lost) * float(smoothstep(np.array((other - changed) / (other - same))))
    return np.asarray(np.maximum(skin, np.float32(share)))


def kept_detail(error: npt.NDArray[np.float32], skin: Field) -> Field:
    """How much of the old fine detail stays, where the network changed the crop by `error` [S, S, 3]."""
    changed = cv2.GaussianBlur(_changes(error), (0, 0), 1.5)
    return np.asarray(skin * np.exp(-((changed / SAME_LIGHT) ** 2)), dtype=np.float32)


def _changes(error: npt.NDArray[np.float32]) -> Field:
    """The largest of an error's channels, on the grid."""
    largest = np.abs(error).max(axis=-1)
    return np.asarray(cv2.resize(largest, (GRID, GRID), interpolation=cv2.INTER_AREA), dtype=np.float32)


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
