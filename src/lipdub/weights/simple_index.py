"""Pages of a package index (PEP 503 and PEP 691) as links to files; folders of packages too."""

import base64
import json
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urljoin, urlsplit, urlunsplit
from urllib.request import url2pathname

from lipdub.weights.transfer import Job, SourceError, read_page

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_JSON = "application/vnd.pypi.simple.v1+json"
_PAGE_LIMIT = 32 << 20
_WEB = ("http", "https")


@dataclass(frozen=True, slots=True)
class Link:
    """A file of an index: its name, its address without a login, and the login's header if it is for there.

    `sha256` is what the index promises, or None.
    """

    name: str
    url: str
    sha256: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


def project_page(index: str, package: str) -> str:
    """The address of a project's page on a simple index."""
    parts = urlsplit(index)
    path = f"{parts.path.rstrip('/')}/{_canonical(package)}/"
    return urlunsplit(parts._replace(path=path))


def sdist_link(links: list[Link], package: str) -> Link | None:
    """The link to `NAME-VERSION.tar.gz` for a package NAME==VERSION, however NAME is spelled there."""
    name, _, version = package.partition("==")
    return next((link for link in links if _is_sdist(link.name, name, version)), None)


def _is_sdist(file: str, name: str, version: str) -> bool:
    stem, suffix = file[: -len(".tar.gz")], file[-len(".tar.gz") :]
    if suffix.lower() != ".tar.gz":
        return False
    # Before PEP 625 both name and version could have dashes in them.
    dashes = [at for at, letter in enumerate(stem) if letter == "-"]
    return any(
        _canonical(stem[:at]) == _canonical(name) and _spelled(stem[at + 1 :]) == _spelled(version)
        for at in dashes
    )


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _spelled(version: str) -> str:
    return version.lower().replace("_", "-")


def links_at(address: str, job: Job) -> list[Link]:
    """The links of a page, of a file or folder behind file://, or of a path of this machine.

    Raises SourceError if there is no such page, or it cannot be read.
    """
    if urlsplit(address).scheme in _WEB:
        return _links_on_web(address, job)
    path = local_path(address) if urlsplit(address).scheme == "file" else Path(address).expanduser()
    path = path.absolute()
    try:
        return _links_in_files(path)
    except OSError as exc:
        raise SourceError(f"{path} cannot be read: {exc.strerror or exc}") from exc


def local_path(url: str) -> Path:
    """The path meant by a file:// address. Raises SourceError if it is of another machine, or none."""
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise SourceError("a link that is neither http, https nor of this machine")
    return Path(url2pathname(parts.path))


def _links_in_files(path: Path) -> list[Link]:
    page = path / "index.html" if path.is_dir() else path
    links = [Link(each.name, each.as_uri()) for each in (path.iterdir() if path.is_dir() else [path])]
    if page.is_file() and page.suffix in (".html", ".htm"):
        with page.open("rb") as stream:
            links += _links_on_html(stream.read(_PAGE_LIMIT), page.as_uri())
    return links


def _links_on_web(address: str, job: Job) -> list[Link]:
    address, login = split_login(address)
    body, kind, found_at = read_page(job, address, {"Accept": _ACCEPT, **login}, _PAGE_LIMIT)
    links = _links_on_json(body, found_at) if kind == _JSON else _links_on_html(body, found_at)
    # The login is for the host that it was given for, whatever the page says and wherever it came from.
    return [
        Link(
            link.name,
            link.url,
            link.sha256,
            login | link.headers if same_host(link.url, address) else link.headers,
        )
        for link in links
        if urlsplit(link.url).scheme in _WEB
    ]


def same_host(one: str, other: str) -> bool:
    """Whether two addresses have scheme, host and port in common."""
    return urlsplit(one)[:2] == urlsplit(other)[:2]


def split_login(url: str) -> tuple[str, dict[str, str]]:
    """An address without its `user:password@`, and the header that says the same."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    user, _, password = login.partition(":")
    token = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {token}"}


def _links_on_json(body: bytes, base: str) -> list[Link]:
    try:
        return [_json_link(item, base) for item in json.loads(body)["files"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise SourceError("a damaged page on the package index") from exc


def _json_link(item: Any, base: str) -> Link:
    url, headers = split_login(urljoin(base, item["url"]))
    return Link(str(item["filename"]), url, _checked_hash((item.get("hashes") or {}).get("sha256")), headers)


class _Anchors(HTMLParser):
    """The targets of all links of a page, and its `<base>`."""

    def __init__(self) -> None:
        super().__init__()
        self.base: str | None = None
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the target of one tag."""
        target = dict(attrs).get("href")
        if target and tag == "a":
            self.targets.append(target)
        elif target and tag == "base" and self.base is None:
            self.base = target


def _links_on_html(body: bytes, base: str) -> list[Link]:
    anchors = _Anchors()
    anchors.feed(body.decode("utf-8", "replace"))
    anchors.close()
    return list(_html_links(anchors, urljoin(base, anchors.base or "")))


def _html_links(anchors: _Anchors, base: str) -> Iterator[Link]:
    for target in anchors.targets:
        try:
            url, headers = split_login(urljoin(base, target))
            parts = urlsplit(url)
        except ValueError:
            continue  # no address
        name = unquote(parts.path).rpartition("/")[2]
        promised = parse_qs(parts.fragment).get("sha256", [None])[0]
        yield Link(name, urlunsplit(parts._replace(fragment="")), _checked_hash(promised), headers)


def _checked_hash(text: Any) -> str | None:
    if isinstance(text, str) and len(text) == 64 and set(text) <= set(string.hexdigits):
        return text.lower()
    return None
