"""One thread puts packets in order: the same bytes every time, and times rounded once."""

import hashlib
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from lipdub.errors import RenderError
from lipdub.media.muxing import Scale
from lipdub.media.probe import probe_video
from lipdub.media.probe_sound import probe_audio
from lipdub.media.recipe import Remux
from lipdub.media.remux import remux
from lipdub.media.sound import choose_sound
from lipdub.media.streams import choose_streams
from tests.support.media import click_file, ffmpeg, movie
from tests.support.picture import picture_of
from tests.support.streams import srt_file, tags_file

SECONDS = 16


@pytest.mark.parametrize("seed", range(20))
def test_times_are_moved_exactly_and_rounded_once(seed):
    random = np.random.default_rng(seed)
    base, goal = (Fraction(1, int(random.integers(1, 200_000))) for _ in range(2))
    shift = Fraction(int(random.integers(-(10**9), 10**9)), int(random.integers(1, 10**6)))
    scale = Scale.between(base, goal, shift)
    for time in random.integers(-(10**12), 10**12, 50):
        exact = (int(time) * base + shift) / goal
        assert abs(scale(int(time)) - exact) <= Fraction(1, 2)


@pytest.mark.parametrize(("time", "rounded"), [(-13, -7), (-12, -6), (-1, -1), (1, 1), (3, 2), (13, 7)])
def test_halves_are_rounded_away_from_0_as_libavutil_does(time, rounded):
    assert Scale.between(Fraction(1, 2000), Fraction(1, 1000))(time) == rounded


@pytest.fixture(scope="module")
def sparse(tmp_path_factory):
    """A movie with a subtitle near its end only, a sound track that ends early, and chapters."""
    folder = tmp_path_factory.mktemp("sparse")
    picture = movie(folder / "picture.mp4", count=25 * SECONDS, noise=False, options={"preset": "ultrafast"})
    sound = click_file(folder / "sound.wav", seconds=4)
    text, tags = srt_file(folder / "a.srt", [SECONDS - 2.0]), tags_file(folder / "tags.txt")
    inputs = [word for path in (picture, sound, text, tags) for word in ("-i", str(path))]
    maps = ["-map", "0:v", "-map", "1:a", "-map", "1:a", "-map", "2:s", "-map_metadata", "3"]
    ffmpeg(*inputs, *maps, "-c:v", "copy", "-c:a", "aac", "-c:s", "srt", str(folder / "a.mkv"))
    return folder / "a.mkv"


def job_of(sparse, dub, suffix):
    info, sound = probe_video(sparse), probe_audio(dub)
    picture = sparse.with_name("picture.mp4")
    carried, _ = choose_streams(info, suffix, True)
    return Remux(
        info,
        picture_of(picture, info),
        sound,
        choose_sound(sound, suffix, True),
        Fraction(SECONDS),
        False,
        carried,
    )


DUBS = [(".mp4", ".wav"), (".mov", ".m4a"), (".mkv", ".flac"), (".mkv", ".m4a"), (".ts", ".wav")]


@pytest.mark.parametrize(("suffix", "dub"), DUBS)
def test_the_same_inputs_give_the_same_bytes(tmp_path, sparse, suffix, dub):
    job = job_of(sparse, click_file(tmp_path / f"dub{dub}", seconds=SECONDS), suffix)
    hashes = set()
    for busy in (0, 0, 3):
        neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        try:
            remux(job, tmp_path / "out", suffix)
        finally:
            for neighbour in neighbours:
                neighbour.kill()
                neighbour.wait()
        hashes.add(hashlib.sha256((tmp_path / "out").read_bytes()).hexdigest())
    assert len(hashes) == 1
    data = (tmp_path / "out").read_bytes()
    assert b"Lavf6" not in data  # no version of a muxer, nor of an encoder that was not there before
    assert data.count(b"Lavc6") <= sum(
        path.read_bytes().count(b"Lavc6") for path in (sparse, job.picture.segments[0].path, job.dub.path)
    )


@pytest.mark.parametrize("dub", [".wav", ".m4a"])
def test_packets_lie_in_the_file_in_the_order_of_their_times(tmp_path, sparse, dub):
    remux(job_of(sparse, click_file(tmp_path / f"dub{dub}", seconds=SECONDS), ".mkv"), tmp_path / "o", ".mkv")
    with av.open(str(tmp_path / "o")) as container:
        times = [p.dts * p.time_base for p in container.demux() if p.dts is not None]
    assert len(times) > 25 * SECONDS
    early = [before - after for before, after in pairwise(times)]
    assert max(early) <= Fraction(25, 1000)  # the delay of the encoder of AAC, by which a packet is moved


def test_progress_goes_up_to_the_length(tmp_path, sparse):
    steps = []
    job = job_of(sparse, click_file(tmp_path / "dub.wav", seconds=SECONDS), ".mp4")
    remux(job, tmp_path / "out", ".mp4", steps.append)
    assert {(step.stage, step.total, step.unit) for step in steps} == {("remux", SECONDS, "s")}
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == SECONDS
    assert len(steps) >= SECONDS - 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said(tmp_path, sparse):
    job = job_of(sparse, click_file(tmp_path / "dub.wav", seconds=SECONDS), ".mkv")
    with pytest.raises(RenderError, match="the disk is full"):
        remux(job, Path("/dev/full"), ".mkv")


def test_a_movie_that_is_damaged_half_way_keeps_what_can_be_read(tmp_path, sparse):
    whole = sparse.read_bytes()
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(whole[: len(whole) // 2])
    job = job_of(sparse, click_file(tmp_path / "dub.wav", seconds=SECONDS), ".mkv")
    broken_job = Remux(probe_video(broken), job.picture, job.dub, job.sound, job.length, False, job.carried)
    remux(broken_job, tmp_path / "out.mkv", ".mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert len([p for p in container.demux(video=0) if p.size]) == 25 * SECONDS
