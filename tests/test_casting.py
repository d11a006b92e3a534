"""Who says what, from faces to a plan."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lipdub.casting import Cast, make_cast
from lipdub.cueformats import Cue
from lipdub.cues import CueSheet
from lipdub.errors import CueError, OptionError
from lipdub.faces.analyse import Analysis
from lipdub.plan import DUB, SILENCE, UNTOUCHED, Plan, Stem
from lipdub.planning import make_plan, within
from tests.support.faces import movie_info
from tests.test_people import STEP, person, track_of

INFO = movie_info(1280, 720, origin=Fraction(1, 10))
TRACKS = [
    track_of(5, 0, 50, height=158),
    track_of(6, 0, 40, x=500, height=90),
    track_of(9, 60, 40, 1, height=90),
]
WHO = {5: person(1), 6: person(2), 9: person(2)}
ANALYSIS = Analysis(np.arange(100) * STEP, (0, 60 * STEP), tuple(TRACKS), WHO)


def planned(faces: str = "all", **more) -> Plan:
    cast = make_cast(ANALYSIS, TRACKS, INFO, faces, **more)
    return make_plan(ANALYSIS, INFO, cast=cast)


def sounds(plan: Plan, face: int) -> dict[int, int]:
    return {int(row["pts"]) // STEP: int(row["sound"]) for row in plan.edits if row["face"] == face}


def test_edits_carry_the_numbers_of_people():
    plan = planned()
    assert [(p.face, p.seconds) for p in plan.people] == [(1, 3.2), (2, 2.0)]
    assert list(sounds(plan, 1)) == [*range(40), *range(60, 100)]
    assert list(sounds(plan, 2)) == list(range(50))
    assert set(plan.edits["sound"]) == {DUB}
    assert set(planned("2").edits["face"]) == {2}
    assert set(sounds(planned("largest"), 1)) == set(range(60, 100))
    assert set(planned("her.jpg", picture=3 * person(1)).edits["face"]) == {2}
    with pytest.raises(OptionError, match="no face 3"):
        planned("3")
    with pytest.raises(OptionError, match=r"her.jpg: nobody"):
        planned("her.jpg", picture=person(50))


def test_without_a_cast_the_largest_face_of_each_shot_says_the_dub():
    plan = make_plan(ANALYSIS, INFO)
    assert sorted(set(plan.edits["face"])) == [1, 2]
    assert len(plan.edits) == 90 and len(plan.people) == 2


def test_cues_say_what_faces_say():
    stem = Stem("her.wav")
    # 0.1 s is shown first: frame n is shown at n/25 - 0.1.
    cues = (Cue(Fraction(3, 10), Fraction(7, 10), 1), Cue(Fraction(5, 10), Fraction(9, 10), 2, stem))
    plan = planned(sheet=CueSheet(Path("c.csv"), cues, ("a note",)))
    # Two frames before and after are the fade.
    assert sounds(plan, 1) == dict.fromkeys(range(8, 22), DUB)
    assert sounds(plan, 2) == dict.fromkeys(range(13, 27), 1)
    whole = plan.edits[(plan.edits["face"] == 1) & (plan.edits["opacity"] == 1)]
    assert len(whole) == 10
    assert plan.stems == (stem,) and "a note" in plan.notes
    assert not any("not in the picture" in note for note in plan.notes)
    late = [Cue(Fraction(3), Fraction(4), 2, None, line) for line in range(2, 20)]
    notes = planned(sheet=CueSheet(Path("c.csv"), tuple(late))).notes
    assert notes[0].startswith("c.csv: nothing changes for line 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more")
    alone = planned("2", sheet=CueSheet(Path("c.csv"), cues))
    assert set(alone.edits["face"]) == {2}
    with pytest.raises(CueError, match="line 4: there is no face 9"):
        planned(sheet=CueSheet(Path("c.csv"), (Cue(Fraction(0), Fraction(1), 9, None, 4),)))


def test_what_speakers_say_is_planned():
    said = np.repeat([DUB, SILENCE, UNTOUCHED], [20, 20, 10]).astype(np.int32)
    plan = planned(speaking={5: said})
    assert sounds(plan, 2) == dict.fromkeys(range(20), DUB) | dict.fromkeys(range(20, 42), SILENCE)
    assert set(sounds(plan, 1).values()) == {DUB}


@pytest.mark.parametrize(
    ("start", "end", "frames"),
    [(None, None, range(50)), (Fraction(1, 10), None, range(5, 50)), (None, Fraction(1, 10), range(5)),
     (Fraction(11, 100), Fraction(29, 100), range(6, 10)), (Fraction(9), None, range(0))],
)  # fmt: skip
def test_a_part_of_a_plan(start: Fraction | None, end: Fraction | None, frames: range):
    whole = planned("2")
    assert list(sounds(within(whole, start, end, Fraction(1, 25)), 2)) == list(frames)
    part = within(whole, start, end, Fraction(1, 25)).edits
    if len(part):
        before = whole.edits["opacity"][np.searchsorted(whole.edits["pts"], part["pts"])]
        assert (part["opacity"] > 0).all()
        assert (part["opacity"][0] < before[0]) == (start is not None)
        assert (part["opacity"][-1] < before[-1]) == (end is not None)
    assert replace(within(whole, start, end, Fraction(1, 25)), edits=whole.edits).people == whole.people


def test_an_empty_movie():
    nobody = Analysis(np.arange(10) * STEP, (0,), ())
    cast = make_cast(nobody, [], INFO, "auto")
    assert cast == Cast(cast.people, [])
    assert "no usable face" in make_plan(nobody, INFO, cast=cast).notes[0]
