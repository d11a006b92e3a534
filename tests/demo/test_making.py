"""`lipdub demo` from the command to the movie."""

import io
import json
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from lipdub import weights
from lipdub.cli import app
from lipdub.demo import making, portrait
from lipdub.demo.clip import RATE, enlarged, picture, to_portrait, view_at
from lipdub.demo.making import frames_for
from lipdub.demo.portrait import portrait_file, read_portrait
from lipdub.demo.settings import DEMO, OFFERED
from lipdub.faces.crop import LOWER_LIP
from lipdub.faces.detect import FaceLandmarker
from lipdub.options import KINDS
from tests.support.jobs import need_landmarker
from tests.support.weights import save_tiny_checkpoint

MOUTH, ROLL = (226.0, 152.0), 3.1
"""The middle of the portrait's lower lip, and the tilt of the head in degrees, by eye and by MediaPipe."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> int:
    """Only the first 1.2 seconds are spoken, of which 30 frames are made; their number."""
    samples, rate = soundfile.read(io.BytesIO(making.french()), dtype="int16")
    file = io.BytesIO()
    soundfile.write(file, samples[: rate * 6 // 5], rate, format="FLAC")
    monkeypatch.setattr(making, "french", file.getvalue)
    return 30


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, dotted: NDArray[np.uint8]) -> None:
    """A portrait without a face, which needs no package."""
    monkeypatch.setattr(making, "portrait_file", lambda: Path("portrait.png"))
    monkeypatch.setattr(making, "read_portrait", lambda _: dotted)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["demo", *map(str, arguments)])


def images(path: Path) -> list[NDArray[np.int16]]:
    with av.open(str(path)) as movie:
        return [frame.to_ndarray(format="rgb24").astype(np.int16) for frame in movie.decode(video=0)]


def test_the_speech_is_a_few_seconds_between_two_moments_of_silence():
    samples, rate = soundfile.read(io.BytesIO(making.french()), dtype="int16")
    assert 4 < len(samples) / rate < 7
    assert np.abs(samples[: int(0.35 * rate)]).max() == np.abs(samples[-int(0.35 * rate) :]).max() == 0
    assert 10_000 < np.abs(samples).max() < 32_767
    assert len(making.french()) < 200_000


def test_the_clip_is_as_long_as_the_speech(tmp_path: Path):
    for seconds, frames in ((1.0, 25), (1.001, 26), (0.2, 5)):
        soundfile.write(tmp_path / "a.flac", np.zeros(round(16_000 * seconds), np.int16), 16_000)
        assert frames_for(tmp_path / "a.flac") == frames
    (tmp_path / "b.flac").write_bytes(making.french())
    assert abs(soundfile.info(tmp_path / "b.flac").duration - frames_for(tmp_path / "b.flac") / RATE) < 1e-3


def test_everything_that_is_offered_is_an_option_and_the_rest_is_the_weights_of_the_package():
    assert set(OFFERED) <= set(KINDS)
    assert (DEMO.network_weights, DEMO.sampling_steps) == ("draft", 5)


@pytest.mark.slow
def test_the_command_makes_the_movie_from_nothing(
    tmp_path: Path, tiny: Path, short: int, monkeypatch: pytest.MonkeyPatch
):
    need_landmarker(monkeypatch)
    pytest.importorskip("skimage", reason="scikit-image is not installed: pip install '.[demo]'")
    output = tmp_path / "demo.mp4"
    result = run("-o", output, "--weights", tiny, "--steps", 1, "--keep-inputs")
    assert result.exit_code == 0, result.output
    told = result.stdout.splitlines()
    assert told[0].startswith(f"{output}: ")
    assert f"of {short} frames with new lips" in told[0]
    assert told[2] == f"it was made from {tmp_path / 'demo.source.mp4'} and {tmp_path / 'demo.source.flac'}"
    assert told[3].endswith(f"lipdub sync movie.mp4 --audio french.wav -o out.mp4 --weights {tiny}")
    assert {path.name for path in tmp_path.iterdir()} == {"demo.mp4", "demo.source.mp4", "demo.source.flac"}
    before, after = images(tmp_path / "demo.source.mp4"), images(output)
    assert len(before) == len(after) == short
    changed = [np.abs(b - a).max(axis=2) > 60 for a, b in zip(before, after, strict=True)]
    spoken = changed[15]
    rows, columns = np.nonzero(spoken)
    assert 0.005 < spoken.mean() < 0.1
    assert 150 < rows.min() < rows.max() < 330  # below the eyes and above the collar
    assert 200 < columns.min() < columns.max() < 400
    assert not changed[0].any()  # silent, at the beginning
    with av.open(str(output)) as movie:
        assert movie.streams.audio[0].language == "fra"


def test_every_face_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In the whole clip as it is, its frames thinned out: the landmarker alone, without a detector."""
    need_landmarker(monkeypatch)
    pytest.importorskip("skimage", reason="scikit-image is not installed: pip install '.[demo]'")
    (tmp_path / "speech.flac").write_bytes(making.french())
    count = frames_for(tmp_path / "speech.flac")
    fine = enlarged(read_portrait(portrait_file()))
    with FaceLandmarker(weights.locate("face_landmarker"), None) as landmarker:
        for number in range(0, count, 12):
            view = view_at(number / RATE, count / RATE)
            (face,) = landmarker(picture(fine, view))
            mouth = to_portrait(view) @ [*face.landmarks[LOWER_LIP], 1]
            np.testing.assert_allclose(mouth, MOUTH, atol=4)
            assert face.box[4] == pytest.approx(ROLL - np.degrees(view.roll), abs=2)


def test_where_nobody_is_seen_the_movie_is_made_as_it_is(
    tmp_path: Path, tiny: Path, short: int, nobody: None, monkeypatch: pytest.MonkeyPatch
):
    need_landmarker(monkeypatch)
    result = run("-o", tmp_path / "demo.mp4", "--weights", tiny, "--steps", 1, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["output"], told["frames"], told["changed"]) == (str(tmp_path / "demo.mp4"), short, 0)
    assert told["kept"] == []
    assert [path.name for path in tmp_path.iterdir()] == ["demo.mp4"]


@pytest.mark.parametrize("taken", ["demo.mp4", "demo.source.mp4", "demo.source.flac"])
def test_a_file_that_is_there_stays(tmp_path: Path, tiny: Path, nobody: None, taken: str):
    (tmp_path / taken).write_bytes(b"mine")
    result = run("-o", tmp_path / "demo.mp4", "--weights", tiny, "--keep-inputs")
    assert result.exit_code == 2
    assert result.stderr == f"lipdub: {tmp_path / taken} exists already; add --overwrite to replace it.\n"
    assert (tmp_path / taken).read_bytes() == b"mine"


def test_names_of_what_is_kept_do_not_matter_where_nothing_is_kept(tmp_path: Path, nobody: None, short: int):
    (tmp_path / "demo.source.mp4").write_bytes(b"mine")
    result = run("-o", tmp_path / "demo.mp4", "--weights", tmp_path / "none.safetensors")
    assert "none.safetensors" in result.stderr
    assert "exists already" not in result.stderr


@pytest.mark.parametrize(("name", "said"), [("demo.xyz", "must end in one of"), ("no/demo.mp4", "no folder")])
def test_a_name_that_will_not_do_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
):
    monkeypatch.setattr(making, "write_clip", lambda *_, **__: pytest.fail("a clip was made"))
    result = run("-o", tmp_path / name)
    assert result.exit_code == 2
    assert said in result.stderr


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(portrait, "PACKAGE", "a_package_that_nobody_has")
    result = run("-o", tmp_path / "demo.mp4")
    assert result.exit_code == 2
    assert "pip install 'lipdub[demo]'" in result.stderr
    assert not list(tmp_path.iterdir())
