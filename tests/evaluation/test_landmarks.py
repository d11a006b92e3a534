import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.engine import load_landmarker
from lipdub.evaluation.landmarks import MOUTH, aperture_agreement, apertures, mouth_distance
from lipdub.faces.crop import lip_aperture
from lipdub.faces.leak import leak
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import probe_video
from tests.support.faces import FOOTAGE

RNG = np.random.default_rng(11)
FACES = RNG.uniform(0, 224, (9, 478, 2)).astype(np.float32)
SPOKEN = np.convolve(RNG.uniform(0, 0.2, 304), np.ones(5) / 5, "valid")
OTHER = np.convolve(RNG.uniform(0, 0.2, 304), np.ones(5) / 5, "valid")


def test_the_mouth_is_twenty_points_of_the_lips():
    assert len(set(MOUTH)) == 20
    assert {13, 14} < set(MOUTH)  # inner lips, whose distance is the aperture


@settings(deadline=None)
@given(st.floats(-50, 50), st.floats(-50, 50))
def test_a_mouth_that_is_only_elsewhere_is_no_other_mouth(x: float, y: float):
    assert mouth_distance(FACES + np.array((x, y)), FACES) == pytest.approx(0, abs=1e-4)


def test_the_distance_is_the_mean_over_frames_and_points_after_centring():
    other = FACES.astype(np.float64)
    for i, point in enumerate(MOUTH):
        other[3:, point] += (3, 4) if i % 2 else (-3, -4)  # the mean point stays
    other[:, 0 if 0 not in MOUTH else 1] += 99  # elsewhere than the mouth
    assert mouth_distance(other, FACES) == pytest.approx(5 * 6 / 9, rel=1e-5)


def test_the_distance_counts_larger_mouths_and_grows_with_them():
    mean = FACES[:, list(MOUTH)].mean(axis=1, keepdims=True)
    distances = [mouth_distance(mean + (FACES - mean) * scale, FACES) for scale in (1, 1.1, 1.3)]
    assert distances[0] == pytest.approx(0, abs=1e-4)
    assert distances[2] == pytest.approx(3 * distances[1], rel=1e-4)


def test_with_heights_the_size_of_the_picture_does_not_matter():
    other = FACES + RNG.normal(0, 3, FACES.shape)
    heights = RNG.uniform(100, 200, 9)
    assert mouth_distance(other * 4, FACES * 4, heights * 4) == pytest.approx(
        mouth_distance(other, FACES, heights)
    )
    assert mouth_distance(other, FACES, np.full(9, 158)) == pytest.approx(mouth_distance(other, FACES))


def test_frames_without_a_face_are_left_out_of_the_distance():
    some, other = FACES.copy(), FACES + RNG.normal(0, 3, FACES.shape)
    some[4] = np.nan
    rest = np.delete(np.arange(9), 4)
    assert mouth_distance(some, other) == pytest.approx(mouth_distance(FACES[rest], other[rest]))
    assert math.isnan(mouth_distance(np.full_like(FACES, np.nan), FACES))


def test_apertures_are_those_of_the_analysis():
    gone = FACES.copy()
    gone[2] = np.nan
    found = apertures(gone)
    assert math.isnan(found[2])
    assert found[5] == lip_aperture(FACES[5])
    assert apertures(FACES[:0]).shape == (0,)


@pytest.mark.parametrize("late", [-4, -1, 0, 2, 5])
def test_late_lips_are_found_out(late: int):
    agreement = aperture_agreement(np.roll(SPOKEN, late), SPOKEN)
    assert agreement.lag == late
    assert agreement.best == pytest.approx(1, abs=1e-6)
    assert agreement.correlation == pytest.approx(np.corrcoef(np.roll(SPOKEN, late), SPOKEN)[0, 1])


def test_lips_further_away_than_the_reach_are_not_found():
    assert aperture_agreement(np.roll(SPOKEN, 9), SPOKEN).best < 0.5
    assert aperture_agreement(np.roll(SPOKEN, 9), SPOKEN, reach=9).lag == 9


def test_unrelated_lips_do_not_agree_at_lag_0_but_a_little_at_the_best_one():
    agreement = aperture_agreement(OTHER, SPOKEN)
    assert abs(agreement.correlation) < 0.2
    assert agreement.correlation < agreement.best < 0.4
    assert agreement.correlation == leak(SPOKEN, OTHER).correlation


def test_gaps_are_left_out_and_still_lips_are_told_apart():
    holes = SPOKEN.copy()
    holes[10:40] = np.nan
    assert aperture_agreement(holes, SPOKEN) == pytest.approx((1, 1, 0))
    assert aperture_agreement(np.full(300, 0.1), SPOKEN).correlation == pytest.approx(0, abs=1e-9)
    still = aperture_agreement(SPOKEN, np.full(300, 0.1))
    assert math.isnan(still.correlation) and math.isnan(still.best) and still.lag == 0
    assert math.isnan(aperture_agreement(SPOKEN[:5], SPOKEN[:5]).best)


def test_the_points_run_round_the_lips_of_a_real_face():
    clip = FOOTAGE / "published" / "id04478.2grMtwdG93I.00001__id00154.0hjW3eTGAy8.00001.mp4"
    if not clip.exists():
        pytest.skip("the real footage is not beside this checkout")
    info = probe_video(clip)
    panel = upright_image(next(iter(read_frames(info))), info)[:, 682:906]
    with load_landmarker() as landmarker:
        mouth = landmarker(panel)[0].landmarks[list(MOUTH)]
    outer, inner = mouth[:12], mouth[12:]
    for ring in (outer, inner):  # clockwise as seen, from the left corner
        assert ring[:, 0].argmin() == 0
        assert cv2.contourArea(ring[:, None], oriented=True) > 0
    assert all(cv2.pointPolygonTest(outer[:, None], point.tolist(), False) > 0 for point in inner)
