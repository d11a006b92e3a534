"""weights.toml as data: what each file is, where its bytes can be had, and how they are known."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

from lipdub.errors import WeightsError

# A rounded size may be off by this much before a download is cut short as "too large".
SLACK = 1.25

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*", re.ASCII)
# Neither may begin with a dash: they become an argument of pip.
_PACKAGE = re.compile(r"[A-Za-z0-9][\w.-]*==[0-9][\w.!+-]*", re.ASCII)
_OPTION = re.compile(r"--[a-z][a-z-]*")
_COMMAND = re.compile(r"[a-z][a-z-]*")
_HUB_TYPES = ("model", "space", "dataset")
_PACKAGE_KINDS: tuple[Literal["wheel", "sdist"], ...] = ("wheel", "sdist")


@dataclass(frozen=True, slots=True)
class HubSource:
    """A file in a repository of the Hugging Face hub; `kind` is model, space or dataset."""

    repo: str
    revision: str
    file: str
    kind: str = "model"

    def __str__(self) -> str:
        return f"hub {self.kind} {self.repo}@{self.revision}/{self.file}"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file behind an http or https address."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class PackageSource:
    """One member of a wheel or an sdist on the package index; `package` is NAME==VERSION."""

    package: str
    member: str
    kind: Literal["wheel", "sdist"] = "wheel"

    def __str__(self) -> str:
        return f"{self.kind} {self.package}, member {self.member}"


Source = HubSource | UrlSource | PackageSource


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of weights.toml.

    `sha256` is 64 lower-case hexadecimal digits. Sizes are in bytes: exactly one of `size` (exact) and
    `size_about` (rounded) is set. `sources`, in the order in which they are tried, has at least one element,
    unless `bundled` is the path in our own package of a file that comes with it.
    `option` is the option of the command line that takes a path instead, if there is one. `without` says, of
    a file that can be done without, what is not so good then; it is None for one that is needed. `command` is
    the command that asks for it.
    """

    name: str
    purpose: str
    file: str
    sha256: str
    licence: str
    sources: tuple[Source, ...]
    size: int | None = None
    size_about: int | None = None
    notice: str | None = None
    option: str | None = None
    without: str | None = None
    command: str = "sync"
    bundled: str | None = None

    @property
    def limit(self) -> int:
        """The most bytes that a source may give before it is cut off."""
        return self.size if self.size is not None else int((self.size_about or 0) * SLACK)


def load_catalogue(path: Path | None = None) -> dict[str, Entry]:
    """Read weights.toml, or the shipped one if no `path` is given: name → entry.

    Raises WeightsError if the file cannot be read or promises something that cannot be checked.
    """
    import tomllib

    where = str(path or "weights.toml")
    try:
        table = tomllib.loads(path.read_text("utf-8") if path else _shipped_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise WeightsError(
            f"The weights catalogue {where} cannot be read ({exc}); reinstall lipdub."
        ) from exc
    return {name: _entry(name, fields, where) for name, fields in table.items()}


def _shipped_text() -> str:
    from importlib.resources import files

    data = files("lipdub").joinpath("weights.toml")
    if data.is_file():
        return data.read_text("utf-8")
    # An editable install has no copy in the package: src/lipdub/weights/catalogue.py → the repository.
    return Path(__file__).parents[3].joinpath("weights.toml").read_text("utf-8")


class _Fields:
    """A TOML table that is read field by field, and complains of what is missing, wrong or left over."""

    def __init__(self, table: Any, where: str) -> None:
        self.where = where
        if not isinstance(table, Mapping):
            raise self.wrong("is not a table")
        self._table = dict(table)

    def wrong(self, what: str) -> WeightsError:
        return WeightsError(f"{self.where} {what}; correct weights.toml or reinstall lipdub.")

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def text(self, key: str, pattern: re.Pattern[str] | None = None) -> str:
        value = self._table.pop(key, None)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(f"needs a text under `{key}`")
        if pattern is not None and pattern.fullmatch(value) is None:
            raise self.wrong(f"has a `{key}` that cannot be used: {value!r}")
        return value

    def text_or_none(self, key: str, pattern: re.Pattern[str] | None = None) -> str | None:
        return self.text(key, pattern) if key in self else None

    def count_or_none(self, key: str) -> int | None:
        value = self._table.pop(key, None)
        if value is None:
            return None
        if type(value) is not int or value <= 0:
            raise self.wrong(f"needs a whole number above zero under `{key}`")
        return value

    def tables(self, key: str) -> list[Any]:
        value = self._table.pop(key, None)
        if not isinstance(value, list) or not value:
            raise self.wrong(f"needs at least one source under `{key}`")
        return value

    def finish(self) -> None:
        if self._table:
            raise self.wrong(f"has unknown fields: {', '.join(self._table)}")


def _entry(name: str, table: Any, where: str) -> Entry:
    fields = _Fields(table, f"The entry [{name}] of {where}")
    if _NAME.fullmatch(name) is None:
        raise fields.wrong("has a name that cannot be used")
    bundled = _inner_path(fields, "bundled") if "bundled" in fields else None
    sources = fields.tables("sources") if bundled is None else []
    entry = Entry(
        name=name,
        purpose=fields.text("for"),
        file=fields.text("file", _FILE),
        sha256=fields.text("sha256", _SHA256),
        licence=fields.text("licence"),
        sources=tuple(
            _source(item, f"Source {n} of [{name}] in {where}") for n, item in enumerate(sources, 1)
        ),
        size=fields.count_or_none("size"),
        size_about=fields.count_or_none("size_about"),
        notice=fields.text_or_none("notice"),
        option=fields.text_or_none("option", _OPTION),
        without=fields.text_or_none("without"),
        command=fields.text("command", _COMMAND) if "command" in fields else "sync",
        bundled=bundled,
    )
    if (entry.size is None) == (entry.size_about is None):
        raise fields.wrong("needs exactly one of `size` and `size_about`")
    fields.finish()
    return entry


def _source(table: Any, where: str) -> Source:
    fields = _Fields(table, where)
    source: Source
    if "hub" in fields:
        kind = fields.text("type") if "type" in fields else "model"
        if kind not in _HUB_TYPES:
            raise fields.wrong(f"has a `type` other than {', '.join(_HUB_TYPES)}")
        repo, revision = fields.text("hub", _REPO), fields.text("revision", _REVISION)
        source = HubSource(repo, revision, _inner_path(fields, "file"), kind)
    elif "url" in fields:
        source = UrlSource(_web_address(fields))
    elif "package" in fields:
        source = _package_source(fields)
    else:
        raise fields.wrong("needs one of `hub`, `url` and `package`")
    fields.finish()
    return source


def _package_source(fields: _Fields) -> PackageSource:
    package, member = fields.text("package", _PACKAGE), _inner_path(fields, "member")
    named = fields.text_or_none("kind") or "wheel"
    for kind in _PACKAGE_KINDS:
        if kind == named:
            return PackageSource(package, member, kind)
    raise fields.wrong(f"has a `kind` other than {', '.join(_PACKAGE_KINDS)}")


def _inner_path(fields: _Fields, key: str) -> str:
    value = fields.text(key)
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value or str(path) != value:
        raise fields.wrong(f"has a `{key}` that leaves its folder: {value!r}")
    return value


def _web_address(fields: _Fields) -> str:
    value = fields.text("url")
    try:
        parts = urlsplit(value)
    except ValueError as exc:
        raise fields.wrong(f"has a `url` that is no address: {value!r}") from exc
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise fields.wrong(f"has a `url` that is neither http nor https: {value!r}")
    return value
