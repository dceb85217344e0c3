"""Reads files of songs, a row at a time: tables (CSV, RFC 4180) and JSON Lines, both UTF-8."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, TextIO

from google.protobuf import json_format

from songclient import Song
from songclient.cli.fields import Setter, setter_for

_REJECT_COLUMNS = ("row", "reason")
"""What a rejected row has before its own columns; read over when it is imported again."""

JSON_ERRORS = (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError)
"""What reading a message from JSON raises: also what odd values do to its parser."""


class UnreadableFileError(Exception):
    """A file that cannot be read as songs at all; its text says why."""


@dataclass(slots=True)
class Row:
    """One row of a file: a song, or the reason why it is none."""

    number: int
    """The row's place in its file, from 1: the record after a table's header, the line of JSON."""
    source: Any
    """The row as it came: the cells of a table, the line of JSON Lines."""
    position: int
    """How many bytes of the file were read when the row was; 0 where the file does not tell."""
    song: Song
    reason: str = ""
    """Why the row cannot be read as a song; empty if it can."""


class CsvSongs:
    """The songs of a table whose first row names the columns.

    Raises UnreadableFileError if the table has no header with a column for the title.
    """

    def __init__(self, file: BinaryIO) -> None:
        # What is no UTF-8 becomes a surrogate, which no message takes: only its row is rejected.
        text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        self._reader = csv.reader(text, strict=True)
        self._position = file.tell if file.seekable() else _no_position
        try:
            self.header = next(self._reader, [])
        except csv.Error as error:
            raise UnreadableFileError(f"its header cannot be read: {error}") from error
        setters = [(index, name, setter_for(name)) for index, name in enumerate(self.header)]
        self._setters = [(index, name, setter) for index, name, setter in setters if setter]
        self._own = [i for i, name in enumerate(self.header) if name not in _REJECT_COLUMNS]
        self.ignored = [name for i, name, setter in setters if i in self._own and not setter]
        """The names of the columns that a song has no field for."""
        if not any(name.strip().lower() == "title" for name in self.header):
            names = ", ".join(map(repr, self.header)) or "nothing"
            raise UnreadableFileError(f"its header has no column 'title', only {names}")

    def __iter__(self) -> Iterator[Row]:
        number = 0
        width, setters, position = len(self.header), self._setters, self._position
        while True:
            cells: list[str] = []
            reason = ""
            try:
                cells = next(self._reader)
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
                reason = _fill(song, cells, setters)
            yield Row(number, cells, position(), song, reason)

    def rejects(self, file: TextIO) -> Callable[[Row, str], None]:
        """Begin a table of rejected rows in a file, and give what adds one with its reason."""
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*_REJECT_COLUMNS, *(self.header[index] for index in self._own)])

        def add(row: Row, reason: str) -> None:
            whole = len(row.source) == len(self.header)
            cells = [row.source[index] for index in self._own] if whole else row.source
            writer.writerow([row.number, reason, *cells])

        return add


class JsonLinesSongs:
    """The songs of a file with one in proto3 JSON a line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = file.tell if file.seekable() else _no_position
        self.ignored: list[str] = []

    def __iter__(self) -> Iterator[Row]:
        for number, line in enumerate(self._file, start=1):
            if not line.strip():
                continue
            song = Song()
            reason = ""
            try:
                json_format.ParseDict(_song_object(line), song)
            except JSON_ERRORS as error:
                reason = f"cannot be read as a song in JSON: {one_line(error)}"
            yield Row(number, line, self._position(), song, reason)

    def rejects(self, file: TextIO) -> Callable[[Row, str], None]:
        """Begin the rejected lines in a file, and give what adds one with its reason."""

        def add(row: Row, reason: str) -> None:
            head = {"row": row.number, "reason": reason}
            try:
                line = head | _song_object(row.source)
            except JSON_ERRORS:
                line = head | {"line": row.source.decode(errors="replace").rstrip("\r\n")}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

        return add


Songs = CsvSongs | JsonLinesSongs

FORMATS: dict[str, type[CsvSongs] | type[JsonLinesSongs]] = {
    "csv": CsvSongs,
    "jsonl": JsonLinesSongs,
}


def _no_position() -> int:
    return 0


def _fill(song: Song, cells: list[str], setters: list[tuple[int, str, Setter]]) -> str:
    """Set a song's fields from the cells of a row, and give the reason why that is not possible."""
    for index, name, setter in setters:
        if cell := cells[index]:
            try:
                setter(song, cell)
            except UnicodeEncodeError:
                return f"{name}: must be UTF-8"
            except ValueError as error:
                return f"{name}: {error}"
    return ""


def _song_object(line: bytes) -> dict[str, Any]:
    value = json.loads(line.decode("utf-8-sig"))
    if not isinstance(value, dict):
        raise TypeError('must be an object such as {"title": "...", "artists": ["..."]}')
    for name in _REJECT_COLUMNS:
        value.pop(name, None)
    return value


def one_line(error: Exception) -> str:
    """Give what an error says, in one line."""
    return " ".join(str(error).split())
