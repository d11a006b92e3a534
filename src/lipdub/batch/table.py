"""CSV as spreadsheets write it: with or without a BOM, with commas, semicolons or tabs."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lipdub.errors import ManifestError

MAX_BYTES = 16 * 2**20
"""More than this is no list of movies, but a movie given by mistake."""

_DELIMITERS = ",;\t"
_UTF8 = "save it as CSV UTF-8"


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


def read_table(path: Path) -> Table:
    """Read a CSV file.

    Raises:
        ManifestError: there is no such file, or it is not CSV in UTF-8, at most 16 MB large, with a header.
    """
    raw = _read_bytes(path)
    text = _decoded(raw, path)
    first = text.lstrip().split("\n", 1)[0]
    form = Form(max(_DELIMITERS, key=first.count), raw.startswith(b"\xef\xbb\xbf"))
    rows = list(_rows(text, form, path))
    if not rows:
        raise ManifestError(f"{path} is empty; its first line names the columns: video,audio,output.")
    return Table(rows[0], tuple(rows[1:]), form)


def _read_bytes(path: Path) -> bytes:
    try:
        if not path.exists():
            raise ManifestError(f"there is no file {path}; check the path of the manifest.")
        if not path.is_file():
            raise ManifestError(f"{path} is not a file; give a manifest as CSV.")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:  # a NUL in the name is a ValueError
        raise ManifestError(
            f"{str(path)!r} cannot be read ({getattr(exc, 'strerror', None) or exc})."
        ) from exc
    if len(raw) > MAX_BYTES:
        raise ManifestError(
            f"{path} is larger than {MAX_BYTES >> 20} MB and so no manifest; give a CSV file."
        )
    return raw


def _decoded(raw: bytes, path: Path) -> str:
    if b"\0" in raw.lstrip().split(b"\n", 1)[0]:  # a movie, a workbook, or UTF-16
        raise ManifestError(f"{path} is not a CSV file; {_UTF8}.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise ManifestError(f"{path}, line {line}: this is not text in UTF-8; {_UTF8}.") from exc


def _rows(text: str, form: Form, path: Path) -> Iterator[Row]:
    # newline="" leaves line ends inside quotes as they are.
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=form.delimiter, skipinitialspace=True, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            raise ManifestError(f"{path}, line {line}: this is not CSV ({exc}); check the quotes.") from exc
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield Row(line, tuple(cells))
