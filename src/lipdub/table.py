"""CSV as spreadsheets write it: with or without a BOM, with commas, semicolons or tabs."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lipdub.errors import InputError, ManifestError

MAX_BYTES = 16 * 2**20
"""More than this is no list that a person keeps, but a movie given by mistake."""

_DELIMITERS = ",;\t"
_UTF8 = "save it as UTF-8 (in a spreadsheet: CSV UTF-8)"


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written.

    Attributes:
        delimiter: comma, semicolon (what spreadsheets write where 1.5 is 1,5) or tab.
        bom: it begins with a byte order mark; without one Excel takes UTF-8 for something else.
    """

    delimiter: str = ","
    bom: bool = False

    @property
    def encoding(self) -> str:
        """Python's name of the encoding."""
        return "utf-8-sig" if self.bom else "utf-8"


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row, and the line of the file (from 1) in which it begins."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file: its header and the rows below it, without rows whose cells are all empty."""

    header: Row
    rows: tuple[Row, ...]
    form: Form


@dataclass(frozen=True, slots=True)
class Kind:
    """What a list is, in sentences about it.

    Attributes:
        name: what users call it.
        columns: of its header.
        error: what is raised where it cannot be read.
    """

    name: str
    columns: str
    error: type[InputError]


MANIFEST = Kind("manifest", "video,audio,output", ManifestError)


def read_table(path: Path, kind: Kind = MANIFEST) -> Table:
    """Read a CSV file.

    Raises:
        InputError: `kind.error`: there is no such file, or it is not CSV in UTF-8, at most 16 MB large, with
            a header.
    """
    raw = read_bytes(path, kind)
    text = decoded(raw, path, kind)
    first = text.lstrip().split("\n", 1)[0]
    form = Form(max(_DELIMITERS, key=first.count), raw.startswith(b"\xef\xbb\xbf"))
    rows = list(_rows(text, form, path, kind))
    if not rows:
        raise kind.error(f"{path} is empty; its first line names the columns: {kind.columns}.")
    return Table(rows[0], tuple(rows[1:]), form)


def read_bytes(path: Path, kind: Kind) -> bytes:
    """The bytes of a list, at most 16 MB of them.

    Raises:
        InputError: `kind.error`: there is no such file, or it is larger.
    """
    try:
        if not path.exists():
            raise kind.error(f"there is no file {path}; check the path of the {kind.name}.")
        if not path.is_file():
            raise kind.error(f"{path} is not a file; give a {kind.name} as text.")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:  # a NUL in the name is a ValueError
        raise kind.error(f"{str(path)!r} cannot be read ({getattr(exc, 'strerror', None) or exc}).") from exc
    if len(raw) > MAX_BYTES:
        raise kind.error(
            f"{path} is larger than {MAX_BYTES >> 20} MB and so no {kind.name}; give one as text."
        )
    return raw


def decoded(raw: bytes, path: Path, kind: Kind) -> str:
    """The text of a list, without its byte order mark.

    Raises:
        InputError: `kind.error`: it is not UTF-8.
    """
    if b"\0" in raw.lstrip().split(b"\n", 1)[0]:  # a movie, a workbook, or UTF-16
        raise kind.error(f"{path} is not text in UTF-8; {_UTF8}.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise kind.error(f"{path}, line {line}: this is not text in UTF-8; {_UTF8}.") from exc


def _rows(text: str, form: Form, path: Path, kind: Kind) -> Iterator[Row]:
    # newline="" leaves line ends inside quotes as they are.
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=form.delimiter, skipinitialspace=True, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            raise kind.error(f"{path}, line {line}: this is not CSV ({exc}); check the quotes.") from exc
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield Row(line, tuple(cells))
