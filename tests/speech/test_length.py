"""How long the output is, and what is said of speech and silence that are lost by it."""

from fractions import Fraction

import numpy as np
import pytest

from lipdub.speech import length_notes, output_length, speech_between, speech_seconds

RATE = 16_000


def spoken(seconds: float, *words: tuple[float, float]) -> np.ndarray:
    """Silence in which there is noise, as loud as speech, from each first to each last second."""
    sound = np.zeros(round(seconds * RATE), np.int16)
    for first, last in words:
        part = slice(round(first * RATE), round(last * RATE))
        sound[part] = np.random.default_rng(0).normal(0, 5000, part.stop - part.start)
    return sound


@pytest.mark.parametrize(
    ("mode", "picture", "sound", "length"),
    [
        ("video", 10, 12, 10), ("video", 10, 8, 10), ("sound", 10, 12, 12), ("sound", 10, 8, 8),
        ("shortest", 10, 12, 10), ("shortest", 10, 8, 8), ("sound", 10, -1, 10), ("shortest", 10, 0, 10),
    ],
)  # fmt: skip
def test_output_length(mode, picture, sound, length):
    assert output_length(Fraction(picture), Fraction(sound), mode) == length


def test_speech_in_a_part_of_a_sound():
    sound = spoken(10, (2, 3), (7, 8))
    assert speech_seconds(sound) == pytest.approx(2, abs=0.1)
    assert speech_seconds(sound, end=Fraction(5)) == pytest.approx(1, abs=0.05)
    assert speech_seconds(sound, Fraction(5, 2), Fraction(15, 2)) == pytest.approx(1, abs=0.1)
    assert speech_seconds(sound, Fraction(4), Fraction(6)) == 0
    part = speech_between(sound, Fraction(1), Fraction(9))
    assert (float(part.first), float(part.last)) == pytest.approx((2, 8), abs=0.03)
    assert speech_between(sound, Fraction(9)).first == 0
    assert speech_between(sound, Fraction(99)).seconds == 0
    assert speech_between(sound, Fraction(5), Fraction(-5)).seconds == 0


def test_nothing_is_said_where_nothing_is_lost():
    sound = spoken(10, (2, 9.5))
    for mode in ("video", "sound", "shortest"):
        assert length_notes(sound, Fraction(10), mode=mode) == []
        assert length_notes(sound, Fraction(10) + Fraction(1, 2000), mode=mode) == []


def test_lost_speech_is_told_with_its_place():
    hour = spoken(8, (1, 2), (5.5, 6), (6.5, 7.5))
    (note,) = length_notes(hour, Fraction(5))
    assert note == (
        "the dub is 3.00 s longer than the picture and was cut; 1.5 s of speech are lost, from 0:00:05 to"
        " 0:00:08 of the dub (--length sound would keep it)."
    )
    long = np.concatenate([np.zeros(3725 * RATE, np.int16), spoken(10, (2.5, 3.5))])
    (note,) = length_notes(long, Fraction(3700))
    assert "1.0 s of speech are lost, from 1:02:07 to 1:02:09 of the dub" in note


def test_lost_silence_is_mentioned_without_advice():
    (note,) = length_notes(spoken(8, (1, 2)), Fraction(5))
    assert note == "the dub is 3.00 s longer than the picture and was cut; no speech is lost."


def test_a_sound_that_ends_early_is_followed_by_silence():
    sound = spoken(3, (1, 2))
    assert length_notes(sound, Fraction(5)) == ["the dub ends 2.00 s before the picture; silence follows."]
    assert length_notes(sound, Fraction(3) + Fraction(1, 20)) == []


@pytest.mark.parametrize("mode", ["sound", "shortest"])
def test_a_picture_that_is_cut(mode):
    assert length_notes(spoken(3, (1, 2)), Fraction(5), mode=mode) == [
        "the last 2.00 s of the picture are cut, as the sound ends."
    ]


def test_a_picture_that_goes_on():
    assert length_notes(spoken(8, (1, 7)), Fraction(5), mode="sound") == [
        "the picture goes on for 3.00 s after its end, with the sound."
    ]


def test_an_offset_moves_what_is_lost():
    sound = spoken(8, (0.9, 1.9), (5.2, 5.8))
    assert length_notes(sound, Fraction(8)) == []
    (late,) = length_notes(sound, Fraction(8), offset=Fraction(5, 2))
    assert "2.50 s longer" in late
    assert "0.3 s of speech are lost, from 0:00:05 to 0:00:06 of the dub" in late
    early = length_notes(sound, Fraction(6), offset=Fraction(-2))
    assert len(early) == 1
    assert early[0].startswith("the first 2.00 s of the dub lie before the movie begins; 1.0 s of speech")
    assert "from 0:00:00 to 0:00:02 of the dub" in early[0]
    both = length_notes(sound, Fraction(3), offset=Fraction(-1, 2))
    assert "no speech is lost." in both[0]
    assert "4.50 s longer" in both[1]


def test_the_sound_that_is_heard_may_be_longer_than_the_dialogue():
    sound = spoken(5, (1, 4.5))
    (note,) = length_notes(sound, Fraction(6), sound_end=Fraction(9))
    assert note == "the dub is 3.00 s longer than the picture and was cut; no speech is lost."
    assert length_notes(sound, Fraction(9), sound_end=Fraction(9)) == []
