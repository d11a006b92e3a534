"""The journal and the files it speaks of: what counts, and what is made again."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from lipdub.disk import settle
from lipdub.errors import RenderError
from lipdub.journal import JOURNAL, Ended, Finished, Journal
from lipdub.media.timing import order_of


def finish(journal: Journal, number: int, key: str = "k", data: bytes = b"frames" * 100) -> Finished:
    """A segment written as the pipeline does it."""
    path = journal.name(number, key, ".mov")
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    size, sha256 = settle(part, path)
    order = order_of([0, 3, 1, 2])
    counts = (100, 7, 8, 1)
    entry = Finished(number, key, path.name, size, sha256, *counts, order, Fraction(10, 3), 1, 99, 3, True, 2)
    journal.record(entry)
    return entry


def test_what_was_recorded_is_there_in_the_next_run(tmp_path: Path):
    first = Journal(tmp_path)
    entries = [finish(first, n) for n in range(3)]
    first.record(Ended("end", 3))
    again = Journal(tmp_path)
    assert [again.finished(n, "k") for n in range(3)] == entries
    assert (again.ended("end"), again.ended("other")) == (3, None)
    assert (again.bound, again.threads) == (3, 2)
    assert again.finished(1, "another key") is None
    assert again.finished(7, "k") is None


@pytest.mark.parametrize("harm", ["cut", "flip", "longer", "gone"])
def test_a_file_that_is_not_what_it_was_does_not_count(tmp_path: Path, harm: str):
    journal = Journal(tmp_path)
    path = journal.path_of(finish(journal, 0))
    data = path.read_bytes()
    flipped = bytes([*data[:50], data[50] ^ 1, *data[51:]])
    changed = {"cut": data[:-1], "flip": flipped, "longer": data + b"x"}
    path.write_bytes(changed[harm]) if harm in changed else path.unlink()
    assert Journal(tmp_path).finished(0, "k") is None
    assert journal.finished(0, "k") is not None  # it was looked at a moment ago
    journal.forget_checks()
    assert journal.finished(0, "k") is None


def test_a_line_cut_short_at_any_place_takes_nothing_else_with_it(tmp_path: Path):
    journal = Journal(tmp_path)
    first = finish(journal, 0)
    length = (tmp_path / JOURNAL).stat().st_size
    finish(journal, 1)
    whole = (tmp_path / JOURNAL).read_bytes()
    for cut in range(length, len(whole)):
        (tmp_path / JOURNAL).write_bytes(whole[:cut])
        again = Journal(tmp_path)
        assert again.finished(0, "k") == first
        # Without its line's end an entry is whole, and counts; without any byte of it it does not.
        assert (again.finished(1, "k") is not None) == (cut == len(whole) - 1)
        third = finish(again, 2)
        assert Journal(tmp_path).finished(2, "k") == third


def test_an_altered_line_does_not_count(tmp_path: Path):
    finish(Journal(tmp_path), 0)
    whole = (tmp_path / JOURNAL).read_bytes()
    for place in range(0, len(whole) - 1, 7):
        (tmp_path / JOURNAL).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert Journal(tmp_path).finished(0, "k") is None


def test_a_hostile_name_in_the_journal_leads_nowhere(tmp_path: Path):
    journal = Journal(tmp_path / "work") if (tmp_path / "work").mkdir() is None else None
    assert journal is not None
    (tmp_path / "secret").write_bytes(b"frames" * 100)
    entry = finish(journal, 0)
    journal.record(replace(entry, segment=1, file="../../secret"))
    assert Journal(tmp_path / "work").finished(1, "k") is None


def test_two_keys_of_a_segment_stay_side_by_side(tmp_path: Path):
    journal = Journal(tmp_path)
    one, other = finish(journal, 0, "a" * 64), finish(journal, 0, "b" * 64, b"other")
    again = Journal(tmp_path)
    assert (again.finished(0, "a" * 64), again.finished(0, "b" * 64)) == (one, other)


def test_an_empty_segment_needs_no_file(tmp_path: Path):
    Journal(tmp_path).record(Finished(4, "k"))
    assert Journal(tmp_path).finished(4, "k") == Finished(4, "k")


def test_a_journal_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    (tmp_path / JOURNAL).mkdir()
    with pytest.raises(RenderError, match="cannot be written or read"):
        Journal(tmp_path)
