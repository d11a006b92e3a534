"""From a movie to a plan: whom to dub, the cue sheet, the sheet of faces."""

from collections.abc import Callable
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np
import pytest

from lipdub import gating, looking, planning, speaker
from lipdub.checks import check_cues, check_faces, check_job, files_of
from lipdub.deciding import decide as decide_in
from lipdub.deciding import sheet_of, write_plan
from lipdub.errors import CueError, MediaError, OptionError, OutputError
from lipdub.faces.identity import five_points
from lipdub.faces.mouths import Mouth
from lipdub.looking import NUMBERED_HERE, pictured_face
from lipdub.media.probe import VideoInfo, probe_video
from lipdub.options import SyncOptions
from lipdub.people import UNKNOWN
from lipdub.plan import DUB, Plan, Stem
from lipdub.planfile import load_plan
from lipdub.planning import make_plan
from tests.support.faces import BlobLandmarker, blank_image, draw_face
from tests.support.jobs import plan_by_hand
from tests.support.media import click_file, movie

SIZE, COUNT, CUT = (320, 180), 60, 30
TALL, SHORT = (62, 80), (45, 58)


def decide(info: VideoInfo, options: SyncOptions) -> Plan:
    with TemporaryDirectory() as work:
        return decide_in(info, options, Path(work))


def by_height(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Stands in for SFace: people are known by the size of their faces."""
    left, right = five_points(landmarks)[:2]
    return 10 * np.eye(128, dtype=np.float32)[int(np.linalg.norm(right - left) > 25)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tall and a short face; after a cut, the tall one alone, elsewhere."""

    def frames():
        for n in range(COUNT):
            image = blank_image(*SIZE)
            if n >= CUT:
                image[:, ::40] = image[90:] = 220
                draw_face(image, (220, 60, *TALL))
            else:
                draw_face(image, (30, 40, *TALL))
                draw_face(image, (200, 60, *SHORT))
            yield av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="bgr0")

    made = tmp_path_factory.mktemp("cast") / "a.mkv"
    return movie(made, codec="ffv1", pix_fmt="bgr0", size=SIZE, count=COUNT, frames=frames())


@pytest.fixture
def cast(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Stand-ins for the landmarker and SFace; no other network, whatever is on this machine."""
    (tmp_path / "weights").touch()
    monkeypatch.setattr("lipdub.weights.locate_if_possible", lambda name, progress: None)

    def stand_in(embedder: object) -> None:
        monkeypatch.setattr(looking, "load_landmarker", lambda progress: nullcontext(BlobLandmarker()))
        monkeypatch.setattr(looking, "load_embedder", lambda progress: embedder)
        monkeypatch.setattr(looking, "fetch", lambda name: tmp_path / "weights")

    stand_in(by_height)
    unknown = Mouth(np.nan, np.nan, np.nan)  # a drawn face is too flat to be called sharp
    monkeypatch.setattr("lipdub.faces.sighting.look_at_mouth", lambda image, box: unknown)
    return stand_in


def faces_at(plan: Plan, info: VideoInfo) -> list[set[int]]:
    """Who changes in each frame."""
    frames = np.round(plan.edits["pts"] * float(info.time_base * info.rate)).astype(int)
    return [set(plan.edits["face"][frames == n].tolist()) for n in range(COUNT)]


@pytest.mark.usefixtures("cast")
def test_references_change_between_what_the_dub_says(path: Path, monkeypatch: pytest.MonkeyPatch):
    spans, told = np.array([[0.2, 0.9], [1.4, 2.0]]), []

    def plan_of(*args: object, talk: object, **known: object) -> Plan:
        told.append(talk)
        return make_plan(*args, talk=talk, **known)

    monkeypatch.setattr("lipdub.deciding.speech_seconds", lambda pcm, progress: (spans, []))
    monkeypatch.setattr("lipdub.deciding.make_plan", plan_of)
    info = probe_video(path)
    with TemporaryDirectory() as work:
        silence = np.zeros(COUNT * 640, np.int16)
        plan = decide_in(info, SyncOptions(reference="pose", faces="all"), Path(work), silence)
    assert [list(talk) for talk in told] == [[DUB]]
    assert np.array_equal(told[0][DUB], spans)
    assert {edit.reference for edit in plan} == set(range(len(plan.references)))


@pytest.mark.usefixtures("cast")
def test_numbers_are_those_of_the_whole_movie(path: Path):
    info = probe_video(path)
    assert faces_at(decide(info, SyncOptions(faces="all")), info) == [{1, 2}] * CUT + [{1}] * CUT
    assert faces_at(decide(info, SyncOptions(faces="2")), info) == [{2}] * CUT + [set()] * CUT
    late = SyncOptions(faces="1", start=Fraction(CUT + 5) / info.rate)
    assert faces_at(decide(info, late), info) == [set()] * (CUT + 5) + [{1}] * (CUT - 5)
    with pytest.raises(OptionError, match="no face 3; in what was looked at there is 1, 2"):
        decide(info, SyncOptions(faces="3"))


def test_without_sface_nobody_is_known_after_the_cut_and_it_is_told(path: Path, cast: Callable[..., None]):
    info = probe_video(path)
    assert UNKNOWN not in decide(info, SyncOptions(faces="all")).notes
    cast(None)
    plan = decide(info, SyncOptions(faces="all"))
    assert len(plan.people) == 3
    assert UNKNOWN in plan.notes
    with pytest.raises(OptionError, match="fetch-weights sface"):
        decide(info, SyncOptions(faces="her.jpg"))


@pytest.mark.usefixtures("cast")
def test_the_sound_of_a_movie_that_was_looked_at_is_not_decoded_again(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LIPDUB_CACHE", str(tmp_path / "cache"))
    decoded = []

    class Heard(speaker.Original):
        is_there = True

        @property
        def pcm(self) -> np.ndarray:
            decoded.append(1)
            return (3000 * np.random.default_rng(0).standard_normal(32_000)).astype(np.int16)

    monkeypatch.setattr(looking, "Original", Heard)
    first = looking.look_at(probe_video(path), SyncOptions(), tmp_path)
    assert decoded
    decoded.clear()
    again = looking.look_at(probe_video(path), SyncOptions(), tmp_path)
    assert not decoded
    np.testing.assert_array_equal(again.original, first.original)
    assert again.notes == first.notes


@pytest.mark.usefixtures("cast")
def test_who_can_be_changed_is_found_out_once(path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr(planning, "measure", lambda *of: asked.append(of[0].id) or gating.measure(*of))
    assert len(decide(probe_video(path), SyncOptions(faces="all")).edits)
    assert sorted(asked) == [0, 1, 2]


@pytest.mark.usefixtures("cast")
def test_a_picture_says_whom_to_dub(path: Path, tmp_path: Path):
    image = blank_image(100, 100)
    draw_face(image, (20, 20, *SHORT))
    cv2.imwrite(str(tmp_path / "her.png"), image[..., ::-1])
    info = probe_video(path)
    plan = decide(info, SyncOptions(faces=str(tmp_path / "her.png")))
    assert faces_at(plan, info) == [{2}] * CUT + [set()] * CUT
    cv2.imwrite(str(tmp_path / "nobody.png"), blank_image(100, 100))
    with pytest.raises(MediaError, match="no face was found in the picture of whom to dub"):
        pictured_face(str(tmp_path / "nobody.png"), BlobLandmarker(), by_height)


@pytest.mark.usefixtures("cast")
def test_cues_reach_the_plan_and_its_file(path: Path, tmp_path: Path):
    stem = click_file(tmp_path / "her.wav", rate=16_000)
    (tmp_path / "cues.csv").write_text("start,end,face,speech\n0,0.4,2,her.wav\n0.4,0.8,1,\n")
    options = SyncOptions(cues=str(tmp_path / "cues.csv"))
    made = write_plan(path, tmp_path / "plan.json", options)
    plan = load_plan(tmp_path / "plan.json")
    assert plan.stems == made.stems == (Stem(str(stem)),)
    assert {(int(e.face), int(e.sound)) for e in plan} == {(2, 1), (1, DUB)}
    assert options.cues in map(str, files_of(options))
    (tmp_path / "cues.csv").write_text("start,end,face\n0,1,4\n")
    with pytest.raises(CueError, match=r"cues.csv, line 2: there is no face 4; the movie has 1, 2"):
        decide(probe_video(path), options)


@pytest.mark.usefixtures("cast")
def test_the_sheet_shows_everybody(path: Path, tmp_path: Path):
    options, sheet = SyncOptions(), tmp_path / "faces.png"
    write_plan(path, tmp_path / "plan.json", options, sheet=sheet)
    picture = cv2.imread(str(sheet))
    magenta = (np.abs(picture.astype(int) - (255, 0, 255)) < 40).all(axis=-1)
    assert magenta[:, : picture.shape[1] // 2].any() and magenta[:, picture.shape[1] // 2 :].any()


def test_a_sheet_that_cannot_be_drawn_is_refused_before_the_movie_is_looked_at(path: Path, tmp_path: Path):
    with pytest.raises(OutputError, match=r"faces\.doc: .* must end in"):
        write_plan(path, tmp_path / "plan.json", SyncOptions(), sheet=tmp_path / "faces.doc")
    assert not list(tmp_path.iterdir())


def test_a_picture_that_is_not_there_is_the_sheet_to_draw(tmp_path: Path):
    named = str(tmp_path / "faces.PNG")
    assert sheet_of(SyncOptions(faces=named), None) == (SyncOptions(), Path(named))
    Path(named).touch()
    for faces, given in ((named, None), (str(tmp_path / "gone.txt"), None), ("1,2", None), ("all", None)):
        assert sheet_of(SyncOptions(faces=faces), given) == (SyncOptions(faces=faces), given)
    gone = SyncOptions(faces=str(tmp_path / "gone.png"))
    assert sheet_of(gone, Path("b.png")) == (gone, Path("b.png"))


def test_the_cue_sheet_and_its_files_are_looked_at_first(path: Path, tmp_path: Path):
    info, cues, dub = probe_video(path), tmp_path / "cues.csv", click_file(tmp_path / "dub.wav")
    options = SyncOptions(cues=str(cues))
    with pytest.raises(CueError, match="no file"):
        check_cues(info, options)
    (tmp_path / "words.txt").write_text("no sound")
    cues.write_text("start,end,face,speech\n0,1,1,dub.wav\n1,2,1,words.txt\n2,3,1,words.txt\n")
    with pytest.raises(CueError, match=r"cues.csv, line 3: .*words.txt"):
        check_job(path, dub, tmp_path / "out.mp4", options)
    cues.write_text("start,end,face\n00:00:00:99,1,1\n")
    with pytest.raises(CueError, match=r"line 2: .*frames 0 to"):
        check_job(path, dub, tmp_path / "out.mp4", options)
    with pytest.raises(OptionError, match=r"no file .*gone.jpg"):
        check_job(path, dub, tmp_path / "out.mp4", SyncOptions(faces=str(tmp_path / "gone.jpg")))


@pytest.mark.parametrize("choice", [{"faces": "all"}, {"cues": "c.csv"}, {"keep_unspoken": True}])
def test_a_plan_leaves_nothing_to_choose(path: Path, tmp_path: Path, choice: dict[str, object]):
    plan = plan_by_hand(path)
    (tmp_path / "c.csv").write_text("start,end,face\n0,1,1\n")
    if "cues" in choice:
        choice = {"cues": str(tmp_path / "c.csv")}
    dub = click_file(tmp_path / "dub.wav")
    with pytest.raises(OptionError, match="leave out --start, --end, --reference, --faces, --cues"):
        check_job(path, dub, tmp_path / "out.mp4", SyncOptions(**choice), plan)


@pytest.mark.usefixtures("cast")
def test_a_sheet_of_faces_is_drawn_again_and_is_no_picture_of_a_person(path: Path, tmp_path: Path):
    named = SyncOptions(faces=str(tmp_path / "faces.png"), overwrite=True)
    for _ in range(2):
        options, sheet = sheet_of(named, None)
        assert (options.faces, sheet) == ("auto", tmp_path / "faces.png")
        write_plan(path, tmp_path / "plan.json", options, sheet=sheet)
    assert cv2.imread(str(tmp_path / "faces.png")) is not None
    with pytest.raises(OptionError, match="is a sheet of faces; give --faces the number"):
        check_faces(named)


def test_a_restorer_that_is_not_there_is_found_before_any_work(path: Path, tmp_path: Path):
    dub = click_file(tmp_path / "dub.wav", seconds=1)
    with pytest.raises(OptionError, match=r"there is no file better\.onnx"):
        check_job(path, dub, tmp_path / "out.mp4", SyncOptions(restorer="better.onnx"))


def talking(*spans: tuple[float, float], seconds: float = 2.4) -> np.ndarray:
    """16 kHz: noise where somebody talks, as loud as speech, and silence elsewhere."""
    times = np.arange(round(seconds * 16_000)) / 16_000
    loud = np.any([(times >= a) & (times < b) for a, b in spans], axis=0)
    return (np.random.default_rng(0).normal(0, 3000, len(times)) * loud).astype(np.int16)


def said_by_the_plan(path: Path, dub: np.ndarray, work: Path, **choices) -> dict[int, dict[int, int]]:
    """Face: {frame: sound} of the edits that are opaque; loudness alone tells where speech is."""
    info = probe_video(path)
    plan = decide_in(info, SyncOptions(**choices), work, dub)
    frames = np.round(plan.edits["pts"] * float(info.time_base * info.rate)).astype(int)
    found: dict[int, dict[int, int]] = {}
    for frame, edit in zip(frames.tolist(), plan, strict=True):
        if edit.opacity == 1:
            found.setdefault(edit.face, {})[frame] = edit.sound
    return found


@pytest.mark.usefixtures("cast")
def test_faces_that_are_named_say_the_dub_where_it_speaks(path: Path, tmp_path: Path):
    said = said_by_the_plan(path, talking((0.4, 0.9)), tmp_path, faces="2")
    assert list(said) == [2] and set(said[2].values()) == {DUB}
    assert min(said[2]) in range(8, 12) and max(said[2]) in range(20, 25)  # frames 10 to 22 hear speech


@pytest.mark.usefixtures("cast")
def test_a_dub_without_speech_is_taken_to_be_speech(path: Path, tmp_path: Path):
    said = said_by_the_plan(path, np.zeros(38_400, np.int16), tmp_path, faces="all")
    assert len(said[1]) == COUNT and set(said[1].values()) == {DUB}


@pytest.mark.usefixtures("cast")
def test_what_is_shown_after_the_end_says_what_is_said_then(path: Path, tmp_path: Path):
    """The dub speaks only when the movie is over: its last two seconds are shown again, and must say it."""
    late = talking((2.6, 3.6), seconds=4)
    assert said_by_the_plan(path, late, tmp_path, faces="all") == {}
    said = said_by_the_plan(path, late, tmp_path, faces="all", length="sound")
    assert set(said[1].values()) == {DUB} and max(said[1]) == COUNT - 1 and min(said[1]) < 15


@pytest.mark.usefixtures("cast")
def test_a_cue_sheet_is_for_movies(path: Path, tmp_path: Path):
    cv2.imwrite(str(tmp_path / "still.png"), blank_image(*SIZE))
    with pytest.raises(OptionError, match="leave it out for a picture"):
        check_cues(probe_video(tmp_path / "still.png"), SyncOptions(cues="c.csv"))


@pytest.mark.usefixtures("cast")
def test_a_part_is_decided_as_in_the_whole_movie_once_that_was_seen(path: Path):
    """In the first half, the tall face is 1 and the short one 2; the second half alone has one face."""
    info, late = probe_video(path), SyncOptions(faces="all", start=Fraction(CUT + 5) / probe_video(path).rate)
    alone = decide(info, late)
    assert NUMBERED_HERE in alone.notes and len(alone.people) == 1
    whole = decide(info, SyncOptions(faces="all"))
    again = decide(info, late)
    assert again.people == whole.people and NUMBERED_HERE not in again.notes
    assert set(again.edits["pts"].tolist()) == set(alone.edits["pts"].tolist())
