"""Sources on the hub: a server here stands for it, named by HF_ENDPOINT."""

import hashlib
import time
from collections.abc import Iterator

import pytest

from lipdub.errors import WeightsHashError, WeightsUnavailableError
from lipdub.weights import HubSource, fetch, load_catalogue, locate, transfer
from lipdub.weights.sources import place_of

from .conftest import DATA, Declare, Page, Web

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = HubSource("someone/model", "abc1234", "deep/net.pth")
SPACE = HubSource("someone/space", "abc1234", "net.pt", "space")
MODEL_PATH = "/someone/model/resolve/abc1234/deep/net.pth"
SPACE_PATH = "/spaces/someone/space/resolve/abc1234/net.pt"


@pytest.fixture(autouse=True)
def hub(web: Web, cache: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HF_ENDPOINT", web.address)
    yield
    import huggingface_hub

    huggingface_hub.close_session()


def hub_page(body: bytes = DATA, **more: object) -> Page:
    digest = hashlib.sha256(body).hexdigest()
    return Page(body, headers={"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT}, **more)  # type: ignore[arg-type]


def test_model(web: Web, declare: Declare, capfd: pytest.CaptureFixture[str]) -> None:
    web.serve(MODEL_PATH, hub_page())
    declare(MODEL)
    assert locate("thing").read_bytes() == DATA
    assert capfd.readouterr() == ("", "")


def test_download_is_taken_up_again(web: Web, declare: Declare) -> None:
    web.serve(MODEL_PATH, hub_page(cuts=[70_000]))
    declare(MODEL)
    assert locate("thing").read_bytes() == DATA
    assert web.gets(MODEL_PATH) == [None, "bytes=70000-"]


def test_missing_repository_then_a_space(web: Web, declare: Declare) -> None:
    web.serve(SPACE_PATH, hub_page())
    declare(MODEL, SPACE)
    assert locate("thing").read_bytes() == DATA


def test_another_file_is_refused_before_the_download(web: Web, declare: Declare) -> None:
    web.serve(MODEL_PATH, hub_page(DATA[::-1]))
    declare(MODEL)
    with pytest.raises(WeightsHashError, match="another file there"):
        locate("thing")
    assert web.gets(MODEL_PATH) == []


def test_missing_everywhere(declare: Declare, capfd: pytest.CaptureFixture[str]) -> None:
    declare(MODEL, SPACE)
    with pytest.raises(WeightsUnavailableError, match=r"fetched: 127\.0\.0\.1:\d+: HTTP 404\. Get") as caught:
        locate("thing")
    assert caught.value.__notes__ == [f"{MODEL}: HTTP 404", f"{SPACE}: HTTP 404"]
    assert capfd.readouterr() == ("", "")


def test_hub_that_cannot_be_reached(
    web: Web, declare: Declare, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    declare(MODEL, SPACE, MODEL)
    start = time.monotonic()
    with pytest.raises(WeightsUnavailableError) as caught:
        locate("thing")
    assert time.monotonic() - start < 10
    assert str(caught.value) == (
        "The weights thing could not be fetched: 127.0.0.1:9 cannot be reached (connection refused). Get it "
        "another way and give it with --weights PATH, or put it as thing.bin into a folder named by "
        "LIPDUB_WEIGHTS."
    )
    assert len(caught.value.__notes__) == 3
    assert capfd.readouterr() == ("", "")


def test_hub_whose_name_is_not_known(declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    declare(MODEL, SPACE)
    with pytest.raises(
        WeightsUnavailableError, match=r"hub\.invalid cannot be reached \(name not known\)\. Get"
    ):
        locate("thing")


@pytest.mark.parametrize("name", ["diff2lip", "face_landmarker"])
def test_sentence_of_a_shipped_entry_without_a_network(
    declare: Declare, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def offline(source: object, job: transfer.Job) -> None:
        raise transfer.SourceError("name not known", unreachable=True)

    monkeypatch.delenv("HF_ENDPOINT")
    monkeypatch.setattr(fetch, "obtain", offline)
    entry = load_catalogue()[name]
    with pytest.raises(WeightsUnavailableError) as caught:
        locate(name)
    text = str(caught.value)
    assert text.count("cannot be reached (name not known)") == len({place_of(each) for each in entry.sources})
    assert len(text) < 300 and entry.file in text and "LIPDUB_WEIGHTS" in text
    assert ("--weights PATH" in text) == (name == "diff2lip")
    assert len(caught.value.__notes__) == len(entry.sources)


def test_the_users_token_goes_to_the_hub_alone(
    web: Web, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    storage = web.serve("/storage", Page(DATA)).replace("127.0.0.1", "localhost")
    page = hub_page()
    page.redirect = storage
    web.serve(MODEL_PATH, page)
    declare(MODEL)
    assert locate("thing").read_bytes() == DATA
    tokens = {path: token for _, path, _, token in web.asked}
    assert tokens == {MODEL_PATH: "Bearer secret", "/storage": None}
