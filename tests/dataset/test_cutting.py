"""Clips: exactly 25 frames a second from any rate, cut where the face, the shot or the picture ends."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.dataset.cutting import SAMPLES, Clip, cut_clips, heard, nearest
from lipdub.dataset.options import PrepareOptions
from lipdub.faces.analyse import Analysis
from lipdub.faces.sighting import sightings
from lipdub.faces.track import BRIDGED_SECONDS, Tracker, finish_track
from tests.support.faces import face_in, movie_info

RATES = [Fraction(25), Fraction(30_000, 1001), Fraction(24), Fraction(50), Fraction(2213, 100), Fraction(12)]


def times_at(rate: Fraction, count: int, start: Fraction = Fraction(0)) -> list[Fraction]:
    return [start + n / rate for n in range(count)]


@pytest.mark.parametrize("rate", RATES)
def test_each_frame_is_the_nearest_in_time(rate: Fraction):
    times = times_at(rate, 90, Fraction(1, 3))
    chosen = nearest(times, times[0])
    for k, row in enumerate(chosen):
        away = [abs(times[0] + Fraction(k, 25) - time) for time in times]
        assert away[row] == min(away)
    assert times[0] + Fraction(len(chosen) - 1, 25) <= times[-1] < times[0] + Fraction(len(chosen), 25)


def test_25_frames_a_second_are_taken_as_they_are():
    assert nearest(times_at(Fraction(25), 40), Fraction(0)).tolist() == list(range(40))


@given(st.lists(st.integers(1, 200), min_size=1, max_size=60))
def test_a_variable_rate_is_followed(steps: list[int]):
    times = [Fraction(ms, 1000) for ms in np.cumsum(steps).tolist()]
    chosen = nearest(times, times[0])
    expected = [
        min(range(len(times)), key=lambda i: (abs(times[0] + Fraction(k, 25) - times[i]), i))
        for k in range(len(chosen))
    ]
    assert chosen.tolist() == expected


def seen(frames: list[int | None], cuts: tuple[int, ...] = (0,), times: list[int] | None = None) -> Analysis:
    """Of a face as high as said in each frame, or none; 25 frames a second in milliseconds."""
    tracker = Tracker(max_gap=round(BRIDGED_SECONDS * 1000))
    times = times or [40 * n for n in range(len(frames))]
    for n, height in enumerate(frames):
        faces = [] if height is None else [face_in((100, 50, height * 124 / 158, height))]
        tracker.add(times[n], sightings(faces), n in cuts)
    pts = np.array(times)
    tracks = tuple(finish_track(track, pts, 0.001) for track in tracker.finish())
    return Analysis(pts, tuple(times[n] for n in cuts), tracks)


def cut(analysis: Analysis, **options):
    numbers = {track.id: 1 for track in analysis.tracks}
    return cut_clips(analysis, movie_info(640, 480), numbers, PrepareOptions(**options))


def spans(clips: list[Clip]) -> list[tuple[float, int]]:
    return [(float(clip.start), len(clip.rows)) for clip in clips]


def test_a_shot_is_a_clip():
    clips, dropped = cut(seen([100] * 80, cuts=(0, 50)))
    assert spans(clips) == [(0, 50), (2, 30)]
    assert not dropped


def test_a_long_clip_is_cut_into_equal_parts_that_follow_each_other():
    clips, _ = cut(seen([100] * 101), longest=50)
    assert spans(clips) == [(0, 33), (1.32, 34), (2.68, 34)]
    assert np.concatenate([clip.pts for clip in clips]).tolist() == list(range(0, 4040, 40))


def test_what_is_too_short_is_dropped_and_said():
    clips, dropped = cut(seen([100] * 24))
    assert not clips
    assert [(d.reason, d.seconds, d.person) for d in dropped] == [("too short", 0.96, 1)]


def test_small_faces_are_left_out():
    clips, dropped = cut(seen([100] * 40 + [60] * 40, cuts=(0, 40)))
    assert spans(clips) == [(0, 40)]
    assert [(d.reason, d.start, round(d.seconds, 2)) for d in dropped] == [("face too small", 1.6, 1.6)]


def test_a_face_that_is_not_seen_for_a_moment_is_where_it_was_but_not_for_longer():
    clips, _ = cut(seen([100] * 30 + [None] * 3 + [100] * 30))
    assert spans(clips) == [(0, 63)]
    clips, dropped = cut(seen([100] * 30 + [None] * 6 + [100] * 30))
    assert spans(clips) == [(0, 30), (1.44, 30)]
    assert [d.reason for d in dropped] == ["not seen"]


def test_a_picture_that_stands_still_divides_clips():
    times = [40 * n for n in range(30)] + [1160 + 200 + 40 * n for n in range(30)]
    clips, _ = cut(seen([100] * 60, times=times))
    assert spans(clips) == [(0, 30), (1.36, 30)]


def test_sound_that_begins_late_or_ends_early_shortens_a_clip():
    (clip,), _ = cut(seen([100] * 60))
    assert spans([heard(clip, 60 * SAMPLES, 0, 25)]) == [(0, 60)]
    assert spans([heard(clip, 60 * SAMPLES - 1, 0, 25)]) == [(0, 59)]
    assert spans([heard(clip, 60 * SAMPLES, 3, 25)]) == [(0, 57)]
    assert spans([heard(clip, 60 * SAMPLES, -3, 25)]) == [(0.12, 57)]
    assert heard(clip, 24 * SAMPLES, 0, 25) is None


def test_a_clip_begins_at_a_sample():
    times = [round(1000 * n / 29.97) + 7 for n in range(60)]
    (clip,), _ = cut(seen([100] * 60, times=times))
    assert abs(float(clip.start) - 0.007) <= 1 / 32_000
    assert (clip.start * 16_000).denominator == 1
    assert clip.part(2, 30).start == clip.start + Fraction(2, 25)
    assert clip.part(2, 30).pts.tolist() == clip.pts[2:30].tolist()
