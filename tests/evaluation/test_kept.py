"""What was measured of a clip is the same when it is read again, or is measured anew."""

from pathlib import Path

import numpy as np
import pytest

from lipdub.errors import RenderError
from lipdub.evaluation.kept import FEATURES, FIGURES, keep, kept
from lipdub.evaluation.measure import Measured

FEATURE = np.random.default_rng(0).random((3, 5), np.float32)
CLIP = {
    "real video": Measured({"psnr": float("inf"), "lmd": float("nan"), "ssim": 1.0}, FEATURE),
    "file": Measured({"psnr": 30.5}, None),
    "Wav2Lip / a": Measured({"psnr": 0.1}, FEATURE + 1),
}


def test_round_trip(tmp_path: Path):
    keep(tmp_path / "clips", "key", "a clip", CLIP)
    found = kept(tmp_path / "clips", "key")
    assert found is not None and list(found) == list(CLIP)
    for name, measured in CLIP.items():
        assert found[name].figures.keys() == measured.figures.keys()
        for key, value in measured.figures.items():
            np.testing.assert_equal(found[name].figures[key], value)
        np.testing.assert_array_equal(found[name].features, measured.features)
    assert not list((tmp_path / "clips").glob("*.part"))


@pytest.mark.parametrize("suffix", [FEATURES, FIGURES])
def test_what_is_damaged_was_not_kept(tmp_path: Path, suffix: str):
    assert kept(tmp_path, "key") is None
    keep(tmp_path, "key", "a clip", CLIP)
    whole = (tmp_path / f"key{suffix}").read_bytes()
    for part in (whole[: len(whole) // 2], b"", b"[]", b'{"systems": 3, "features": []}'):
        (tmp_path / f"key{suffix}").write_bytes(part)
        assert kept(tmp_path, "key") is None
    (tmp_path / f"key{suffix}").unlink()
    assert kept(tmp_path, "key") is None


def test_a_disk_that_does_not_take_it_is_told(tmp_path: Path):
    (tmp_path / "clips").write_text("a file")
    with pytest.raises(RenderError, match="clips cannot be written"):
        keep(tmp_path / "clips", "key", "a clip", CLIP)
