"""What the loader gives, against the pictures and sound it comes from; and that it goes on at any step."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from lipdub.dataset.clips import Clips
from lipdub.dataset.lips import LIPS, measured_lips
from lipdub.dataset.sampling import SMALL_SET, order, other_windows, pick
from lipdub.errors import DatasetError
from lipdub.speech import log_mel
from lipdub.training.loader import Batches, Pairs, Sample, Scenes, Taking, batches_of
from tests.support.shards import clip_files, write_shards, write_tar


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return Clips([write_shards(tmp_path_factory.mktemp("data") / "shards", clips=5, frames=30)])


TAKING = Taking(size=64, seed=2)


def same(a: Sample, b: Sample) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("number", [0, 3, 7])
def test_a_scene_is_what_its_numbers_say(clips: Clips, number: int):
    epoch, index = divmod(number, 5)
    clip = clips[int(order(clips.speakers, 2, epoch)[index])]
    picked = pick(30, 2, epoch, index)
    scene = Scenes(clips, TAKING)[number]
    mel = log_mel(clip.sound())
    for k in range(5):
        frame = picked.first + k
        expected = clip.picture(frame)[8:72, 8:72] / 127.5 - 1
        np.testing.assert_allclose(scene["frames"][k].permute(1, 2, 0), expected, atol=1e-6)
        start = int(80 * max(frame - 1, 0) / 25)
        assert np.array_equal(scene["mels"][k], mel[:, start : start + 16])
    reference = clip.picture(picked.reference)[8:72, 8:72] / 127.5 - 1
    np.testing.assert_allclose(scene["reference"].permute(1, 2, 0), reference, atol=1e-6)
    start = int(80 * picked.first / 25)
    assert np.array_equal(scene["mel"][0], mel[:, start : start + 16])
    assert scene["frames"].shape == (5, 3, 64, 64)
    assert scene["reference"].shape == (3, 64, 64)
    assert (scene["mels"].shape, scene["mel"].shape) == ((5, 80, 16), (1, 80, 16))


def test_pairs_hold_the_sound_of_other_windows_of_the_clip(clips: Clips):
    pair = Pairs(clips, TAKING, others=3, gap=8)[4]
    clip = clips[int(pair["clip"])]
    first = pick(30, 2, 0, 4).first
    mel = log_mel(clip.sound())
    for found, k in zip(pair["mels"], [first, *other_windows(30, first, 3, 8, 2, 0, 4)], strict=True):
        start = int(80 * k / 25)
        assert np.array_equal(found[0], mel[:, start : start + 16])
    assert torch.equal(pair["frames"], Scenes(clips, TAKING)[4]["frames"])


def test_every_clip_is_seen_once_an_epoch(clips: Clips):
    scenes = Scenes(clips, TAKING)
    for epoch in (0, 1, 5, 0):
        assert sorted(int(scenes[5 * epoch + index]["clip"]) for index in range(5)) == list(range(5))


def test_workers_and_a_later_begin_change_nothing(clips: Clips):
    """Exactly, with everything random that there is, over the border of epochs."""
    scenes = Scenes(clips, replace(TAKING, augmentation=SMALL_SET, balance=0.5))
    here = list(islice(batches_of(scenes, 2, pin=False), 6))
    there = islice(batches_of(scenes, 2, step=2, workers=2, pin=False), 4)
    assert all(same(a, b) for a, b in zip(here[2:], there, strict=True))
    assert here[0]["frames"].shape == (2, 5, 3, 64, 64)
    assert not torch.equal(here[0]["frames"], here[3]["frames"])


def test_processes_share_a_step(clips: Clips):
    alone = islice(Batches(4, step=3), 2)
    shared = [islice(Batches(2, 3, rank, 2), 2) for rank in (0, 1)]
    assert (
        list(alone)
        == [[*a, *b] for a, b in zip(*shared, strict=True)]
        == [[*range(12, 16)], [*range(16, 20)]]
    )


def test_nothing_is_read_of_the_steps_before(clips: Clips, monkeypatch: pytest.MonkeyPatch):
    scenes, read = Scenes(clips, TAKING), []
    taken = scenes.taken
    monkeypatch.setattr(scenes, "taken", lambda *args: read.append(args[2:]) or taken(*args))
    next(batches_of(scenes, 2, step=1000, pin=False))
    assert read == [(400, 0), (400, 1)]


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_damaged_is_told_in_one_sentence(tmp_path: Path, workers: int):
    shard = write_tar(tmp_path / "shard-000000.tar", clip_files("a", 6) | {"a.flac": b"no sound"})
    batches = batches_of(Scenes(Clips([tmp_path]), TAKING), 1, workers=workers, pin=False)
    with pytest.raises(DatasetError) as caught:
        next(batches)
    assert str(caught.value).startswith(f"In the shard {shard}, the sound of the clip a is damaged;")
    assert "\n" not in str(caught.value)


def test_augmentation_changes_all_frames_of_a_sample_alike(clips: Clips):
    plain = Scenes(clips, TAKING)
    changed = Scenes(clips, replace(TAKING, augmentation=SMALL_SET))
    a, b = plain[1], changed[1]
    assert not torch.equal(a["frames"], b["frames"])
    moved = (b["frames"] - b["frames"][:1]).abs().amax((0, 1))  # what moves is the mouth alone
    assert moved[:32].max() < 0.5
    assert moved[32:].max() > 0.5


def faces(pictures: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)[:, 8:72, 8:72]).permute(0, 3, 1, 2) / 127.5 - 1


def test_a_reference_from_elsewhere_is_of_another_clip_of_the_speaker(tmp_path: Path):
    files: dict[str, bytes] = {}
    for number, speaker in enumerate(["a", "b", "a", "b", "alone"]):
        files |= clip_files(f"clip{number}", 12, speaker, seed=number)
    write_tar(tmp_path / "shard-000000.tar", files)
    clips = Clips([tmp_path])
    everything = {k: faces([clip.picture(frame) for frame in range(12)]) for k, clip in enumerate(clips)}
    came = {share: [] for share in (0.0, 0.5, 1.0)}
    for share, found in came.items():
        scenes = Scenes(clips, replace(TAKING, elsewhere=share))
        for scene in (scenes[number] for number in range(60)):
            away = {
                k: (each - scene["reference"]).abs().amax((1, 2, 3)).min() for k, each in everything.items()
            }
            found.append((int(scene["clip"]), {k for k in away if away[k] < 1e-6}))
    other = {0: 2, 2: 0, 1: 3, 3: 1, 4: 4}
    # Two clips may have a picture in common: a closed mouth is a closed mouth.
    assert all(clip in shown for clip, shown in came[0.0])
    assert all(other[clip] in shown for clip, shown in came[1.0])
    strange = {share: sum(clip not in shown for clip, shown in found) for share, found in came.items()}
    assert strange[0.0] == 0 < strange[0.5] < strange[1.0]


def test_lips_that_are_told_are_those_of_the_frames(clips: Clips):
    lips = measured_lips(clips)
    scenes = Scenes(clips, replace(TAKING, told=0.5), lips)
    told = 0
    for number in range(40):
        scene = scenes[number]
        clip, first = int(scene["clip"]), pick(30, 2, *divmod(number, 5)).first
        if scene["lips"].isnan().any():
            assert scene["lips"].isnan().all()
            assert scene["lips"].shape == (5, LIPS)
            continue
        told += 1
        np.testing.assert_array_equal(scene["lips"], lips[clip][first : first + 5])
    assert 10 < told < 30
    scenes = Scenes(clips, replace(TAKING, told=1.0), [None] * 5)
    assert scenes[0]["lips"].isnan().all()
    assert "lips" not in Scenes(clips, TAKING)[0]
