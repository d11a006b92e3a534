import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.engine import load_landmarker
from lipdub.faces.crop import turn
from lipdub.faces.pose import HEAD, head_pose
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import probe_video
from tests.support.faces import FOOTAGE


def _landmarks(yaw: float, pitch: float, roll: float = 0, size: float = 100) -> np.ndarray:
    """`HEAD` turned up, then aside, then in the picture: by its own matrices."""
    yaw, pitch = np.radians([yaw, pitch])
    up = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    aside = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    flat = (np.array(list(HEAD.values())) @ (aside @ up).T)[:, :2]
    landmarks = np.zeros((478, 2), np.float32)
    landmarks[list(HEAD)] = flat @ turn(roll).T * size + (640, 360)
    return landmarks


@settings(deadline=None)
@given(yaw=st.floats(-75, 75), pitch=st.floats(-50, 50), roll=st.floats(-170, 170), size=st.floats(5, 900))
def test_a_turned_head_is_measured_exactly(yaw: float, pitch: float, roll: float, size: float):
    assert head_pose(_landmarks(yaw, pitch, roll, size)) == pytest.approx((yaw, pitch), abs=0.02)


def test_noise_of_landmarks_turns_a_head_by_a_degree():
    """Measured on real still faces: landmarks tremble by 0.4 % of the face's height."""
    noise = np.random.default_rng(0).normal(0, 0.004 * 280, (200, 478, 2))
    found = np.array([head_pose((_landmarks(20, 5) + n).astype(np.float32)) for n in noise])
    assert (found.std(axis=0) < 1).all()
    np.testing.assert_allclose(found.mean(axis=0), (20, 5), atol=0.3)


def test_signs_are_as_a_viewer_says():
    landmarks = _landmarks(0, 0)
    landmarks[[1, 4]] += (15, -15)  # the tip of the nose to the right, and up
    yaw, pitch = head_pose(landmarks)
    assert yaw > 1
    assert pitch > 1


def test_a_real_face_looks_the_other_way_in_the_mirror():
    clip = FOOTAGE / "scenes" / "speaker_2213fps.mp4"
    if not clip.exists():
        pytest.skip("the real footage is not beside this checkout")
    info = probe_video(clip)
    image = upright_image(next(iter(read_frames(info))), info)
    with load_landmarker() as landmarker:
        poses = [head_pose(landmarker(i)[0].landmarks) for i in (image, np.ascontiguousarray(image[:, ::-1]))]
    assert poses[0][0] == pytest.approx(-poses[1][0], abs=4)
    assert poses[0][1] == pytest.approx(poses[1][1], abs=4)
