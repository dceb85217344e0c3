"""Changes of accounts are followed, through whatever happens to MongoDB."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from songs.v1.access_pb2 import PRIVILEGE_LISTENER
from songserver.config import Settings
from songserver.storage import changes as changes_module
from songserver.storage.changes import Changes
from songserver.storage.mongo import Mongo
from songserver.storage.sessions import Client, Sessions
from songserver.storage.users import Users

HERE = Client("127.0.0.1", "127.0.0.1")
Heard = Callable[[str], Awaitable[None]]


@asynccontextmanager
async def following(settings: Settings) -> AsyncIterator[tuple[Mongo, list[str], Heard]]:
    """Follows the changes of a database: gives the ids that were told of, and what waits for one."""
    assert settings.mongodb_uri
    mongo = Mongo(settings.mongodb_uri.get_secret_value(), settings.mongodb_database, 10)
    told: list[str] = []

    async def heard(changed_id: str) -> None:
        async with asyncio.timeout(10):
            while changed_id not in told:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    changes = Changes(mongo)
    changes.tell(told.append)
    async with changes.following():
        await heard("")
        told.clear()
        yield mongo, told, heard
    await mongo.close()


def test_what_lets_nobody_in_any_more_is_told_of_and_nothing_else(song_server_settings: Settings) -> None:
    async def run() -> None:
        async with following(song_server_settings) as (mongo, told, heard):
            users, sessions = Users(mongo), Sessions(mongo, 600)
            user = await users.create("somebody", "hash", PRIVILEGE_LISTENER)
            session = await sessions.begin(user.id, HERE)
            await sessions.refresh(session.refresh_token, HERE)
            await users.update(user.id, display_name="Some Body")
            await users.rehash(user.id, "hash", "another hash")
            await users.update(user.id, password_hash="of another password")
            await heard(user.id)
            await sessions.end(session.session_id)
            await heard(session.session_id)
            await users.delete(user.id)
            await asyncio.sleep(0.2)
            assert told == [user.id, session.session_id, user.id]

    asyncio.run(run())


def test_a_stream_that_broke_is_opened_again(song_server_settings: Settings) -> None:
    async def run() -> None:
        async with following(song_server_settings) as (mongo, _, heard):
            users = Users(mongo)
            await users.create("somebody", "", PRIVILEGE_LISTENER)
            assert song_server_settings.mongodb_uri
            client: AsyncMongoClient[Any]
            async with AsyncMongoClient(song_server_settings.mongodb_uri.get_secret_value()) as client:
                await client.drop_database(song_server_settings.mongodb_database)
            await heard("")
            user = await users.create("another", "", PRIVILEGE_LISTENER)
            await users.update(user.id, password_hash="another")
            await heard(user.id)

    asyncio.run(run())


def test_a_mongodb_without_change_streams_is_asked_again_now_and_then(
    song_server_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(changes_module, "FOLLOWED", [{"$noSuchStage": {}}])

    async def run() -> int:
        assert song_server_settings.mongodb_uri
        mongo = Mongo(song_server_settings.mongodb_uri.get_secret_value(), song_server_settings.mongodb_database, 10)
        asked = 0
        watch = mongo.watch

        async def counted(*arguments: object) -> object:
            nonlocal asked
            asked += 1
            return await watch(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(mongo, "watch", counted)
        async with Changes(mongo).following():
            await asyncio.sleep(1)
        await mongo.close()
        return asked

    assert 3 <= asyncio.run(run()) <= 6
