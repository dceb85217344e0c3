"""Reads songs in JSON: JSON Lines with one a line, and JSON arrays; UTF-8."""

import io
import json
from collections.abc import Iterator, Mapping
from typing import IO, Any, BinaryIO

from songclient import Song
from songclient.cli.json_fields import ERRORS, SongFiller
from songclient.cli.reading import REJECT_COLUMNS, Reject, Row, UnreadableFileError, one_line, position_in

CHUNK = 1 << 16
"""Characters of an array that are read at once."""


class JsonLinesSongs:
    """The songs of a file with one a line."""

    rejects_suffix = "jsonl"

    def __init__(self, file: BinaryIO, mapped: Mapping[str, str] | None = None) -> None:
        """Read a file; `mapped` has the fields of names that are not the contract's."""
        self._file = file
        self._filler = SongFiller(mapped or {})
        self.ignored = self._filler.ignored

    def __iter__(self) -> Iterator[Row]:
        position = position_in(self._file)
        for number, line in enumerate(self._file, start=1):
            if line.strip():
                song, reason = _read(lambda line=line: _loads(line), self._filler)
                yield Row(number, line, position(), song, reason)

    def rejects(self, file: IO[str], *, begin: bool = True) -> Reject:  # noqa: ARG002 - lines have no beginning
        """Begin the rejected lines in a file, or go on with them."""

        def add(row: Row, reason: str) -> None:
            head = {"row": row.number, "reason": reason}
            try:
                line = head | _own(_loads(row.source))
            except ERRORS:
                line = head | {"line": row.source.decode(errors="replace").rstrip("\r\n")}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

        return add


class JsonSongs:
    """The songs of a file that is an array of them, however long it is.

    Raises UnreadableFileError if it is none.
    """

    rejects_suffix = "jsonl"

    def __init__(self, file: BinaryIO, mapped: Mapping[str, str] | None = None) -> None:
        """Read a file; `mapped` has the fields of names that are not the contract's."""
        self._text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape")
        self._position = position_in(file)
        self._filler = SongFiller(mapped or {})
        self._buffer = self._text.read(CHUNK)
        self._at = 0
        self.ignored = self._filler.ignored
        if self._next_sign() != "[":
            raise UnreadableFileError("it is no JSON array of songs; for a song a line, use --format jsonl")
        self._at += 1

    def __iter__(self) -> Iterator[Row]:
        decoder = json.JSONDecoder()
        number = 0
        while (sign := self._next_sign()) != "]":
            if sign == "," and number:
                self._at += 1
                continue
            number += 1
            try:
                value = self._next_value(decoder)
            except (ValueError, RecursionError) as error:
                # Nobody can say where the next one begins.
                rest = f"cannot be read as JSON, nor can what follows: {one_line(error)}"
                yield Row(number, self._buffer[self._at :][:1000], self._position(), Song(), rest)
                return
            song, reason = _read(lambda value=value: value, self._filler)
            yield Row(number, value, self._position(), song, reason)

    def rejects(self, file: IO[str], *, begin: bool = True) -> Reject:  # noqa: ARG002 - lines have no beginning
        """Begin the rejected songs in a file, a line each, or go on with them."""

        def add(row: Row, reason: str) -> None:
            own = _own(row.source) if isinstance(row.source, dict) else {"value": row.source}
            file.write(json.dumps({"row": row.number, "reason": reason} | own, ensure_ascii=False) + "\n")

        return add

    def _next_sign(self) -> str:
        """Give the next character that is no white space; empty at the end."""
        while True:
            while self._at < len(self._buffer):
                if not (sign := self._buffer[self._at]).isspace():
                    return sign
                self._at += 1
            if not self._more():
                return ""

    def _next_value(self, decoder: json.JSONDecoder) -> Any:
        while True:
            try:
                value, self._at = decoder.raw_decode(self._buffer, self._at)
            except ValueError:
                if not self._more():
                    raise
            else:
                return value

    def _more(self) -> bool:
        """Read on, twice as much as there is, so that a long value is not read over and over."""
        rest = self._buffer[self._at :]
        more = self._text.read(max(CHUNK, len(rest)))
        self._buffer, self._at = rest + more, 0
        return bool(more)


def _loads(line: bytes) -> Any:
    return json.loads(line.decode("utf-8-sig"))


def _read(load: Any, filler: SongFiller) -> tuple[Song, str]:
    """Give the song of a value, and the reason why it is none."""
    song = Song()
    try:
        filler.fill(song, _own(load()))
    except ERRORS as error:
        return song, f"cannot be read as a song in JSON: {one_line(error)}"
    return song, ""


def _own(value: Any) -> dict[str, Any]:
    """Give a song's object, without what a file of rejected ones has added."""
    if not isinstance(value, dict):
        raise TypeError('must be an object such as {"title": "...", "artists": ["..."]}')
    for name in REJECT_COLUMNS:
        value.pop(name, None)
    return value
