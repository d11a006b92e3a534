"""Which weights paint where the published ones cannot be had."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from lipdub import weights
from lipdub.errors import WeightsHashError, WeightsUnavailableError
from lipdub.network import network_file
from lipdub.options import SyncOptions
from lipdub.weights import fetch, store
from lipdub.weights.transfer import SourceError
from tests.support.offline import reach_no_hub

WHY = "127.0.0.1:9 cannot be reached (connection refused)"


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reach_no_hub(monkeypatch, tmp_path / "cache")


@pytest.fixture
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "obtain", lambda source, job: pytest.fail(f"{source} was asked"))


def test_the_draft_weights_are_offered_in_one_sentence() -> None:
    with pytest.raises(WeightsUnavailableError) as caught:
        network_file(SyncOptions())
    assert str(caught.value) == (
        f"The weights diff2lip could not be fetched: {WHY}; a preview needs no download with --weights draft."
    )


def test_they_stand_in_where_they_may_and_that_is_said() -> None:
    file, notes = network_file(SyncOptions(draft_if_offline=True))
    entry = weights.load_catalogue()["draft"]
    assert (file.name, file.sha256) == ("draft", entry.sha256)
    assert file.path == store.PACKAGE / str(entry.bundled)
    assert notes == (
        "the mouths are a preview, painted with the weights draft, since diff2lip could not be fetched: "
        f"{WHY}.",
    )


@pytest.mark.parametrize("choices", [{}, {"draft_if_offline": True}, {"preset": "draft"}])
def test_weights_that_were_named_are_not_replaced(choices: dict[str, object]) -> None:
    with pytest.raises(WeightsUnavailableError, match="give it with --weights PATH") as caught:
        network_file(SyncOptions(weights="diff2lip", **choices))
    assert "draft" not in str(caught.value)


@pytest.mark.parametrize("choices", [{"preset": "draft"}, {"weights": "draft"}])
@pytest.mark.usefixtures("nobody_is_asked")
def test_the_draft_weights_need_no_hub(choices: dict[str, str], tmp_path: Path) -> None:
    file, notes = network_file(SyncOptions(**choices))
    assert (file.name, notes) == ("draft", ())
    assert not (tmp_path / "cache" / "weights").exists()


@pytest.mark.parametrize("unreachable_first", [True, False])
def test_other_bytes_on_the_hub_are_an_error_in_any_case(
    monkeypatch: pytest.MonkeyPatch, unreachable_first: bool
) -> None:
    asked = []

    def obtain(source: object, job: object) -> None:
        asked.append(source)
        if unreachable_first and len(asked) == 1:
            raise SourceError("name not known", unreachable=True)
        raise SourceError("it has another file there", wrong_bytes=True)

    monkeypatch.setattr(fetch, "obtain", obtain)
    with pytest.raises(WeightsHashError, match="another file there"):
        network_file(SyncOptions(draft_if_offline=True))
    assert len(asked) == len(weights.load_catalogue()["diff2lip"].sources)


def test_other_bytes_given_by_hand_are_an_error_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "diff2lip.pt").write_bytes(b"something else")
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("LIPDUB_OFFLINE", "1")
    with pytest.raises(WeightsHashError, match="found through LIPDUB_WEIGHTS"):
        network_file(SyncOptions(draft_if_offline=True))


@pytest.mark.usefixtures("nobody_is_asked")
def test_offline_by_choice_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIPDUB_OFFLINE", "1")
    file, notes = network_file(SyncOptions(draft_if_offline=True))
    assert file.name == "draft"
    assert notes[0].endswith("could not be fetched: LIPDUB_OFFLINE is set.")


@pytest.mark.parametrize("offline", ["", "1"])
@pytest.mark.usefixtures("nobody_is_asked")
def test_the_published_weights_come_first_where_they_are_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, offline: str
) -> None:
    monkeypatch.setenv("LIPDUB_OFFLINE", offline)
    catalogue = weights.load_catalogue()
    catalogue["diff2lip"] = replace(catalogue["diff2lip"], sha256=sha256(b"the true ones").hexdigest())
    monkeypatch.setattr(store, "load_catalogue", lambda: catalogue)
    (tmp_path / "diff2lip.pt").write_bytes(b"the true ones")
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tmp_path))
    file, notes = network_file(SyncOptions(draft_if_offline=True))
    assert (file.path, file.name, notes) == (tmp_path / "diff2lip.pt", "diff2lip", ())
