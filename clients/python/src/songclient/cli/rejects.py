"""Keeps the rows that an import rejected, with the reasons, to be mended and imported again."""

import contextlib
import os
from pathlib import Path
from typing import IO

from songclient.cli.reading import Reject, Row, Songs


class Rejects:
    """The file of an import's rejected rows, made with the first of them."""

    def __init__(self, path: Path, songs: Songs, size: int = 0) -> None:
        """Keep them in the file at `path`; of an import that goes on, after its first `size` bytes."""
        self.path = path
        self._songs = songs
        self._size = min(size, path.stat().st_size) if path.exists() else 0
        self._file: IO[str] | None = None
        self._add: Reject | None = None
        self._files = contextlib.ExitStack()

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        if self._file is not None:
            self._file.flush()
            self._size = os.fstat(self._file.fileno()).st_size
        return self._size

    def add(self, row: Row, reason: str) -> bool:
        """Add a row with the reason; say whether it is the first one. Raises OSError."""
        first = self._size == 0 and self._add is None
        if self._add is None:
            self._add = self._open()
        self._add(row, reason)
        return first

    def close(self) -> None:
        """Close the file if there is one."""
        if self._size and self._file is None:
            # What was added after the import had last noted how far it was.
            os.truncate(self.path, self._size)
        self._files.close()

    def _open(self) -> Reject:
        # Bytes that were no UTF-8 go back as they came.
        mode = "r+" if self._size else "w"
        opened = self.path.open(mode, encoding="utf-8", errors="surrogateescape", newline="")
        file = self._file = self._files.enter_context(opened)
        file.seek(self._size)
        file.truncate()
        return self._songs.rejects(file, begin=self._size == 0)
