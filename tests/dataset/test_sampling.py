"""What is seen when: a pure function of numbers, with the properties its docstrings promise."""

from collections import Counter

import numpy as np
import pytest

from lipdub.dataset.sampling import SMALL_SET, WINDOW, Augmentation, Look, look, order, other_windows, pick
from lipdub.errors import DatasetError, OptionError

SPEAKERS = ["one"] * 100 + ["two"] * 4 + ["three"] * 16


def test_without_balance_every_clip_is_seen_once_an_epoch():
    seen = order(SPEAKERS, seed=3, epoch=1)
    assert sorted(seen) == list(range(120))
    assert np.array_equal(seen, order(SPEAKERS, seed=3, epoch=1))
    for seed, epoch in ((3, 2), (4, 1)):
        assert not np.array_equal(seen, order(SPEAKERS, seed, epoch))


@pytest.mark.parametrize(("balance", "shares"), [(0, (1, 1, 1)), (0.5, (10, 2, 4)), (0.999, (100, 4, 16))])
def test_balanced_epochs_see_speakers_as_often_as_they_should(balance: float, shares: tuple[int, ...]):
    for epoch in range(5):
        seen = order(SPEAKERS, 0, epoch, balance)
        assert len(seen) == 120
        counts = Counter(SPEAKERS[clip] for clip in seen)
        for name, share in zip(("one", "two", "three"), shares, strict=True):
            assert abs(counts[name] - 120 * share / sum(shares)) <= 1 + 0.01 * counts[name]


def test_clips_of_a_speaker_take_turns_when_he_is_balanced():
    counts = Counter(order(SPEAKERS, 0, 0, 0.5).tolist())
    small = [counts[clip] for clip in range(100, 104)]
    assert max(small) - min(small) <= 1 <= min(small)
    assert max(counts[clip] for clip in range(100)) == 1
    over_epochs = Counter(clip for epoch in range(8) for clip in order(SPEAKERS, 0, epoch, 0.5).tolist())
    assert set(over_epochs) == set(range(120))


@pytest.mark.parametrize("frames", [6, 7, 25, 33, 34, 60, 250])
def test_reference_is_another_frame_and_a_second_away_where_it_can_be(frames: int):
    firsts, references = set(), set()
    for index in range(400):
        picked = pick(frames, 1, 0, index)
        assert 0 <= picked.first <= frames - WINDOW
        assert 0 <= picked.reference < frames
        last = picked.first + WINDOW - 1
        distance = max(picked.first - picked.reference, picked.reference - last)
        assert distance >= min(25, max(picked.first, frames - 1 - last))
        firsts.add(picked.first)
        references.add(picked.reference)
    if frames <= 60:
        assert firsts == set(range(frames - WINDOW + 1))
    if frames == 250:
        assert len(references) > 150


def test_pick_is_a_function_of_its_numbers():
    assert pick(100, 1, 2, 3) == pick(100, 1, 2, 3)
    assert len({pick(1000, *numbers) for numbers in ((1, 2, 3), (2, 1, 3), (1, 3, 2), (3, 2, 1))}) == 4
    with pytest.raises(DatasetError, match="5 frames; leave out those of fewer than 6"):
        pick(5, 0, 0, 0)


def test_other_windows_keep_their_distance():
    for index in range(50):
        found = other_windows(60, 20, 6, 5, 0, 0, index)
        assert len(set(found)) == 6
        assert all(abs(k - 20) >= 5 and 0 <= k <= 55 for k in found)
    assert set(other_windows(8, 0, 4, 5, 0, 0, 0)) == {3}  # the farthest there is
    assert other_windows(60, 20, 0, 5, 0, 0, 0) == []
    with pytest.raises(DatasetError):
        other_windows(5, 0, 1, 5, 0, 0, 0)


def test_without_augmentation_nothing_changes():
    for index in range(20):
        found = look(Augmentation(), 0, 0, index)
        assert found == Look(noise_seed=found.noise_seed)


def test_augmentation_keeps_its_bounds_and_uses_them():
    looks = [look(SMALL_SET, 0, 0, index) for index in range(500)]
    for name, low, high in (
        ("brightness", 0.7, 1.3), ("contrast", 0.7, 1.3), ("saturation", 0.7, 1.3), ("dx", -0.5, 0.5),
        ("dy", -0.5, 0.5), ("scale", -0.5, 0.5), ("gain", -6, 6),
    ):  # fmt: skip
        values = [getattr(found, name) for found in looks]
        near = 0.1 * (high - low)
        assert low <= min(values) < low + near
        assert high - near < max(values) <= high
    for share, hits in (
        (0.5, [found.mirror for found in looks]),
        (0.3, [found.quality > 0 for found in looks]),
        (0.3, [found.detail < 1 for found in looks]),
        (0.3, [np.isfinite(found.noise) for found in looks]),
    ):
        assert abs(np.mean(hits) - share) < 0.08


def test_options_do_not_disturb_each_other():
    mirrored = [look(Augmentation(mirror=0.5), 0, 0, index) for index in range(50)]
    both = [look(Augmentation(mirror=0.5, gain=3), 0, 0, index) for index in range(50)]
    assert [found.mirror for found in mirrored] == [found.mirror for found in both]


@pytest.mark.parametrize("bad", [{"mirror": 1.5}, {"shift": -0.1}, {"gain": 61}, {"colour": float("nan")}])
def test_impossible_augmentations_are_refused(bad: dict[str, float]):
    with pytest.raises(OptionError, match=f"The augmentation {next(iter(bad))} must be"):
        Augmentation(**bad)
