"""Movies of drawn faces that open their mouths as they are told, with the sound of it, and who sees it."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from lipdub.faces.detect import Face
from tests.support.faces import blank_image, face_in
from tests.support.media import movie, write_sound

SIZE = (192, 144)
BOX = (50, 20, 80, 102)
"""Of the face: x, y, width, height."""
OPEN = 12
"""Green of an open mouth, which the face has none of: too little for what looks for covered mouths."""
RATE = 16_000


class TalkingLandmarker:
    """Finds rectangles of a rough magenta, and how far their mouths are open; no small ones."""

    detector = None

    def __call__(self, image: NDArray[np.uint8]) -> list[Face]:
        whole = ((image > 200) == (True, False, True)).all(axis=-1).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(whole)
        found = []
        for x, y, width, height in stats[1:, :4].tolist():
            column = image[y : y + height, x + width // 2]
            mouth = (column[:, 1] == OPEN).sum()
            if height >= 0.2 * min(image.shape[:2]):
                found.append(face_in(np.array([x, y, width, height], np.float64), mouth / height))
        return found


def apertures(frames: int, seed: int = 0) -> NDArray[np.float64]:
    """A mouth that opens and closes at random, some five times a second: [frames], 0 to 0.3."""
    rough = np.random.default_rng(seed).standard_normal(frames + 4)
    smooth = np.convolve(rough, [0.25, 0.5, 1, 0.5, 0.25], mode="valid")
    return np.clip(0.12 + 0.08 * smooth, 0, 0.3)


def voice(opening: NDArray[np.float64], shift: int = 0, rate: int = 25, seed: int = 1) -> NDArray[np.float32]:
    """Noise that is loud where a mouth is open: [n, 1], 16 kHz, heard `shift` frames later."""
    samples = np.arange(len(opening) * RATE // rate)
    there = np.interp(samples * rate / RATE - shift, np.arange(len(opening)), opening)
    noise = np.random.default_rng(seed).standard_normal(len(samples))
    return (0.01 + there * noise)[:, None].astype(np.float32)


def pictures(opening: Sequence[float], box: tuple[int, int, int, int] = BOX) -> Iterator[av.VideoFrame]:
    """A frame for each aperture."""
    rough = np.random.default_rng(3).integers(215, 256, (*SIZE, 1)).astype(np.uint8)
    for value in opening:
        image = blank_image(*SIZE)
        x, y, width, height = box
        # Rough, since what is smooth is taken for blurred.
        image[y : y + height, x : x + width, ::2] = rough[:height, :width]
        image[y : y + height, x : x + width, 1] = 0
        half = round(value * height / 2)
        middle = y + round(0.76 * height)
        image[middle - half : middle + half, x + width // 3 : x + 2 * width // 3, 1] = OPEN
        yield av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="bgr0")


def talking_movie(
    path: Path,
    opening: Sequence[float],
    sound: NDArray[np.float32] | None,
    *,
    rate: Fraction = Fraction(25),
    pts: Sequence[int] | None = None,
    box: tuple[int, int, int, int] = BOX,
) -> Path:
    """Write a silent movie (MKV, lossless) of a face, and beside it (WAV) a sound [n, 1] of 16 kHz, or none.

    Args:
        path: where to.
        opening: of the mouth, in each frame.
        sound: what is heard.
        rate: frames a second.
        pts: times of the frames, in milliseconds, instead.
        box: of the face.
    """
    if sound is not None:
        write_sound(path.with_suffix(".wav"), sound, RATE)
    return movie(
        path, codec="ffv1", pix_fmt="bgr0", size=SIZE, rate=rate, pts=pts, time_base=Fraction(1, 1000),
        count=len(opening), frames=pictures(opening, box),
    )  # fmt: skip
