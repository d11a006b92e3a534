from functools import lru_cache

import cv2
import numpy as np
import pytest

from lipdub.faces.shots import CutDetector
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.probe import probe_video
from tests.support.faces import FOOTAGE

SCENES = FOOTAGE / "scenes"


@lru_cache
def _picture(seed: int, width: int = 160) -> np.ndarray:
    """A picture of soft blobs, as different from that of another seed as two shots of one film."""
    rng = np.random.default_rng(seed)
    rough = cv2.GaussianBlur(rng.standard_normal((90, width, 3)).astype(np.float32), (0, 0), 6)
    return np.clip(128 + 50 * rough / rough.std(), 0, 255).astype(np.uint8)


def _cuts(frames: list[np.ndarray]) -> list[int]:
    is_cut = CutDetector()
    return [i for i, frame in enumerate(frames) if is_cut(frame)]


def test_the_first_frame_begins_a_shot():
    assert _cuts([_picture(0)] * 10) == [0]


@pytest.mark.parametrize("length", [3, 5, 25])
def test_hard_cuts_are_found(length: int):
    frames = [_picture(seed) for seed in range(8) for _ in range(length)]
    assert _cuts(frames) == list(range(0, 8 * length, length))


def test_a_picture_that_never_rests_has_no_cuts():
    assert _cuts([_picture(seed) for seed in range(30)])[3:] == []


def test_a_cut_to_black_and_out_of_it_is_found():
    black = np.zeros((90, 160, 3), np.uint8)
    assert _cuts([_picture(0)] * 10 + [black] * 5 + [_picture(1)] * 10) == [0, 10, 15]


@pytest.mark.parametrize("speed", [1, 3, 10])
def test_a_pan_is_not_a_cut(speed: int):
    wide = _picture(3, 160 + 60 * speed)
    still = [wide[:, :160]] * 5
    assert _cuts(still + [wide[:, speed * i : speed * i + 160] for i in range(60)]) == [0]


def _mixed(other: np.ndarray, length: int) -> list[np.ndarray]:
    return [cv2.addWeighted(_picture(0), 1 - t, other, t, 0) for t in np.linspace(0, 1, length)]


@pytest.mark.parametrize("length", [5, 12, 25, 50])
@pytest.mark.parametrize("seed", range(1, 5))
def test_a_dissolve_ends_a_shot_once_where_the_new_picture_dominates(length: int, seed: int):
    first, *others = _cuts([_picture(0)] * 10 + _mixed(_picture(seed), length) + [_picture(seed)] * 30)
    assert first == 0
    (found,) = others
    assert 10 + 0.3 * length <= found <= 10 + 0.8 * length + 1


BLACK = np.zeros((90, 160, 3), np.uint8)


@pytest.mark.parametrize("length", [6, 12, 50])
def test_a_fade_through_black_ends_a_shot_where_another_picture_appears(length: int):
    out = [_picture(0)] * 10 + _mixed(BLACK, length) + [BLACK] * 3
    into = [cv2.convertScaleAbs(_picture(9), alpha=t) for t in np.linspace(0, 1, length)]
    first, found = _cuts(out + into + [_picture(9)] * 20)
    assert first == 0
    assert len(out) < found <= len(out) + max(3, length // 4)


@pytest.mark.parametrize("length", [6, 12, 50])
def test_a_picture_that_fades_away_and_comes_back_is_one_shot(length: int):
    out = _mixed(BLACK, length)
    assert _cuts([_picture(0)] * 10 + out + [BLACK] * 3 + out[::-1] + [_picture(0)] * 10) == [0]


@pytest.mark.parametrize("step", [0.02, 0.05, 0.1, 0.2])
def test_a_crash_zoom_is_not_a_cut(step: float):
    whole, frames = cv2.resize(_picture(5), (640, 360), interpolation=cv2.INTER_CUBIC), []
    for zoom in np.clip(1 - step * (np.arange(40) - 5), 0.4, 1):
        h, w = round(360 * zoom), round(640 * zoom)
        part = whole[(360 - h) // 2 :, (640 - w) // 2 :][:h, :w]
        frames.append(cv2.resize(part, (160, 90), interpolation=cv2.INTER_AREA))
    assert _cuts(frames) == [0]


def test_a_detector_goes_on_from_what_it_remembered():
    frames = [_picture(0)] * 10 + _mixed(_picture(1), 12) + [_picture(1)] * 10 + [_picture(2)] * 5
    whole = _cuts(frames)
    assert len(whole) == 3
    for stop in range(1, len(frames)):
        before, after = CutDetector(), CutDetector()
        found = [i for i, frame in enumerate(frames[:stop]) if before(frame)]
        after.state = before.state
        assert found + [i for i, f in enumerate(frames[stop:], stop) if after(f)] == whole


def test_noise_is_not_a_cut():
    rng = np.random.default_rng(0)
    frames = [
        np.clip(_picture(0) + rng.normal(0, 40, (90, 160, 3)), 0, 255).astype(np.uint8) for _ in range(20)
    ]
    assert _cuts(frames) == [0]


def test_lightning_is_not_a_cut():
    picture = _picture(0)
    lit = cv2.convertScaleAbs(picture, alpha=0.6, beta=100)
    assert _cuts([picture] * 10 + [lit] * 2 + [picture] * 10) == [0]


def test_a_flash_that_leaves_nothing_of_the_picture_is_a_shot_of_its_own():
    white = np.full((90, 160, 3), 255, np.uint8)
    assert _cuts([_picture(0)] * 10 + [white] + [_picture(0)] * 10) == [0, 10, 11]


# By eye, frame by frame. In the film: 59, 227, 290 and 400 are cuts, 537 a blow across the picture, then
# black and plain frames. At 294 a crash zoom begins, which is none.
FOUND = {
    "six_cuts_dubbed_film.mp4": [0, 59, 227, 290, 400, 537, 539],
    "small_faces_cuts_2997.mp4": [0, 20, 82, 211],
    "face_noface.mov": [0, 72, 73],
    "noface_face.mov": [0, 96, 168],
    "carphone_176x144.mp4": [0],
    "speaker_2213fps.mp4": [0],
}


@pytest.mark.parametrize("name", FOUND)
def test_cuts_of_real_footage(name: str):
    if not (SCENES / name).is_file():
        pytest.skip(f"real footage is not there: {SCENES / name}")
    info = probe_video(SCENES / name)
    assert _cuts([_shrunk(upright_image(frame, info)) for frame in read_frames(info)]) == FOUND[name]


def _shrunk(image: np.ndarray) -> np.ndarray:
    return (
        image
        if image.shape[0] < 480
        else cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    )
