"""Compositing changes the mouth and nothing else, in every pixel format, turned or not."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.faces.crop import to_crop
from lipdub.faces.detail import skin_field
from lipdub.faces.mask import MASK_CENTRE, mouth_mask, spread
from lipdub.faces.paste import Canvas, paste, take_crop
from lipdub.media.frames import upright_image
from lipdub.media.geometry import Geometry, invert
from lipdub.media.planes import plane_views
from lipdub.planfile import LARGEST
from lipdub.render import canvas_of
from tests.support.faces import movie_info, noise_frame, noise_planes, psnr, smooth_planes

FORMATS = ["yuv420p", "yuv422p10le", "yuv444p", "gbrp", "gray"]
ROTATIONS = [0, 90, 180, 270]
WIDE = Fraction(4, 3)
WIDTH, HEIGHT = 128, 96

formats = pytest.mark.parametrize("pix_fmt", FORMATS)
rotations = pytest.mark.parametrize("rotation", ROTATIONS)
aspects = pytest.mark.parametrize("aspect", [Fraction(1), WIDE], ids=str)


def _box_over(geometry: Geometry, left: int, top: int, size: int) -> np.ndarray:
    """The upright box whose S×S crop has exactly these coded pixels."""
    edges = np.array([[left, top], [left + size, top + size]]) - 0.5
    matrix = invert(geometry.to_coded())
    upright = edges @ matrix[:, :2].T + matrix[:, 2] + 0.5
    low, high = upright.min(axis=0), upright.max(axis=0)
    return np.array([*low, *(high - low), 0.0])


def _in_lower_half(canvas: Canvas, box: np.ndarray) -> np.ndarray:
    """[height, width]: which coded luma samples have their centre within the lower half of an upright box."""
    geometry = canvas.geometry
    x, y = np.meshgrid(np.arange(geometry.width), np.arange(geometry.height))
    matrix = invert(geometry.to_coded())
    place = np.stack([x, y], axis=-1) @ matrix[:, :2].T + matrix[:, 2] + 0.5
    low, high = box[:2] + box[2:4] * np.array([0, 0.5]), box[:2] + box[2:4]
    return ((place > low) & (place < high)).all(axis=-1)


def _may_change(canvas: Canvas, box: np.ndarray, plane: int) -> np.ndarray:
    """Which samples of a plane may change.

    A luma sample inside the lower half; a chroma sample if one of the luma samples that it is averaged from
    is inside: its own rows, and its own columns with the one to the left (it sits on its left column).
    """
    inside = _in_lower_half(canvas, box)
    form = canvas.colour.form
    if plane == 0 or form.rgb:
        return inside
    if form.sub_x == 2:
        left = np.pad(inside, ((0, 0), (1, 0)))[:, :-1]
        inside = (inside | left)[:, ::2] | inside[:, 1::2]
    if form.sub_y == 2:
        inside = inside[::2] | inside[1::2]
    return inside


@formats
@rotations
@aspects
@pytest.mark.parametrize("corner", [(20, 12), (37, 25), (-20, 40), (90, -9), (100, 70)])
def test_a_copy_at_full_resolution_changes_no_bit(
    pix_fmt: str, rotation: int, aspect: Fraction, corner: tuple[int, int]
):
    info = movie_info(WIDTH, HEIGHT, pix_fmt, rotation=rotation, aspect=aspect)
    planes, canvas = noise_planes(info, seed=rotation)
    before = [plane.copy() for plane in planes]
    box = _box_over(info.geometry, *corner, 48)

    paste(planes, canvas, box, take_crop(planes, canvas, box, 48), 1.0)

    for old, new in zip(before, planes, strict=True):
        assert np.array_equal(old, new)


@formats
@rotations
@aspects
def test_outside_the_lower_half_nothing_changes(pix_fmt: str, rotation: int, aspect: Fraction):
    info = movie_info(WIDTH, HEIGHT, pix_fmt, rotation=rotation, aspect=aspect)
    rng = np.random.default_rng(rotation)
    for seed in range(12):
        planes, canvas = noise_planes(info, seed)
        before = [plane.copy() for plane in planes]
        size = rng.uniform(15, 130)
        low = rng.uniform(-30, 90, 2)
        box = np.array([*low, size * 0.8, size, 0])
        generated = rng.uniform(-1, 1, (32, 32, 3)).astype(np.float32)

        paste(planes, canvas, box, generated, 1.0)

        for i, (old, new) in enumerate(zip(before, planes, strict=True)):
            assert not (old != new)[~_may_change(canvas, box, i)].any()
        if _in_lower_half(canvas, box).sum() > 200:
            assert (before[0] != planes[0]).any()


def test_odd_sizes_keep_their_last_row_and_column():
    info = movie_info(63, 49, "yuv420p")
    planes, canvas = noise_planes(info)
    before = [plane.copy() for plane in planes]
    box = np.array([20.0, 10, 60, 60, 0])
    paste(planes, canvas, box, np.ones((32, 32, 3), np.float32), 1.0)
    assert planes[1].shape == (25, 32)
    assert np.array_equal(planes[0][:40, :20], before[0][:40, :20])
    assert (planes[0] != before[0]).any()


@formats
@pytest.mark.parametrize(
    "box", [(20.3, 11.7, 50.1, 63.4, 7.0), (30.0, 20, 20.5, 30, -20), (-9.2, 3.3, 41, 52, 0)]
)
def test_a_copy_of_a_face_no_larger_than_the_network_changes_no_bit(
    pix_fmt: str, box: tuple[float, float, float, float, float]
):
    planes, canvas = noise_planes(movie_info(WIDTH, HEIGHT, pix_fmt))
    before = [plane.copy() for plane in planes]
    paste(planes, canvas, np.array(box), take_crop(planes, canvas, np.array(box), 64), 1.0)
    assert all(np.array_equal(old, new) for old, new in zip(before, planes, strict=True))


# A copy of a larger face, against the source: skin keeps every bit; at the lips, a texture that has the right
# strength and another shape costs 3 dB at most against scaling down and up by an independent road.
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "gbrp", "gray"])
@pytest.mark.parametrize("size", [(160, 200), (128, 192)])
def test_a_copy_of_a_larger_face_keeps_the_skin_and_makes_the_lips_anew(pix_fmt: str, size: tuple[int, int]):
    planes, canvas = smooth_planes(movie_info(256, 256, pix_fmt), detail=2.0)
    peak = 2**canvas.colour.form.bits - 1
    source = planes[0].astype(np.float32)
    width, height = size
    box = np.array([30.0, 20, width, height, 0])
    inside = (slice(20, 20 + height), slice(30, 30 + width))
    small = cv2.resize(source[inside], (64, 64), interpolation=cv2.INTER_AREA)
    resized = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)

    paste(planes, canvas, box, take_crop(planes, canvas, box, 64), 1.0)

    scale = np.array([[64 / width, 0, 32 / width - 0.5], [0, 64 / height, 32 / height - 0.5]])
    skin = spread(skin_field(None), scale, size, 64)
    ours = planes[0][inside]
    assert np.array_equal(ours[skin == 1], source[inside][skin == 1])
    lips = (skin == 0) & (mouth_mask(scale, size, 64) == 1)
    assert lips.mean() > 0.1
    loss = psnr(resized[lips], source[inside][lips], peak)
    assert -3.2 < psnr(ours[lips], source[inside][lips], peak) - loss < 4
    sharpness = [
        float(np.std(cv2.Laplacian(p, cv2.CV_32F)[lips])) for p in (ours.astype(np.float32), resized)
    ]
    right = float(np.std(cv2.Laplacian(source[inside], cv2.CV_32F)[lips]))
    assert abs(sharpness[0] / right - 1) < abs(sharpness[1] / right - 1)


def test_another_mouth_leaves_nothing_of_the_old_lips():
    """The result's fine detail at the lips has nothing of the old picture's, whatever is painted there."""
    planes, canvas = smooth_planes(movie_info(256, 256, "gray16le"), detail=1.2)
    other, _ = smooth_planes(movie_info(256, 256, "gray16le"), detail=1.2, seed=5)
    old = planes[0].astype(np.float32)
    box = np.array([30.0, 20, 150, 200, 0])

    paste(planes, canvas, box, take_crop(other, canvas, box, 64), 1.0)

    y, x = np.mgrid[:256, :256]
    lips = (np.abs(x - 105) < 40) & (np.abs(y - 174) < 20)
    fine = [p - cv2.GaussianBlur(p, (0, 0), 2) for p in (planes[0].astype(np.float32), old)]
    assert abs(np.corrcoef(fine[0][lips], fine[1][lips])[0, 1]) < 0.1
    assert 0.6 < fine[0][lips].std() / fine[1][lips].std() < 1.3


def test_a_paste_is_the_same_twice():
    results = []
    for _ in range(2):
        planes, canvas = noise_planes(movie_info(WIDTH, HEIGHT, "yuv420p"))
        paste(planes, canvas, np.array([10.3, 5, 70, 88, 3]), np.zeros((32, 32, 3), np.float32), 0.7)
        results.append(planes)
    assert all(np.array_equal(*pair) for pair in zip(*results, strict=True))


def test_a_crop_is_the_face_resized():
    info = movie_info(256, 256, "gbrp")
    planes, canvas = smooth_planes(info, detail=2.0)
    rgb = np.stack([planes[2], planes[0], planes[1]], axis=-1)[20:212, 30:158].astype(np.float32)
    expected = cv2.resize(rgb, (64, 64), interpolation=cv2.INTER_AREA) / 127.5 - 1

    crop = take_crop(planes, canvas, np.array([30.0, 20, 128, 192, 0]), 64)

    assert crop.dtype == np.float32
    np.testing.assert_allclose(crop, expected, atol=1e-5)


def test_outside_the_picture_a_crop_is_its_nearest_pixel():
    info = movie_info(64, 48, "gbrp")
    planes, canvas = smooth_planes(info, detail=2.0)
    crop = take_crop(planes, canvas, np.array([-16.0, 0, 32, 32, 0]), 32)
    np.testing.assert_allclose(crop[:, :16], np.repeat(crop[:, 16:17], 16, axis=1), atol=1e-6)


@formats
def test_colours_without_rgb_are_clipped_for_the_network(pix_fmt: str):
    planes, canvas = noise_planes(movie_info(WIDTH, HEIGHT, pix_fmt))
    crop = take_crop(planes, canvas, np.array([10.0, 10, 48, 48, 0]), 48)
    assert -1 <= crop.min() < -0.9 < 0.9 < crop.max() <= 1


@formats
def test_opacity_zero_changes_no_bit(pix_fmt: str):
    planes, canvas = noise_planes(movie_info(WIDTH, HEIGHT, pix_fmt))
    before = [plane.copy() for plane in planes]
    paste(planes, canvas, np.array([10.3, 5, 70, 88, 0]), np.ones((32, 32, 3), np.float32), 0.0)
    assert all(np.array_equal(old, new) for old, new in zip(before, planes, strict=True))


def test_opacity_is_linear():
    info = movie_info(WIDTH, HEIGHT, "gray16le")
    generated = np.random.default_rng(0).uniform(-0.5, 0.5, (32, 32, 1)).repeat(3, axis=2).astype(np.float32)
    changes = []
    for opacity in (0.25, 0.5, 0.75, 1.0):
        (plane,), canvas = smooth_planes(info, 3.0)
        before = plane.astype(np.int64)
        paste([plane], canvas, np.array([10.3, 5, 70, 88, 0]), generated, opacity)
        changes.append(plane - before)
    for share, change in zip((0.25, 0.5, 0.75), changes, strict=False):
        assert np.abs(change - share * changes[-1]).max() <= 1  # rounding


# Without light being matched: neighbouring pixels of faces of 100 pixels and more differ by one level at
# most. Smaller ones have less room.
@pytest.mark.parametrize(("height", "steepest"), [(400, 1), (200, 1), (100, 2), (50, 3)])
def test_a_lighter_mouth_has_no_seam(height: int, steepest: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lipdub.faces.paste.membrane", lambda error, *_: np.zeros_like(error))
    plane = _lighter_by_8(height)
    assert plane.max() == 108 and plane.min() == 100
    x, y = (np.array([40.0, 30]) + np.array([0.785, 1]) * height * MASK_CENTRE).astype(int)
    for profile in (plane[y, :x], plane[y, : x - 1 : -1], plane[:y, x], plane[: y - 1 : -1, x]):
        steps = np.diff(profile.astype(int))
        assert steps.min() >= 0
        assert steps.max() <= steepest
        assert profile[-1] == 108


@pytest.mark.parametrize("height", [400, 100, 50])
def test_the_light_of_a_lighter_mouth_is_matched(height: int):
    assert np.abs(_lighter_by_8(height).astype(int) - 100).max() <= 1


def _lighter_by_8(height: int) -> np.ndarray:
    """A grey picture of 100, after a mouth of 108 was pasted into a face of this height."""
    plane = np.full((512, 512), 100, np.uint8)
    canvas = canvas_of(movie_info(512, 512, "gray"))
    box = np.array([40.0, 30, 0.785 * height, height, 0])
    crop = take_crop([plane], canvas, box, 128)
    crop[64:] += np.float32(2 * 8 / canvas.colour.scale[0])
    paste([plane], canvas, box, crop, 1.0)
    return plane


@rotations
@aspects
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "gbrp"])
def test_the_mouth_lands_where_the_viewer_sees_it(pix_fmt: str, rotation: int, aspect: Fraction):
    info = movie_info(240, 160, pix_fmt, rotation=rotation, aspect=aspect)
    frame = noise_frame(info)
    canvas = canvas_of(info)
    planes = plane_views(frame, canvas.colour.form)
    for plane in planes:
        plane[:] = 128
    box = np.array([40.0, 20, 70, 88, 0])
    generated = np.full((64, 64, 3), -1, np.float32)
    generated[:, :32, 0] = generated[:, 32:, 2] = 1  # red on the viewer's left, blue on the right

    paste(planes, canvas, box, generated, 1.0)

    image = upright_image(frame, info).astype(int)
    assert image.shape[1::-1] == info.geometry.upright_size
    red, blue = (np.maximum(image[..., a] - image[..., b] - 60, 0) for a, b in ((0, 2), (2, 0)))
    where = [_centroid(colour) for colour in (red, blue)]
    mouth = box[:2] + box[2:4] * MASK_CENTRE
    assert np.mean(where, axis=0) == pytest.approx(mouth, abs=0.7)
    assert where[0][0] < mouth[0] - 10 and where[1][0] > mouth[0] + 10


def _centroid(weights: np.ndarray) -> np.ndarray:
    y, x = np.indices(weights.shape) + 0.5
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


@settings(max_examples=60, deadline=None)
@given(
    x=st.floats(-LARGEST, LARGEST),
    y=st.floats(-LARGEST, LARGEST),
    width=st.floats(1, LARGEST),
    height=st.floats(1, LARGEST),
    rotation=st.sampled_from(ROTATIONS),
)
def test_every_box_that_a_plan_may_hold_can_be_drawn(
    x: float, y: float, width: float, height: float, rotation: int
):
    planes, canvas = noise_planes(movie_info(64, 48, "yuv420p", rotation=rotation))
    box = np.array([x, y, width, height, 0.0])
    crop = take_crop(planes, canvas, box, 16)
    assert np.isfinite(crop).all()
    paste(planes, canvas, box, crop, 1.0)


@pytest.mark.parametrize("roll", [-90, -27.5, 0, 10, 180])
def test_a_turned_crop_shows_the_face_upright(roll: float):
    """A bright forehead and a dark chin, drawn turned: the crop has the bright side above."""
    info = movie_info(160, 160, "gray")
    (plane,), canvas = noise_planes(info)
    box = np.array([55.0, 48, 50, 64, roll])
    y, x = np.mgrid[:160, :160] + 0.5
    places = to_crop(np.stack([x, y], axis=-1).reshape(-1, 2), box).reshape(160, 160, 2)
    plane[:] = np.clip(250 - 200 * places[..., 1] - 20 * places[..., 0], 0, 255)
    crop = (take_crop([plane], canvas, box, 64)[..., 0] + 1) / 2 * 255
    rows, columns = (np.arange(64) + 0.5) / 64, (np.arange(64) + 0.5) / 64
    np.testing.assert_allclose(crop, 250 - 200 * rows[:, None] - 20 * columns, atol=2)
