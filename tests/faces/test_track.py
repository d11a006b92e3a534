from fractions import Fraction

import numpy as np
import pytest

from lipdub.faces.analyse import Analysis, Looker
from lipdub.faces.detect import Face
from lipdub.faces.sighting import sightings
from lipdub.faces.track import BRIDGED_SECONDS, Track, Tracker, finish_track
from lipdub.media.planes import layout, plane_views
from tests.support.faces import BlobLandmarker, blank_image, draw_face, face_in, movie_info, noise_frame

TICKS = 1000
FRAME = 40
"""25 fps in a time base of milliseconds."""


def _tracks(
    frames: list[list[Face]], cuts: tuple[int, ...] = (0,), times: list[int] | None = None
) -> list[Track]:
    tracker = Tracker(max_gap=round(BRIDGED_SECONDS * TICKS))
    times = times or [FRAME * i for i in range(len(frames))]
    for i, faces in enumerate(frames):
        tracker.add(times[i], sightings(faces), i in cuts)
    return [finish_track(t, np.array(times), 1 / TICKS) for t in tracker.finish()]


def _face(x: float, y: float = 50, height: float = 158, aperture: float = 0.05) -> Face:
    return face_in(np.array([x, y, height * 124 / 158, height]), aperture)


def test_a_steady_face_is_one_track_with_a_steady_box():
    (track,) = _tracks([[_face(100)]] * 50)
    assert track.pts.tolist() == list(range(0, 2000, FRAME))
    np.testing.assert_allclose(track.boxes, np.tile([100, 50, 124, 158, 0], (50, 1)), atol=1e-3)
    np.testing.assert_allclose(track.faces["aperture"], 0.05, atol=1e-4)
    assert track.weight == pytest.approx(50 * 124 * 158, rel=1e-4)


def test_a_trembling_box_becomes_steadier():
    noise = np.random.default_rng(0).normal(0, 2, 200)
    (track,) = _tracks([[_face(100 + n)] for n in noise])
    shaking = np.diff(track.boxes[:, 0]).std()
    assert shaking < 0.2 * np.diff(noise).std()  # measured 0.14


def test_an_even_movement_is_followed_to_both_ends():
    (track,) = _tracks([[_face(100 + 3 * i)] for i in range(40)])
    np.testing.assert_allclose(track.boxes[:, 0], 100 + 3 * np.arange(40), atol=1e-3)


@pytest.mark.parametrize("missing", [1, 5, 9])
def test_short_gaps_are_bridged(missing: int):
    frames = [[_face(100 + 2 * i)] if not 20 <= i < 20 + missing else [] for i in range(50)]
    (track,) = _tracks(frames)
    assert len(track.pts) == 50
    np.testing.assert_allclose(track.boxes[:, 0], 100 + 2 * np.arange(50), atol=1e-3)
    assert np.flatnonzero(~track.seen).tolist() == list(range(20, 20 + missing))


def test_long_gaps_end_a_track():
    frames = [[_face(100)] if not 20 <= i < 30 else [] for i in range(50)]  # 0.44 s from face to face
    first, second = _tracks(frames)
    assert (first.pts[-1], second.pts[0]) == (19 * FRAME, 30 * FRAME)
    assert first.id != second.id
    assert first.shot == second.shot == 0


def test_gaps_are_measured_in_time_not_in_frames():
    times = [0, 40, 80, 80 + 399, 80 + 399 + 401, 80 + 399 + 441]
    first, second = _tracks([[_face(100)]] * 6, times=times)
    assert first.pts.tolist() == times[:4]
    assert second.pts.tolist() == times[4:]


def test_nothing_crosses_a_cut():
    """Neither bridges nor smoothing: the same place before and after, and a jump, are both kept apart."""
    frames = [[_face(100)]] * 20 + [[]] * 3 + [[_face(130)]] * 20
    first, second = _tracks(frames, cuts=(0, 22))
    assert first.pts[-1] == 19 * FRAME and second.pts[0] == 23 * FRAME
    assert (first.shot, second.shot) == (0, 1)
    np.testing.assert_allclose(first.boxes[:, 0], 100, atol=1e-3)
    np.testing.assert_allclose(second.boxes[:, 0], 130, atol=1e-3)


@pytest.mark.parametrize("order", [1, -1])
def test_faces_that_pass_each_other_keep_their_identity(order: int):
    """One passes behind the other and is lost for a moment, as it is when the finder takes two for one."""
    frames = []
    for i in range(60):
        near, far = _face(300 - 4 * i, height=158), _face(100 + 2 * i, y=70, height=120)
        hidden = abs(near.box[0] - far.box[0]) < 20
        frames.append([near] if hidden else [near, far][::order])
    tracks = _tracks(frames)
    assert len(tracks) == 2
    near, far = sorted(tracks, key=lambda t: -t.boxes[0, 3])
    np.testing.assert_allclose(near.boxes[:, 0], 300 - 4 * np.arange(60), atol=0.01)
    np.testing.assert_allclose(far.boxes[:, 0], 100 + 2 * np.arange(60), atol=0.01)


def test_a_new_larger_face_does_not_take_the_track_of_the_one_behind_it():
    frames = [[_face(100, height=120)]] * 20 + [[_face(100, height=120), _face(120, y=55, height=158)]] * 20
    first, second = _tracks(frames)
    assert (len(first.pts), len(second.pts)) == (40, 20)
    np.testing.assert_allclose(first.boxes[:, 3], 120, atol=1e-2)


def test_every_face_is_in_exactly_one_track():
    rng = np.random.default_rng(0)
    frames = [
        [_face(*rng.uniform(0, 800, 2), height=rng.uniform(30, 200)) for _ in range(rng.integers(0, 6))]
        for _ in range(80)
    ]
    tracks = _tracks(frames, cuts=(0, 30, 31, 60))
    assert sum(int(t.seen.sum()) for t in tracks) == sum(map(len, frames))
    assert [t.id for t in tracks] == list(range(len(tracks)))


def _analyse(
    boxes: list[tuple[int, int, int, int] | None], cut_at: int, times: list[int], **geometry
) -> Analysis:
    """Analyse grey frames (gbrp) with magenta faces; the background gets light stripes at a cut."""
    info = movie_info(320, 180, "gbrp", **geometry)
    frames = []
    for i, (box, pts) in enumerate(zip(boxes, times, strict=True)):
        image = blank_image(320, 180)
        if i >= cut_at:
            image[:, ::40] = image[:, 1::40] = 255
            image[90:] = 200
        if box:
            draw_face(image, box)
        frame = noise_frame(info, pts=pts)
        for plane, channel in zip(plane_views(frame, layout("gbrp")), (1, 2, 0), strict=True):
            plane[:] = image[..., channel]
        frames.append(frame)
    look = Looker(info, BlobLandmarker())
    for frame in frames:
        look(frame)
    return look.analysis()


def test_analysis_of_frames_with_uneven_times():
    times = (np.cumsum(np.random.default_rng(0).choice([16, 33, 40, 100], 60)) + 5000).tolist()
    boxes = [(40 + i, 30, 62, 79) for i in range(60)]
    analysis = _analyse(boxes, 35, times)
    assert analysis.pts.tolist() == times
    assert analysis.shots == (times[0], times[35])
    assert [t.pts.tolist() for t in analysis.tracks] == [times[:35], times[35:]]
    assert [t.shot for t in analysis.tracks] == [0, 1]
    assert max(abs(t.boxes[:, 2] - 62).max() for t in analysis.tracks) < 1  # found to the pixel


def test_analysis_is_in_upright_pixels():
    """A 4:3 sample aspect widens what is found; a quarter turn puts the left edge below."""
    times = list(range(0, 200, 40))
    wide = _analyse([(60, 40, 48, 82)] * 5, 99, times, aspect=Fraction(4, 3))
    turned = _analyse([(60, 40, 79, 62)] * 5, 99, times, rotation=90)
    np.testing.assert_allclose(wide.tracks[0].boxes[0, :4], [80, 40, 64, 82], atol=1.5)
    np.testing.assert_allclose(turned.tracks[0].boxes[0, :4], [40, 320 - 60 - 79, 62, 79], atol=1)


def test_analysis_of_no_frames_and_no_faces():
    empty = _analyse([], 99, [])
    assert (len(empty.pts), empty.shots, empty.tracks) == (0, (), ())
    faceless = _analyse([None] * 3, 99, [0, 40, 80])
    assert (faceless.shots, faceless.tracks) == ((0,), ())
