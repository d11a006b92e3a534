"""Pictures for the active-speaker network, at its own rate, and its scores back in the frames."""

import numpy as np
import pytest

from lipdub.faces.crop import from_crop
from lipdub.faces.looks import Look
from lipdub.faces.sighting import sightings
from lipdub.faces.speaker import SIZE, SpeakerWatch, face_picture, sampled
from tests.support.faces import face_in


def gradient(height: int = 300, width: int = 400) -> np.ndarray:
    """Red grows by 0.5 a pixel to the right, green by 0.5 a pixel down, blue is 0; sub-pixels are exact."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x // 2, y // 2, np.zeros_like(x)], axis=2).astype(np.uint8)


def expected_grey(places: np.ndarray) -> np.ndarray:
    return 0.299 * (places[..., 0] - 0.5) / 2 + 0.587 * (places[..., 1] - 0.5) / 2


@pytest.mark.parametrize("height", [79.0, 158.0, 220.0])
@pytest.mark.parametrize("roll", [0.0, 25.0])
def test_the_picture_is_the_central_half_of_the_training_frame(height: float, roll: float):
    """Rows and columns 56 to 168 of the 224×224 frame whose rows 0–158, columns 50–174 are the crop."""
    box = np.array([130.0, 40.0, height * 124 / 158, height, roll])
    picture = face_picture(gradient(), box)
    for row, column in ((0, 0), (0, 111), (55, 56), (111, 0), (111, 111)):
        place = np.array([(56 + column + 0.5 - 50) / 124, (56 + row + 0.5) / 158])
        expected = expected_grey(from_crop(place[None], box)[0])
        assert abs(float(picture[row, column]) - expected) < 1.2


@pytest.mark.parametrize(
    "box", [(-60, -60, 80, 100, 0), (380, 280, 80, 100, 40), (900, 10, 8, 10, 0)], ids=str
)
def test_a_face_at_or_beyond_the_edge_still_has_a_picture(box: tuple[float, ...]):
    picture = face_picture(gradient(), np.array(box, dtype=float))
    assert picture.shape == (SIZE, SIZE) and picture.dtype == np.uint8


@pytest.mark.parametrize("rate", [10, 24, 25, 29.97, 60])
def test_samples_are_25_a_second_and_the_nearest_frames(rate: float):
    seconds = 3 + np.arange(int(4 * rate)) / rate
    grid, nearest = sampled(seconds)
    np.testing.assert_allclose(np.diff(grid), 0.04)
    assert grid[0] == 3 and seconds[-1] - 0.04 < grid[-1] <= seconds[-1] + 1e-6
    distances = np.abs(seconds[None] - grid[:, None])
    np.testing.assert_allclose(distances[np.arange(len(grid)), nearest], distances.min(axis=1))
    assert len(grid) != len(seconds) or (nearest == np.arange(len(grid))).all() or rate != 25


class Ramp:
    """Scores that name their time; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, float]] = []

    def __call__(self, pictures: np.ndarray, start: float) -> np.ndarray:
        self.asked.append((len(pictures), start))
        return (start + np.arange(len(pictures)) / 25 + pictures[:, 0, 0]).astype(np.float32)


def watched(faces_at: list[list[float]], rate: float, cuts: tuple[int, ...] = ()) -> tuple[Ramp, list[Look]]:
    """Faces at these x in each frame; the picture of each says in its first pixel what hundreds x has."""
    scorer, looks = Ramp(), []
    watch = SpeakerWatch(scorer, max_gap=400)
    for n, places in enumerate(faces_at):
        faces = sightings([face_in((x, 50, 62, 79)) for x in places])
        look = Look(round(1000 * n / rate), n in cuts, faces)
        watch.add(look, n / rate, [np.full((SIZE, SIZE), x // 100, np.uint8) for x in places])
        looks.append(look)
    watch.score()
    return scorer, looks


@pytest.mark.parametrize("rate", [24, 25, 59.94])
def test_each_face_gets_its_own_scores_at_its_own_times(rate: float):
    scorer, looks = watched([[100.0, 300.0], [300.0, 100.0]] * 20, rate)
    assert [start for _, start in scorer.asked] == [0, 0]
    for n, look in enumerate(looks[:-2]):
        for face in look.faces:
            face_number = round((face["box"][0]) / 100)
            assert face["speaking"] == pytest.approx(n / rate + face_number, abs=1e-3)


def test_a_cut_or_a_long_absence_begins_a_new_run():
    scorer, _ = watched([[100.0]] * 30 + [[]] * 15 + [[100.0]] * 15, 25, cuts=(15,))
    assert scorer.asked == [(15, 0.0), (15, 0.6), (15, 1.8)]


def test_a_face_seen_for_a_moment_is_not_scored():
    scorer, looks = watched([[100.0]] * 12 + [[]] * 20, 25)
    assert not scorer.asked
    assert all(np.isnan(look.faces["speaking"]).all() for look in looks)
