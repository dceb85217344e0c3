"""What readers of files of songs have in common: they give a row at a time, good or bad."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Protocol

from songclient import Song

REJECT_COLUMNS = ("row", "reason")
"""What a rejected row has before its own columns; read over when it is imported again."""

Reject = Callable[["Row", str], None]
"""Adds a row to a file of rejected ones, with the reason."""


class UnreadableFileError(Exception):
    """A file that cannot be read as songs at all; its text says why."""


@dataclass(slots=True)
class Row:
    """One row of a file: a song, or the reason why it is none."""

    number: int
    """The row's place, from 1: the record after a table's header, the line of JSON, the file of a folder."""
    source: Any
    """The row as it came: the cells of a table, the line of JSON Lines."""
    position: int
    """How many bytes were read when the row was; 0 where the file does not tell."""
    song: Song
    reason: str = ""
    """Why the row cannot be read as a song; empty if it can."""
    skipped: bool = False
    """Whether nobody can expect a song of it: it is named, and not rejected."""


class Songs(Protocol):
    """The songs of a file."""

    ignored: list[str]
    """The names of the columns that a song has no field for."""
    rejects_suffix: str
    """How the name of a file of rejected rows ends."""

    def __iter__(self) -> Iterator[Row]:
        """Give the rows in their order. The same file gives the same rows."""
        ...

    def rejects(self, file: IO[str], *, begin: bool = True) -> Reject:
        """Begin the rejected rows in a file, or go on with them, and give what adds one with its reason."""
        ...


def position_in(file: BinaryIO) -> Callable[[], int]:
    """Give what tells how far a file is read, in bytes; always 0 for what does not tell, such as a pipe."""
    return file.tell if file.seekable() else lambda: 0


def one_line(error: Exception) -> str:
    """Give what an error says, in one line."""
    return " ".join(str(error).split())
