"""Scores of the expert on embeddings whose scores are known."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from lipdub.dataset.clips import Clips
from lipdub.models.sync_expert import SyncExpert
from lipdub.training.expert_scores import Embedded, across, embed, offsets, score, within
from lipdub.training.loader import Pairs, Taking
from lipdub.training.losses import lips_for_expert
from tests.support.shards import write_shards


def perfect(count: int, shift: int = 0) -> Embedded:
    """Each window is an axis of its own; the sound of window k fits the picture of window k − shift."""
    axes = np.eye(count + abs(shift), dtype=np.float32)
    start = max(0, shift)
    return Embedded(axes[start : start + count], axes[start - shift : start - shift + count])


def random(count: int, seed: int) -> Embedded:
    drawn = np.abs(np.random.default_rng(seed).standard_normal((2, count, 16))).astype(np.float32)
    return Embedded(*(drawn / np.linalg.norm(drawn, axis=2, keepdims=True)))


def test_a_perfect_expert_is_always_right():
    clip = perfect(40)
    assert within(clip, 5) == {"accuracy": 1, "better": 1}
    found = offsets(clip)
    assert (found["window_offset"], found["clip_offset"]) == (1, 1)


@pytest.mark.parametrize("shift", [1, -1, 2, -7])
def test_offset_counts_as_found_up_to_one_frame(shift: int):
    found = offsets(perfect(60, shift))
    assert found["clip_offset"] == (abs(shift) <= 1)
    assert (found["window_offset"] > 0.9) == (abs(shift) <= 1)


def test_an_expert_that_says_nothing_is_at_chance():
    same = np.full((2, 40, 4), 0.5, np.float32)
    clip = Embedded(*same)
    assert within(clip, 5) == {"accuracy": 0.5, "better": 0.5}
    assert across(clip, clip) == 0.5
    drawn = [random(60, seed) for seed in range(60)]
    assert np.mean([within(clip, 5)["better"] for clip in drawn]) == pytest.approx(0.5, abs=0.02)
    assert np.mean([offsets(clip)["window_offset"] for clip in drawn]) == pytest.approx(
        np.mean([offsets(clip)["window_chance"] for clip in drawn]), abs=0.02
    )


def test_chance_counts_the_shifts_that_there_are():
    long, short = offsets(random(200, 0)), offsets(random(3, 0))
    assert long["clip_chance"] == pytest.approx(3 / 31)
    assert short["clip_chance"] == pytest.approx(3 / 5)
    assert short["window_chance"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)


def test_clips_too_short_for_the_gap_are_left_out():
    assert all(math.isnan(value) for value in within(random(5, 0), 5).values())
    assert math.isnan(across(random(5, 0), None))


def test_accuracy_is_balanced_whatever_there_is_more_of():
    near = np.ones((2, 30, 1), np.float32)  # everything is said to fit: the true half is right
    assert within(Embedded(*near), 3)["accuracy"] == 0.5


def test_all_windows_of_a_clip_are_embedded_as_in_training(tmp_path: Path):
    clips = Clips([write_shards(tmp_path, clips=2, shards=1, frames=40)])
    torch.manual_seed(0)
    expert = SyncExpert(1).eval()
    pairs = Pairs(clips, Taking(96, 3), 1, 5)
    here = embed(expert, clips[0])
    assert here.faces.shape == here.sounds.shape == (36, 16)
    for number in range(2):
        pair = pairs[number]
        if pair["clip"] == 0:
            with torch.inference_mode():
                face = expert.embed_faces(lips_for_expert(pair["frames"]))[0].numpy()
                sound = expert.embed_sound(pair["mels"][:1])[0].numpy()
            for found, wanted in ((here.faces, face), (here.sounds, sound)):
                assert np.abs(found - wanted).max(1).min() < 1e-5
    scores = score(expert, clips)
    assert scores.better.clips == 2
    assert scores.stranger.clips == 1
    assert 0 <= scores.accuracy.value <= 1
    assert scores.as_json()["accuracy"]["value"] == scores.accuracy.value
