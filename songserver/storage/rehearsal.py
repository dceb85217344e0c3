"""What a dry run would have stored so far, in a temporary file without a name: it goes with who has it open."""

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Self

from songs.v1.song_pb2 import Song
from songserver.storage.mongo import Document
from songserver.storage.song_batches import Plan, There
from songserver.storage.songs import NewSong

TABLES = """
CREATE TABLE songs (identity BLOB PRIMARY KEY, song BLOB) WITHOUT ROWID;
CREATE TABLE requests (request TEXT PRIMARY KEY, id TEXT) WITHOUT ROWID;
"""


class Rehearsal:
    """Lays over what is there what a dry run would have put in its place. Needs little memory, however long the run."""

    def __init__(self) -> None:
        # SQLite's empty name: a private file that is written only once its cache is full, and removed by the system.
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file.executescript(TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    async def over(self, there: There, news: Sequence[NewSong]) -> There:
        """Gives what would be there of some songs."""
        return await asyncio.to_thread(self._over, there, [new.document for new in news])

    async def keep(self, plan: Plan, *, whole: bool) -> None:
        """Keeps what a plan would have written.

        Args:
            plan: The plan.
            whole: Whether songs are asked for with all their fields.
        """
        songs = {identity: new.song for identity, new in plan.created.items()} | plan.changed
        rows = [
            (identity, (song if whole else Song(id=song.id)).SerializeToString()) for identity, song in songs.items()
        ]
        await asyncio.to_thread(self._keep, rows, plan.requests.items())

    def _over(self, there: There, documents: Iterable[Document]) -> There:
        by_identity, by_request = dict(there.by_identity), dict(there.by_request)
        for document in documents:
            identity, request = document["identity"], document.get("request", "")
            for (song,) in self._file.execute("SELECT song FROM songs WHERE identity = ?", (identity,)):
                by_identity[identity] = Song.FromString(song)
            for (song_id,) in self._file.execute("SELECT id FROM requests WHERE request = ?", (request,)):
                by_request[request] = song_id
        return There(by_identity, by_request)

    def _keep(self, songs: Iterable[tuple[bytes, bytes]], requests: Iterable[tuple[str, str]]) -> None:
        self._file.execute("BEGIN")
        self._file.executemany("REPLACE INTO songs VALUES (?, ?)", songs)
        self._file.executemany("REPLACE INTO requests VALUES (?, ?)", requests)
        self._file.execute("COMMIT")
