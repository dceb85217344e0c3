"""Indexes are made at a start, also over a database that is there already, and making them again does nothing."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pymongo
import pytest
from pymongo.database import Database

from songserver.config import Settings
from songserver.errors import DatabaseFailure
from songserver.storage.indexes import AUDIT, SESSIONS, SONGS, USERS, VOCABULARY, make_indexes
from songserver.storage.mongo import Mongo
from songserver.testing import running_server

WANTED = {"songs": SONGS, "users": USERS, "audit": AUDIT, "sessions": SESSIONS, "vocabulary": VOCABULARY}


@pytest.fixture
def database(song_server_settings: Settings) -> Iterator[Database[dict[str, Any]]]:
    """The database of the test's settings, where no server has been yet."""
    assert song_server_settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](song_server_settings.mongodb_uri.get_secret_value()) as client:
        yield client[song_server_settings.mongodb_database]


def names(database: Database[dict[str, Any]], collection: str) -> set[str]:
    return set(database[collection].index_information()) - {"_id_"}


def make(settings: Settings) -> None:
    """Makes the indexes as a start does."""

    async def connect() -> None:
        assert settings.mongodb_uri
        mongo = Mongo(settings.mongodb_uri.get_secret_value(), settings.mongodb_database, settings.mongodb_timeout)
        try:
            await make_indexes(mongo)
        finally:
            await mongo.close()

    asyncio.run(connect())


def test_a_start_makes_all_indexes(song_server_settings: Settings, database: Database[dict[str, Any]]) -> None:
    with running_server(song_server_settings):
        for collection, models in WANTED.items():
            assert names(database, collection) == {model.document["name"] for model in models}


def test_making_them_again_does_nothing(song_server_settings: Settings, database: Database[dict[str, Any]]) -> None:
    make(song_server_settings)
    before = {collection: database[collection].index_information() for collection in WANTED}
    make(song_server_settings)

    assert {collection: database[collection].index_information() for collection in WANTED} == before


def test_a_start_over_an_older_database_adds_what_is_missing(
    song_server_settings: Settings, database: Database[dict[str, Any]]
) -> None:
    make(song_server_settings)
    database["songs"].insert_many({"identity": bytes([number]), "keys": {"title": "a"}} for number in range(100))
    database["songs"].drop_index("by_title")
    database["songs"].create_index("label", name="the operator's own")
    make(song_server_settings)

    assert names(database, "songs") == {model.document["name"] for model in SONGS} | {"the operator's own"}
    assert database["songs"].count_documents({}) == 100


def test_what_must_be_unique_is(song_server_settings: Settings, database: Database[dict[str, Any]]) -> None:
    make(song_server_settings)

    for collection, field in (("songs", "identity"), ("songs", "request"), ("users", "key")):
        document = {"identity": b"0", "request": "0", "key": "0", field: "the same"}
        database[collection].insert_one({**document, "_id": f"{field} 1"})
        with pytest.raises(pymongo.errors.DuplicateKeyError, match=f"index: {field} "):
            database[collection].insert_one(
                {"identity": b"1", "request": "1", "key": "1", field: "the same", "_id": f"{field} 2"}
            )
        database[collection].delete_many({})


def test_songs_without_a_request_are_not_in_each_others_way(
    song_server_settings: Settings, database: Database[dict[str, Any]]
) -> None:
    make(song_server_settings)

    database["songs"].insert_many([{"identity": b"1"}, {"identity": b"2"}])


def test_an_index_of_another_make_under_the_same_name_is_an_error(
    song_server_settings: Settings, database: Database[dict[str, Any]]
) -> None:
    database["songs"].create_index("title", name="by_title")

    with pytest.raises(DatabaseFailure, match=r"MongoDB does not make an index: .*by_title"):
        make(song_server_settings)
