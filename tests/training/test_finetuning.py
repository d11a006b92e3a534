"""One speaker out of a movie, and the network that goes on from him."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lipdub.dataset import preparing
from lipdub.dataset.clips import Clips
from lipdub.errors import DatasetError, OptionError, UnknownWeightsError, WeightsFormatError
from lipdub.models.checkpoint import save_checkpoint, save_tensors
from lipdub.training import checkpoints, finetuning, loop
from lipdub.training.config import FINETUNING, choose
from tests.support.shards import clip_files, write_tar
from tests.support.training import FEW
from tests.support.weights import small_network

TWO = ("talk/talk-1", "talk/talk-3", "talk/talk-3")


def shards_of(folder: Path, speakers: tuple[str, ...]) -> Path:
    folder.mkdir(parents=True)
    files: dict[str, bytes] = {}
    for number, speaker in enumerate(speakers):
        files |= clip_files(f"clip{number}", 30, speaker, seed=number)
    write_tar(folder / "shard-000000.tar", files)
    return folder


def test_the_only_speaker_needs_no_choice(tmp_path: Path) -> None:
    clips = Clips([shards_of(tmp_path / "a", ("take-4.mp4",) * 2)])
    assert finetuning.speaker_of(clips, None) == finetuning.speaker_of(clips, 1) == "take-4.mp4"
    with pytest.raises(
        DatasetError, match=r"Nobody of number 2 speaks in it; choose with --face .*1 \(2 clips\)"
    ):
        finetuning.speaker_of(clips, 2)


def test_several_speakers_are_chosen_by_number(tmp_path: Path) -> None:
    clips = Clips([shards_of(tmp_path / "a", TWO)])
    assert finetuning.speaker_of(clips, 3) == "talk/talk-3"
    assert [clip.key for clip in clips.only("talk/talk-3")] == ["clip1", "clip2"]
    assert len(clips) == 3
    with pytest.raises(DatasetError, match=r"Several people speak in it; .*1 \(1 clip\), 3 \(2 clips\)"):
        finetuning.speaker_of(clips, None)


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What prepare was asked for; it leaves shards of two people."""
    asked: list[tuple[Any, ...]] = []

    def prepare(movies: list[Path], folder: Path, options: Any, *_: Any) -> None:
        asked.append((movies, folder, options.speakers, options.fresh))
        if not folder.exists():
            shards_of(folder, TWO)

    monkeypatch.setattr(preparing, "prepare", prepare)
    return asked


def test_a_movie_becomes_weights_of_one_person(
    cut: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    train_on = loop.train_on
    monkeypatch.setattr(
        finetuning, "train_on", lambda clips, *rest: (seen.append(clips.speakers), train_on(clips, *rest))[1]
    )
    save_checkpoint(small_network(), tmp_path / "first.safetensors")
    options = choose(
        {
            **FEW,
            "steps": 2,
            "init_from": str(tmp_path / "first.safetensors"),
            "preset": "sync",
            "augment": True,
        }
    )
    result = finetuning.finetune(tmp_path / "talk.mp4", tmp_path / "run", options, face=3)
    assert cut == [([tmp_path / "talk.mp4"], tmp_path / "run" / "shards", "file", False)]
    assert seen == [["talk/talk-3", "talk/talk-3"]]
    assert result.weights.exists()
    said = checkpoints.latest(tmp_path / "run").said
    assert said["options"]["without"] == ["sync"]  # there is no expert
    again = finetuning.finetune(tmp_path / "talk.mp4", tmp_path / "run", options, face=3)
    assert again.went_on_from == 2
    (tmp_path / "first.safetensors").unlink()  # a run that goes on needs it no more
    assert finetuning.finetune(tmp_path / "talk.mp4", tmp_path / "run", options, face=3).went_on_from == 2
    save_checkpoint(small_network(), tmp_path / "first.safetensors")
    fresh = finetuning.finetune(tmp_path / "talk.mp4", tmp_path / "run", replace(options, fresh=True), face=3)
    assert (fresh.went_on_from, cut[-1][-1]) == (0, True)


@pytest.mark.parametrize(
    ("choices", "kind", "sentence"),
    [
        (
            {"init_from": "other"},
            WeightsFormatError,
            "other.safetensors cannot be used: it is no Diff2Lip check",
        ),
        ({"weight": ["sync=1"]}, OptionError, "L_sync needs a lip-sync expert"),
        (
            {"preset": "sync", "expert": "nowhere.pth"},
            UnknownWeightsError,
            "There is no weights file nowhere",
        ),
    ],
)
def test_what_it_needs_is_looked_at_before_anything_is_cut(
    choices: dict[str, Any], kind: type[Exception], sentence: str, cut: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    save_tensors({"conv.weight": torch.zeros(3)}, {}, tmp_path / "other.safetensors")
    save_checkpoint(small_network(), tmp_path / "first.safetensors")
    begun = tmp_path / f"{choices.get('init_from', 'first')}.safetensors"
    with pytest.raises(kind, match=sentence):
        finetuning.finetune(
            tmp_path / "talk.mp4", tmp_path / "run", choose({**FEW, **choices, "init_from": str(begun)})
        )
    assert not cut


def test_published_weights_are_where_it_begins(
    cut: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str | None] = []
    monkeypatch.setattr(
        finetuning, "train_on", lambda _clips, _folder, options, _: begun.append(options.init_from)
    )
    monkeypatch.setattr(finetuning.networks, "check", lambda *_, **__: None)
    save_checkpoint(small_network(), tmp_path / "published.safetensors")

    class Found:
        path = tmp_path / "published.safetensors"

    monkeypatch.setattr(
        finetuning.weights, "resolve", lambda name, **_: Found if name == "diff2lip" else None
    )
    finetuning.finetune(tmp_path / "talk.mp4", tmp_path / "run", FINETUNING, face=1)
    assert begun == [str(tmp_path / "published.safetensors")]


def test_several_processes_are_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OptionError, match=r"one process; for several, .*lipdub train --init-from"):
        finetuning.finetune(tmp_path / "movie.mp4", tmp_path / "actor")
    assert not list(tmp_path.iterdir())
