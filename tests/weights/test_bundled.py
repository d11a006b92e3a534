"""Files that come with lipdub: where they are looked for, and the draft weights themselves."""

import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from lipdub import doctor
from lipdub.errors import WeightsHashError, WeightsUnavailableError
from lipdub.models import load_checkpoint
from lipdub.models.config import METADATA_KEY
from lipdub.weights import Entry, Status, load_catalogue, locate, resolve, status, store, verify

from .conftest import DATA, Declare

ROOT = Path(__file__).parents[2]
LARGEST = 20_000_000


@pytest.fixture
def entry(declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """The one entry of a catalogue, of a file that lies in a package of the test's own."""
    inside = replace(declare(), bundled="weights/thing/thing.bin")
    monkeypatch.setattr(store, "load_catalogue", lambda: {"thing": inside})
    monkeypatch.setattr(doctor.weights, "load_catalogue", lambda: {"thing": inside})
    monkeypatch.setattr(store, "PACKAGE", tmp_path / "lipdub")
    return inside


@pytest.fixture
def file(entry: Entry, tmp_path: Path) -> Path:
    path = tmp_path / "lipdub/weights/thing/thing.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    return path


def test_it_is_used_where_it_lies(file: Path, entry: Entry, cache: Path) -> None:
    assert locate("thing") == resolve("thing").path == file
    assert resolve("thing").sha256 == entry.sha256
    assert status("thing") == Status("thing", "bundled", file, len(DATA), inside=True)
    assert verify("thing") == Status("thing", "bundled", file, len(DATA), verified=True, inside=True)
    assert not cache.exists(), "nothing is copied"


def test_other_bytes_in_the_package_are_refused(file: Path) -> None:
    file.write_bytes(DATA[::-1])
    with pytest.raises(WeightsHashError, match=r"is not what lipdub came with.*reinstall lipdub\.$"):
        locate("thing")
    assert verify("thing").state == "damaged"
    (found,) = [finding for finding in doctor.examine() if finding.what == "weights thing"]
    assert (found.ok, found.detail) == (False, f"{file} is damaged; reinstall lipdub.")


def test_a_package_without_the_file(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match=r"are not at .*; reinstall lipdub\.$"):
        locate("thing")
    assert status("thing").state == verify("thing").state == "missing"
    (found,) = [finding for finding in doctor.examine() if finding.what == "weights thing"]
    assert found.detail == f"{tmp_path / 'lipdub' / entry.bundled} is missing; reinstall lipdub."


def test_a_given_folder_comes_first(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tmp_path))
    assert locate("thing") == file
    shutil.copy(file, tmp_path / "thing.bin")
    assert locate("thing") == tmp_path / "thing.bin"
    assert status("thing").state == "provided"
    (tmp_path / "thing.bin").write_bytes(b"other")
    with pytest.raises(WeightsHashError, match="found through LIPDUB_WEIGHTS"):
        locate("thing")
    (found,) = [finding for finding in doctor.examine() if finding.what == "weights thing"]
    assert found.detail.endswith("thing.bin is damaged; delete it.")


@pytest.fixture
def draft(cache: Path) -> Path:
    """The file of the draft weights that lies in this very package, its hash checked."""
    return locate("draft")


def test_the_draft_weights_are_in_the_package_and_small(draft: Path) -> None:
    assert draft == store.PACKAGE / "weights/draft/draft.safetensors"
    assert draft.stat().st_size == load_catalogue()["draft"].size <= LARGEST
    assert verify("draft").state == "bundled"


def test_the_draft_weights_are_a_network_in_half_precision(draft: Path) -> None:
    with safe_open(draft, framework="pt") as file:
        tensors = [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118
        assert METADATA_KEY in file.metadata()
    assert {tensor.dtype for tensor in tensors} == {torch.float16}
    assert all(torch.isfinite(tensor).all() for tensor in tensors)
    network = load_checkpoint(draft)
    assert network.config.image_size == 128
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    card = (draft.parent / "MODEL_CARD.md").read_text("utf-8")
    assert f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters" in card


def test_both_licences_are_named_and_come_along() -> None:
    entry = load_catalogue()["draft"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == f"Apache-2.0 AND {entry.licence}"
    own, draft = (ROOT / name for name in project["license-files"])
    assert "Apache License" in own.read_text("utf-8")
    assert draft.parent == (store.PACKAGE / str(entry.bundled)).parent
    assert f"SPDX-License-Identifier: {entry.licence}" in draft.read_text("utf-8")
    assert "commercial" in str(entry.notice)


def test_the_model_card_has_what_a_reader_looks_for() -> None:
    card = (store.PACKAGE / "weights/draft/MODEL_CARD.md").read_text("utf-8")
    assert re.findall("^## (.*)$", card, re.M) == [
        "What they are for",
        "What they can do, and what they cannot",
        "Measured",
        "What they were trained on",
        "How to make them again",
    ]
    assert "CC BY-NC 4.0" in card
    assert "python benchmarks/draft.py train" in card
