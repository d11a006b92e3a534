"""The key says whether two runs would make the same movie."""

from dataclasses import replace
from fractions import Fraction

import pytest

from lipdub.batch import job_key
from lipdub.batch.job import keys_of_finished
from lipdub.options import SyncOptions
from lipdub.weights import load_catalogue
from tests.support.media import still


@pytest.mark.parametrize(
    "change",
    [
        {"overwrite": True},
        {"device": "cpu"},
        {"batch_size": 3},
        {"steps": 25},
        {"weights": "diff2lip"},
        {"draft_if_offline": True},
        {"draft_if_offline": True, "weights": "diff2lip"},
        {"preset": "draft", "weights": "diff2lip", "steps": 25},
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
        {"weights": "draft"},
        {"preset": "draft", "steps": 25},
        {"faces": "largest"},
        {"faces": "1,2"},
        {"faces": "her.jpg"},
        {"cues": "cues.csv"},
        {"keep_unspoken": True},
    ],
)
def test_what_changes_the_output_changes_the_key(job, change):
    assert job_key(replace(job, options=SyncOptions(**change))) != job_key(job)


def test_the_draft_will_do_only_where_it_may_and_until_the_published_weights_are_here(
    job, monkeypatch, tmp_path
):
    monkeypatch.setenv("LIPDUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tmp_path))
    allowed = replace(job, options=SyncOptions(draft_if_offline=True))
    drafted = job_key(replace(job, options=SyncOptions(weights="draft")))
    assert job_key(allowed, "draft") == drafted
    assert keys_of_finished(allowed) == {job_key(job), drafted}
    assert keys_of_finished(job) == {job_key(job)}
    named = replace(job, options=SyncOptions(draft_if_offline=True, weights="diff2lip"))
    assert keys_of_finished(named) == {job_key(job)}
    (tmp_path / load_catalogue()["diff2lip"].file).touch()
    assert keys_of_finished(allowed) == {job_key(job)}


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
