"""The whole road on made movies: what changes, what does not, and what is said."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lipdub import load_plan, save_plan, sync
from lipdub.errors import LipdubError, OptionError, PlanError
from lipdub.media.frames import read_frames, upright_image
from lipdub.media.planes import layout, plane_views
from lipdub.media.probe import probe_video
from lipdub.media.probe_sound import probe_audio
from lipdub.outputs import content_key
from lipdub.pipeline import length_notes
from lipdub.plan import Reference
from lipdub.progress import Step
from lipdub.speech import log_mel, mel_windows
from tests.support.jobs import BOX, Painter, grey, plan_by_hand, striped
from tests.support.media import click_file, click_offsets, decoded_sound, movie, still, write_sound

SIZE = (160, 96)


@pytest.fixture
def lossless(tmp_path: Path) -> Path:
    return movie(tmp_path / "movie.mkv", codec="ffv1", size=SIZE, count=20)


@pytest.fixture
def dub(tmp_path: Path) -> Path:
    return click_file(tmp_path / "dub.wav", seconds=0.8, times=(0.2, 0.4, 0.6), rate=44_100, channels=2)


def pictures(path: Path) -> list[list[np.ndarray]]:
    """All planes of all frames."""
    info = probe_video(path)
    form = layout(info.pix_fmt)
    return [[plane.copy() for plane in plane_views(frame, form)] for frame in read_frames(info)]


def presentation_times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def test_only_the_planned_frames_and_only_the_lower_face_change(lossless: Path, dub: Path, tmp_path: Path):
    plan, painter = plan_by_hand(lossless, frames=slice(5, 12)), Painter(grey)
    result = sync(lossless, dub, tmp_path / "out.mkv", plan=plan, inpainter=painter)
    assert (result.frames, result.changed) == (20, 7)
    x, y, width, height, _ = BOX
    allowed = np.zeros(SIZE[::-1], bool)
    allowed[int(y + height / 2) : int(y + height) + 1, int(x) : int(x + width) + 1] = True
    chroma = allowed[::2, ::2] | allowed[1::2, ::2] | allowed[::2, 1::2] | allowed[1::2, 1::2]
    for number, (before, after) in enumerate(
        zip(pictures(lossless), pictures(tmp_path / "out.mkv"), strict=True)
    ):
        changed = [np.asarray(a != b) for a, b in zip(before, after, strict=True)]
        assert changed[0].any() == (5 <= number < 12)
        assert not (changed[0] & ~allowed).any()
        assert not (changed[1] & ~chroma).any()
        assert not (changed[2] & ~chroma).any()
    row, column = int(y + 0.75 * height), int(x + width / 2)
    mouth = slice(row - 4, row + 5), slice(column - 4, column + 5)
    old, new = (pictures(path)[8][0][mouth] for path in (lossless, tmp_path / "out.mkv"))
    grey_luma = 16 + 219 / 2  # of what the stand-in paints, before its light is matched to the face's
    assert new.mean() == pytest.approx(grey_luma, abs=8)
    assert not np.array_equal(old, new)


def test_each_frame_hears_its_own_moment(lossless: Path, tmp_path: Path):
    rate = 16_000
    random = np.random.default_rng(1)
    pcm = (random.normal(0, 3000, rate)).astype(np.int16)
    write_sound(tmp_path / "dub.flac", pcm[:, None].astype(np.float32) / 32768, rate)
    painter = Painter(grey)
    sync(
        lossless, tmp_path / "dub.flac", tmp_path / "out.mkv", plan=plan_by_hand(lossless), inpainter=painter
    )
    expected = mel_windows(log_mel(pcm), [Fraction(k, 25) for k in range(20)])
    np.testing.assert_allclose(np.array(painter.mels), expected, atol=0.02)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_times_and_sound_survive_the_whole_road(dub: Path, tmp_path: Path, suffix: str):
    steps = np.random.default_rng(2).integers(300, 900, 20)
    pts = np.cumsum(steps).tolist()
    source = movie(tmp_path / f"vfr{suffix}", size=SIZE, count=20, pts=pts)
    output = tmp_path / f"out{suffix}"
    sync(source, dub, output, plan=plan_by_hand(source), inpainter=Painter(grey))
    assert presentation_times(output) == presentation_times(source)
    sound = probe_audio(output)
    assert (sound.rate, sound.channels) == (44_100, 2)
    samples, rate = decoded_sound(output)
    assert np.abs(click_offsets(samples[:, 0], rate, (0.2, 0.4, 0.6))).max() < 1e-3


def test_a_picture_becomes_a_movie_as_long_as_the_sound(dub: Path, tmp_path: Path):
    picture = still(tmp_path / "face.png", SIZE)
    plan = plan_by_hand(picture)
    result = sync(picture, dub, tmp_path / "out.mp4", plan=plan, inpainter=Painter(grey))
    assert (result.frames, result.changed) == (20, 20)
    longer = click_file(tmp_path / "longer.wav", seconds=0.81, times=(0.2,))
    result = sync(picture, longer, tmp_path / "longer.mp4", plan=plan, inpainter=Painter(grey))
    assert (result.frames, result.changed) == (21, 21)
    assert presentation_times(tmp_path / "out.mp4") == [Fraction(k, 25) for k in range(20)]
    assert probe_video(tmp_path / "out.mp4").pix_fmt == "yuv420p"


@pytest.mark.parametrize("kind", ["png", "movie"])
def test_odd_sizes(dub: Path, tmp_path: Path, kind: str):
    odd = (161, 97)
    source = still(tmp_path / "odd.png", odd) if kind == "png" else tmp_path / "odd.mkv"
    if kind == "movie":
        movie(source, codec="ffv1", size=odd, count=5)
    result = sync(source, dub, tmp_path / "out.mp4", plan=plan_by_hand(source), inpainter=Painter(grey))
    info = probe_video(tmp_path / "out.mp4")
    assert (info.geometry.width, info.geometry.height) == (162, 98)
    assert any("162×98" in note for note in result.notes)


@pytest.mark.parametrize(
    "name", ['it\'s "one".mp4', "a b\tc.mp4", "line\nbreak.mp4", "日本 é.mp4", "-x.mp4", "%03d.mp4"]
)
def test_any_name_will_do(tmp_path: Path, name: str):
    source = movie(tmp_path / name, size=SIZE, count=5)
    dub = click_file(tmp_path / f"dub {name}.wav", seconds=0.2, times=(0.1,))
    output = tmp_path / f"out {name}"
    assert sync(source, dub, output, plan=plan_by_hand(source), inpainter=Painter(grey)).frames == 5
    assert len(presentation_times(output)) == 5


def test_what_the_painter_raises_comes_through_and_nothing_stays(lossless: Path, dub: Path, tmp_path: Path):
    def fail(*_: object):
        raise ZeroDivisionError("in the network")

    before = set(tmp_path.iterdir())
    with pytest.raises(ZeroDivisionError, match="in the network"):
        sync(lossless, dub, tmp_path / "out.mkv", plan=plan_by_hand(lossless), inpainter=Painter(fail))
    assert set(tmp_path.iterdir()) == before


def test_a_plan_survives_a_file_and_belongs_to_its_movie(lossless: Path, dub: Path, tmp_path: Path):
    plan = plan_by_hand(lossless)
    save_plan(plan, tmp_path / "plan.json")
    again = load_plan(tmp_path / "plan.json")
    assert again.edits.tobytes() == plan.edits.tobytes()
    file = tmp_path / "plan.json"
    for number, given in enumerate((again, file, str(file))):
        assert (
            sync(lossless, dub, tmp_path / f"{number}.mkv", plan=given, inpainter=Painter(grey)).changed == 20
        )
    other = movie(tmp_path / "other.mkv", codec="ffv1", size=(96, 96), count=3)
    with pytest.raises(PlanError, match=r"made for movie\.mkv"):
        sync(other, dub, tmp_path / "out.mkv", plan=again, inpainter=Painter(grey))
    twin = movie(tmp_path / "twin.mkv", codec="ffv1", size=SIZE, count=20, noise=False)
    with pytest.raises(PlanError, match="another movie"):
        sync(twin, dub, tmp_path / "out.mkv", plan=replace(again, key=content_key(lossless)))
    with pytest.raises(OptionError, match="leave out --start"):
        sync(lossless, dub, tmp_path / "out.mkv", plan=again, start=Fraction(1, 2))
    elsewhere = replace(again, references=(Reference((0, 0, 9, 9), picture="nobody.png"),))
    with pytest.raises(PlanError, match=r"nobody\.png"):
        sync(lossless, dub, tmp_path / "out.mkv", plan=elsewhere)


def test_edits_for_frames_that_are_not_there_are_counted_and_said(lossless: Path, dub: Path, tmp_path: Path):
    plan = plan_by_hand(lossless)
    plan.edits["pts"][15:] += 10_000
    result = sync(lossless, dub, tmp_path / "out.mkv", plan=plan, inpainter=Painter(grey))
    assert result.changed == 15
    assert any(note.startswith("5 edits") for note in result.notes)


def test_an_output_that_appears_meanwhile_is_not_overwritten(lossless: Path, dub: Path, tmp_path: Path):
    output = tmp_path / "out.mkv"

    def slow(images: np.ndarray, references: np.ndarray) -> np.ndarray:
        output.write_bytes(b"somebody else's")
        return grey(images, references)

    result = sync(lossless, dub, output, plan=plan_by_hand(lossless), inpainter=Painter(slow))
    assert output.read_bytes() == b"somebody else's"
    assert result.output == tmp_path / "out (2).mkv"
    assert len(presentation_times(result.output)) == 20
    assert any("appeared" in note for note in result.notes)


def test_progress_goes_from_the_first_frame_to_the_last(lossless: Path, dub: Path, tmp_path: Path):
    steps: list[Step] = []
    sync(
        lossless,
        dub,
        tmp_path / "out.mkv",
        plan=plan_by_hand(lossless),
        inpainter=Painter(grey),
        progress=steps.append,
    )
    rendered = [step.done for step in steps if step.stage == "render"]
    assert rendered == list(range(1, 21))
    assert steps[-1] == Step("remux", 1, 1, "s")


def test_sound_that_is_too_long_is_cut_and_the_speech_in_it_counted(lossless: Path, tmp_path: Path):
    random = np.random.default_rng(3)
    loud = np.zeros(3 * 16_000, np.int16)
    loud[32_000:40_000] = random.normal(0, 8000, 8000)
    (note,) = length_notes(loud, Fraction(4, 5))
    assert "2.20 s longer" in note
    assert "0.5 s of speech" in note
    assert length_notes(loud, Fraction(3)) == []
    (short,) = length_notes(loud, Fraction(5))
    assert "ends 2.00 s before" in short
    assert "no speech is lost" in length_notes(loud, Fraction(5, 2))[0]


def test_options_and_inputs_are_checked_before_any_work(lossless: Path, dub: Path, tmp_path: Path):
    with pytest.raises(OptionError, match="after the end"):
        sync(lossless, dub, tmp_path / "out.mkv", start=Fraction(100))
    with pytest.raises(OptionError, match=r"no file nobody\.png"):
        sync(lossless, dub, tmp_path / "out.mkv", reference="nobody.png")
    with pytest.raises(LipdubError, match=r"must end in one of"):
        sync(lossless, dub, tmp_path / "out.xyz")


def test_rotated_movies_are_changed_where_a_viewer_sees_the_face(dub: Path, tmp_path: Path):
    source = movie(tmp_path / "turned.mp4", size=SIZE, count=3, rotation=90)
    box = (20.0, 40.0, 49.0, 62.0, 0.0)
    sync(source, dub, tmp_path / "out.mp4", plan=plan_by_hand(source, box=box), inpainter=Painter(striped))
    info, result = probe_video(source), probe_video(tmp_path / "out.mp4")
    assert result.geometry == info.geometry
    assert info.geometry.upright_size == SIZE[::-1]
    before, after = (upright_image(next(read_frames(i)), i).astype(int) for i in (info, result))
    change = np.abs(after - before).sum(axis=2)
    y, x = np.unravel_index(np.argmax(change), change.shape)
    assert 20 <= x < 69
    assert 71 <= y < 102
    outside = change.copy()
    outside[71:103, 20:70] = 0
    assert outside.mean() < 0.15 * change[71:102, 20:69].mean()


def test_a_debug_video_comes_with_the_output(lossless: Path, dub: Path, tmp_path: Path):
    plan, debug = plan_by_hand(lossless, frames=slice(5, 12)), tmp_path / "debug.mp4"
    options = {"plan": plan, "inpainter": Painter(grey)}
    sync(lossless, dub, tmp_path / "out.mkv", debug_video=str(debug), **options)
    with av.open(str(debug)) as container:
        assert len(container.streams.audio) == 1
        assert sum(1 for _ in container.decode(video=0)) == len(pictures(lossless))
    with pytest.raises(LipdubError, match="exists already"):
        sync(lossless, dub, tmp_path / "other.mkv", debug_video=str(debug), **options)
    assert not (tmp_path / "other.mkv").exists()
