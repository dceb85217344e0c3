"""Reads tables of songs: CSV (RFC 4180), UTF-8, with a header, which tells what parts cells."""

import csv
import io
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import IO, BinaryIO, Final

from songclient import Song
from songclient.cli.columns import Column, columns_of
from songclient.cli.fields import field_named
from songclient.cli.reading import REJECT_COLUMNS, Reject, Row, UnreadableFileError, position_in

DELIMITERS: Final = (",", ";", "\t")
"""What parts cells: the first one of those that part the most names in the header. A spreadsheet writes ';' where the
comma is in numbers."""


class CsvSongs:
    """The songs of a table whose first row names the columns.

    Raises UnreadableFileError if the table has no header with a column for the title.
    """

    rejects_suffix = "csv"

    def __init__(self, file: BinaryIO, mapped: Mapping[str, str] | None = None) -> None:
        """Read a file; `mapped` has the fields of columns whose names do not tell."""
        # What is no UTF-8 becomes a surrogate, which no message takes: only its row is rejected.
        # (Kept, since it closes the file when it goes.)
        self._text = text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        self._position = position_in(file)
        try:
            first = text.readline()
            delimiter = max(DELIMITERS, key=lambda each: len(next(csv.reader([first], delimiter=each), [])))
            self._reader = csv.reader(chain([first], text), strict=True, delimiter=delimiter)
            self.header = next(self._reader, [])
        except csv.Error as error:
            raise UnreadableFileError(f"its header cannot be read: {error}") from error
        mapped = mapped or {}
        if missing := [name for name in mapped if name not in self.header]:
            raise UnreadableFileError(f"its header has no column {missing[0]!r}, as --map says")
        self._columns = columns_of(self.header, mapped)
        self._own = [i for i, name in enumerate(self.header) if name not in REJECT_COLUMNS]
        known = {column.at for column in self._columns}
        self.ignored = [self.header[index] for index in self._own if index not in known]
        if not any(field_named(mapped.get(column.name, column.name)) == "title" for column in self._columns):
            names = ", ".join(map(repr, self.header)) or "nothing"
            raise UnreadableFileError(f"its header has no column 'title', only {names}: use --map title=COLUMN")

    def __iter__(self) -> Iterator[Row]:
        number = 0
        width, columns, position, read = len(self.header), self._columns, self._position, self._reader.__next__
        while True:
            cells: list[str] = []
            reason = ""
            try:
                cells = read()
            except StopIteration:
                return
            except csv.Error as error:
                reason = f"cannot be read as CSV: {error}"
            if not cells and not reason:
                continue
            number += 1
            song = Song()
            if not reason and len(cells) != width:
                reason = f"has {len(cells)} columns where the header has {width}"
            if not reason:
                reason = _fill(song, cells, columns)
            yield Row(number, cells, position(), song, reason)

    def rejects(self, file: IO[str], *, begin: bool = True) -> Reject:
        """Begin a table of rejected rows in a file, or go on with it."""
        writer = csv.writer(file)
        if begin:
            writer.writerow([*REJECT_COLUMNS, *(self.header[index] for index in self._own)])

        def add(row: Row, reason: str) -> None:
            whole = len(row.source) == len(self.header)
            cells = [row.source[index] for index in self._own] if whole else row.source
            writer.writerow([row.number, reason, *cells])

        return add


def _fill(song: Song, cells: list[str], columns: list[Column]) -> str:
    """Set a song's fields from the cells of a row, and give the reason why that is not possible."""
    for at, name, setter in columns:
        if cell := cells[at]:
            try:
                setter(song, cell)
            except UnicodeEncodeError:
                return f"{name}: must be UTF-8"
            except ValueError as error:
                return f"{name}: {error}"
    return ""
