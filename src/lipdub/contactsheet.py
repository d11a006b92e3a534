"""The sheet of faces: a picture with everybody who is in a movie, by number, with the time on screen."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from lipdub.errors import OutputError
from lipdub.faces.crop import Box
from lipdub.faces.paste import take_crop
from lipdub.media.frames import read_frame_at
from lipdub.media.planes import as_planar, plane_views
from lipdub.media.probe import VideoInfo
from lipdub.outputs import publish, workspace
from lipdub.plan import Person
from lipdub.render import canvas_of

Picture = npt.NDArray[np.uint8]
"""[H, W, 3] RGB, 0–255."""

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
MARK = b"\nlipdub: a sheet of faces\n"
"""Written after a sheet's picture, where readers of pictures do not look."""
THUMBNAIL = 192
CAPTION, GAP = 40, 12
COLUMNS = 6
MOST_SHOWN = 120
"""Each face is a search in the movie, and a sheet of more than twenty rows is no overview."""
AROUND = 1.45
"""A thumbnail is this many times as high as the face's crop, so that hair and chin are on it."""
BACKGROUND, INK = (32, 32, 36), (240, 240, 240)


def contact_sheet(info: VideoInfo, people: Sequence[Person]) -> Picture:
    """Draw everybody who is in a movie.

    Raises:
        MediaError: a frame cannot be read.
    """
    shown = people[:MOST_SHOWN]
    return draw_sheet([thumbnail(info, person) for person in shown], shown, len(people) - len(shown))


def check_picture_name(output: Path) -> None:
    """Make sure, before a movie is looked at, that the sheet's name says what kind of picture it is.

    Raises:
        OutputError: it does not.
    """
    if output.suffix.lower() not in PICTURES:
        raise OutputError(f"{output}: the name of a picture must end in one of {', '.join(PICTURES)}.")


def write_picture(picture: Picture, output: Path, overwrite: bool) -> None:
    """Write a picture whole, under a name that ends in one of `PICTURES`.

    Raises:
        OutputError: it cannot be written there.
    """
    check_picture_name(output)
    _, data = cv2.imencode(output.suffix.lower(), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    with workspace(output) as work:
        finished = work / f"picture{output.suffix}"
        finished.write_bytes(data.tobytes() + MARK)
        publish(finished, output, overwrite)


def is_free(path: Path) -> bool:
    """Whether there is nothing of this name, or a sheet of faces."""
    return not path.exists() or is_sheet(path)


def is_sheet(path: Path) -> bool:
    """Whether a file is a sheet of faces, and so no picture of a person."""
    try:
        with path.open("rb") as file:
            file.seek(-len(MARK), os.SEEK_END)
            return file.read() == MARK
    except OSError:
        return False


def thumbnail(info: VideoInfo, person: Person) -> Picture:
    """A person, head upright, in the frame that the plan names: [192, 192, 3]."""
    frame, canvas = as_planar(read_frame_at(info, person.pts)), canvas_of(info)
    crop = take_crop(plane_views(frame, canvas.colour.form), canvas, square_round(person.box), THUMBNAIL)
    return np.asarray(np.clip(np.rint((crop + 1) * 127.5), 0, 255), np.uint8)


def square_round(box: Sequence[float]) -> Box:
    """A square round the middle of a box [5], turned like it: [5]."""
    x, y, width, height, roll = box
    side = AROUND * height
    return np.array([x + width / 2 - side / 2, y + height / 2 - side / 2, side, side, roll])


def draw_sheet(thumbnails: Sequence[Picture], people: Sequence[Person], more: int = 0) -> Picture:
    """Thumbnails in rows, each with its number and the time on screen below it.

    Args:
        thumbnails: [192, 192, 3] each.
        people: whom they show.
        more: how many people there are beside them.
    """
    columns = max(1, min(COLUMNS, len(people)))
    rows = -(-len(people) // columns)
    across, down = THUMBNAIL + GAP, THUMBNAIL + CAPTION + GAP
    last = CAPTION if more or not people else 0
    sheet = np.full((rows * down + GAP + last, columns * across + GAP, 3), BACKGROUND, np.uint8)
    for place, (picture, person) in enumerate(zip(thumbnails, people, strict=True)):
        row, column = divmod(place, columns)
        x, y = GAP + column * across, GAP + row * down
        sheet[y : y + THUMBNAIL, x : x + THUMBNAIL] = picture
        _write(sheet, str(person.face), (x, y + THUMBNAIL + CAPTION - 8), 1.1, 2)
        _write_right(sheet, clock(person.seconds), (x + THUMBNAIL, y + THUMBNAIL + CAPTION - 10), 0.6)
    if last:
        words = f"and {more} more" if people else "no faces"
        _write(sheet, words, (GAP, len(sheet) - GAP), 0.6)
    return sheet


def clock(seconds: float) -> str:
    """A time as people read it: ``12.4 s``, ``3:07``, ``1:02:03``."""
    if seconds < 60:
        return f"{int(seconds * 10) / 10:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _write(sheet: Picture, words: str, place: tuple[int, int], scale: float, thickness: int = 1) -> None:
    cv2.putText(sheet, words, place, cv2.FONT_HERSHEY_DUPLEX, scale, INK, thickness, cv2.LINE_AA)


def _write_right(sheet: Picture, words: str, end: tuple[int, int], scale: float) -> None:
    (width, _), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_DUPLEX, scale, 1)
    _write(sheet, words, (end[0] - width, end[1]), scale)
