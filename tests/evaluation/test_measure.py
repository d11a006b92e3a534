"""What is measured of a clip, against what was put into it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lipdub.evaluation.images import ssim
from lipdub.evaluation.judges import Judges
from lipdub.evaluation.measure import (
    FEATURES_EVERY,
    PICTURES_EVERY,
    Seen,
    Speech,
    expert_cosines,
    measure,
    see,
)
from lipdub.evaluation.sync import sync_score
from lipdub.evaluation.views import FIXED, SIDE, crops_of
from tests.support.faces import BlobLandmarker, draw_face, face_in, landmarks_in

COUNT = 60
SECONDS = np.arange(COUNT) / 25
SOUND = np.zeros(COUNT * 640, np.int16)


def lips(seed: int) -> NDArray[np.float64]:
    """An aperture that moves as lips do."""
    return 0.08 + 0.04 * np.convolve(
        np.random.default_rng(seed).standard_normal(COUNT + 4), [0.4] * 5, "valid"
    )


def seen(aperture: NDArray[np.float64], seed: int = 0) -> Seen:
    """Noise, and a face with these lips."""
    views = np.random.default_rng(seed).integers(0, 256, (len(aperture), SIDE, SIDE, 3)).astype(np.uint8)
    return Seen(views, np.stack([landmarks_in(FIXED, a) for a in aperture]))


def no_faces(image: NDArray[np.uint8]) -> list:
    return []


JUDGES = Judges(no_faces)


def test_what_changes_nothing_is_perfect_and_leaks_all():
    source = seen(lips(1))
    found = measure(source, source, Speech(SOUND, SECONDS, lips(2)), JUDGES).figures
    assert found["psnr"] == float("inf") and found["ssim"] == pytest.approx(1)
    assert found["flicker"] == pytest.approx(1) and found["frames"] == COUNT
    assert found["leak"] == pytest.approx(1) and found["leak_share"] == pytest.approx(1)
    assert abs(found["truth"]) < 0.4
    assert np.isnan(found["identity"])
    assert not found.keys() & {"lmd", "lpips", "sync_c", "expert"}


def test_of_its_own_speech_lips_betray_nothing():
    source = seen(lips(1))
    found = measure(source, source, Speech(SOUND, SECONDS, lips(1), own=True), JUDGES).figures
    assert found["truth"] == pytest.approx(1, abs=1e-3) and not found.keys() & {"leak", "leak_share"}


def test_lips_that_say_the_speech_late_agree_at_that_lag():
    true, old = lips(3), lips(4)
    late = np.concatenate([true[:2], true[:-2]])
    found = measure(seen(late), seen(old), Speech(SOUND, SECONDS, true), JUDGES).figures
    assert found["lag"] == 2 and found["truth_best"] == pytest.approx(1, abs=1e-3)
    assert found["truth"] < found["truth_best"] and abs(found["leak"]) < 0.4


def test_landmarks_of_the_true_speaker():
    source, true = seen(lips(1)), seen(lips(5))
    points = true.points + np.float32(7)  # another place is no other mouth
    found = measure(source, source, Speech(SOUND, SECONDS, None, points), JUDGES).figures
    assert 0 < found["lmd"] < 3
    same = measure(
        source, source, Speech(SOUND, SECONDS, None, source.points + np.float32(7)), JUDGES
    ).figures
    assert same["lmd"] == pytest.approx(0, abs=1e-4)
    assert "truth" not in found


def test_pictures_are_compared_in_the_crop_alone():
    source, other = seen(lips(1)), seen(lips(1), seed=9)
    beside = source.views.copy()
    beside[:, :, :50], beside[:, 158:] = 0, 0
    changed = Seen(beside, source.points)
    found = measure(changed, source, Speech(SOUND, SECONDS), JUDGES).figures
    assert found["psnr"] == float("inf") and found["flicker"] == pytest.approx(1)
    assert measure(other, source, Speech(SOUND, SECONDS), JUDGES).figures["psnr"] < 12


def test_networks_are_asked_about_crops():
    asked: list[tuple[int, ...]] = []

    def lpips(pictures: NDArray, others: NDArray) -> NDArray:
        asked.append(pictures.shape)
        return np.array([ssim(a, b) for a, b in zip(pictures, others, strict=True)])

    def inception(pictures: NDArray) -> NDArray:
        asked.append(pictures.shape)
        return pictures.reshape(len(pictures), -1)[:, :7].astype(np.float32)

    source, shown = seen(lips(1)), seen(lips(1), seed=2)
    judges = Judges(
        no_faces,
        embedder=lambda image, points: image[:16, 0, 0].astype(np.float32),
        lpips=lpips,
        inception=inception,
    )
    found = measure(shown, source, Speech(SOUND, SECONDS), judges)
    assert asked == [(COUNT // FEATURES_EVERY + 1, 158, 124, 3), (COUNT // PICTURES_EVERY, 158, 124, 3)]
    np.testing.assert_array_equal(found.features, crops_of(shown.views[::25]).reshape(3, -1)[:, :7])
    assert found.figures["lpips"] < 0.1
    assert 0 < found.figures["identity"] < 1
    same = measure(source, source, Speech(SOUND, SECONDS), judges).figures
    assert same["lpips"] == 0 and same["identity"] == pytest.approx(1)


def test_sync_is_asked_at_25_frames_a_second_of_the_sound_of_the_frames():
    """A clip of 50 fps that begins at 1 s."""
    source = seen(lips(1))
    rng = np.random.default_rng(5)
    video, audio = rng.standard_normal((2, 26, 8)).astype(np.float32)
    audio[2:] = video[:-2]
    asked = {}

    def embed(views: NDArray, sound: NDArray) -> tuple[NDArray, NDArray]:
        asked["views"], asked["sound"] = views, sound
        return video, audio

    sound = np.arange(3 * 16_000).astype(np.int16)
    found = measure(source, source, Speech(sound, 1 + np.arange(COUNT) / 50), Judges(no_faces, syncnet=embed))
    np.testing.assert_array_equal(asked["views"], source.views[::2])
    np.testing.assert_array_equal(asked["sound"], sound[16_000 : 16_000 + 30 * 640])
    expected = sync_score(video, audio)
    assert found.figures["offset"] == expected.offset == -2
    assert (found.figures["sync_c"], found.figures["sync_d"]) == (expected.confidence, expected.distance)


def test_an_expert_is_asked_for_sound_that_fits_and_that_does_not():
    rng = np.random.default_rng(6)
    video = rng.standard_normal((40, 64)).astype(np.float32)
    video /= np.linalg.norm(video, axis=1, keepdims=True)
    fits, others = expert_cosines(video, video[:38])
    assert fits == pytest.approx(1) and abs(others) < 0.05
    fits, others = expert_cosines(video[:3], video[:3])
    assert fits == pytest.approx(1) and np.isnan(others)
    source = seen(lips(1))
    judges = Judges(no_faces, expert=lambda views, sound: (video, video))
    found = measure(source, source, Speech(SOUND, SECONDS), judges).figures
    assert found["expert"] == pytest.approx(1) and found["expert_gain"] > 0.9


def test_the_largest_face_of_each_view():
    views = np.full((2, SIDE, SIDE, 3), 90, np.uint8)
    draw_face(views[0], (10, 20, 50, 64))
    draw_face(views[0], (100, 20, 90, 115))
    found = see(views, BlobLandmarker())
    np.testing.assert_allclose(found.points[0], face_in(np.array([100.0, 20, 90, 115])).landmarks)
    assert np.isnan(found.points[1]).all()


def test_the_first_frames_of_a_speech():
    speech = Speech(SOUND, SECONDS, lips(1), seen(lips(1)).points).first(7)
    assert len(speech.seconds) == len(speech.aperture) == len(speech.points) == 7
    assert Speech(SOUND, SECONDS).first(3).aperture is None
