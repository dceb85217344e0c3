"""What all contestants serve: one mongod, the same songs for ours and for the peers, and who asks for them."""

import asyncio
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Any, TypeAlias

import psutil
from pymongo import ASCENDING, TEXT, MongoClient
from pymongo.database import Database

from songs.v1.song_pb2 import Song
from songserver.storage.embedded import EmbeddedMongo
from songserver.storage.song_documents import FULL, to_song
from tests.bench.contestants import BIN
from tests.bench.peers.song_documents import new_document

Document: TypeAlias = dict[str, Any]

USERNAME = "user-1"
PASSWORD = "correct horse battery staple"
QUERIES = 2000
"""Different searches."""
ARGUMENTS = {"GetSong": "ids.txt", "NoOp": "ids.txt", "SearchSongs": "queries.txt"}

BATCH = 10_000
"""Songs that the peers get at once."""


@dataclass(frozen=True)
class Catalogue:
    """A mongod with songs in it."""

    directory: Path
    """Where the arguments of the load generator are."""
    environment: Mapping[str, str]
    """What every server is told."""
    mongod: psutil.Process
    client: MongoClient[Document]
    last: str = ""
    """The id of the song that was made last: ids are in the order of creation."""

    def arguments(self, operation: str) -> list[str]:
        """The load generator's flags for the arguments of an operation."""
        name = ARGUMENTS.get(operation)
        return ["-arguments", str(self.directory / name)] if name else []

    def remove_created(self) -> None:
        """Removes the songs that the load generator has made, so that every contestant finds the same catalogue."""
        self.client.songs.songs.delete_many({"_id": {"$gt": self.last}})
        self.client.peers.songs.delete_many({"tags": "bench"})


@contextmanager
def catalogue(songs: int) -> Iterator[Catalogue]:
    """Runs a mongod with as many songs, in our documents and in the peers'."""
    with empty() as place:
        populate(place.environment, songs)
        songs_made = [to_song(document) for document in place.client.songs.songs.find({}, FULL)]
        for start in range(0, len(songs_made), BATCH):
            place.client.peers.songs.insert_many(map(_of_peers, songs_made[start : start + BATCH]))
        _index(place.client.peers)
        _write_arguments(songs_made, place.directory)
        yield replace(place, last=max(song.id for song in songs_made))


@contextmanager
def empty() -> Iterator[Catalogue]:
    """Runs a mongod without songs."""
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
        assert mongod.pid
        client = stack.enter_context(MongoClient[Document](uri))
        yield Catalogue(directory, environment, psutil.Process(mongod.pid), client)


def populate(environment: Mapping[str, str], songs: int) -> None:
    """Invents songs, and a user who may do everything that is measured."""
    subprocess.run(
        [BIN / "songserver", "populate", "--songs", str(songs), "--users", "1", "--password", PASSWORD],
        env=environment,
        check=True,
        timeout=30 + songs / 500,
        stdout=subprocess.DEVNULL,
    )


def _of_peers(song: Song) -> Document:
    """What the peers have of a song: its fields, without what our own indexes need."""
    times = {"create_time": song.create_time.ToDatetime(UTC), "update_time": song.update_time.ToDatetime(UTC)}
    return {**new_document(song), **times, "_id": song.id}


def _index(peers: Database[Document]) -> None:
    """Makes the indexes that the peers' operations need: the order of a list, words, and a song only once."""
    same_song = [(name, ASCENDING) for name in ("title", "artists", "album", "disc_number", "track_number")]
    peers.songs.create_index(same_song, unique=True)
    # Our `language` is not what MongoDB takes by that name.
    text = [(name, TEXT) for name in ("title", "artists", "album")]
    peers.songs.create_index(text, default_language="none", language_override="text_language")


def _write_arguments(songs: Sequence[Song], directory: Path) -> None:
    draw = random.Random(1)
    asked = draw.sample(songs, min(QUERIES, len(songs)))
    (directory / "ids.txt").write_text("\n".join(song.id for song in songs))
    (directory / "queries.txt").write_text("\n".join(f"{song.title} {song.artists[0].split()[-1]}" for song in asked))
