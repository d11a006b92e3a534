"""The whole road with real faces; skipped where the footage or the face landmarker is not there."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from lipdub import preview, sync
from lipdub.errors import MediaError
from lipdub.media.frames import read_frame_at, upright_image
from lipdub.media.probe import probe_video
from tests.support.jobs import SPEECH, Painter, grey, need_footage, need_landmarker, striped
from tests.support.media import click_file, still

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def landmarker(monkeypatch: pytest.MonkeyPatch) -> None:
    need_landmarker(monkeypatch)


@pytest.fixture
def french() -> Path:
    return (
        need_footage("../speech/french_synthetic.wav") if SPEECH.exists() else pytest.skip("no speech here")
    )


def moments_of_change(source: Path, output: Path) -> tuple[list[Fraction], list[Fraction]]:
    """Times of all frames of the output, and of those whose middle differs from the source by much."""
    times, changed = [], []
    with av.open(str(source)) as a, av.open(str(output)) as b:
        for x, y in zip(a.decode(video=0), b.decode(video=0), strict=True):
            assert x.pts * x.time_base == y.pts * y.time_base
            difference = np.abs(x.to_ndarray(format="gray").astype(int) - y.to_ndarray(format="gray"))
            times.append(y.pts * y.time_base)
            changed += [times[-1]] if np.percentile(difference, 99.5) > 20 else []
    return times, changed


def test_a_face_that_disappears_at_a_cut(french: Path, tmp_path: Path):
    source = need_footage("face_noface.mov")
    result = sync(source, french, tmp_path / "out.mov", inpainter=Painter(striped), faces="largest")
    times, changed = moments_of_change(source, tmp_path / "out.mov")
    shown = [t for t in times if t < Fraction(12, 5)]
    assert set(changed) <= set(shown) and len(changed) > 0.7 * len(shown)  # the dub has pauses
    assert result.changed == len(changed)
    assert any("5.59 s longer" in note and "speech" in note for note in result.notes)


def test_start_and_end_cut_nothing_and_limit_what_is_changed(french: Path, tmp_path: Path):
    source = need_footage("speaker_2213fps.mp4")
    limits = {"start": Fraction(1), "end": Fraction(2)}
    sync(source, french, tmp_path / "out.mp4", inpainter=Painter(grey), faces="largest", **limits)
    times, changed = moments_of_change(source, tmp_path / "out.mp4")
    assert len(times) == 135
    inside = [t for t in times if 1 <= t < 2]
    assert set(changed) <= set(inside) and len(changed) > 0.7 * len(inside)  # the dub has pauses


def test_a_still_that_speaks(tmp_path: Path):
    source = need_footage("speaker_2213fps.mp4")
    info = probe_video(source)
    image = upright_image(read_frame_at(info, info.start), info)
    cv2.imwrite(str(tmp_path / "face.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    dub = click_file(tmp_path / "dub.wav", seconds=0.4, times=(0.2,))
    result = sync(tmp_path / "face.png", dub, tmp_path / "out.mp4", inpainter=Painter(grey))
    assert (result.frames, result.changed) == (10, 10)
    limits = {"start": "0.1", "end": "0.2"}
    part = sync(tmp_path / "face.png", dub, tmp_path / "part.mp4", inpainter=Painter(grey), **limits)
    assert (part.frames, part.changed) == (10, 2)
    look = preview(
        tmp_path / "face.png", dub, tmp_path / "look.png", at=Fraction(10**6), inpainter=Painter(grey)
    )
    assert look.changed


@pytest.mark.parametrize("reference", ["same", "first", "random", "picture"])
def test_a_preview_shows_before_and_after(french: Path, tmp_path: Path, reference: str):
    source = need_footage("speaker_portrait_1080p.mp4")
    seen: list[np.ndarray] = []

    def remember(images: np.ndarray, references: np.ndarray) -> np.ndarray:
        seen.append(np.abs(images - references).mean())
        return grey(images, references)

    if reference == "picture":
        image = upright_image(read_frame_at(probe_video(source), 0), probe_video(source))
        cv2.imwrite(str(tmp_path / "who.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        reference = str(tmp_path / "who.png")
    picture = tmp_path / "look.png"
    result = preview(
        source, french, picture, at=Fraction(9, 2), reference=reference, inpainter=Painter(remember)
    )
    assert result.changed
    assert result.seconds == 4.48
    drawn = cv2.cvtColor(cv2.imread(str(picture)), cv2.COLOR_BGR2RGB)
    before, after, decided = np.hsplit(drawn, 3)
    info = probe_video(source)
    np.testing.assert_array_equal(before, upright_image(read_frame_at(info, 57344), info))
    changed = np.argwhere(np.abs(before.astype(int) - after).sum(axis=2) > 60)
    height, width = np.ptp(changed, axis=0)
    assert 60 < height < 240
    assert 60 < width < 240
    assert (np.ptp(decided.astype(int) - before, axis=2) > 60).sum() > 1000  # lines and words in colour
    (difference,) = seen
    assert (difference == 0) == (reference == "same")


def test_a_reference_picture_without_a_face(french: Path, tmp_path: Path):
    source = need_footage("speaker_2213fps.mp4")
    nobody = still(tmp_path / "nobody.png")
    with pytest.raises(MediaError, match="no face was found in the reference picture"):
        sync(source, french, tmp_path / "out.mp4", reference=str(nobody), inpainter=Painter(grey))
