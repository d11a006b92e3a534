"""RGB of samples and back, against the formulas of H.273 in double precision, and against swscale."""

import hashlib
from fractions import Fraction

import av
import numpy as np
import pytest

from lipdub.media.colour import Region, colour_model
from lipdub.media.colour_tags import Colour
from lipdub.media.planes import as_planar, layout, plane_views
from tests.support.media import filled_frame, images

MATRICES = {6: (0.299, 0.114), 1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
FORMATS = [
    ("yuv420p", 8),
    ("yuv422p", 8),
    ("yuv444p", 8),
    ("yuv411p", 8),
    ("yuv440p", 8),
    ("yuv420p10le", 10),
    ("yuv422p10le", 10),
    ("yuv444p10le", 10),
    ("yuv420p12le", 12),
    ("yuv422p12le", 12),
    ("yuv444p12le", 12),
    ("yuv420p16le", 16),
]
OTHERS = [("gbrp", 8), ("gbrp10le", 10), ("gray", 8), ("gray10le", 10), ("yuvj420p", 8), ("yuva420p", 8)]


def model_of(pix_fmt, colour=None, height=96):
    form = layout(pix_fmt)
    return form, colour_model(form, colour or Colour(range=1, matrix=1), height)


def whole(frame):
    return Region(0, 0, frame.width, frame.height)


def digest(frame):
    return hashlib.sha256(b"".join(bytes(plane) for plane in frame.planes)).hexdigest()


def spread(samples, size, sub_x, sub_y):
    """Chroma at every luma sample: linear, on the left luma sample, half-way between rows (H.273 type 0)."""
    width, height = size
    y = (np.arange(height) - (sub_y - 1) / 2) / sub_y
    x = np.arange(width) / sub_x
    rows = np.stack([np.interp(y, np.arange(samples.shape[0]), column) for column in samples.T], axis=1)
    return np.stack([np.interp(x, np.arange(samples.shape[1]), row) for row in rows])


def rgb_by_the_book(planes, size, bits, sub_x, sub_y, matrix, full):
    k_r, k_b = MATRICES[matrix]
    unit = 2.0 ** (bits - 8)
    luma, blue, red = (plane.astype(np.float64) for plane in planes)
    blue, red = (spread(part, size, sub_x, sub_y) - 128 * unit for part in (blue, red))
    if full:
        luma, blue, red = (part / (2**bits - 1) for part in (luma, blue, red))
    else:
        luma, blue, red = (luma - 16 * unit) / (219 * unit), blue / (224 * unit), red / (224 * unit)
    r = luma + 2 * (1 - k_r) * red
    b = luma + 2 * (1 - k_b) * blue
    g = (luma - k_r * r - k_b * b) / (1 - k_r - k_b)
    return np.stack([r, g, b], axis=-1)


@pytest.mark.parametrize("size", [(64, 48), (37, 23)])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize(("pix_fmt", "bits"), FORMATS)
def test_rgb_is_that_of_the_formula(pix_fmt, bits, matrix, full, size):
    frame = filled_frame(pix_fmt, size, bits=bits)
    form, model = model_of(pix_fmt, Colour(range=2 if full else 1, matrix=matrix))
    planes = plane_views(frame, form)
    wanted = rgb_by_the_book(planes, size, bits, form.sub_x, form.sub_y, matrix, full)
    np.testing.assert_allclose(model.to_rgb(planes, whole(frame)), wanted, atol=2e-5)


@pytest.mark.parametrize("pix_fmt", ["gbrp", "gbrp10le"])
def test_rgb_planes_are_themselves(pix_fmt):
    bits = 10 if "10" in pix_fmt else 8
    frame = filled_frame(pix_fmt, bits=bits)
    form, model = model_of(pix_fmt)
    green, blue, red = (plane / (2**bits - 1) for plane in plane_views(frame, form))
    got = model.to_rgb(plane_views(frame, form), whole(frame))
    np.testing.assert_allclose(got, np.stack([red, green, blue], axis=-1), atol=1e-6)


def of_image(pix_fmt, matrix=6, full=False):
    frame = av.VideoFrame.from_ndarray(next(images((64, 48), 1)), format="rgb24")
    frame = frame.reformat(format=pix_fmt, dst_colorspace=matrix, dst_color_range=2 if full else 1)
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", MATRICES)
def test_rgb_is_that_of_swscale(matrix, full):
    frame = of_image("yuv444p", matrix, full)
    form, model = model_of("yuv444p", Colour(range=2 if full else 1, matrix=matrix))
    ours = np.clip(model.to_rgb(plane_views(frame, form), whole(frame)), 0, 1) * 255
    theirs = frame.to_ndarray(format="rgb24").astype(float)
    assert np.abs(ours - theirs).max() <= 2


@pytest.mark.parametrize("pix_fmt", ["gray", "yuvj444p", "rgb24", "bgr0", "pal8"])
def test_other_formats_look_as_they_do_to_swscale(pix_fmt):
    if pix_fmt == "pal8":
        random = np.random.default_rng(0)
        colours = random.integers(0, 256, (256, 4), np.uint8)
        colours[:, 0] = 255
        frame = av.VideoFrame.from_ndarray(
            (random.integers(0, 256, (48, 64), np.uint8), colours), format="pal8"
        )
        frame.time_base = Fraction(1, 25)
    else:
        frame = filled_frame(pix_fmt, (64, 48))
    if pix_fmt == "yuvj444p":
        frame.colorspace = 6
        for plane in frame.planes[1:]:
            plane.update(bytes([128]) * plane.buffer_size)
    theirs = frame.to_ndarray(format="rgb24").astype(float)
    twin = as_planar(frame)
    form, model = model_of(twin.format.name, Colour(matrix=6))
    ours = np.clip(model.to_rgb(plane_views(twin, form), whole(twin)), 0, 1) * 255
    assert np.abs(ours - theirs).max() <= 2


@pytest.mark.parametrize(("height", "matrix"), [(480, 6), (719, 6), (720, 1), (1080, 1)])
def test_an_unspecified_matrix_is_that_of_players(height, matrix):
    _, unspecified = model_of("yuv420p", Colour(range=1, matrix=2), height)
    _, wanted = model_of("yuv420p", Colour(range=1, matrix=matrix), height)
    assert np.array_equal(unspecified.forward, wanted.forward)


@pytest.mark.parametrize(("pix_fmt", "bits"), [*FORMATS, *OTHERS])
def test_grey_stays_grey(pix_fmt, bits):
    frame = filled_frame(pix_fmt, bits=bits)
    form, model = model_of(pix_fmt)
    planes = plane_views(frame, form)
    for plane in planes[1:]:
        plane[:] = planes[0] if form.rgb else 1 << (bits - 1)
    rgb = model.to_rgb(planes, whole(frame))
    assert np.abs(rgb - rgb[..., :1]).max() < 1e-6
    before = [plane.copy() for plane in planes]
    model.add(planes, whole(frame), np.full((*planes[0].shape, 3), 0.1, np.float32))
    if not form.rgb:
        assert all(np.array_equal(one, two) for one, two in zip(planes[1:], before[1:], strict=True))
    assert not np.array_equal(planes[0], before[0])


@pytest.mark.parametrize("size", [(64, 48), (37, 23)])
@pytest.mark.parametrize(("pix_fmt", "bits"), [*FORMATS, *OTHERS])
def test_adding_nothing_changes_nothing(pix_fmt, bits, size):
    """Random samples, most of which have no RGB."""
    frame = filled_frame(pix_fmt, size, bits=bits)
    form, model = model_of(pix_fmt)
    before = digest(frame)
    region = whole(frame)
    model.add(plane_views(frame, form), region, np.zeros((size[1], size[0], 3), np.float32))
    assert digest(frame) == before


def smooth(size, seed=3):
    """A difference as a new mouth makes: smooth, up to ±0.2."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (5 + c) + seed) * np.cos(y / (7 - c)) for c in range(3)]
    return (0.2 * np.stack(waves, axis=-1)).astype(np.float32)


@pytest.mark.parametrize("size", [(64, 48), (37, 23)])
@pytest.mark.parametrize(("pix_fmt", "bits"), [*FORMATS, *OTHERS])
def test_there_and_back_is_within_rounding(pix_fmt, bits, size):
    frame = filled_frame(pix_fmt, size, bits=bits)
    form, model = model_of(pix_fmt)
    planes = plane_views(frame, form)
    for plane in planes:  # nothing that will be clipped
        plane[:] = plane // 4 + 2 ** (bits - 2) + 2 ** (bits - 3)
    before = [plane.astype(int) for plane in planes]
    model.add(planes, whole(frame), smooth(size))
    assert any(np.abs(a - b).max() > 2 ** (bits - 5) for a, b in zip(planes, before, strict=True))
    model.add(planes, whole(frame), -smooth(size))
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(planes, before, strict=True)) <= 1


@pytest.mark.parametrize(("pix_fmt", "bits"), [*FORMATS, ("gbrp", 8)])
def test_what_is_added_is_seen(pix_fmt, bits):
    """A constant difference, away from the gamut's ends, is what to_rgb then shows."""
    frame = filled_frame(pix_fmt, bits=bits)
    form, model = model_of(pix_fmt)
    planes = plane_views(frame, form)
    for plane in planes:
        plane[:] = 2 ** (bits - 1)
    before = model.to_rgb(planes, whole(frame))
    change = np.broadcast_to(np.array([0.1, -0.05, 0.08], np.float32), before.shape)
    model.add(planes, whole(frame), change)
    after = model.to_rgb(planes, whole(frame))
    np.testing.assert_allclose(after - before, change, atol=2.5 / 2**bits)


def test_chroma_of_a_difference_is_averaged_where_the_sample_lies():
    """4:2:0: (1 2 1)/4 about the left column, the mean of two rows; against sums written out."""
    form, model = model_of("yuv420p10le")
    frame = filled_frame("yuv420p10le", (16, 8), bits=10)
    planes = plane_views(frame, form)
    for plane in planes:
        plane[:] = 512
    change = (0.2 * np.random.default_rng(0).standard_normal((8, 16, 3))).astype(np.float32)
    model.add(planes, whole(frame), change)
    k_r, k_b = MATRICES[1]
    luma = change @ [k_r, 1 - k_r - k_b, k_b]
    blue = (change[..., 2] - luma) / (2 * (1 - k_b)) * 224 * 4
    for row in range(4):
        for column in range(1, 8):
            part = blue[2 * row : 2 * row + 2, 2 * column - 1 : 2 * column + 2]
            wanted = 512 + (part @ [0.25, 0.5, 0.25]).mean()
            assert abs(planes[1][row, column] - wanted) <= 0.51
    np.testing.assert_allclose(planes[0], np.clip(512 + luma * 219 * 4, 0, 1023), atol=0.51)


@pytest.mark.parametrize(("pix_fmt", "bits"), [*FORMATS, *OTHERS])
def test_samples_outside_the_region_keep_every_bit(pix_fmt, bits):
    frame = filled_frame(pix_fmt, (61, 47), bits=bits)
    form, model = model_of(pix_fmt)
    planes = plane_views(frame, form)
    points = np.array([[11.3, 9.0], [40.2, 33.7]])
    region = Region.around(points, 61, 47, form)
    before = [plane.copy() for plane in planes]
    rows, columns = region.bottom - region.top, region.right - region.left
    model.add(planes, region, np.full((rows, columns, 3), 0.3, np.float32))
    for number, (old, new) in enumerate(zip(before, planes, strict=True)):
        inside = region.chroma(form) if number and not form.rgb else region.luma()
        assert not np.array_equal(old[inside], new[inside]) or number
        old[inside] = new[inside] = 0
        assert np.array_equal(old, new)


@pytest.mark.parametrize(("pix_fmt", "bits"), FORMATS)
def test_a_part_is_the_part_of_the_whole(pix_fmt, bits):
    frame = filled_frame(pix_fmt, (61, 47), bits=bits)
    form, model = model_of(pix_fmt)
    planes = plane_views(frame, form)
    region = Region.around(np.array([[11.3, 9.0], [40.2, 33.7]]), 61, 47, form)
    part = model.to_rgb(planes, region)[4:-4, 4:-4]
    full = model.to_rgb(planes, whole(frame))[region.luma()][4:-4, 4:-4]
    np.testing.assert_allclose(part, full, atol=1e-4)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv411p"])
def test_regions_hold_their_points_and_are_aligned(pix_fmt):
    form = layout(pix_fmt)
    random = np.random.default_rng(0)
    for _ in range(200):
        width, height = (int(n) for n in random.integers(20, 60, 2))
        points = random.uniform(0, (width - 1, height - 1), (4, 2))
        region = Region.around(points, width, height, form)
        assert region.left % form.sub_x == region.top % form.sub_y == 0
        assert region.right % form.sub_x == 0 or region.right == width
        assert region.bottom % form.sub_y == 0 or region.bottom == height
        assert (points >= (region.left, region.top)).all()
        assert (points <= (region.right - 1, region.bottom - 1)).all()
        assert 0 <= region.left < region.right <= width
        assert 0 <= region.top < region.bottom <= height
