"""The whole of prepare on drawn faces: what comes out is exact, a bad file is a line, and it goes on."""

import errno
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from lipdub import cache, looking
from lipdub.dataset import making, preparing, shardfile
from lipdub.dataset.options import PrepareOptions
from lipdub.dataset.preparing import Prepared, make_shard, prepare
from lipdub.dataset.sidecar import Chunk
from lipdub.dataset.sources import find_sources
from lipdub.dataset.workers import CRASHED, Here
from lipdub.errors import DatasetError, OutputError, RenderError
from lipdub.faces import analyse as analysing
from lipdub.media.hearing import decode_for_network
from lipdub.media.probe_sound import probe_audio
from tests.support.media import click_offsets, clicks, movie, still
from tests.support.talking import OPEN, TalkingLandmarker, apertures, talking_movie, voice

OPENING = apertures(60)


@pytest.fixture(autouse=True)
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Drawn faces are seen, nobody is told apart, and the videos that are looked at are listed."""
    monkeypatch.setattr(preparing, "load_landmarker", lambda: nullcontext(TalkingLandmarker()))
    monkeypatch.setattr(preparing, "load_embedder", lambda: None)
    monkeypatch.setattr(preparing, "speaker_of", lambda sound: None)
    seen: list[Path] = []
    analyse = making.analyse

    def counted(info, *args, **options):
        seen.append(info.path)
        return analyse(info, *args, **options)

    monkeypatch.setattr(making, "analyse", counted)
    return seen


def run(inputs: Path, folder: Path, **options) -> Prepared:
    return prepare([inputs], folder, PrepareOptions(**options), Here())


def members(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            found |= {name: tar.extractfile(name).read() for name in tar.getnames()}
    return found


def metas(folder: Path) -> list[dict]:
    return [json.loads(data) for name, data in members(folder).items() if name.endswith(".json")]


def sounds(folder: Path) -> Iterator[np.ndarray]:
    for name, data in members(folder).items():
        if name.endswith(".flac"):
            with av.open(io.BytesIO(data)) as container:
                yield np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)])


def pictures(folder: Path) -> list[np.ndarray]:
    files = [data for name, data in members(folder).items() if name.endswith((".jpg", ".png"))]
    return [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) for data in files]


def mouth(picture: np.ndarray, size: int = 160) -> float:
    """The aperture that a stored picture shows: rows of its colour, over the face's."""
    inner = size / 1.25
    green = picture[:, size // 2, 1]
    return float(((green > OPEN / 2) & (green < 2 * OPEN)).sum() / inner)


def reasons(prepared: Prepared) -> dict[str, int]:
    return dict(prepared.totals.errors) | dict(prepared.totals.stretches)


def test_pictures_sound_and_measures_of_a_clip_belong_together(tmp_path: Path):
    (tmp_path / "in/anna").mkdir(parents=True)
    talking_movie(tmp_path / "in/anna/a.mkv", OPENING, voice(OPENING))
    run(tmp_path / "in", tmp_path / "out", pictures="png")
    (meta,) = metas(tmp_path / "out")
    assert (meta["format"], meta["frames"], meta["size"], meta["margin"]) == (1, 60, 160, 0.125)
    assert (meta["source"], meta["audio"], meta["speaker"]) == ("in/anna/a.mkv", "a.wav", "anna")
    assert (meta["start"], meta["shift"]) == (0, 0)
    assert meta["confidence"] > 1
    np.testing.assert_allclose(meta["aperture"], OPENING, atol=0.02)
    assert len(meta["yaw"]) == len(meta["pitch"]) == 60
    shown = pictures(tmp_path / "out")
    assert [picture.shape for picture in shown] == [(160, 160, 3)] * 60
    np.testing.assert_allclose([mouth(p) for p in shown], meta["aperture"], atol=0.03)
    (sound,) = sounds(tmp_path / "out")
    whole = decode_for_network(probe_audio(tmp_path / "in/anna/a.wav"), tmp_path / "x.pcm")
    np.testing.assert_array_equal(sound, whole)


def test_the_margin_lies_around_the_crop(tmp_path: Path):
    (tmp_path / "in").mkdir()
    talking_movie(tmp_path / "in/a.mkv", np.zeros(30), voice(np.full(30, 0.2)))
    run(tmp_path / "in", tmp_path / "out", pictures="png", size=64, margin=Fraction(1, 4))
    picture = pictures(tmp_path / "out")[15]
    assert picture.shape == (96, 96, 3)
    magenta = (picture[..., 1] < 45) & (picture[..., 0] > 170)
    rows, columns = np.flatnonzero(magenta.any(axis=1)), np.flatnonzero(magenta.any(axis=0))
    # The face is its own crop: it fills the inner 64 pixels.
    np.testing.assert_allclose([rows[0], rows[-1], columns[0], columns[-1]], [16, 79, 16, 79], atol=2)


@pytest.mark.parametrize("shift", [-5, 4])
def test_sound_that_is_off_is_shifted_into_place(tmp_path: Path, shift: int):
    (tmp_path / "in").mkdir()
    talking_movie(tmp_path / "in/a.mkv", OPENING, voice(OPENING, shift))
    run(tmp_path / "in", tmp_path / "out")
    (meta,), (sound,) = metas(tmp_path / "out"), sounds(tmp_path / "out")
    assert meta["shift"] == shift
    assert meta["frames"] == 60 - abs(shift)
    assert meta["start"] == (0.2 if shift == -5 else 0)
    whole = decode_for_network(probe_audio(tmp_path / "in/a.wav"), tmp_path / "x.pcm")
    first = max(0, shift) * 640
    np.testing.assert_array_equal(sound, whole[first : first + 640 * meta["frames"]])


def test_sound_that_is_off_may_be_dropped_or_kept(tmp_path: Path):
    (tmp_path / "in").mkdir()
    talking_movie(tmp_path / "in/a.mkv", OPENING, voice(OPENING, 6))
    for options in ({"sync": "drop"}, {"max_shift": 3}):
        with pytest.raises(DatasetError, match="not one clip"):
            run(tmp_path / "in", tmp_path / "out", **options, fresh=True)
        assert "off sync (by 6 frames)" in json.dumps(json.loads((tmp_path / "out/report.json").read_text()))
    run(tmp_path / "in", tmp_path / "out", sync="keep", fresh=True)
    assert [(m["shift"], m["confidence"]) for m in metas(tmp_path / "out")] == [(0, None)]


def test_clips_whose_sync_nothing_tells_are_counted(tmp_path: Path):
    """A still mouth fits every sound: the clip is kept, and the report and the sentence say so."""
    (tmp_path / "in").mkdir()
    talking_movie(tmp_path / "in/a.mkv", OPENING, voice(OPENING))
    talking_movie(tmp_path / "in/b.mkv", np.zeros(60), voice(OPENING))
    prepared = run(tmp_path / "in", tmp_path / "out")
    assert (prepared.totals.clips, prepared.totals.untold) == (2, 1)
    assert "nothing told whether 1 of 2 clips" in prepared.report.read_text()
    assert ", sync not told of 1 clip; " in prepared.sentence
    assert run(tmp_path / "in", tmp_path / "out").totals.untold == 1


def test_another_rate_is_resampled_exactly(tmp_path: Path):
    """At 50 frames a second that end in a brisk mouth: every second one is shown, at its time."""
    (tmp_path / "in").mkdir()
    opening = np.repeat(OPENING, 2)
    opening[1::2] = 0.3
    talking_movie(tmp_path / "in/a.mkv", opening, voice(OPENING), rate=Fraction(50))
    run(tmp_path / "in", tmp_path / "out")
    (meta,) = metas(tmp_path / "out")
    np.testing.assert_allclose(meta["aperture"], OPENING, atol=0.02)


def test_a_variable_rate_is_followed_to_the_sample(tmp_path: Path):
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(5)
    pts = (np.cumsum(rng.integers(20, 60, 80)) + 113).tolist()
    seconds = np.array(pts) / 1000
    opening = np.interp(seconds, np.arange(200) / 25, apertures(200, 3))
    times = (0.5, 1.25, 2.0)
    sound = clicks(times, 4.0, 16_000) + voice(apertures(100, 3)) / 100
    talking_movie(tmp_path / "in/a.mkv", opening, sound, pts=pts)
    run(tmp_path / "in", tmp_path / "out", sync="keep")
    (meta,), (heard,) = metas(tmp_path / "out"), sounds(tmp_path / "out")
    start = meta["start"]
    assert len(heard) == 640 * meta["frames"]
    late = click_offsets(heard / 32768, 16_000, [time - start for time in times])
    assert np.abs(late).max() < 1 / 16_000
    for k, value in enumerate(meta["aperture"]):
        away = np.abs(seconds - (start + k / 25))
        near = np.flatnonzero(away <= away.min() + 0.0005)  # the movie's times are milliseconds
        assert min(abs(value - opening[i]) for i in near) < 0.02


def test_bad_files_are_lines_of_the_report(tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    talking_movie(folder / "good.mkv", OPENING, voice(OPENING))
    talking_movie(folder / "mute.mkv", OPENING, None)
    talking_movie(folder / "quiet.mkv", OPENING, voice(OPENING) / 5000)
    talking_movie(folder / "short.mkv", OPENING[:20], voice(OPENING[:20]))
    talking_movie(folder / "small.mkv", OPENING, voice(OPENING), box=(50, 20, 40, 51))
    movie(folder / "nobody.mp4", count=30, sound=True)
    (folder / "junk.mp4").write_bytes(b"no movie" * 100)
    (folder / "empty.mp4").touch()
    whole = (folder / "good.mkv").read_bytes()
    (folder / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "cut.wav").write_bytes((folder / "good.wav").read_bytes())
    still(folder / "still.png").rename(folder / "still.mp4")
    prepared = run(folder, tmp_path / "out")
    assert reasons(prepared) == {
        "no sound": 1, "silent": 1, "too short": 1, "face too small": 1, "no face": 1, "cannot be read": 2,
        "a still picture": 1,
    }  # fmt: skip
    assert {meta["source"] for meta in metas(tmp_path / "out")} == {"in/good.mkv", "in/cut.mkv"}
    report = (tmp_path / "out/report.md").read_text()
    assert "in/junk.mp4" in report
    assert "in/quiet.mkv" in report
    assert (prepared.totals.videos, prepared.totals.empty) == (10, 8)


def test_whatever_a_library_raises_is_a_line_of_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "in").mkdir()
    talking_movie(tmp_path / "in/a.mkv", OPENING, voice(OPENING))
    talking_movie(tmp_path / "in/b.mkv", OPENING, voice(OPENING))
    find = making.find_people

    def broken(tracks, *rest):
        if not calls:
            calls.append(1)
            raise cv2.error("no such thing")
        return find(tracks, *rest)

    calls: list[int] = []
    monkeypatch.setattr(making, "find_people", broken)
    prepared = run(tmp_path / "in", tmp_path / "out")
    assert prepared.totals.clips == 1
    assert prepared.totals.errors == {"cannot be read": 1}


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Three movies."""
    (tmp_path / "in").mkdir()
    for number in range(3):
        opening = apertures(40, number)
        talking_movie(tmp_path / f"in/{number}.mkv", opening, voice(opening))
    return tmp_path / "in"


def test_finished_shards_are_not_made_again(three: Path, tmp_path: Path, looked_at: list[Path]):
    first = run(three, tmp_path / "out", per_shard=1)
    before = members(tmp_path / "out")
    assert len(looked_at) == 3
    again = run(three, tmp_path / "out", per_shard=1)
    assert len(looked_at) == 3
    assert (again.skipped, again.totals) == (3, first.totals)
    (tmp_path / "out/shard-000001.tar").unlink()
    (tmp_path / "out/shard-000002.json").write_text("{")
    run(three, tmp_path / "out", per_shard=1)
    assert [path.name for path in looked_at[3:]] == ["1.mkv", "2.mkv"]
    assert members(tmp_path / "out") == before


def test_one_shard_or_several_hold_the_same_clips(three: Path, tmp_path: Path):
    run(three, tmp_path / "one")
    run(three, tmp_path / "three", per_shard=1)
    assert members(tmp_path / "one") == members(tmp_path / "three")
    assert len(list((tmp_path / "three").glob("*.tar"))) == 3


def test_a_network_is_read_once_for_all_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIPDUB_CACHE", str(tmp_path / "cache"))
    expert, read, hashed = tmp_path / "expert.pth", [], cache.sha256_of
    expert.write_bytes(b"one")
    monkeypatch.setattr(cache, "sha256_of", lambda path, told=None: read.append(path) or hashed(path, told))

    def recipes() -> set[str]:
        options = PrepareOptions(expert=str(expert))
        return {Chunk(number, 0, (), options, str(tmp_path)).recipe for number in range(3)}

    before = recipes()
    assert (len(before), len(read)) == (1, 1)
    expert.write_bytes(b"another")
    assert recipes().isdisjoint(before)


@pytest.mark.parametrize("what", ["options", "videos", "fewer"])
def test_shards_of_something_else_are_not_mixed(three: Path, tmp_path: Path, what: str):
    run(three, tmp_path / "out", per_shard=2)
    if what == "videos":
        opening = apertures(45)
        talking_movie(three / "0.mkv", opening, voice(opening))
    elif what == "fewer":
        (three / "2.mkv").unlink()
    options = {"size": 64} if what == "options" else {}
    with pytest.raises(OutputError, match="--fresh"):
        run(three, tmp_path / "out", per_shard=2, **options)
    assert run(three, tmp_path / "out", per_shard=2, fresh=True, **options).skipped == 0


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_a_run_that_is_stopped_goes_on(
    three: Path, tmp_path: Path, looked_at: list[Path], monkeypatch: pytest.MonkeyPatch, stop: object
):
    run(three, tmp_path / "whole", per_shard=1)
    looked_at.clear()
    add = shardfile.tarfile.TarFile.addfile

    def stopped(tar, entry, file):
        if entry.name.startswith("0000001_0000.000010"):
            raise stop
        add(tar, entry, file)

    with monkeypatch.context() as patch, pytest.raises((KeyboardInterrupt, RenderError)) as caught:
        patch.setattr(shardfile.tarfile.TarFile, "addfile", stopped)
        run(three, tmp_path / "out", per_shard=1)
    if caught.type is RenderError:
        assert "disk is full" in str(caught.value)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {".lock", "shard-000000.tar", "shard-000000.json"}
    run(three, tmp_path / "out", per_shard=1)
    assert [path.name for path in looked_at] == ["0.mkv", "1.mkv", "1.mkv", "2.mkv"]
    assert members(tmp_path / "out") == members(tmp_path / "whole")
    assert not list((tmp_path / "out").glob("*.reading"))


def test_a_shard_that_nothing_is_said_of_does_not_stay(three: Path, tmp_path: Path):
    """A run was killed between a shard and what is written beside it, and the next one makes fewer."""
    run(three, tmp_path / "out", per_shard=1)
    for number in range(3):
        (tmp_path / f"out/shard-00000{number}.json").unlink()
    (tmp_path / "out/shard-other.tar").write_bytes(b"somebody else's")
    run(three, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tar")) == [
        "shard-000000.tar", "shard-other.tar",
    ]  # fmt: skip


def test_a_long_video_is_looked_at_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "in").mkdir()
    talking_movie(tmp_path / "in/a.mkv", OPENING, voice(OPENING))
    monkeypatch.setattr(making, "LONG", 60)
    monkeypatch.setattr(analysing, "PART_FRAMES", 20)
    monkeypatch.setattr(looking, "fetch", lambda name: tmp_path / "in/a.mkv")
    frames: list[int] = []

    class Seeing(TalkingLandmarker):
        def __call__(self, image: np.ndarray) -> list:
            frames.append(1)
            if len(frames) == 50:
                raise KeyboardInterrupt
            return super().__call__(image)

    monkeypatch.setattr(preparing, "load_landmarker", lambda: nullcontext(Seeing()))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "in", tmp_path / "out")
    stopped = len(frames)
    run(tmp_path / "in", tmp_path / "out")
    resumed = len(frames)
    monkeypatch.setattr(making, "LONG", 61)
    run(tmp_path / "in", tmp_path / "whole")
    # At least the first part, of 20 frames, is not looked at again.
    assert resumed - stopped <= len(frames) - resumed - 20
    assert members(tmp_path / "out") == members(tmp_path / "whole")


class Dying(Here):
    """Workers that die at a video."""

    def __init__(self, at: int) -> None:
        self.at = at

    def map(self, function: Callable, items: list[Chunk]) -> Iterator:
        for chunk in items:
            if chunk.first <= self.at < chunk.first + len(chunk.sources) and self.at not in chunk.fatal:
                chunk.reading.write_text(str(self.at))
                yield chunk, CRASHED
            else:
                yield chunk, function(chunk)


def test_a_video_that_kills_its_reader_is_left_out(three: Path, tmp_path: Path):
    prepared = prepare([three], tmp_path / "out", PrepareOptions(), Dying(1))
    assert {meta["source"] for meta in metas(tmp_path / "out")} == {"in/0.mkv", "in/2.mkv"}
    assert prepared.totals.errors == {preparing.FATAL: 1}


def test_workers_that_die_before_they_read_are_an_error(three: Path, tmp_path: Path):
    class Dead(Here):
        def map(self, function: Callable, items: list[Chunk]) -> Iterator:
            return ((chunk, CRASHED) for chunk in items)

    with pytest.raises(DatasetError, match="memory"):
        prepare([three], tmp_path / "out", PrepareOptions(), Dead())


def test_a_folder_is_filled_by_one_run_at_a_time(three: Path, tmp_path: Path):
    class Second(Here):
        def map(self, function: Callable, items: list[Chunk]) -> Iterator:
            with pytest.raises(OutputError, match="another lipdub prepare"):
                run(three, tmp_path / "out")
            return super().map(function, items)

    prepare([three], tmp_path / "out", PrepareOptions(), Second())


def test_a_folder_that_cannot_be_made_is_said(three: Path, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        run(three, tmp_path / "file/out")


def test_the_report_stands_in_its_place_whatever_names_are(tmp_path: Path):
    (tmp_path / "in").mkdir()
    talking_movie(tmp_path / "in/good.mkv", OPENING, voice(OPENING))
    (tmp_path / "in/# a|b\n*c*.mp4").write_text("x")
    run(tmp_path / "in", tmp_path / "out")
    (line,) = [row for row in (tmp_path / "out/report.md").read_text().splitlines() if "a\\|b" in row]
    assert line.startswith("- in/\\# a\\|b\\\\n\\*c\\*.mp4: cannot be read")


def test_two_people_are_two_speakers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "in/anna").mkdir(parents=True)
    video = tmp_path / "in/anna/a.mkv"
    talking_movie(video, OPENING, voice(OPENING))
    find = making.find_people

    def doubled(tracks, *rest):
        found = find(tracks, *rest)
        return type(found)((*found.persons, *found.persons), dict.fromkeys(found.numbers, 2), found.who)

    monkeypatch.setattr(making, "find_people", doubled)
    run(tmp_path / "in", tmp_path / "out")
    assert [meta["speaker"] for meta in metas(tmp_path / "out")] == ["anna/a-2"]


def test_a_shard_is_made_from_its_description_alone(three: Path, tmp_path: Path):
    """As another machine would."""
    (tmp_path / "out").mkdir()
    chunk = Chunk(7, 30, tuple(find_sources([three])), PrepareOptions(), str(tmp_path / "out"))
    assert make_shard(chunk) is chunk
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"shard-000007.tar", "shard-000007.json"}
    assert sorted({name.partition(".")[0] for name in members(tmp_path / "out")}) == [
        f"{30 + number:07d}_0000" for number in range(3)
    ]
