"""Frames are made anew in both modes of the paper, without an encoder."""

from pathlib import Path

import numpy as np
import pytest

from lipdub.errors import OptionError
from lipdub.evaluation.views import lower_halves
from lipdub.plan import SAME, Reference
from lipdub.protocol.generating import Shot, generate, plan_for
from lipdub.protocol.takes import Take, take_of, views_of
from lipdub.speech import log_mel, mel_windows
from tests.protocol.conftest import COUNT
from tests.support.faces import BlobLandmarker
from tests.support.jobs import Painter, grey

SOUND = np.random.default_rng(0).integers(-8000, 8000, 16_000).astype(np.int16)


@pytest.fixture(params=["view", "wide"])
def take(clips: Path, request: pytest.FixtureRequest) -> Take:
    return take_of(clips / f"{request.param}.mkv", BlobLandmarker())


def test_cross_changes_every_frame_in_its_lower_half(take: Take):
    painter = Painter(grey)
    made, before = generate(take, SOUND, painter, Shot()), views_of(take)
    assert made.shape == before.shape
    assert np.abs(made[:, :70].astype(int) - before[:, :70]).max() <= 2
    centre = lower_halves(made)[:, 40:60, 50:74].astype(int)
    assert np.abs(centre - lower_halves(before)[:, 40:60, 50:74]).mean() > 60


def test_each_frame_hears_its_own_sound(take: Take):
    painter = Painter(grey)
    generate(take, SOUND, painter, Shot())
    expected = mel_windows(log_mel(SOUND), [take.info.seconds(pts) for pts in take.pts.tolist()])
    np.testing.assert_array_equal(np.stack(painter.mels), expected)


def test_what_paints_nothing_changes_nothing(take: Take):
    """No codec stands between: what is left is the rounding of one way to the stream's samples and back."""
    made = generate(take, SOUND, Painter(lambda images, references: images), Shot())
    assert np.abs(made.astype(int) - views_of(take)).max() <= 1


def test_reconstruction_knows_the_first_frame_alone(take: Take):
    painter = Painter(grey)
    made = generate(take, SOUND, painter, Shot("reconstruction"))
    first = views_of(take)[0]
    assert np.abs(made[:, :70].astype(int) - first[:70]).max() <= 2
    assert (made == made[0]).all()
    times = [take.info.seconds(pts) for pts in take.pts.tolist()]
    np.testing.assert_array_equal(np.stack(painter.mels), mel_windows(log_mel(SOUND), times))


def test_references(take: Take):
    assert (plan_for(take, Shot()).edits["reference"] == SAME).all()
    first = plan_for(take, Shot(reference="first"))
    assert (first.edits["reference"] == 0).all()
    assert first.references == (Reference(tuple(take.boxes[0].tolist()), pts=int(take.pts[0])),)
    random = plan_for(take, Shot(reference="random"))
    chosen = random.edits["reference"]
    assert set(chosen.tolist()) == set(range(len(random.references)))
    # the clip is shorter than a second: the frame farthest away is taken
    assert [random.references[i].pts for i in chosen[[0, -1]]] == [take.pts[-1], take.pts[0]]
    picture = Reference((1.0, 2.0, 3.0, 4.0, 0.0), picture="a.png")
    assert plan_for(take, Shot(reference="a.png", picture=picture)).references == (picture,)
    short = plan_for(take.until(0.2), Shot(reference="random"))
    assert len(short.edits) == 5 and all(r.pts in take.pts[:5] for r in short.references)
    assert len(first.edits) == COUNT


def test_impossible_modes():
    with pytest.raises(OptionError, match="--mode takes cross or reconstruction, not 'both'"):
        Shot("both")
    with pytest.raises(OptionError, match="no meaning in reconstruction"):
        Shot("reconstruction", "random")
