"""Cue sheets: what each form says, what is refused and in which words, and what a face says then."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lipdub.cueformats import Cue
from lipdub.cues import SHOWN_PROBLEMS, CueSheet, cued, read_cues
from lipdub.errors import CueError
from lipdub.faces.sighting import SIGHTING
from lipdub.faces.track import Track
from lipdub.plan import DUB, SILENCE, UNTOUCHED, Stem

HEADER = "start,end,face,speech,speech_start"
SRT = """1
00:00:01,000 --> 00:00:02,500
[2] Bonjour.

2
00:00:03,000 --> 00:00:04,000 X1:40 X2:600
<i>1: Ah!</i>
- [Speaker 3] Oh.

3
00:00:05,000 --> 00:00:06,000
It is 3:00 now.
"""
RTTM = """; made by hand
SPEAKER movie 1 1.5 2.0 <NA> <NA> {0} <NA> <NA>
SPKR-INFO movie 1 <NA> <NA> <NA> unknown {0} <NA> <NA>
SPEAKER movie 1 0.5 1.0 <NA> <NA> {1} <NA> <NA>
"""


def written(folder: Path, text: str | bytes, name: str = "cues.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def triples(sheet: CueSheet) -> list[tuple[float, float, int | None]]:
    return [(float(cue.start), float(cue.end), cue.face) for cue in sheet.cues]


def refused(folder: Path, text: str | bytes, name: str = "cues.csv", rate: Fraction | None = None) -> str:
    with pytest.raises(CueError) as caught:
        read_cues(written(folder, text, name), rate)
    return str(caught.value)


def test_a_table_says_who_says_what_from_which_file(tmp_path: Path):
    for name in ("anna.wav", "bob.wav"):
        (tmp_path / name).touch()
    rows = "0:01,2.5,1,anna.wav,\n3,4,2,bob.wav,1.25\n5,6,1,anna.wav,\n7,8,2,bob.wav,cue\n8,9,,,"
    sheet = read_cues(written(tmp_path, f"{HEADER}\n{rows}\n"))
    assert triples(sheet) == [(1, 2.5, 1), (3, 4, 2), (5, 6, 1), (7, 8, 2), (8, 9, None)]
    anna, bob = str(tmp_path / "anna.wav"), str(tmp_path / "bob.wav")
    assert sheet.stems == (Stem(anna), Stem(bob, Fraction(5, 4)), Stem(bob, Fraction(7)))
    assert [cue.line for cue in sheet.cues] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(("delimiter", "time"), [(",", "2.5"), (";", "2,5"), ("\t", "2,5")])
def test_a_table_as_spreadsheets_write_it(tmp_path: Path, bom: bytes, ends: str, delimiter: str, time: str):
    lines = ["Start|End|Face|Text", f"1|{time}|1|Où ?", "|||"]
    text = ends.join(lines).replace("|", delimiter)
    assert triples(read_cues(written(tmp_path, bom + text.encode()))) == [(1, 2.5, 1)]


def test_timecode_counts_frames_at_the_rate_of_the_movie(tmp_path: Path):
    text = "start,end,face\n00:00:01:12,00:01:00:00,1\n"
    assert read_cues(written(tmp_path, text), Fraction(25)).cues[0].start == Fraction(37, 25)
    ntsc = Fraction(30000, 1001)
    assert read_cues(written(tmp_path, text), ntsc).cues[0].end == 1800 / ntsc  # 60.06 s: no frame is dropped
    assert "rate that is not known" in refused(tmp_path, text)
    assert "frames 0 to 9" in refused(tmp_path, text, rate=Fraction(10))
    assert "drop-frame" in refused(tmp_path, text.replace("01:12", "01;12"), rate=ntsc)


def test_subtitles_say_who_speaks_before_the_words(tmp_path: Path):
    expected = [(1, 2.5, 2), (3, 4, 1), (3, 4, 3), (5, 6, None)]
    for text in (SRT, SRT.replace("\n", "\r\n"), "\ufeff" + SRT.replace("\n", "\r")):
        assert triples(read_cues(written(tmp_path, text, "x.SRT"))) == expected


def test_a_diarisation_names_faces_by_number_or_by_order(tmp_path: Path):
    numbered = read_cues(written(tmp_path, RTTM.format("spk2", "spk1"), "x.rttm"))
    assert triples(numbered) == [(1.5, 3.5, 2), (0.5, 1.5, 1)]
    assert not numbered.notes
    for names in (("SPEAKER_00", "SPEAKER_01"), ("anna", "bob"), ("a", "spk1"), ("spk1", "face1")):
        ordered = read_cues(written(tmp_path, RTTM.format(*names), "x.rttm"))
        assert triples(ordered) == [(1.5, 3.5, 1), (0.5, 1.5, 2)]
        assert f"{names[0]} is face 1, {names[1]} is face 2" in ordered.notes[0]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("x,2,1", "'x' is not a time"),
        ("2,1,1", "ends at 1.000 s and starts at 2.000 s"),
        ("1,1,1", "ends at 1.000 s"),
        ("1,2,Anna", "'Anna' is no number from 1"),
        ("1,2,0", "no number from 1"),
        ("1,2,-1", "no number from 1"),
        ("1,2,1,gone.wav", "there is no speech file"),
        ("1,2,1, gone.wav ", "its name has spaces around it"),
        ("1,2,1,.", "there is no speech file"),
        ("1,2,1,a\0b.wav", "NUL"),
        ("1,2,1,,3", "speech_start and no speech"),
        ("1,2,1,gone.wav,soon", "'soon' is not a time"),
        ("1,360001,1", "no movie is that long"),
        ("1," + "9" * 5000 + ",1", "not a time"),
        ("1,2,1," + "x" * 5000, "cannot be read"),
        ("2.9,5,1", "speaks already in the cue of line 2, until 3.000 s"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, row: str, words: str):
    (sentence,) = refused(tmp_path, f"{HEADER}\n2,3,1,,\n{row}\n").splitlines()
    assert sentence.startswith(f"{tmp_path / 'cues.csv'}, line 3: ")
    assert words in sentence
    assert len(sentence) < 1000


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "cues.csv", "is empty"),
        (HEADER, "cues.csv", "has no cues"),
        ("start,face\n1,2", "cues.csv", "line 1: there is no column end"),
        ("start,end,face,speach\n1,2,1,x", "cues.csv", "did you mean speech?"),
        ("start,end,face,end\n1,2,1,2", "cues.csv", "column end is there twice"),
        ('start,end,face\n1,2,"1', "cues.csv", "line 2: this is not CSV"),
        (b"start,end,face\n1,2,\xff", "cues.csv", "line 2: this is not text in UTF-8"),
        (SRT.encode("utf-16"), "x.srt", "is not text in UTF-8"),
        ("no times", "x.srt", "no subtitle"),
        ("1\nsoon --> later\nx", "x.srt", "line 2: 'soon' is not a time"),
        ("1\n00:02 -->\nx", "x.srt", "line 2: '' is not a time"),
        ("LEXEME x", "x.rttm", "no line in it that begins with SPEAKER"),
        ("SPEAKER x 1 2", "x.rttm", "line 1: a SPEAKER line has 8 columns"),
        ("SPEAKER x 1 -2 1 <NA> <NA> a", "x.rttm", "'-2' is not a time"),
        ("1,2,3", "cues.xlsx", "ends in one of .csv"),
    ],
)
def test_files_that_are_no_cue_sheet(tmp_path: Path, text: str | bytes, name: str, words: str):
    assert words in refused(tmp_path, text, name)


def test_all_problems_are_told_at_once_but_not_a_thousand(tmp_path: Path):
    lines = refused(tmp_path, HEADER + "\nx,2,1,,\n3,2,1,,").splitlines()
    assert [line.split(": ")[0].rsplit(" ", 1)[1] for line in lines] == ["2", "3"]
    many = refused(tmp_path, HEADER + "\nx,2,1,," * 1000).splitlines()
    assert len(many) == SHOWN_PROBLEMS + 1
    assert "and 980 more" in many[-1]


def test_a_folder_and_a_missing_file(tmp_path: Path):
    (tmp_path / "a.csv").mkdir()
    for name in ("a.csv", "b.csv", "c\0.srt"):
        with pytest.raises(CueError):
            read_cues(tmp_path / name)


def test_faces_and_times_that_the_movie_does_not_have():
    cues = (Cue(Fraction(1), Fraction(2), 7, None, 2), Cue(Fraction(9), Fraction(10), None, None, 3))
    sheet = CueSheet(Path("c.csv"), cues)
    with pytest.raises(CueError) as caught:
        sheet.check([2, 1], Fraction(9))
    first, second = str(caught.value).splitlines()
    assert first.startswith("c.csv, line 2: there is no face 7; the movie has 1, 2")
    assert second.startswith("c.csv, line 3: it begins after the end of the movie, which is 9.00 s long")
    sheet.check([7], None)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([".csv", ".srt", ".rttm", ".txt"]),
    st.lists(
        st.one_of(
            st.sampled_from(
                ["start", "end", "face", "speech", "speech_start", ",", ";", "\t", "\n", "\r", '"', "-->",
                 " ", "00:00:01,000", "1", "2.5", "SPEAKER", "<NA>", "[2]", "2:", "\0", "00:00:01:02", "cue"]
            ),
            st.text(max_size=6),
        ),
        max_size=40,
    ),
    st.booleans(),
)  # fmt: skip
def test_never_a_foreign_exception(tmp_path: Path, suffix: str, parts: list[str], header: bool):
    text = ("start,end,face,speech,speech_start\n" if header else "") + "".join(parts)
    path = written(tmp_path, text.encode("utf-8", "surrogatepass"), f"x{suffix}")
    try:
        sheet = read_cues(path, Fraction(25))
    except CueError as exc:
        assert all(line.isprintable() for line in str(exc).splitlines())
    else:
        assert all(0 <= cue.start < cue.end and cue.face != 0 for cue in sheet.cues)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from([".csv", ".srt", ".rttm"]))
def test_bytes_of_any_kind_are_refused_in_words(tmp_path: Path, data: bytes, suffix: str):
    try:
        read_cues(written(tmp_path, data, f"x{suffix}"))
    except CueError as exc:
        assert str(exc)


def track_of(number: int, pts: range, height: float) -> Track:
    faces = np.zeros(len(pts), SIGHTING)
    faces["box"] = 0, 0, height, height, 0
    return Track(number, 0, np.array(pts), faces, np.ones(len(pts), np.bool_))


def test_a_face_says_what_its_cues_say_and_is_left_alone_between():
    stem = Stem("a.wav")
    cues = (Cue(Fraction(1), Fraction(2), 1), Cue(Fraction(3), Fraction(4), 1, stem),
            Cue(Fraction(2), Fraction(3), 2))  # fmt: skip
    tracks = [track_of(10, range(0, 50), 80), track_of(11, range(0, 50), 90)]
    seconds = [track.pts / 10 for track in tracks]
    said = cued(CueSheet(Path("c.csv"), cues), tracks, {10: 1, 11: 2}, seconds)
    assert said[10].tolist() == [UNTOUCHED] * 10 + [DUB] * 10 + [UNTOUCHED] * 10 + [1] * 10 + [UNTOUCHED] * 10
    assert said[11].tolist() == [UNTOUCHED] * 20 + [DUB] * 10 + [UNTOUCHED] * 20


def test_a_cue_without_a_face_is_for_whoever_speaks_or_for_the_largest():
    cues = (Cue(Fraction(0), Fraction(2), None), Cue(Fraction(1), Fraction(2), 1, Stem("a.wav")))
    tracks = [track_of(10, range(0, 30), 80), track_of(11, range(5, 30), 90)]
    sheet, people = CueSheet(Path("c.srt"), cues), {10: 1, 11: 2}
    seconds = [track.pts / 10 for track in tracks]
    said = cued(sheet, tracks, people, seconds)
    assert said[10].tolist() == [DUB] * 5 + [UNTOUCHED] * 5 + [1] * 10 + [UNTOUCHED] * 10
    assert said[11].tolist() == [DUB] * 15 + [UNTOUCHED] * 10
    speaking = {10: np.full(30, DUB, np.int32), 11: np.full(25, UNTOUCHED, np.int32)}
    said = cued(sheet, tracks, people, seconds, speaking)
    assert said[10].tolist() == [DUB] * 10 + [1] * 10 + [UNTOUCHED] * 10
    assert (said[11] == UNTOUCHED).all()


def test_between_cues_old_lips_are_closed():
    stem = Stem("her.wav")
    sheet = CueSheet(Path("c.csv"), (Cue(Fraction(2, 5), Fraction(4, 5), 1, stem),))
    track = track_of(10, range(30), 80)
    speaking = {10: np.repeat([SILENCE, UNTOUCHED], [20, 10]).astype(np.int32)}
    said = cued(sheet, [track], {10: 1}, [np.arange(30) / 25], speaking)
    assert said[10].tolist() == [SILENCE] * 10 + [1] * 10 + [UNTOUCHED] * 10


def test_times_and_cells_that_are_nearly_right_are_told(tmp_path: Path):
    arrow = "1\n00:00:01,000 --> 00:00:02,000\n[1] one\n\n2\n00:00:02,000 -> 00:00:03,500\n[2] -> two\n"
    with pytest.raises(CueError, match=r"line 6: between two times stands -->"):
        read_cues(written(tmp_path, arrow.encode(), "a.srt"))
    with pytest.raises(CueError, match=r"line 2: it has more cells"):
        read_cues(written(tmp_path, b"start,end,face,speech\n1,2,1,,oops\n", "a.csv"))
