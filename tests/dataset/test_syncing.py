"""Sync: a shift is found where it is, believed where it is clear, and not believed in noise."""

import numpy as np
import pytest

from lipdub.dataset.cutting import SAMPLES, Clip, cut_clips
from lipdub.dataset.options import PrepareOptions
from lipdub.dataset.syncing import (
    REACH,
    SHIFTS,
    Belief,
    LipJudge,
    NetworkJudge,
    confidence,
    distance_curve,
    lip_curve,
    loudness,
    together,
    verdict,
)
from tests.dataset.test_cutting import seen
from tests.support.faces import movie_info
from tests.support.talking import apertures, voice

NOWHERE = np.full(len(SHIFTS), np.nan)


def best(curve: np.ndarray) -> int:
    return int(SHIFTS[np.nanargmax(curve)])


def a_clip(frames: int = 75, lead: int = 0, opening: np.ndarray | None = None) -> Clip:
    """Of `frames` frames, after so many of another shot, with these apertures."""
    cuts = (0, lead) if lead else (0,)
    clips, _ = cut_clips(
        found := seen([100] * (lead + frames), cuts=cuts), movie_info(640, 480),
        {track.id: 1 for track in found.tracks}, PrepareOptions(),
    )  # fmt: skip
    clip = clips[-1]
    if opening is not None:
        clip.track.faces["aperture"] = opening
    return clip


@pytest.mark.parametrize("shift", [-12, -3, 0, 1, 5, 15])
def test_a_shift_of_the_sound_is_found(shift: int):
    level = apertures(75 + 2 * REACH + 15)
    curve = lip_curve(level[REACH : REACH + 75], np.roll(level, shift)[: 75 + 2 * REACH])
    assert best(curve) == shift
    assert curve[shift + REACH] == pytest.approx(2, abs=0.1)


def test_little_sound_counts_little_and_none_says_nothing():
    opening, level = apertures(60), np.full(60 + 2 * REACH, np.nan)
    assert np.isnan(lip_curve(opening, level)).all()
    level[REACH : REACH + 60] = opening
    curve = lip_curve(opening, level)
    assert best(curve) == 0
    assert np.isfinite(curve).all()
    assert np.abs(curve[[0, -1]]).max() <= 2 * 45 / 60
    level[REACH : REACH + 40] = np.nan
    assert np.isnan(lip_curve(opening, level)[: REACH + 1]).all()


def test_a_mouth_that_does_not_move_says_nothing():
    curve = lip_curve(np.full(60, 0.1), apertures(90))
    np.testing.assert_allclose(curve, 0, atol=1e-6)
    assert not verdict(curve, 75, LipJudge.belief).clear


def test_loudness_is_where_the_sound_is():
    sound = np.zeros(50 * SAMPLES, np.int16)
    sound[20 * SAMPLES - 200 : 20 * SAMPLES + 200] = 20_000 * (-1) ** np.arange(400)
    level = loudness(sound, -10 * SAMPLES, 70)
    assert np.nanargmax(level) == 30
    assert np.isnan(level[:10]).all()
    assert np.isnan(level[60:]).all()
    assert np.isfinite(level[10:60]).all()


def test_loudness_does_not_depend_on_where_the_clip_is_cut():
    sound = (voice(apertures(100))[:, 0] * 20_000).astype(np.int16)
    whole = loudness(sound, 0, 100)
    np.testing.assert_allclose(loudness(sound, 30 * SAMPLES, 40)[3:-3], whole[33:67], atol=0.05)


@pytest.mark.parametrize("shift", [-6, 0, 9])
def test_lips_and_sound_of_a_clip_in_a_movie(shift: int):
    opening = apertures(130)
    sound = (voice(opening, shift)[:, 0] * 20_000).astype(np.int16)
    found = verdict(LipJudge().curve(a_clip(75, 40, opening[40:115]), (), sound), 75, LipJudge.belief)
    assert found.clear
    assert found.shift == shift


def test_foreign_sound_is_seldom_believed():
    wrong = 0
    for seed in range(40):
        curve = lip_curve(apertures(75, seed), apertures(75 + 2 * REACH, seed + 1000))
        found = verdict(curve, 75, LipJudge.belief)
        wrong += found.clear
    assert wrong <= 2


def test_a_verdict_needs_a_peak_that_stands_out():
    curve = np.zeros(len(SHIFTS))
    curve[REACH + 7] = 1.0
    assert verdict(curve, 40, Belief(0.3, 0.9)) == (7, 1.0, True)
    assert not verdict(curve, 40, Belief(0.3, 1.1)).clear
    assert not verdict(curve, 40, Belief(0.3, 0.9, frames=41)).clear
    curve[REACH - 7] = 0.8
    assert not verdict(curve, 40, Belief(0.3, 0.9)).clear
    assert verdict(curve * 100, 40, Belief(0.19, relative=True)).clear
    assert not verdict(curve * 100, 40, Belief(0.21, relative=True)).clear
    assert verdict(NOWHERE, 40, Belief(0)) is None
    small = 0.01 * curve - 1
    assert verdict(small, 40, Belief(0.1, relative=True)).clear
    assert not verdict(small, 40, Belief(0.1, relative=True, height=0.02)).clear
    assert verdict(small, 40, Belief(0.1, relative=True, height=0.009)).clear


def test_a_frame_more_or_less_is_in_sync():
    curve = np.zeros(len(SHIFTS))
    curve[REACH - 1] = 1.0
    assert verdict(curve, 40, Belief(0.3)).shift == 0


def test_clips_count_by_their_length():
    one, two = np.zeros(len(SHIFTS)), np.zeros(len(SHIFTS))
    one[REACH + 3], two[REACH - 5] = 1.0, 1.0
    assert best(together([one, two], [100, 50])) == 3
    assert best(together([one, two], [50, 100])) == -5
    two[:] = np.nan
    np.testing.assert_array_equal(together([one, two], [100, 50]), one)
    assert np.isnan(together([one, two], [50, 100])).all()


def test_confidence_is_the_height_of_the_peak():
    curve = np.full(len(SHIFTS), 0.25)
    curve[REACH + 2] = 1.0
    assert confidence(curve, 2) == 0.75
    assert confidence(curve, 0) == 0
    assert confidence(NOWHERE, 0) is None


class Eye:
    """Embeds a picture window as its first pixel, a sound window as its first sample."""

    name, size = "eye", 4

    def place(self, box):
        return box

    def faces(self, pictures):
        return np.float32(pictures[: len(pictures) - 4, 0, 0, :1])

    def sounds(self, pcm):
        return np.float32(pcm[::SAMPLES, None])[: len(pcm) // SAMPLES - 4]


@pytest.mark.parametrize(("shift", "lead"), [(0, 0), (4, 0), (-4, 40), (7, 5)])
def test_embeddings_are_compared_frame_by_frame(shift: int, lead: int):
    values = np.random.default_rng(0).integers(0, 256, 200)
    pictures = [np.full((4, 4, 3), value, np.uint8) for value in values[60 : 60 + 75]]
    clip = a_clip(75, lead)
    # Sample j·640 of the movie tells the picture of frame j − shift.
    sound = np.repeat(values[60 - lead - shift :][: lead + 100], SAMPLES).astype(np.int16)
    curve = NetworkJudge(Eye()).curve(clip, pictures, sound)
    assert best(curve) == shift
    assert curve[shift + REACH] == 0
    assert verdict(curve, 75, NetworkJudge.belief).clear


def test_distances_are_those_of_every_pair():
    rng = np.random.default_rng(1)
    faces, sounds = rng.normal(size=(20, 3)), rng.normal(size=(20 + 2 * REACH, 3))
    sounds[:25] = np.nan
    curve = distance_curve(faces, sounds)
    assert np.isnan(curve[:REACH]).all()
    assert curve[REACH] == pytest.approx(-np.linalg.norm(faces[10:] - sounds[25:35], axis=1).mean())
