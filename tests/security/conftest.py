"""What the tests of security share: what a server has in its database."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pymongo
import pytest
from bson import encode

from songserver.testing import SongServer

NOTED = "last_use"
"""Of an API key: tells of calls, and is no change that they make."""


class Database:
    """What servers have stored."""

    def __init__(self, client: pymongo.MongoClient[dict[str, Any]]) -> None:
        self._client = client

    def stored(self, server: SongServer, *, but: str = "") -> dict[tuple[str, str], bytes]:
        """Gives all that a server has stored, by collection and id, and that has not expired: MongoDB removes that.

        Args:
            server: The server.
            but: A collection that does not count.
        """
        database = self._client[server.settings.mongodb_database]
        living = {"$or": [{"expires": {"$exists": False}}, {"expires": {"$gt": datetime.now(UTC)}}]}
        return {
            (name, str(document["_id"])): encode({key: value for key, value in document.items() if key != NOTED})
            for name in database.list_collection_names()
            if name != but
            for document in database[name].find(living)
        }

    def remove(self, server: SongServer, keys: Iterable[tuple[str, str]]) -> None:
        """Removes some of what a server has stored, so that there is less to compare."""
        for name, key in keys:
            self._client[server.settings.mongodb_database][name].delete_one({"_id": key})


@pytest.fixture(scope="session")
def database(song_server_mongodb: str) -> Iterator[Database]:
    with pymongo.MongoClient[dict[str, Any]](song_server_mongodb) as client:
        yield Database(client)
