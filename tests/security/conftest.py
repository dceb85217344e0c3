"""What the tests of security share: what a server has in its database."""

from typing import Any

import pymongo
from bson import encode

from songserver.testing import SongServer

NOTED = "last_use"
"""Of an API key: tells of calls, and is no change that they make."""


def stored(server: SongServer) -> dict[tuple[str, str], bytes]:
    """Gives all that a server has stored, by collection and id."""
    assert server.settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](server.settings.mongodb_uri.get_secret_value()) as client:
        database = client[server.settings.mongodb_database]
        return {
            (name, str(document["_id"])): encode({key: value for key, value in document.items() if key != NOTED})
            for name in database.list_collection_names()
            for document in database[name].find()
        }
