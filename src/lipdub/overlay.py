"""Draw a plan over a picture: crops, who is who, what is painted, and why a face is left alone."""

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.faces.crop import from_crop, turn
from lipdub.faces.mask import GRID, mouth_mask
from lipdub.faces.sighting import JAW
from lipdub.media.geometry import invert
from lipdub.plan import DUB, SILENCE, Edit, Left, Plan

Image: TypeAlias = npt.NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]

# Of persons by number, in turn: bright enough to be seen on film, and told apart by colour-blind people
# (Okabe and Ito, 2008).
COLOURS: tuple[Colour, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167),
)  # fmt: skip
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
TINT = 0.35
"""How strongly the painted area is coloured."""
TEXT_HEIGHT = 1 / 40
"""Of letters, as a share of the picture's short side."""
SMALLEST_TEXT = 9
"""Pixels: lower letters of OpenCV's font cannot be read."""
FONT, FONT_HEIGHT = cv2.FONT_HERSHEY_SIMPLEX, 22
"""OpenCV's font, and the pixels of its capitals at scale 1."""
CORNERS = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])


def draw(image: Image, plan: Plan, pts: int, scale: float = 1.0) -> Image:
    """What a plan says of one frame, drawn over it.

    Args:
        image: the upright picture, [H, W, 3] RGB; not changed.
        plan: what changes.
        pts: of the frame.
        scale: pixels of this picture for one of the movie's upright picture.

    Returns:
        [H, W, 3] RGB.
    """
    drawn = image.copy()
    edits = plan.at(pts)
    for edit in edits:
        _tint(drawn, painted(edit, (image.shape[1], image.shape[0]), scale), colour_of(edit.face))
        _outline(drawn, edit, scale)
    for edit in edits:  # words lie above all lines
        low = from_crop(CORNERS, edit.box).min(axis=0) * scale
        _write(drawn, said_of(edit, plan), low - (0, 4), colour_of(edit.face))
    lines = [reason_of(left) for left in plan.left_at(pts)]
    _write_below(drawn, lines if lines or edits else ["nothing changes"])
    return drawn


def painted(edit: Edit, shape: tuple[int, int], scale: float = 1.0) -> npt.NDArray[np.float32]:
    """How much of each pixel an edit replaces.

    Args:
        edit: the edit.
        shape: (width, height) of the picture.
        scale: pixels of this picture for one of the movie's upright picture.

    Returns:
        [height, width] in [0, 1].
    """
    box = edit.box * (scale, scale, scale, scale, 1)
    linear = turn(edit.roll) * box[2:4] / GRID
    centre = box[:2] + box[2:4] / 2 - 0.5
    to_picture = np.column_stack([linear, centre - linear @ np.full(2, (GRID - 1) / 2)])
    return mouth_mask(invert(to_picture), shape, GRID, edit.outline) * np.float32(edit.opacity)


def said_of(edit: Edit, plan: Plan) -> str:
    """Who it is, and what the mouth says, in a few words."""
    spoken = {SILENCE: "closed lips", DUB: "dub"}.get(edit.sound)
    spoken = spoken or plan.stems[edit.sound - 1].path.replace("\\", "/").rsplit("/", 1)[-1]
    faded = "" if edit.opacity >= 1 else f", {100 * edit.opacity:.0f} %"
    return f"{edit.face}: {spoken}{faded}"


def reason_of(left: Left) -> str:
    """Who is left alone, and why."""
    return f"{left.face or 'somebody'} left alone: {left.reason}"


def colour_of(face: int) -> Colour:
    """The colour of a person's number."""
    return COLOURS[face % len(COLOURS)]


def _tint(image: Image, mask: npt.NDArray[np.float32], colour: Colour) -> None:
    share = TINT * mask[..., None]
    image[:] = np.rint(image * (1 - share) + np.array(colour) * share).astype(np.uint8)


def _outline(image: Image, edit: Edit, scale: float) -> None:
    """The crop, its upper edge twice as thick, and the jaw."""
    thick = max(1, round(min(image.shape[:2]) / 500))
    corners = from_crop(CORNERS, edit.box) * scale
    _line(image, corners, colour_of(edit.face), thick, closed=True)
    _line(image, corners[:2], colour_of(edit.face), 2 * thick)
    if not np.isnan(edit.outline).any():
        _line(image, from_crop(edit.outline[: len(JAW)].astype(np.float64), edit.box) * scale, WHITE, thick)


def _line(
    image: Image, points: npt.NDArray[np.float64], colour: Colour, thick: int, *, closed: bool = False
) -> None:
    fine = np.rint(points * 16 - 8).astype(np.int32).reshape(-1, 1, 2)  # sub-pixel: four bits of fraction
    cv2.polylines(image, [fine], closed, colour, thick, cv2.LINE_AA, shift=4)


def _write_below(image: Image, lines: Sequence[str]) -> None:
    height = 1.8 * _text_height(image)
    for number, line in enumerate(reversed(lines)):
        _write(image, line, np.array([6.0, image.shape[0] - 6 - number * height]), WHITE)


def _write(image: Image, text: str, place: npt.NDArray[np.float64], colour: Colour) -> None:
    """Words with their lower left corner at a place, or as near to it as the picture allows."""
    size = _text_height(image) / FONT_HEIGHT
    words = text.encode("ascii", "replace").decode()  # the font has no other letters
    (width, height), below = cv2.getTextSize(words, FONT, size, 1)
    x = int(np.clip(place[0], 0, max(image.shape[1] - width, 0)))
    y = int(np.clip(place[1], height, max(image.shape[0] - below, height)))
    thick = max(1, round(2 * size))
    cv2.putText(image, words, (x, y), FONT, size, BLACK, 3 * thick, cv2.LINE_AA)
    cv2.putText(image, words, (x, y), FONT, size, colour, thick, cv2.LINE_AA)


def _text_height(image: Image) -> int:
    return max(SMALLEST_TEXT, int(min(image.shape[:2]) * TEXT_HEIGHT))
