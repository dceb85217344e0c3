"""What the tests of the stores share: a database without a server."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pymongo
import pytest
import pytest_asyncio

from songserver.storage.indexes import make_indexes
from songserver.storage.mongo import Mongo

TIMEOUT = 5.0


@pytest.fixture(scope="module")
def indexed_database(song_server_mongodb: str) -> Iterator[str]:
    """The name of a database that has all indexes, which take a second to make."""
    name = f"test_{secrets.token_hex(8)}"

    async def make() -> None:
        mongo = Mongo(song_server_mongodb, name, TIMEOUT)
        await make_indexes(mongo)
        await mongo.close()

    asyncio.run(make())
    yield name
    with pymongo.MongoClient[dict[str, Any]](song_server_mongodb) as client:
        client.drop_database(name)


@pytest_asyncio.fixture
async def mongo(song_server_mongodb: str, indexed_database: str) -> AsyncIterator[Mongo]:
    """A database as it is at a first start of the server, with all indexes and no documents."""
    mongo = Mongo(song_server_mongodb, indexed_database, TIMEOUT)
    yield mongo
    database = mongo.collection("audit").database
    await database.command("collMod", "audit", validator={})
    for name in await database.list_collection_names():
        await database[name].delete_many({})
    await database["audit_head"].insert_one({"_id": "head", "turns": 0})
    await mongo.close()
