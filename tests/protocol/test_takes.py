"""Faces are found, framed, and found again in other versions of a video."""

from pathlib import Path

import numpy as np
import pytest

from lipdub.errors import MediaError
from lipdub.evaluation.views import FIXED, view_of
from lipdub.media.frames import read_frames, upright_image
from lipdub.protocol.takes import take_of, views_in, views_of
from tests.protocol.conftest import BOX, COUNT
from tests.support.faces import MAGENTA, BlobLandmarker
from tests.support.media import movie, still


def test_a_video_framed_as_voxceleb_is_taken_as_it_is(clips: Path):
    take = take_of(clips / "view.mkv", BlobLandmarker())
    assert (take.boxes == FIXED).all() and len(take.boxes) == COUNT
    np.testing.assert_allclose(take.seconds, np.arange(COUNT) / 25)
    frames = [upright_image(frame, take.info) for frame in read_frames(take.info)]
    np.testing.assert_array_equal(views_of(take), np.stack(frames))


def test_of_others_the_framing_is_measured(clips: Path):
    take = take_of(clips / "wide.mkv", BlobLandmarker())
    np.testing.assert_allclose(take.boxes[:, :4], np.tile(BOX, (COUNT, 1)), atol=1.5)
    views = views_of(take)
    assert views.shape == (COUNT, 224, 224, 3)
    inside = views[:, 8:150, 58:166]
    assert (np.abs(inside.astype(int) - MAGENTA) <= 2).all()
    assert not (views[:, 8:150, :44] == MAGENTA).all(-1).any()


def test_up_to_a_time(clips: Path):
    take = take_of(clips / "wide.mkv", BlobLandmarker()).until(0.2)
    assert len(take.pts) == len(take.boxes) == len(take.outlines) == len(take.seconds) == 5
    assert len(views_of(take)) == 5


def test_another_version_is_seen_at_the_same_places_and_times(clips: Path, tmp_path: Path):
    """Of twice the size and rate, and a little shorter."""
    take = take_of(clips / "wide.mkv", BlobLandmarker())

    def images():
        import av

        for i in range(24):
            image = np.full((480, 640, 3), 10 * (i // 2), np.uint8)
            yield av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="bgr0")

    other = movie(
        tmp_path / "a.mkv", codec="ffv1", pix_fmt="bgr0", size=(640, 480), count=24, rate=50, frames=images()
    )
    views = views_in(other, take)
    assert views.shape == (12, 224, 224, 3)
    np.testing.assert_array_equal(views[:, 0, 0, 0], 10 * np.arange(12))
    own = views_in(clips / "wide.mkv", take)
    np.testing.assert_array_equal(own, views_of(take))
    image = upright_image(next(read_frames(take.info)), take.info)
    np.testing.assert_array_equal(own[0], view_of(image, take.boxes[0]))


def test_what_is_no_clip_is_told(clips: Path, tmp_path: Path):
    landmarker = BlobLandmarker()
    with pytest.raises(MediaError, match=r"none\.mkv shows no face"):
        take_of(clips / "none.mkv", landmarker)
    with pytest.raises(MediaError, match="is a picture"):
        take_of(still(tmp_path / "a.png", (33, 21)), landmarker)
    take = take_of(clips / "wide.mkv", landmarker)
    with pytest.raises(MediaError, match=r"view\.mkv has 224x224 pixels, and is no other version of"):
        views_in(clips / "view.mkv", take)
    short = movie(tmp_path / "short.mp4", size=(320, 240), count=5)
    with pytest.raises(MediaError, match=r"short\.mp4 ends too early"):
        views_in(short, take)
