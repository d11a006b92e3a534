"""Stems: each face hears its own file, or silence, and nothing is made anew that does not hear a change."""

import tracemalloc
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lipdub import save_plan, segments, sync
from lipdub.compare import preview
from lipdub.engine import Engine
from lipdub.errors import PlanError
from lipdub.plan import DUB, SILENCE, Plan, Stem
from lipdub.speech import MelReader, Voices, log_mel, mel_windows
from lipdub.speech.mel import SILENCE as NO_SOUND
from tests.support.jobs import Painter, grey, plan_by_hand
from tests.support.media import click_file, decoded_sound, movie

COUNT, RATE = 40, Fraction(20)
TIMES = [Fraction(n, 20) for n in range(COUNT)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A movie of two seconds, a dub and two stems of one second each."""
    made = tmp_path_factory.mktemp("stems")
    movie(made / "movie.mp4", count=COUNT, rate=RATE)
    click_file(made / "dub.wav", seconds=2, times=(0.1, 0.5, 0.9, 1.3, 1.7), rate=16_000)
    click_file(made / "one.wav", times=(0.2, 0.6), rate=16_000)
    click_file(made / "two.wav", times=(0.4,), rate=16_000)
    return made


def planned(folder: Path, sounds: list[int], *stems: Stem) -> Plan:
    plan = plan_by_hand(folder / "movie.mp4")
    plan.edits["sound"] = np.resize(sounds, COUNT)
    return replace(plan, stems=stems)


def stem(folder: Path, name: str, start: Fraction = Fraction(0)) -> Stem:
    return Stem(str(folder / name), start)


def moved(path: Path, start: Fraction) -> np.ndarray:
    """The windows of a file that begins at some second of the movie."""
    sound, shift = decoded_sound(path)[0][:, 0], int(start * 16_000)
    whole = np.concatenate([np.zeros(max(0, shift), np.float32), sound[max(0, -shift) :]])
    return mel_windows(log_mel(whole), TIMES)


def test_voices_are_told_apart_frame_by_frame():
    rng = np.random.default_rng(0)
    one, two = (rng.uniform(-0.5, 0.5, 16_000).astype(np.float32) for _ in range(2))
    numbers = [0, 1, -1, 1, 0]
    found = Voices([one, two]).windows(TIMES[:5], numbers)
    expected = [MelReader(pcm).windows(TIMES[:5]) for pcm in (one, two)]
    for row, number in enumerate(numbers):
        assert np.array_equal(
            found[row], expected[number][row] if number >= 0 else np.full((80, 16), NO_SOUND)
        )


def test_a_stem_that_ends_before_its_cue_is_told(folder: Path, tmp_path: Path):
    plan = planned(folder, [1, 2], stem(folder, "one.wav", Fraction(3, 4)), stem(folder, "two.wav"))
    told = [note for note in run(plan, folder, tmp_path / "a.mov") if "stem ends" in note]
    # The first lasts to 1.75 s and is last said at 1.9 s, the second to 1 s and is last said at 1.95 s.
    assert told == [
        "lips say nothing where a stem ends before its cue: two.wav ends at 1.00 s, its cue at 1.95 s."
    ]
    enough = planned(folder, [1] * 20 + [0] * 20, stem(folder, "one.wav"))
    assert not [note for note in run(enough, folder, tmp_path / "b.mov") if "stem ends" in note]


def run(plan: Plan, folder: Path, output: Path) -> tuple[str, ...]:
    made = sync(folder / "movie.mp4", folder / "dub.wav", output, plan=plan, inpainter=Painter(grey))
    return made.notes


def test_what_was_heard_of_voices_that_are_silent_now_is_let_go():
    rng = np.random.default_rng(0)
    sounds = [rng.uniform(-0.5, 0.5, 8_000).astype(np.float32) for _ in range(200)]
    voices, held = Voices(sounds), []
    first = voices.windows(TIMES[:2], [0, 1])
    tracemalloc.start()
    for number in range(200):
        voices.windows(TIMES[:1], [number])
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[-1] < 1.3 * held[40]
    assert np.array_equal(voices.windows(TIMES[:2], [0, 1]), first)


@pytest.mark.parametrize("offset", [Fraction(0), Fraction(1, 4), Fraction(-1, 4)])
def test_each_frame_hears_its_own_file(folder: Path, tmp_path: Path, offset: Fraction):
    starts = Fraction(3, 4), Fraction(-1, 8)
    sounds = [DUB, 1, SILENCE, 2]
    plan = planned(folder, sounds, *map(stem, [folder] * 2, ("one.wav", "two.wav"), starts))
    painter, output = Painter(grey), tmp_path / "out.mov"
    movie_path, dub = folder / "movie.mp4", folder / "dub.wav"
    sync(movie_path, dub, output, plan=plan, inpainter=painter, audio_offset=offset)
    heard = [moved(dub, offset)]
    heard += [moved(folder / f"{n}.wav", s + offset) for n, s in zip(("one", "two"), starts, strict=True)]
    for row, mel in enumerate(painter.mels):
        sound = sounds[row % 4]
        assert np.array_equal(mel, heard[sound][row] if sound >= 0 else np.full((80, 16), NO_SOUND)), row
    assert len(painter.mels) == COUNT


def test_a_preview_hears_the_same(folder: Path, tmp_path: Path):
    save_plan(planned(folder, [1], stem(folder, "one.wav", Fraction(1, 2))), tmp_path / "plan.json")
    painter = Painter(grey)
    choices = {"plan": str(tmp_path / "plan.json"), "inpainter": painter}
    preview(folder / "movie.mp4", folder / "dub.wav", tmp_path / "p.png", at=Fraction(3, 4), **choices)
    assert np.array_equal(painter.mels[0], moved(folder / "one.wav", Fraction(1, 2))[15])


def test_what_does_not_hear_a_stem_is_kept_when_it_changes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(segments, "SEGMENT_SECONDS", Fraction(1, 2))
    output, names = tmp_path / "out.mp4", [folder / "one.wav", folder / "two.wav"]

    def painted(plan: Plan) -> int:
        painter = Painter(grey)
        engine = Engine(painter, "stand-in", "stand-in")
        choices = {"keep_work": True, "overwrite": True}
        sync(folder / "movie.mp4", folder / "dub.wav", output, plan=plan, engine=engine, **choices)
        return len(painter.mels)

    sounds = np.repeat([DUB, 1, 2, SILENCE], 10).tolist()
    one, two = (Stem(str(name)) for name in names)
    assert painted(planned(folder, sounds, one, two)) == COUNT
    assert painted(planned(folder, sounds, one, two)) == 0
    # Stem 2 has silence before its first segment, and after its end.
    click_file(tmp_path / "new.wav", seconds=2, times=(1.2,), rate=16_000)
    assert painted(planned(folder, sounds, one, Stem(str(tmp_path / "new.wav")))) == 10
    # The same files, under other numbers: nothing sounds different.
    swapped = [{1: 2, 2: 1}.get(sound, sound) for sound in sounds]
    assert painted(planned(folder, swapped, two, one)) == 0
    assert painted(planned(folder, [SILENCE] * 20 + sounds[20:], one, two)) == 20


@pytest.mark.parametrize("name", ["gone.wav", "a\0b.wav", "movie.mp4", ".", "-i", "x" * 5000])
def test_stems_are_looked_at_before_any_work(folder: Path, tmp_path: Path, name: str):
    plan = planned(folder, [1], stem(folder, name))
    save_plan(plan, tmp_path / "plan.json")
    for given in (plan, tmp_path / "plan.json"):
        with pytest.raises(PlanError, match="stem"):
            sync(folder / "movie.mp4", folder / "dub.wav", tmp_path / "out.mp4", plan=given)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
