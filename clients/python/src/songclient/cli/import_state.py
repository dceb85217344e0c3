"""Keeps how far an import is, so that the same command goes on with one that was cut."""

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

SAVE_AFTER = 0.05
"""Seconds after which it is noted how far an import is. The server knows that exactly, but not for long what became of
each row."""


class ImportState:
    """A small file about an import that is under way."""

    def __init__(self, path: Path | None, import_id: str) -> None:
        """Keep it in the file at `path`, or nowhere."""
        self._path = path
        self._saved = time.monotonic()
        self.import_id = import_id
        self.rows = 0
        """Rows that are settled."""
        self.items = 0
        """Songs of these rows that went to the server."""
        self.rejects_size = 0
        """Bytes of the file of rejected rows."""
        self.summary: dict[str, Any] = {}
        """What became of these rows."""

    @classmethod
    def load(cls, directory: Path, name: str, of: Sequence[str], import_id: str) -> Self:
        """Load the state of an import, or begin one.

        `of` is all that makes it this import: server, options. What changes a file makes it another one, unless the
        import has an id by its user, who then sees to it that the rows are the same.
        """
        about = [*of, import_id or _fingerprint(name)]
        path = directory / "imports" / f"{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]}.json"
        state = cls(path, import_id or str(uuid4()))
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            kept = json.loads(path.read_bytes())
            state.import_id = kept["import_id"]
            state.rows, state.items = int(kept["rows"]), int(kept["items"])
            state.rejects_size, state.summary = int(kept["rejects_size"]), dict(kept["summary"])
        return state

    @property
    def is_due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._saved > SAVE_AFTER

    def save(self) -> None:
        """Save what has changed; a reader sees the old state or the new one. Raises OSError."""
        self._saved = time.monotonic()
        if self._path is None:
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=".")
        with os.fdopen(descriptor, "w") as file:
            json.dump(kept, file)
        Path(name).replace(self._path)

    def remove(self) -> None:
        """Forget it: the import is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _fingerprint(name: str) -> str:
    """Give what changes when a file, or one in a folder, does."""
    path = Path(name).resolve()
    paths = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    stats = [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in paths]
    return json.dumps([str(path), hashlib.sha256(json.dumps(stats).encode()).hexdigest()])
