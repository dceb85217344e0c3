"""Keeps the rows that an import rejected, with the reasons, to be mended and imported again."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from songclient.cli.reading import Row, Songs


class Rejects:
    """The file of an import's rejected rows, made with the first of them."""

    def __init__(self, path: Path, songs: Songs) -> None:
        """Keep them in the file at `path`, in the format of the songs."""
        self.path = path
        self._songs = songs
        self._add: Callable[[Row, str], None] | None = None
        self._files = contextlib.ExitStack()

    def add(self, row: Row, reason: str) -> bool:
        """Add a row with the reason; say whether it is the first one. Raises OSError."""
        first = self._add is None
        if self._add is None:
            # Bytes that were no UTF-8 go back as they came.
            file = self._files.enter_context(
                self.path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
            )
            self._add = self._songs.rejects(file)
        self._add(row, reason)
        return first

    def close(self) -> None:
        """Close the file if there is one."""
        self._files.close()
