import weakref
from collections.abc import Iterable, Iterator
from fractions import Fraction
from operator import attrgetter
from pathlib import Path

import av
import numpy as np
import pytest

import lipdub.media.frames as frames_module
from lipdub.faces.paste import take_crop
from lipdub.media.planes import layout, plane_views
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.media.timing import FARTHEST
from lipdub.plan import SAME, Plan, Reference, edits_at
from lipdub.render import (
    CACHED_REFERENCES,
    MAX_WAITING,
    Crops,
    ReferenceReader,
    Shown,
    canvas_of,
    most_waiting,
)
from lipdub.render import render as render_shown
from tests.support.faces import movie_info, noise_frame

SIZE = 16
FRAME = 40
BOX = (10.0, 4.0, 31.4, 40.0, 0.0)
INFO = movie_info(64, 48, "yuv420p")


class Painter:
    """Paints every mouth in one colour, and keeps what it was asked."""

    size = SIZE

    def __init__(self, batch_size: int = 8, colour: float = 1.0) -> None:
        self.batch_size = batch_size
        self.colour = colour
        self.batches: list[int] = []
        self.images: list[np.ndarray] = []
        self.references: list[np.ndarray] = []
        self.mels: list[float] = []

    def __call__(self, images: Crops, references: Crops, mels: np.ndarray) -> Crops:
        assert images.shape == references.shape == (len(mels), SIZE, SIZE, 3)
        self.batches.append(len(images))
        self.images += list(images)
        self.references += list(references)
        self.mels += mels[:, 0, 0].tolist()
        return np.full_like(images, self.colour)


class Clock:
    """Mel windows that say the time they are of, and keep it exactly."""

    def __init__(self) -> None:
        self.times: list[Fraction] = []
        self.sounds: list[int] = []

    def windows(self, times: list[Fraction], sounds: list[int]) -> np.ndarray:
        self.times += times
        self.sounds += sounds
        return np.array([np.full((80, 16), float(time)) for time in times], dtype=np.float32)


def _plan(
    pts: list[int], info: VideoInfo = INFO, references: tuple[Reference, ...] = (), index: int = SAME
) -> Plan:
    edits = edits_at(sorted(pts), BOX, reference=index)
    size = info.geometry.width, info.geometry.height
    return Plan(info.path.name, size, info.time_base, info.origin, references, edits)


def _frames(count: int, info: VideoInfo = INFO) -> Iterator[av.VideoFrame]:
    return (noise_frame(info, seed=i, pts=FRAME * i) for i in range(count))


def render(
    plan: Plan, info: VideoInfo, mel: Clock, inpainter: Painter, frames: Iterable[av.VideoFrame]
) -> Iterator[av.VideoFrame]:
    """Frames in, frames out."""
    shown = map(lambda frame: Shown(frame, frame.pts), frames)  # noqa: C417 — it holds none
    return map(attrgetter("frame"), render_shown(plan, info, mel, inpainter, shown))


def _samples(frame: av.VideoFrame) -> list[np.ndarray]:
    return [view.copy() for view in plane_views(frame, layout(frame.format.name))]


def _equal(a: av.VideoFrame, b: av.VideoFrame) -> bool:
    return all(map(np.array_equal, _samples(a), _samples(b)))


@pytest.mark.parametrize("batch_size", [1, 3, 8, 100])
def test_frames_come_in_order_and_only_those_of_the_plan_change(batch_size: int):
    edited = {3, 4, 5, 6, 20, 21, 40, 59}
    painter = Painter(batch_size)
    plan = _plan([FRAME * i for i in edited])

    out = list(render(plan, INFO, Clock(), painter, _frames(60)))

    assert [frame.pts for frame in out] == [FRAME * i for i in range(60)]
    for i, (frame, source) in enumerate(zip(out, _frames(60), strict=True)):
        assert _equal(frame, source) == (i not in edited)
        assert frame.time_base == INFO.time_base
    assert sum(painter.batches) == len(edited)
    assert max(painter.batches) <= batch_size


def test_the_result_does_not_depend_on_the_batch():
    plan = _plan([FRAME * i for i in range(0, 30, 2)])
    one, many = (list(render(plan, INFO, Clock(), Painter(n), _frames(30))) for n in (1, 7))
    assert all(_equal(a, b) for a, b in zip(one, many, strict=True))


def test_batches_are_full_where_faces_are_many():
    painter = Painter(8)
    list(render(_plan([FRAME * i for i in range(64)]), INFO, Clock(), painter, _frames(64)))
    assert painter.batches == [8] * 8


def test_several_faces_in_one_frame():
    painter = Painter(4)
    plan = _plan([0, 0, 0, FRAME, FRAME, FRAME])
    plan.edits["x"][[1, 4]] += 20
    out = list(render(plan, INFO, Clock(), painter, _frames(2)))
    assert [frame.pts for frame in out] == [0, FRAME]
    assert max(painter.batches) <= 4 and sum(painter.batches) == 6


def test_a_packed_format_is_laid_out_in_planes_and_keeps_its_samples():
    info = movie_info(64, 48, "rgb24")
    colours = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(colours, format="rgb24")
    frame.pts, frame.time_base = 0, info.time_base
    (out,) = render(_plan([], info), info, Clock(), Painter(), iter([frame]))
    assert out.pts == 0
    assert np.array_equal(out.to_ndarray(format="rgb24"), colours)


@pytest.mark.parametrize("edited", [range(0), range(2000), range(0, 2000, 47), range(300, 310)], ids=len)
@pytest.mark.parametrize("batch_size", [4, 64])
def test_memory_does_not_grow_with_the_movie(edited: range, batch_size: int):
    info = movie_info(64, 48, "gray")
    alive, most = 0, 0

    def forget() -> None:
        nonlocal alive
        alive -= 1

    def decoded() -> Iterator[av.VideoFrame]:
        nonlocal alive, most
        for i in range(2000):
            buffer = np.full((48, 64), i % 256, np.uint8)
            frame = av.VideoFrame.from_numpy_buffer(buffer, format="gray")
            frame.pts, frame.time_base = FRAME * i, info.time_base
            weakref.finalize(buffer, forget)  # the frame keeps its buffer for as long as it lives
            alive += 1
            most = max(most, alive)
            del buffer
            yield frame
            del frame

    painter = Painter(batch_size)
    painter.images = painter.references = _Forgetful()
    count = 0
    for frame in render(_plan([FRAME * i for i in edited], info), info, Clock(), painter, decoded()):
        assert frame.pts == FRAME * count
        count += 1
        del frame

    assert count == 2000
    assert max(painter.batches, default=0) <= batch_size
    assert 1 <= most <= MAX_WAITING
    assert alive <= 2


class _Forgetful(list):
    def __iadd__(self, other: object) -> "_Forgetful":
        return self


@pytest.mark.parametrize(
    ("time_base", "ticks", "origin"),
    [
        (Fraction(1, 24000), 1001, Fraction(0)),
        (Fraction(1, 90000), 3754, Fraction(12345, 1000)),
        (Fraction(1, 1000), 42, Fraction(-1, 3)),
    ],
)
def test_mel_windows_are_at_the_exact_time_a_player_shows(time_base: Fraction, ticks: int, origin: Fraction):
    info = movie_info(time_base=time_base, origin=origin)
    pts = [10**7 + ticks * i for i in range(50)]
    frames = (noise_frame(info, pts=p) for p in pts)
    clock = Clock()
    list(render(_plan(pts, info), info, clock, Painter(), frames))
    assert clock.times == [p * time_base - origin for p in pts] == [info.seconds(p) for p in pts]


def test_a_frame_shown_again_has_the_faces_of_its_source_and_hears_its_own_moment():
    clock = Clock()
    again = [Shown(noise_frame(INFO, pts=400 + 40 * n), source) for n, source in enumerate((80, 40, 0))]
    out = list(render_shown(_plan([40]), INFO, clock, Painter(), iter(again)))
    assert [shown.edits for shown in out] == [0, 1, 0]
    assert clock.times == [Fraction(440, 1000)]


def test_frames_that_wait_are_bounded_in_memory():
    assert most_waiting(av.VideoFrame(64, 48, "gray")) == MAX_WAITING
    assert most_waiting(av.VideoFrame(3840, 2160, "yuv420p10le")) == 16
    assert most_waiting(av.VideoFrame(3840, 2160, "yuv420p10le"), memory=1) == 1


class BrokenNetworkError(Exception):
    pass


def test_what_goes_wrong_in_the_network_is_seen_as_it_is():
    class Broken(Painter):
        def __call__(self, images: Crops, references: Crops, mels: np.ndarray) -> Crops:
            raise BrokenNetworkError("out of memory")

    out = render(_plan([80]), INFO, Clock(), Broken(2), _frames(9))
    assert [next(out).pts, next(out).pts] == [0, 40]
    with pytest.raises(BrokenNetworkError, match="out of memory"):
        next(out)


def test_the_same_frame_is_its_own_reference():
    painter = Painter()
    list(render(_plan([0, 40]), INFO, Clock(), painter, _frames(2)))
    for image, reference in zip(painter.images, painter.references, strict=True):
        assert np.array_equal(image, reference)


@pytest.fixture(scope="module")
def grey_movie(tmp_path_factory: pytest.TempPathFactory) -> VideoInfo:
    """120 frames at uneven times, losslessly encoded with a key frame every 30; frame i is of the grey i."""
    path = tmp_path_factory.mktemp("movie") / "grey.mov"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0", "g": "30", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 600)
        for i, pts in enumerate(_uneven_pts()):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane, value in zip(plane_views(frame, layout("yuv420p")), (i + 16, 128, 128), strict=True):
                plane[:] = value
            frame.pts, frame.time_base = pts, Fraction(1, 600)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return probe_video(path)


def _uneven_pts() -> list[int]:
    return np.cumsum([0, *np.random.default_rng(0).choice([20, 24, 60], 119)]).tolist()


def _ticks(info: VideoInfo, pts: int) -> int:
    return int(pts * Fraction(1, 600) / info.time_base)


@pytest.mark.parametrize("wanted", [0, 1, 29, 30, 31, 77, 119])
def test_a_reference_is_read_from_its_own_frame(grey_movie: VideoInfo, wanted: int):
    pts = _ticks(grey_movie, _uneven_pts()[wanted])
    plan = _plan([0], grey_movie, (Reference(BOX, pts),), 0)
    read = ReferenceReader(plan, grey_movie, SIZE)
    (edit,) = plan.at(0)
    crop = read(edit, np.zeros((SIZE, SIZE, 3), np.float32))
    assert crop.shape == (SIZE, SIZE, 3)
    np.testing.assert_allclose(crop, 2 * wanted / 219 - 1, atol=1e-5)


def test_a_reference_is_read_once_and_few_are_kept(grey_movie: VideoInfo, monkeypatch: pytest.MonkeyPatch):
    references = tuple(Reference(BOX, _ticks(grey_movie, pts)) for pts in _uneven_pts()[:12])
    plan = _plan([0], grey_movie, references, 0)
    read = ReferenceReader(plan, grey_movie, SIZE)
    (edit,) = plan.at(0)
    image = np.zeros((SIZE, SIZE, 3), np.float32)
    first = read(edit, image)
    assert read(edit, image) is first
    for i in range(12):
        read(edit._replace(reference=i), image)
    assert read._read.cache_info().misses == 12
    assert read._read.cache_info().maxsize == CACHED_REFERENCES < 1000


def test_a_reference_far_away_costs_one_group_of_pictures_whatever_was_read_before(
    grey_movie: VideoInfo, monkeypatch: pytest.MonkeyPatch
):
    """References may lie anywhere in the movie, and segments are rendered in any order."""
    count = 0

    def counted(container: av.container.InputContainer, info: VideoInfo) -> Iterator[av.VideoFrame]:
        nonlocal count
        for frame in decoded(container, info):
            count += 1
            yield frame

    decoded = frames_module._decoded
    monkeypatch.setattr(frames_module, "_decoded", counted)
    references = tuple(Reference(BOX, _ticks(grey_movie, pts)) for pts in _uneven_pts())
    plan = _plan([0], grey_movie, references, 0)
    (edit,) = plan.at(0)
    image = np.zeros((SIZE, SIZE, 3), np.float32)
    order = np.random.default_rng(0).permutation(len(references))[:20].tolist()
    for numbers in (order, order[::-1]):
        read = ReferenceReader(plan, grey_movie, SIZE)
        for i in numbers:
            count = 0
            np.testing.assert_allclose(read(edit._replace(reference=i), image), 2 * i / 219 - 1, atol=1e-5)
            # Key frames are 30 apart; the search begins before the one looked for, and times are uneven.
            assert count <= 30 + 3 * FARTHEST + 1


def test_references_reach_the_network(grey_movie: VideoInfo):
    """`first` and `random` differ for the renderer only in which indices the plan holds."""
    pts = [_ticks(grey_movie, p) for p in _uneven_pts()[:20]]
    plan = _plan(pts, grey_movie, (Reference(BOX, pts[0]), Reference(BOX, pts[15])))
    plan.edits["reference"] = [0] * 8 + [1] * 12
    painter = Painter(4)
    frames = (noise_frame(movie_info(), pts=p) for p in pts)
    list(render(plan, grey_movie, Clock(), painter, frames))
    assert [round((r.mean() + 1) / 2 * 219) for r in painter.references] == [0] * 8 + [15] * 12


def test_a_picture_is_a_reference_in_its_own_geometry_and_colours(tmp_path: Path):
    colours = np.zeros((90, 70, 3), np.uint8)
    colours[30:60, 20:50] = (255, 128, 0)
    path = tmp_path / "anna.png"
    frame = av.VideoFrame.from_ndarray(colours, format="rgb24")
    with av.open(path, "w") as container:
        stream = container.add_stream("png", width=70, height=90, pix_fmt="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    plan = _plan([0], INFO, (Reference((20.0, 30.0, 30.0, 30.0, 0.0), picture=str(path)),), 0)
    crop = ReferenceReader(plan, INFO, 10)(plan.at(0)[0], np.zeros((10, 10, 3), np.float32))
    np.testing.assert_allclose((crop + 1) / 2, np.tile([1, 128 / 255, 0], (10, 10, 1)), atol=0.01)


def test_the_crop_the_network_sees_is_that_of_the_plan():
    painter = Painter()
    list(render(_plan([0]), INFO, Clock(), painter, _frames(1)))
    frame = next(_frames(1))
    expected = take_crop(plane_views(frame, layout("yuv420p")), canvas_of(INFO), np.array(BOX), SIZE)
    assert np.array_equal(painter.images[0], expected)
