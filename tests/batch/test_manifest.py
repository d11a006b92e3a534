"""A manifest is understood as spreadsheets write it, and all that is wrong with it is said at once."""

import os
from fractions import Fraction
from pathlib import Path

import pytest

from lipdub.batch import read_manifest
from lipdub.errors import ManifestError
from lipdub.options import SyncOptions
from lipdub.table import MAX_BYTES
from tests.support.media import click_file, still


def problems_of(path: Path, defaults: SyncOptions | None = None) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read_manifest(path, defaults)
    assert caught.value.exit_code == 2
    return str(caught.value).split("\n")


def test_paths_are_from_the_manifests_folder_and_options_over_the_defaults(folder, write):
    path = write(
        "a.mp4,a.wav,one.mp4,,,",
        f"{folder / 'b.mp4'},b.wav,two.mkv,10,yes,0:01.5",
        header="Video,AUDIO,output,steps,Keep-Original-Audio,end",
    )
    one, two = read_manifest(path, SyncOptions(steps=3, seed=1)).jobs
    assert (one.video, one.audio, one.output) == (folder / "a.mp4", folder / "a.wav", folder / "one.mp4")
    assert (one.line, two.line) == (2, 3)
    assert one.options == SyncOptions(steps=3, seed=1)
    assert two.options == SyncOptions(steps=10, seed=1, keep_original_audio=True, end=Fraction(3, 2))
    assert two.video == folder / "b.mp4"


def test_a_manifest_is_the_same_from_another_folder(folder, write, monkeypatch):
    write("a.mp4,a.wav,out.mp4")
    monkeypatch.chdir(folder.parent)
    assert read_manifest(Path(folder.name) / "m.csv").jobs[0].video == folder / "a.mp4"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_every_spreadsheet(write, encoding, delimiter):
    path = write(
        delimiter.join(["a.mp4", " a.wav", "out.mp4"]),
        delimiter * 2,
        "",
        header=delimiter.join(["video", "audio", "output"]),
        encoding=encoding,
    )
    manifest = read_manifest(path)
    assert [job.line for job in manifest.jobs] == [2]
    assert manifest.form.delimiter == delimiter
    assert manifest.form.bom == (encoding == "utf-8-sig")


def test_quotes_newlines_accents_commas_and_spaces_in_names(folder, write):
    name = 'Ça, "vient"\nd’ici 日本'
    (folder / "a.mp4").rename(folder / f"{name}.mp4")
    (folder / "a.wav").rename(folder / " a b .wav")
    quoted = name.replace('"', '""')
    path = write(f'"{quoted}.mp4"," a b .wav","{quoted} fr.mp4"', "b.mp4,b.wav,out.mp4")
    one, two = read_manifest(path).jobs
    assert one.video.name == f"{name}.mp4"
    assert one.audio.name == " a b .wav"
    assert (one.line, two.line) == (2, 5)  # two names of the first row have a line break


def test_every_bad_line_is_named_at_once(folder, write):
    (folder / "taken.mp4").write_bytes(b"mine")
    (folder / "text.mp4").write_text("not a movie")
    path = write(
        "a.mp4,a.wav,good.mp4,,",
        "no.mp4,never.wav,1.mp4,,",
        "a.mp4,,2.mp4,,",
        "a.mp4,a.wav,taken.mp4,,",
        "text.mp4,a.wav,3.mp4,,",
        "a.mp4,text.mp4,4.mp4,,",
        "a.mp4,a.wav,5.mp4,many,quick",
        "a.mp4,a.wav,6.mp4,,quick",
        "a.mp4,a.wav,GOOD.mp4,,",
        "a.mp4,a.wav,b.wav,,",
        "a.mp4,a.wav,b.mp4,,",
        "b.mp4,a.wav,no/7.mp4,,",
        "a.mp4,a.wav,8.mp4,,,,,",
        "a.mp4,a.wav,9.txt,,",
        header="video,audio,output,steps,preset",
    )
    problems = problems_of(path)
    expected = [
        (3, "no.mp4"),
        (3, "never.wav"),
        (4, "audio is empty"),
        (5, "taken.mp4 exists already"),
        (6, "text.mp4 is not a movie"),
        (7, "text.mp4 is not a movie or sound"),
        (8, "many"),
        (9, "quick"),
        (10, "line 2"),
        (11, "b.wav: the name must end in"),
        (12, "input of line 13"),
        (13, "no folder"),
        (14, "8 cells under 5 columns"),
        (15, "9.txt"),
    ]
    assert len(problems) == len(expected)
    for problem, (line, words) in zip(problems, expected, strict=True):
        assert problem.startswith(f"{path}, line {line}: ")
        assert words in problem
    assert sorted(p.name for p in folder.iterdir()) == [
        "a.mp4", "a.wav", "b.mp4", "b.wav", "m.csv", "taken.mp4", "text.mp4",
    ]  # fmt: skip


def test_bad_columns_are_named_with_what_was_meant(write):
    path = write("a,b,c,d,e", header="video,sound,presett,seed,Seed")
    missing, output, sound, preset, twice = problems_of(path)
    assert "no column audio" in missing
    assert "no column output" in output
    assert "sound is no column" in sound
    assert "did you mean preset?" in preset
    assert "seed is there twice" in twice
    assert all(", line 1: " in p for p in (missing, output, sound, preset, twice))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\r\n \r\n", "is empty"),
        (b"video,audio,output\r\n", "has no rows"),
        (
            "video,audio,output\nfrançais.mp4,a.wav,o.mp4\n".encode("latin-1"),
            "line 2: this is not text in UTF-8",
        ),
        ("video,audio,output\na,b,c\n".encode("utf-16"), "UTF-8"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "is not text in UTF-8"),
        (b'video,audio,output\na.mp4,"a.wav,o.mp4\nb.mp4,b.wav,p.mp4\n', "line 2: this is not CSV"),
        (b"video,audio,output\n" + b"x" * 200_000 + b",a,b\n", "line 2: this is not CSV"),
        (b"x" * (MAX_BYTES + 1), "larger than 16 MB"),
    ],
)
def test_what_is_no_manifest_gets_one_sentence(folder, content, words):
    path = folder / "m.csv"
    path.write_bytes(content)
    (problem,) = problems_of(path)
    assert words in problem
    assert str(path) in problem


@pytest.mark.parametrize("name", ["none.csv", "", "x\0y.csv", "x" * 5000])
def test_a_manifest_that_is_not_there(folder, name):
    (problem,) = problems_of(folder / name)
    assert len(problem) < 6000


def test_hostile_names_get_a_sentence(write):
    long = "x" * 5000
    path = write(
        "a\0.mp4,a.wav,1.mp4,,",
        f"{long}.mp4,a.wav,2.mp4,,",
        f"a.mp4,a.wav,{long}.mp4,,",
        f"a.mp4,a.wav,4.mp4,{long},",
        f"a.mp4,a.wav,5.mp4,,{long}",
        "a.mp4,a.wav,6.mp4,w\0,r\0",
        "a.mp4,a.wav,7.mp4,~nobody-of-that-name/w,",
        '"\x1b[31m.mp4",a.wav,8.mp4,,',
        "a.mp4/a.mp4,a.wav,9.mp4,,",
        header="video,audio,output,weights,reference",
    )
    problems = problems_of(path)
    assert {p.split(", line ")[1].split(":")[0] for p in problems} == {str(n) for n in range(2, 11)}
    assert all(len(p) < 1000 and p.isprintable() for p in problems)


def test_an_output_that_is_an_input_by_another_name(folder, write):
    os.link(folder / "b.mp4", folder / "hard.mp4")
    (folder / "soft.mp4").symlink_to("b.mp4")
    path = write(
        "b.mp4,a.wav,fine.mp4,yes",
        "a.mp4,a.wav,hard.mp4,yes",
        "a.mp4,a.wav,soft.mp4,yes",
        "a.mp4,a.wav,./a.mp4,yes",
        header="video,audio,output,overwrite",
    )
    problems = problems_of(path)
    assert ["input of line" in p for p in problems] == [True] * 3


def test_the_same_output_by_another_name(folder, write):
    (folder / "same").symlink_to(folder, target_is_directory=True)
    path = write("a.mp4,a.wav,é.mp4", "b.mp4,b.wav,same/É.mp4", "b.mp4,b.wav,e\u0301.mp4")
    assert ["that of line 2" in p for p in problems_of(path)] == [True] * 2


def test_pictures_and_weights_beside_the_manifest(folder, write, monkeypatch):
    still(folder / "face.png")
    (folder / "my.safetensors").write_bytes(b"x")
    monkeypatch.chdir(folder.parent)
    path = write(
        "a.mp4,a.wav,1.mp4,face.png,my.safetensors",
        "a.mp4,a.wav,2.mp4,first,diff2lip",
        header="video,audio,output,reference,weights",
    )
    one, two = (job.options for job in read_manifest(path).jobs)
    assert (one.reference, one.weights) == (str(folder / "face.png"), str(folder / "my.safetensors"))
    assert (two.reference, two.weights) == ("first", "diff2lip")


def test_whom_to_dub_and_cues_beside_the_manifest(folder, write, monkeypatch):
    still(folder / "her.png")
    (folder / "1").touch()  # a name that is a number stays a number
    (folder / "cues.csv").write_text("start,end,face\n0,0.1,1\n")
    monkeypatch.chdir(folder.parent)
    path = write(
        "a.mp4,a.wav,1.mp4,her.png,cues.csv",
        "a.mp4,a.wav,2.mp4,1,",
        'a.mp4,a.wav,3.mp4,"1,2",',
        header="video,audio,output,faces,cues",
    )
    options = [job.options for job in read_manifest(path).jobs]
    assert [o.faces for o in options] == [str(folder / "her.png"), "1", "1,2"]
    assert [o.cues for o in options] == [str(folder / "cues.csv"), None, None]
    path = write(
        "a.mp4,a.wav,1.mp4,0,", "a.mp4,a.wav,2.mp4,,gone.srt", header="video,audio,output,faces,cues"
    )
    faces, cues = problems_of(path)
    assert "numbers from 1" in faces and "gone.srt" in cues


def test_missing_pictures_and_weights_are_named(write):
    path = write(
        "a.mp4,a.wav,1.mp4,face.png,",
        "a.mp4,a.wav,2.mp4,,diff2lup",
        header="video,audio,output,reference,weights",
    )
    picture, weights = problems_of(path)
    assert "face.png" in picture
    assert "did you mean diff2lip?" in weights


def test_options_that_do_not_go_together(write):
    path = write("a.mp4,a.wav,1.mp4,2,1", "a.mp4,a.wav,2.mp4,3,", header="video,audio,output,start,end")
    together, after = problems_of(path)
    assert "--end must lie after --start" in together
    assert "after the end of" in after


def test_a_dub_with_no_sound_in_it(folder, write):
    click_file(folder / "c.wav", times=(), seconds=0.0)
    assert len(problems_of(write("a.mp4,c.wav,1.mp4", "a.mp4,b.mp4,2.mp4"))) == 2


def test_progress_counts_rows(write):
    steps = []
    read_manifest(write("a.mp4,a.wav,1.mp4", "b.mp4,b.wav,2.mp4"), progress=steps.append)
    assert [(s.stage, s.done, s.total, s.unit) for s in steps] == [
        ("check", 1, 2, "rows"),
        ("check", 2, 2, "rows"),
    ]
