"""What all contestants serve: one mongod, the same songs for ours and for the peers, and who asks for them."""

import asyncio
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import psutil
from pymongo import ASCENDING, TEXT, MongoClient
from pymongo.database import Database

from songserver.storage.embedded import EmbeddedMongo
from tests.bench.contestants import BIN

Document: TypeAlias = dict[str, Any]

USERNAME = "user-1"
PASSWORD = "correct horse battery staple"
CREATED = {"tags": "bench"}
"""Selects what the load generator has made."""
QUERIES = 2000
"""Different searches."""
ARGUMENTS = {"GetSong": "ids.txt", "NoOp": "ids.txt", "SearchSongs": "queries.txt"}

TO_PEERS: list[Document] = [
    {
        "$set": {
            "create_time": "$created",
            "update_time": "$updated",
            "duration": {"$divide": ["$duration", 1e9]},
            "release_date": {
                "year": {"$toInt": {"$floor": {"$divide": ["$release_date", 10_000]}}},
                "month": {"$toInt": {"$mod": [{"$floor": {"$divide": ["$release_date", 100]}}, 100]}},
                "day": {"$toInt": {"$mod": ["$release_date", 100]}},
            },
        }
    },
    {"$unset": ["created", "updated", "identity", "request", "revision", "keys", "words"]},
    {"$out": {"db": "peers", "coll": "songs"}},
]
"""Makes of our documents what the peers have: the song alone, without what our own indexes need."""


@dataclass(frozen=True)
class Catalogue:
    """A mongod with songs in it."""

    directory: Path
    """Where the arguments of the load generator are."""
    environment: Mapping[str, str]
    """What every server is told."""
    mongod: psutil.Process
    client: MongoClient[Document]

    def arguments(self, operation: str) -> list[str]:
        """The load generator's flags for the arguments of an operation."""
        name = ARGUMENTS.get(operation)
        return ["-arguments", str(self.directory / name)] if name else []

    def remove_created(self) -> None:
        """Removes the songs that the load generator has made, so that every contestant finds the same catalogue."""
        for database in ("songs", "peers"):
            self.client[database].songs.delete_many(CREATED)


@contextmanager
def catalogue(songs: int) -> Iterator[Catalogue]:
    """Runs a mongod with as many songs, in our documents and in the peers'."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="song-bench-")))
        mongod = EmbeddedMongo(directory / "mongodb")
        uri = asyncio.run(mongod.start())
        stack.callback(lambda: asyncio.run(mongod.stop()))
        environment = {
            **os.environ,
            # What the writes of all must wait for. Ours do so in any case.
            "MONGODB_URI": f"{uri}&w=majority&journal=true",
            "SONGSERVER_DATA_DIRECTORY": str(directory),
            "SONGSERVER_LOG_LEVEL": "warning",
            "SONGSERVER_ACCESS_TOKEN_LIFETIME": "86400",
        }
        subprocess.run(
            [BIN / "songserver", "populate", "--songs", str(songs), "--users", "1", "--password", PASSWORD],
            env=environment,
            check=True,
            timeout=30 + songs / 500,
            stdout=subprocess.DEVNULL,
        )
        client = stack.enter_context(MongoClient[Document](uri))
        client.songs.songs.aggregate(TO_PEERS)
        _index(client.peers)
        _write_arguments(client.songs, directory)
        assert mongod.pid
        yield Catalogue(directory, environment, psutil.Process(mongod.pid), client)


def _index(peers: Database[Document]) -> None:
    """Makes the indexes that the peers' operations need: the order of a list, words, and a song only once."""
    same_song = [(name, ASCENDING) for name in ("title", "artists", "album", "disc_number", "track_number")]
    peers.songs.create_index(same_song, unique=True)
    # Our `language` is not what MongoDB takes by that name.
    text = [(name, TEXT) for name in ("title", "artists", "album")]
    peers.songs.create_index(text, default_language="none", language_override="text_language")


def _write_arguments(database: Database[Document], directory: Path) -> None:
    draw = random.Random(1)
    rows = list(database.songs.find({}, {"title": True, "artists": True}))
    queries = [f"{row['title']} {row['artists'][0].split()[-1]}" for row in draw.sample(rows, min(QUERIES, len(rows)))]
    (directory / "ids.txt").write_text("\n".join(row["_id"] for row in rows))
    (directory / "queries.txt").write_text("\n".join(queries))
