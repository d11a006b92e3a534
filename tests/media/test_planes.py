"""Planes of a picture, against samples unpacked by hand."""

from fractions import Fraction

import av
import numpy as np
import pytest

from lipdub.errors import MediaError
from lipdub.media.encode import padded
from lipdub.media.planes import PLANAR_TWIN, as_planar, copy_frame, layout, planar_format, plane_views
from tests.support.media import filled_frame

SIZES = [(64, 48), (37, 23)]


def bytes_of(frame, plane, dtype=np.uint8):
    """[rows, samples] of one stored plane, with its padding."""
    plane = frame.planes[plane]
    return np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size).view(dtype)


def planar(frame):
    twin = as_planar(frame)
    return [np.array(plane) for plane in plane_views(twin, layout(twin.format.name))]


def half(n):
    return -(-n // 2)


@pytest.mark.parametrize("size", SIZES)
def test_nv12(size):
    frame = filled_frame("nv12", size)
    width, height = size
    luma, both = bytes_of(frame, 0)[:height, :width], bytes_of(frame, 1)[: half(height), : 2 * half(width)]
    for got, wanted in zip(planar(frame), (luma, both[:, ::2], both[:, 1::2]), strict=True):
        assert np.array_equal(got, wanted)


@pytest.mark.parametrize("size", SIZES)
def test_p010(size):
    frame = filled_frame("p010le", size, bits=10, shift=6)
    width, height = size
    luma = bytes_of(frame, 0, "<u2")[:height, :width] >> 6
    both = bytes_of(frame, 1, "<u2")[: half(height), : 2 * half(width)] >> 6
    for got, wanted in zip(planar(frame), (luma, both[:, ::2], both[:, 1::2]), strict=True):
        assert np.array_equal(got, wanted)


def test_yuyv():
    frame = filled_frame("yuyv422", (64, 48))
    packed = bytes_of(frame, 0)[:48, :128]
    for got, wanted in zip(planar(frame), (packed[:, ::2], packed[:, 1::4], packed[:, 3::4]), strict=True):
        assert np.array_equal(got, wanted)


@pytest.mark.parametrize("pix_fmt", ["rgb24", "bgr24", "rgba", "bgr0", "argb"])
@pytest.mark.parametrize("size", SIZES)
def test_packed_rgb(pix_fmt, size):
    frame = filled_frame(pix_fmt, size)
    width, height = size
    step = len(pix_fmt.rstrip("24")) if "24" not in pix_fmt else 3
    packed = bytes_of(frame, 0)[:height, : step * width].reshape(height, width, step)
    for got, channel in zip(planar(frame), "gbr", strict=True):
        assert np.array_equal(got, packed[..., pix_fmt.index(channel)])


def test_palette():
    indices = np.random.default_rng(0).integers(0, 256, (24, 32), np.uint8)
    colours = np.random.default_rng(1).integers(0, 256, (256, 4), np.uint8)  # A, R, G, B
    colours[:, 0] = 255
    frame = av.VideoFrame.from_ndarray((indices, colours), format="pal8")
    frame.time_base = Fraction(1, 25)
    wanted = colours[indices]
    for got, channel in zip(planar(frame), (2, 3, 1), strict=True):
        assert np.array_equal(got, wanted[..., channel])


@pytest.mark.parametrize(
    ("pix_fmt", "bits", "size", "shapes"),
    [
        ("yuv420p", 8, (37, 23), [(23, 37), (12, 19), (12, 19)]),
        ("yuv422p10le", 10, (37, 23), [(23, 37), (23, 19), (23, 19)]),
        ("yuv444p12le", 12, (37, 23), [(23, 37), (23, 37), (23, 37)]),
        ("yuv411p", 8, (37, 23), [(23, 37), (23, 10), (23, 10)]),
        ("yuva420p", 8, (37, 23), [(23, 37), (12, 19), (12, 19)]),
        ("gbrp", 8, (37, 23), [(23, 37)] * 3),
        ("gray", 8, (37, 23), [(23, 37)]),
        ("gray10le", 10, (37, 23), [(23, 37)]),
    ],
)
def test_views_have_the_size_of_their_plane_and_share_memory(pix_fmt, bits, size, shapes):
    frame = filled_frame(pix_fmt, size, bits=bits)
    form = layout(pix_fmt)
    views = plane_views(frame, form)
    assert [view.shape for view in views] == shapes
    assert form.bits == bits
    views[0][3, 5] ^= 1
    again = plane_views(frame, form)
    assert again[0][3, 5] == views[0][3, 5]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "gbrp", "gray", "rgb24", "nv12", "yuva444p"])
@pytest.mark.parametrize("size", SIZES)
def test_copies_are_equal_and_apart(pix_fmt, size):
    frame = filled_frame(pix_fmt, size, bits=10 if "10" in pix_fmt else 8)
    frame.pts, frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc = 7, 2, 9, 9, 16
    copy = copy_frame(frame)
    assert [bytes(plane) for plane in copy.planes] == [bytes(plane) for plane in frame.planes]
    assert (copy.width, copy.height, copy.format.name) == (*size, pix_fmt)
    assert (copy.pts, copy.color_range, copy.colorspace) == (7, 2, 9)
    assert (copy.color_primaries, copy.color_trc) == (9, 16)
    copy.planes[0].update(bytes(copy.planes[0].buffer_size))
    assert any(bytes(frame.planes[0]))


@pytest.mark.parametrize("pix_fmt", sorted(PLANAR_TWIN))
def test_every_twin_is_planar_and_keeps_depth_and_sampling(pix_fmt):
    twin = layout(planar_format(pix_fmt))
    own = av.VideoFormat(pix_fmt, 64, 64)
    colour = [c for c in own.components if not c.is_alpha]
    if pix_fmt not in {"pal8", "monow", "monob", "ya8"}:
        assert twin.bits == colour[0].bits
        assert twin.grey == (len(colour) == 1)
    if len(colour) == 3:
        assert (64 // twin.sub_x, 64 // twin.sub_y) == (colour[1].width, colour[1].height)


@pytest.mark.parametrize("pix_fmt", ["yuv420p10be", "gbrpf32le", "rgb565le", "bayer_rggb8", "grayf32le"])
def test_others_are_refused_in_a_sentence(pix_fmt):
    with pytest.raises(MediaError, match=pix_fmt):
        layout(planar_format(pix_fmt))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "gbrp"])
def test_padding_repeats_the_edge(pix_fmt):
    frame = filled_frame(pix_fmt, (37, 23), bits=10 if "10" in pix_fmt else 8)
    form = layout(pix_fmt)
    for small, large in zip(plane_views(frame, form), plane_views(padded(frame, 40, 24), form), strict=True):
        rows, columns = large.shape[0] - small.shape[0], large.shape[1] - small.shape[1]
        assert np.array_equal(large, np.pad(small, ((0, rows), (0, columns)), mode="edge"))
