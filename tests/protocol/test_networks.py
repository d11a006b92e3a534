"""The networks of the metrics: those that can be had are used, and what cannot is told."""

from pathlib import Path

import pytest

from lipdub.cache import sha256_of
from lipdub.errors import WeightsFormatError
from lipdub.evaluation.judges import Judges
from lipdub.protocol import networks
from lipdub.protocol.networks import load_bench
from tests.support.faces import BlobLandmarker


@pytest.fixture
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The landmarker's file alone is on this machine."""
    (tmp_path / "landmarker").write_text("a file")
    monkeypatch.setattr(networks, "fetch_if_possible", lambda name, progress: None)
    monkeypatch.setattr(networks, "load_embedder", lambda progress: None)
    monkeypatch.setattr(networks, "fetch", lambda name, progress: tmp_path / "landmarker")
    return tmp_path


def test_without_any_network_the_notes_say_what_is_not_measured(nothing_here: Path):
    landmarker = BlobLandmarker()
    bench = load_bench(landmarker, None, None)
    assert bench.judges == Judges(landmarker)
    assert bench.files == {"face_landmarker": sha256_of(nothing_here / "landmarker")}
    said = " ".join(bench.notes)
    assert len(bench.notes) == 5
    for word in ("LPIPS", "FID", "identity", "Sync-C", "--syncnet", "--expert"):
        assert word in said


def test_networks_that_are_there_are_loaded_and_their_files_are_part_of_the_result(
    nothing_here: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("syncnet", "expert", "lpips_alex"):
        (nothing_here / name).write_text(name)
    here = {"lpips_alex": nothing_here / "lpips_alex"}
    monkeypatch.setattr(networks, "fetch_if_possible", lambda name, progress: here.get(name))
    for judge in ("syncnet_judge", "expert_judge", "lpips_judge"):
        monkeypatch.setattr(networks, judge, lambda path, device: (path.name, device))
    bench = load_bench(BlobLandmarker(), nothing_here / "syncnet", nothing_here / "expert", "cuda")
    assert bench.judges.syncnet == ("syncnet", "cuda")
    assert bench.judges.expert == ("expert", "cuda")
    assert bench.judges.lpips == ("lpips_alex", "cuda") and bench.judges.inception is None
    assert set(bench.files) == {"face_landmarker", "lpips_alex", "syncnet", "expert"}
    assert bench.files["expert"] == sha256_of(nothing_here / "expert")
    assert not any("Sync-C" in note or "--expert" in note or "LPIPS" in note for note in bench.notes)


def test_a_file_that_is_no_network_is_told(nothing_here: Path):
    (nothing_here / "expert.pth").write_text("nothing")
    with pytest.raises(WeightsFormatError, match=r"expert\.pth cannot be used"):
        load_bench(BlobLandmarker(), None, nothing_here / "expert.pth")
