"""The key says whether two runs would make the same movie."""

from dataclasses import replace
from fractions import Fraction

import pytest

from lipdub.batch import job_key
from lipdub.options import SyncOptions
from tests.support.media import still


@pytest.mark.parametrize(
    "change",
    [
        {"overwrite": True},
        {"device": "cpu"},
        {"batch_size": 3},
        {"steps": 25},
        {"weights": "diff2lip"},
    ],
)
def test_what_does_not_change_the_output_does_not_change_the_key(job, change):
    assert job_key(replace(job, options=SyncOptions(**change))) == job_key(job)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 24},
        {"preset": "draft"},
        {"reference": "first"},
        {"precision": "fp32"},
        {"seed": 8},
        {"start": Fraction(1, 3)},
        {"end": Fraction(1, 3)},
        {"keep_original_audio": True},
        {"language": "fra"},
        {"weights": "other.safetensors"},
        {"faces": "largest"},
        {"faces": "1,2"},
        {"faces": "her.jpg"},
        {"cues": "cues.csv"},
        {"keep_unspoken": True},
    ],
)
def test_what_changes_the_output_changes_the_key(job, change):
    assert job_key(replace(job, options=SyncOptions(**change))) != job_key(job)


@pytest.mark.parametrize("field", ["video", "audio", "output"])
def test_the_files_are_in_the_key(folder, job, field):
    assert job_key(replace(job, **{field: folder / "b.mp4"})) != job_key(job)


def test_the_key_knows_when_pictures_and_weights_change(folder, job):
    path = still(folder / "face.png")
    chosen = replace(job, options=SyncOptions(reference=str(path), weights=str(path)))
    key = job_key(chosen)
    still(path, (64, 64), seed=1)
    assert job_key(chosen) != key


def test_the_key_knows_when_cues_and_the_stems_they_name_change(folder, job):
    cues, stem, face = folder / "cues.csv", folder / "her.wav", still(folder / "her.png")
    cues.write_text("start,end,face,speech\n0,00:00:01:00,1,her.wav\n")
    chosen = replace(job, options=SyncOptions(cues=str(cues), faces=str(face)))
    keys = [job_key(chosen)]
    stem.write_bytes(b"one")
    keys.append(job_key(chosen))
    stem.write_bytes(b"other")
    keys.append(job_key(chosen))
    cues.write_text("start,end,face\n0,1,1\n")
    keys.append(job_key(chosen))
    still(face, (64, 64), seed=1)
    keys.append(job_key(chosen))
    assert len(set(keys)) == len(keys)


def test_line_and_links_are_not_in_the_key(folder, job):
    (folder / "link.mp4").symlink_to("a.mp4")
    assert job_key(replace(job, line=7, video=folder / "link.mp4")) == job_key(job)


def test_a_file_that_is_not_there_has_a_key_too(folder, job):
    assert job_key(replace(job, video=folder / "none.mp4", options=SyncOptions(weights="~nobody-here/w")))
