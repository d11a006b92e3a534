from dataclasses import fields
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.errors import OptionError
from lipdub.options import (
    KINDS,
    OPTIONAL,
    PRECISIONS,
    PRESETS,
    SAMPLERS,
    SyncOptions,
    choose,
    face_numbers,
    option_from_text,
    parse_time,
)


@pytest.mark.parametrize(
    "change",
    [
        {"preset": "best"},
        {"sampler": "euler"},
        {"precision": "fp8"},
        {"steps": 0},
        {"steps": 1001},
        {"batch_size": 0},
        {"seed": -1},
        {"start": Fraction(-1)},
        {"start": Fraction(2), "end": Fraction(2)},
        {"end": Fraction(0)},
        {"language": "french"},
        {"language": "fr"},
        {"language": "f1a"},
        {"device": "banana"},
        {"device": None},
        {"steps": 2.5},
        {"steps": True},
        {"start": "0.5"},
        {"start": 0.5},
        {"seed": None},
        {"overwrite": 1},
    ],
)
def test_impossible_values_are_refused_at_birth(change):
    with pytest.raises(OptionError) as caught:
        SyncOptions(**change)
    assert "\n" not in str(caught.value)


def test_steps_come_from_the_preset_unless_given():
    assert SyncOptions(preset="draft").sampling_steps == PRESETS["draft"].steps
    assert SyncOptions(preset="draft", steps=9).sampling_steps == 9
    assert SyncOptions(weights="draft").sampling_steps == PRESETS["draft"].steps
    assert SyncOptions(weights="draft", preset="fine").sampling_steps == PRESETS["fine"].steps
    assert SyncOptions(weights="my.pt").sampling_steps == PRESETS["standard"].steps


def test_what_suits_the_draft_comes_with_it_wherever_it_stands_in() -> None:
    for options in (SyncOptions(), SyncOptions(weights="copy/of/draft.safetensors")):
        drafted = options.painted_with("draft")
        assert (drafted.sampling_steps, drafted.shown_reference) == (PRESETS["draft"].steps, "pose")
        assert options.painted_with("diff2lip") == options
    chosen = SyncOptions(preset="standard", reference="same").painted_with("draft")
    assert (chosen.sampling_steps, chosen.shown_reference) == (PRESETS["standard"].steps, "same")
    assert SyncOptions().sampling_steps == 25


@pytest.mark.parametrize(
    ("choices", "weights"),
    [
        ({}, "diff2lip"),
        ({"preset": "fine"}, "diff2lip"),
        ({"preset": "draft"}, "draft"),
        ({"preset": "draft", "weights": "diff2lip"}, "diff2lip"),
        ({"weights": "draft"}, "draft"),
        ({"weights": "my.pt", "preset": "draft"}, "my.pt"),
    ],
)
def test_weights_come_from_the_preset_unless_given(choices, weights):
    assert SyncOptions(**choices).network_weights == weights


@pytest.mark.parametrize(
    ("choices", "may"),
    [
        ({}, True),
        ({"steps": 3}, True),
        ({"weights": "diff2lip"}, False),
        ({"weights": "my.pt"}, False),
        ({"preset": "draft"}, False),
    ],
)
def test_the_draft_may_stand_in_only_for_weights_that_nobody_named(choices, may):
    assert SyncOptions(draft_if_offline=True, **choices).may_use_draft == may
    assert not SyncOptions(**choices).may_use_draft


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_times_are_exact(hours, minutes, seconds, thousandths):
    expected = hours * 3600 + minutes * 60 + seconds + Fraction(thousandths, 1000)
    assert parse_time(f"{hours}:{minutes:02}:{seconds:02}.{thousandths:03}") == expected
    assert parse_time(f"{float(expected):.3f}") == expected


@pytest.mark.parametrize(
    "text", ["", "abc", "1:2:3:4", "-1", "1e3", "nan", "inf", "1/2", "1.2.3", "٣", "1:-2"]
)
def test_what_is_not_a_time_is_refused(text):
    with pytest.raises(OptionError, match="not a time"):
        parse_time(text)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("steps", "12", 12),
        ("batch-size", "3", 3),
        ("batch_size", "3", 3),
        ("keep-original-audio", "yes", True),
        ("overwrite", "0", False),
        ("start", "1:00", Fraction(60)),
        ("weights", " my.pt ", "my.pt"),
        ("draft-if-offline", "yes", True),
    ],
)
def test_cells_become_values(name, text, value):
    assert option_from_text(name, text) == value


@pytest.mark.parametrize(
    ("name", "text"), [("stpes", "1"), ("steps", "1.5"), ("overwrite", "maybe"), ("start", "soon")]
)
def test_bad_cells_are_refused(name, text):
    with pytest.raises(OptionError):
        option_from_text(name, text)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1", (1,)),
        ("1,3", (1, 3)),
        (" 3 , 1,3", (3, 1)),
        ("auto", None),
        ("1.jpg", None),
        ("٣", None),
    ],
)
def test_numbers_of_faces(text, numbers):
    assert face_numbers(text) == numbers
    assert SyncOptions(faces=text).faces == text


@pytest.mark.parametrize("text", ["1:75", "1:60", "1:60:00", "0:0:60.5"])
def test_minutes_and_seconds_after_a_colon_are_less_than_sixty(text):
    with pytest.raises(OptionError, match=r"is not a time: (75|60|60\.5) must be less than 60 after a colon"):
        parse_time(text)


def test_what_is_no_number_among_numbers_of_faces_is_said():
    with pytest.raises(OptionError, match=r"--faces 1,x: 'x' is no number"):
        face_numbers("1,x")
    with pytest.raises(OptionError, match=r"--faces 1,: '' is no number"):
        face_numbers("1,")
    assert face_numbers("1,her.jpg") is None  # the name of a picture


@pytest.mark.parametrize("text", ["", " ", ",", "0", "1,0", "-1", "2,-3"])
def test_faces_that_nobody_has(text):
    with pytest.raises(OptionError, match="--faces takes"):
        SyncOptions(faces=text)


def test_choices_come_on_top_of_options_and_must_exist():
    base = SyncOptions(overwrite=True, steps=3)
    chosen = choose(base, {"steps": 9})
    assert (chosen.overwrite, chosen.steps) == (True, 9)
    assert choose(None, {}) == SyncOptions()
    for written in ("0:00.1", "0.1", 0.1, Fraction(1, 10)):
        assert choose(None, {"start": written}).start == Fraction(1, 10)
    with pytest.raises(OptionError, match="no option 'stepz'"):
        choose(base, {"stepz": 9})


def test_every_option_has_a_kind_and_the_network_knows_its_names():
    from lipdub.diffusion.engine import PRECISIONS as NETWORK_PRECISIONS
    from lipdub.diffusion.sampling import SAMPLERS as NETWORK_SAMPLERS

    assert list(KINDS) == [f.name for f in fields(SyncOptions)]
    assert {f.name for f in fields(SyncOptions) if f.default is None} == OPTIONAL
    assert set(PRECISIONS) == {"auto", *NETWORK_PRECISIONS}
    assert set(SAMPLERS) == set(NETWORK_SAMPLERS)


def test_the_draft_is_shown_another_frame_unless_a_reference_is_asked_for() -> None:
    assert SyncOptions().shown_reference == "same"
    assert SyncOptions(preset="draft").shown_reference == "pose"
    assert SyncOptions(weights="draft").shown_reference == "pose"
    assert SyncOptions(preset="draft", weights="diff2lip").shown_reference == "same"
    assert SyncOptions(preset="draft", reference="first").shown_reference == "first"
