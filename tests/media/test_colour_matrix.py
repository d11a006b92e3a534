"""Every depth, subsampling, range, matrix and place of chroma: grey stays grey, and a copy changes no bit.

`test_colour.py` compares with the formulas; here all combinations are gone through, down to whole files.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipdub import sync
from lipdub.faces.paste import paste, take_crop
from lipdub.media.colour import LOCATIONS, LUMA_WEIGHTS, Region, colour_model
from lipdub.media.colour_tags import Colour
from lipdub.media.frames import read_frames
from lipdub.media.planes import as_planar, layout, plane_views
from lipdub.media.probe import probe_video
from tests.support.faces import movie_info, noise_planes, smooth_planes
from tests.support.formats import rewritten
from tests.support.jobs import Painter, grey, plan_by_hand
from tests.support.media import Tags, click_file, filled_frame, movie

BITS = (8, 9, 10, 12, 14, 16)
YUV = [f"yuv{sub}p{'' if bits == 8 else f'{bits}le'}" for sub in (420, 422, 444) for bits in BITS]
RGB = ["gbrp", "gbrp9le", "gbrp10le", "gbrp12le", "gbrp14le", "gbrp16le"]
FORMATS = [
    *YUV,
    "yuv411p",
    "yuv410p",
    "yuv440p",
    "yuv440p10le",
    *RGB,
    "gray",
    "gray10le",
    "gray12le",
    "gray16le",
]
RANGES = (1, 2)
every_format = pytest.mark.parametrize("pix_fmt", FORMATS)
every_range = pytest.mark.parametrize("full", RANGES, ids=["limited", "full"])


@every_format
@every_range
@pytest.mark.parametrize("matrix", LUMA_WEIGHTS)
def test_grey_has_the_value_of_the_book_and_stays_grey(pix_fmt: str, full: int, matrix: int):
    """Grey v is Y = (16 + 219 v) 2^(bits−8) or (2^bits − 1) v, chroma in the middle: H.273, (20)–(30)."""
    info = replace(movie_info(64, 48, pix_fmt), colour=Colour(full, matrix))
    planes, canvas = noise_planes(info)
    form, model = canvas.colour.form, canvas.colour
    bits, peak = form.bits, 2**form.bits - 1
    step = 2 ** (bits - 8)
    limited = full == 1 and not form.rgb
    for share in (0.0, 0.25, 0.5, 1.0):
        code = (16 + 219 * share) * step if limited else peak * share
        for number, plane in enumerate(planes):
            plane[:] = round(code) if number == 0 or form.rgb else 128 * step
        rgb = model.to_rgb(planes, Region(0, 0, 64, 48))
        np.testing.assert_allclose(rgb, share, atol=0.51 / (219 * step if limited else peak) + 1e-6)
        assert np.ptp(rgb, axis=-1).max() < 1e-6
    before = [plane.copy() for plane in planes]
    difference = np.random.default_rng(0).uniform(-0.3, 0, (48, 64, 1)).repeat(3, axis=2).astype(np.float32)
    model.add(planes, Region(0, 0, 64, 48), difference)
    assert not np.array_equal(planes[0], before[0])
    for number, plane in enumerate(planes[1:], start=1):
        assert np.array_equal(plane, planes[0] if form.rgb else before[number])


@every_format
@every_range
def test_a_copy_at_the_pictures_own_resolution_changes_no_bit(pix_fmt: str, full: int):
    """Random samples, most of which have no RGB, in every matrix and with chroma in every place."""
    for matrix, location in [(n, "left") for n in LUMA_WEIGHTS] + [(9, place) for place in LOCATIONS]:
        info = replace(movie_info(96, 80, pix_fmt), colour=Colour(full, matrix, location=location))
        planes, canvas = noise_planes(info, seed=matrix)
        before = [plane.copy() for plane in planes]
        box = np.array([23.0, 11, 48, 48, 0])
        paste(planes, canvas, box, take_crop(planes, canvas, box, 48), 1.0)
        assert all(np.array_equal(old, new) for old, new in zip(before, planes, strict=True))


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p", "yuv411p", "yuv410p", "yuv440p"])
def test_chroma_lies_where_it_is_said_to(pix_fmt: str, location: str):
    """A ramp of colour is a ramp at chroma's own places: written by the formula, read back the same."""
    form = layout(pix_fmt)
    model = colour_model(form, Colour(1, 1, location=location), 96)
    frame = filled_frame(pix_fmt, (64, 48), bits=form.bits)
    planes = plane_views(frame, form)
    step = 2 ** (form.bits - 8)
    across, down = LOCATIONS[location]
    x = np.arange(planes[1].shape[1]) * form.sub_x + across * (form.sub_x - 1)
    y = np.arange(planes[1].shape[0]) * form.sub_y + down * (form.sub_y - 1)
    planes[0][:] = 126 * step
    for plane in planes[1:]:
        plane[:] = np.rint((128 + (x[None, :] - 32) / 2 + (y[:, None] - 24) / 2) * step)
    rgb = model.to_rgb(planes, Region(0, 0, 64, 48))
    blue = (rgb[..., 2] - rgb @ model.forward[0]) / (2 * (1 - LUMA_WEIGHTS[1][1]))
    inside = slice(8, 40), slice(8, 56)
    wanted = ((np.arange(64)[None, :] - 32) / 2 + (np.arange(48)[:, None] - 24) / 2) / 224
    np.testing.assert_allclose(blue[inside], wanted[inside], atol=0.6 / (224 * step))
    # The same ramp as a change: chroma moves by what it is at chroma's own places.
    before = planes[1].astype(float)
    change = np.zeros((48, 64, 3), np.float32)
    change[..., 2] = 0.2 * wanted / model.forward[1, 2] * 0.5
    model.add(planes, Region(0, 0, 64, 48), change)
    moved = planes[1] - before
    expected = 0.1 * ((x[None, :] - 32) / 2 + (y[:, None] - 24) / 2) * step
    core = slice(4, -4), slice(4, -4)
    assert np.abs(moved - expected)[core].max() <= 0.51


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuv444p12le", "gbrp10le", "gray16le"])
@every_range
def test_what_is_pasted_has_the_colour_that_was_painted(
    pix_fmt: str, full: int, monkeypatch: pytest.MonkeyPatch
):
    """BT.2020: a mouth of one colour is that colour in the middle of the mask, whatever was there before.

    Its light is not matched to that here, and the crop has the picture's own pixels.
    """
    monkeypatch.setattr("lipdub.faces.paste.membrane", lambda error, *_: np.zeros_like(error))
    info = replace(movie_info(96, 80, pix_fmt), colour=Colour(full, 9, 9, 16))
    planes, canvas = smooth_planes(info, 12.0)
    colour = np.array([0.6, 0.35, 0.3] if not canvas.colour.form.grey else [0.4] * 3, np.float32)
    generated = np.broadcast_to(colour * 2 - 1, (64, 64, 3))
    paste(planes, canvas, np.array([20.0, 10, 64, 64, 0]), generated, 1.0)
    rgb = canvas.colour.to_rgb(planes, Region(0, 0, 96, 80))[52:58, 40:54]
    np.testing.assert_allclose(rgb, np.broadcast_to(colour, rgb.shape), atol=4 / 2**canvas.colour.form.bits)


FFV1 = [
    *(f for f in FORMATS if f not in {"yuv440p10le", "gbrp"}),
    "yuva420p", "yuva422p10le", "yuva444p16le", "gbrap10le", "gbrap16le", "bgr0", "bgra",
]  # fmt: skip
LOWER = (30, 42, 64, 32)
"""Left, top, width and height of the lower half of the box."""


@pytest.fixture(scope="module")
def dub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return click_file(tmp_path_factory.mktemp("dub") / "dub.wav", seconds=0.12, times=(0.06,))


def noise_movie(path: Path, pix_fmt: str, full: int, matrix: int) -> Path:
    """Three frames of random samples, coded losslessly; the movie's tags say range and matrix."""
    bits = 8 if pix_fmt in {"bgr0", "bgra"} else layout(pix_fmt).bits
    frames = (filled_frame(pix_fmt, bits=bits, seed=n) for n in range(3))
    tags = Tags(full, matrix, 9 if matrix == 9 else 1, 16 if matrix == 9 else 1)
    return movie(path, codec="ffv1", pix_fmt=pix_fmt, frames=frames, count=3, tags=tags)


def all_planes(path: Path) -> list[list[np.ndarray]]:
    """Every plane of every frame, alpha too, as rows of bytes of one sample each."""
    result = []
    for frame in map(as_planar, read_frames(probe_video(path))):
        wide = frame.format.components[0].bits > 8
        planes = []
        for plane in frame.planes:
            rows = np.frombuffer(plane, np.uint8)[: plane.height * plane.line_size].reshape(plane.height, -1)
            planes.append((rows.view("<u2") if wide else rows)[:, : plane.width].copy())
        result.append(planes)
    return result


def digest(frames: list[list[np.ndarray]], size: tuple[int, int], *, without: tuple[int, ...] | None) -> str:
    """A hash over all planes, without the samples of a rectangle and chroma's neighbours of them."""
    total = hashlib.sha256()
    for planes in frames:
        for plane in planes:
            kept = np.ones(plane.shape, bool)
            if without is not None:
                left, top, width, height = without
                across, down = (-(-a // b) for a, b in zip(size, plane.shape[::-1], strict=True))
                rows = slice(top // down, -(-(top + height) // down) + (down > 1))
                kept[rows, left // across : -(-(left + width) // across) + (across > 1)] = False
            total.update(plane[kept].tobytes())
    return total.hexdigest()


@pytest.mark.parametrize("pix_fmt", FFV1)
def test_a_lossless_output_is_the_same_outside_the_mask(tmp_path: Path, dub: Path, pix_fmt: str):
    number = FFV1.index(pix_fmt)
    rgb = pix_fmt.startswith(("gbr", "bgr"))
    full, matrix = (2, 0) if rgb else (RANGES[number % 2], (1, 6, 9)[number % 3])
    path = noise_movie(tmp_path / "movie.mkv", pix_fmt, full, matrix)
    plan = plan_by_hand(path, box=(30, 10, 64, 64, 0))
    for name, paint in (("copy", lambda images, _: images), ("grey", grey)):
        result = sync(path, dub, tmp_path / f"{name}.mkv", plan=plan, inpainter=Painter(paint))
        assert result.changed == 3
        assert not [note for note in result.notes if "picture" in note or "pixel" in note]
    before, copy, changed = (all_planes(tmp_path / f"{name}.mkv") for name in ("movie", "copy", "grey"))
    size = (160, 96)
    assert probe_video(tmp_path / "grey.mkv").pix_fmt == pix_fmt
    assert digest(copy, size, without=None) == digest(before, size, without=None)
    assert digest(changed, size, without=LOWER) == digest(before, size, without=LOWER)
    assert digest(changed, size, without=None) != digest(before, size, without=None)
    if len(before[0]) == 4 or pix_fmt == "bgra":
        assert all(np.array_equal(a[3], b[3]) for a, b in zip(before, changed, strict=True))


@pytest.mark.parametrize("codec", ["prores", "ffv1"])
def test_transparency_is_kept(tmp_path: Path, codec: str):
    suffix, pix_fmt = (".mov", "yuva444p10le") if codec == "prores" else (".mkv", "yuva444p10le")
    path = noise_movie(tmp_path / "movie.mkv", pix_fmt, 1, 1)
    written, encoding = rewritten(probe_video(path), suffix, tmp_path, codec=codec)
    assert not any("alpha" in note for note in encoding.notes)
    before, after = all_planes(path)[0][3], all_planes(written)[0][3]
    scale = 2 ** (probe_video(written).pix_fmt == "yuva444p12le") ** 2
    assert np.abs(before.astype(int) - after // (4 if scale == 2 else 1)).max() <= 1


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1", "dnxhr"])
def test_transparency_that_is_lost_is_said(tmp_path: Path, codec: str):
    path = movie(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuva444p", size=(256, 144), count=2)
    suffix = ".mov" if codec == "dnxhr" else ".mp4"
    _, encoding = rewritten(probe_video(path), suffix, tmp_path, codec=codec)
    assert any("transparency" in note for note in encoding.notes)
