from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from lipdub.contactsheet import (
    AROUND,
    BACKGROUND,
    CAPTION,
    COLUMNS,
    GAP,
    MOST_SHOWN,
    PICTURES,
    THUMBNAIL,
    clock,
    contact_sheet,
    draw_sheet,
    square_round,
    thumbnail,
    write_picture,
)
from lipdub.errors import OutputError
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.plan import Person
from tests.support.faces import blank_image
from tests.support.media import movie

SIZE = 320, 180
BOX = (120.0, 40.0, 62.0, 80.0, 0.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> VideoInfo:
    """Frame n is grey 10·n, with a white square in the middle of `BOX` in frame 3."""

    def frames():
        for n in range(10):
            image = np.full_like(blank_image(*SIZE), 10 * n)
            if n == 3:
                image[70:90, 141:161] = 255
            yield av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="bgr0")

    path = tmp_path_factory.mktemp("sheet") / "a.mkv"
    return probe_video(movie(path, codec="ffv1", pix_fmt="bgr0", size=SIZE, count=10, frames=frames()))


def person(number: int, pts: int = 0, box: tuple[float, ...] = BOX, seconds: float = 12.34) -> Person:
    return Person(number, seconds, pts, box)


def test_a_thumbnail_shows_the_face_in_the_frame_the_plan_names(made: VideoInfo):
    third = int(3 / made.rate / made.time_base)
    picture = thumbnail(made, person(1, third))
    assert picture.shape == (THUMBNAIL, THUMBNAIL, 3)
    bright = np.argwhere(picture[..., 0] > 128)
    np.testing.assert_allclose(bright.mean(axis=0), (THUMBNAIL - 1) / 2, atol=1.5)
    side = 20 / (AROUND * 80) * THUMBNAIL
    np.testing.assert_allclose(np.ptp(bright, axis=0) + 1, side, atol=2)
    assert abs(int(picture[5, 5, 0]) - 30) <= 2
    assert abs(int(thumbnail(made, person(1, 0))[96, 96, 0])) <= 2


def test_a_face_at_the_edge_and_a_turned_one_are_drawn(made: VideoInfo):
    for box in ((-50, -60, 62, 80, 0), (300, 150, 62, 80, 0), (120, 40, 62, 80, 145.0)):
        assert thumbnail(made, person(1, 0, box)).shape == (THUMBNAIL, THUMBNAIL, 3)


def test_the_square_has_the_middle_of_the_box():
    x, y, width, height, roll = square_round((10, 20, 62, 80, 7))
    assert width == height == AROUND * 80 and roll == 7
    assert (x + width / 2, y + height / 2) == (41, 60)


@pytest.mark.parametrize("count", [1, COLUMNS, COLUMNS + 1, 3 * COLUMNS])
def test_everybody_has_a_place_a_number_and_a_time(count: int):
    pictures = [np.full((THUMBNAIL, THUMBNAIL, 3), 100 + n, np.uint8) for n in range(count)]
    people = [person(n + 1) for n in range(count)]
    sheet = draw_sheet(pictures, people)
    rows, columns = -(-count // COLUMNS), min(count, COLUMNS)
    assert sheet.shape[1] == columns * (THUMBNAIL + GAP) + GAP
    assert sheet.shape[0] == rows * (THUMBNAIL + CAPTION + GAP) + GAP
    for n in range(count):
        row, column = divmod(n, COLUMNS)
        x, y = GAP + column * (THUMBNAIL + GAP), GAP + row * (THUMBNAIL + CAPTION + GAP)
        assert (sheet[y : y + THUMBNAIL, x : x + THUMBNAIL] == 100 + n).all()
        caption = sheet[y + THUMBNAIL : y + THUMBNAIL + CAPTION, x : x + THUMBNAIL]
        inked = (caption != BACKGROUND).any(axis=(0, 2))
        assert inked[:40].any() and inked[-40:].any()
    other = draw_sheet(pictures, [person(n + 2) for n in range(count)])
    assert (other != sheet).any()


def test_nobody_and_very_many(made: VideoInfo):
    assert (draw_sheet([], []) != BACKGROUND).any()
    one = [np.zeros((THUMBNAIL, THUMBNAIL, 3), np.uint8)]
    assert len(draw_sheet(one, [person(1)], more=3)) == len(draw_sheet(one, [person(1)])) + CAPTION
    sheet = contact_sheet(made, [person(n + 1) for n in range(MOST_SHOWN + 1)])
    rows = MOST_SHOWN // COLUMNS
    assert len(sheet) == rows * (THUMBNAIL + CAPTION + GAP) + GAP + CAPTION


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (12.39, "12.3 s"), (59.99, "59.9 s"), (60, "1:00"), (187, "3:07"), (3723.9, "1:02:03")],
)
def test_times_as_people_read_them(seconds: float, words: str):
    assert clock(seconds) == words


@pytest.mark.parametrize("suffix", PICTURES)
def test_pictures_are_written_whole(tmp_path: Path, suffix: str):
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[..., 0] = 250
    write_picture(picture, tmp_path / f"sheet{suffix}", overwrite=False)
    again = cv2.imread(str(tmp_path / f"sheet{suffix}"))
    assert again.shape == picture.shape and again[10, 10, 2] > 200 > 50 > again[10, 10, 0]
    assert [path.name for path in tmp_path.iterdir()] == [f"sheet{suffix}"]


def test_a_picture_of_another_kind_is_refused(tmp_path: Path):
    for name in ("sheet.doc", "sheet", "sheet.mp4", "sheet.bmp"):
        with pytest.raises(OutputError, match=r"must end in one of \.png"):
            write_picture(np.zeros((4, 4, 3), np.uint8), tmp_path / name, overwrite=False)
    assert not list(tmp_path.iterdir())
