"""Which clips fit their sound: of several faces in the picture, only the one that speaks."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lipdub.dataset.cutting import SAMPLES, Clip, cut_clips
from lipdub.dataset.fitting import (
    LISTENS,
    UNTOLD,
    Tools,
    has_rival,
    in_sync,
    speaker_picture,
    speaking,
    spoken,
)
from lipdub.dataset.options import PrepareOptions
from lipdub.dataset.pictures import Shown, take_pictures
from lipdub.dataset.syncing import REACH, SHIFTS, Belief
from lipdub.faces.analyse import Analysis, analyse
from lipdub.faces.speaker import face_picture
from lipdub.media.probe import VideoInfo, probe_video
from tests.dataset.test_cutting import seen
from tests.support.faces import BlobLandmarker, blank_image, draw_face, movie_info, smooth_planes
from tests.support.media import movie

SOUND = np.full(60 * SAMPLES, 1000, np.int16)


class Peak:
    """A judge that is sure of a shift, another one for each clip."""

    name, sees, belief = "peak", False, Belief(0.5)

    def __init__(self, *shifts: int | None) -> None:
        self._shifts = list(shifts)

    def picture(self, shown, box):
        raise AssertionError

    def curve(self, clip, pictures, sound):
        curve, shift = np.zeros(len(SHIFTS)), self._shifts.pop(0)
        if shift is not None:
            curve[REACH + shift] = 1
        return curve


def clips_of(*heights: int) -> list[Clip]:
    """A clip of 40 frames for each height, one shot after the other."""
    analysis = seen([h for h in heights for _ in range(40)], cuts=tuple(40 * n for n in range(len(heights))))
    return cut_clips(analysis, movie_info(640, 480), dict.fromkeys(range(9), 1), PrepareOptions())[0]


def judged(*shifts: int | None, **options) -> tuple:
    clips = clips_of(*[100] * len(shifts))
    found = in_sync(movie_info(640, 480), clips, SOUND, Peak(*shifts), PrepareOptions(**options))
    return found.shift, [clip.confidence for clip in found.clips], [row.reason for row in found.dropped]


def test_all_clips_of_a_video_are_shifted_alike():
    assert judged(5, 5, None) == (5, [1, 1, 0], [])
    assert judged(5, 5, None, sync="drop")[2] == ["off sync (by 5 frames)"] * 3
    assert judged(5, 5, None, sync="keep") == (0, [0, 0, 0], [])
    assert judged(5, 5, None, max_shift=4)[2] == ["off sync (by 5 frames)"] * 3


def test_a_clip_that_is_off_among_others_is_dropped():
    assert judged(0, 0, 8, 0) == (0, [1, 1, 1], ["off sync (by 8 frames)"])
    assert judged(6, 6, 6, 0) == (6, [1, 1, 1], ["off sync (by 0 frames)"])


def test_what_nobody_is_sure_of_is_kept_unless_confidence_is_asked_for():
    assert judged(None, None) == (0, [0, 0], [])
    reason = "agrees too little with its sound"
    assert judged(0, None, min_confidence=0.5) == (0, [1], [reason])


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[VideoInfo, Analysis]:
    """Two faces beside each other, and, after a cut, one alone with a small one behind."""

    def frames():
        import av

        for n in range(60):
            image = blank_image(320, 180)
            if n >= 30:
                image[:, ::40] = image[150:] = 220
                draw_face(image, (30, 10, 36, 46))
            else:
                draw_face(image, (30, 40, 78, 100))
            draw_face(image, (200, 40, 78, 100))
            yield av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="bgr0")

    path = tmp_path_factory.mktemp("two") / "a.mkv"
    info = probe_video(movie(path, codec="ffv1", pix_fmt="bgr0", size=(320, 180), count=60, frames=frames()))
    return info, analyse(info, BlobLandmarker())


def kept(two: tuple[VideoInfo, Analysis], tools: Tools, shift: int = 0) -> tuple[list, list[str]]:
    info, analysis = two
    numbers = {track.id: 1 + int(track.boxes[0, 0] > 150) for track in analysis.tracks}
    clips, _ = cut_clips(analysis, info, numbers, PrepareOptions(shortest=25, min_face=60))
    assert [(clip.person, float(clip.start)) for clip in clips] == [(1, 0), (2, 0), (2, 1.2)]
    found = speaking(info, clips, analysis.tracks, SOUND, shift, tools, PrepareOptions())
    return [(clip.person, float(clip.start)) for clip in found.clips], [row.reason for row in found.dropped]


def scores(left: float, right: float, asked: list):
    """A scorer that looks at which face comes first."""

    def score(pictures: np.ndarray, start: float) -> np.ndarray:
        asked.append((pictures.shape, start))
        return np.full(len(pictures), left if len(asked) == 1 else right)

    return lambda sound: score


@pytest.mark.parametrize(("shift", "start"), [(0, 0.0), (5, 0.2)])
def test_of_two_faces_the_one_that_speaks_is_kept(two: tuple, shift: int, start: float):
    asked: list = []
    tools = Tools(BlobLandmarker(), speaker=scores(-1.0, 2.0, asked))
    assert kept(two, tools, shift) == ([(2, 0), (2, 1.2)], [LISTENS])
    assert asked == [((30, 112, 112), start)] * 2  # a face that is alone is not asked about


def test_pauses_are_speech_and_interjections_are_not():
    scores = np.full(120, -2.0)
    scores[10:80] = 2.0
    scores[40:46] = -2.0
    scores[100:104] = 2.0
    assert spoken(scores, 25) == [[10, 80]]
    assert spoken(scores, 71) == []
    assert spoken(np.full(3, 1.0), 2) == [[0, 3]]


def test_only_the_stretch_that_is_spoken_is_kept(two: tuple):
    info, analysis = two
    numbers = {track.id: 1 for track in analysis.tracks}
    clips, _ = cut_clips(analysis, info, numbers, PrepareOptions(min_face=60))
    said = np.array([1.0] * 12 + [-1.0] * 18)
    tools = Tools(BlobLandmarker(), speaker=lambda sound: lambda pictures, start: said)
    options = PrepareOptions(shortest=10)
    found = speaking(info, clips[:1], analysis.tracks, SOUND, 0, tools, options)
    (clip,), (rest,) = found.clips, found.dropped
    length = len(clip.rows)
    assert 10 <= length < 20
    assert clip.start == clips[0].start
    assert (rest.start, rest.seconds) == pytest.approx((length / 25, (30 - length) / 25))


def test_parts_of_faces_that_take_turns_all_get_their_pictures(two: tuple):
    info, analysis = two
    clips, _ = cut_clips(analysis, info, dict.fromkeys(range(9), 1), PrepareOptions(min_face=60))
    left, right = clips[:2]
    parts = [left.part(0, 10), left.part(20, 30), right.part(5, 15)]
    found = {id(taken.clip): len(taken.made) for taken in take_pictures(info, parts, lambda shown, box: 0)}
    assert found == {id(part): 10 for part in parts}


def test_without_the_network_only_lips_in_time_are_believed(two: tuple):
    tools = Tools(BlobLandmarker(), judge=Peak(None, 0))
    assert kept(two, tools) == ([(2, 0), (2, 1.2)], [UNTOLD])
    tools = Tools(BlobLandmarker(), judge=Peak(7, 6))
    assert kept(two, tools, shift=7) == ([(1, 0), (2, 0), (2, 1.2)], [])


def test_a_rival_is_there_at_the_same_time_and_not_much_smaller():
    (clip,) = clips_of(100)
    track = clip.track
    beside = replace(track, id=7)
    later = replace(beside, pts=track.pts + 40 * 40)
    small = replace(beside, faces=track.faces.copy())
    small.faces["box"][:, 2:4] /= 2.1
    assert has_rival(clip, [track, beside])
    assert not has_rival(clip, [track, later, small])


def test_the_network_sees_what_it_sees_elsewhere():
    info = movie_info(256, 256, "gbrp", path=Path("x"), rate=Fraction(25))
    planes, canvas = smooth_planes(info, detail=6)
    box = np.array([70.0, 60, 100, 127, 12])
    image = np.stack([planes[2], planes[0], planes[1]], axis=-1)  # gbr
    ours = speaker_picture(Shown(planes, canvas), box).astype(float)
    assert np.abs(ours - face_picture(image, box)).max() <= 2
