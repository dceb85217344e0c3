"""What one caller asks of MongoDB does not take the place of what others ask."""

import asyncio

import pytest

from songs.v1.access_pb2 import PRIVILEGE_LISTENER
from songserver.config import Settings
from songserver.errors import DatabaseFailure
from songserver.groundwork import groundwork, make_accounts
from songserver.storage.mongo import LONG_READS, Mongo

pytestmark = pytest.mark.asyncio


async def test_long_reads_are_bounded_and_the_next_one_waits_no_longer_than_an_operation_may_take() -> None:
    mongo = Mongo("mongodb://127.0.0.1:1", "songs", 0.05)
    done = asyncio.Event()

    async def read() -> None:
        async with mongo.room():
            await done.wait()

    reads = [asyncio.create_task(read()) for _ in range(LONG_READS)]
    await asyncio.sleep(0)
    with pytest.raises(DatabaseFailure):
        await asyncio.wait_for(read(), 2)
    done.set()
    await asyncio.gather(*reads)

    await read()
    await mongo.close()


async def test_a_user_who_cannot_be_read_is_nobody_elses_trouble(song_server_settings: Settings) -> None:
    async with groundwork(song_server_settings) as ground:
        mongo = ground.mongo
        users = make_accounts(song_server_settings, mongo).users
        good = await users.create("good", "", PRIVILEGE_LISTENER)
        bad = await users.create("bad", "", PRIVILEGE_LISTENER)
        await mongo.collection("users").update_one({"_id": bad.id}, {"$set": {"privilege": "PRIVILEGE_CURATOR"}})

        # The first goes out by itself; the others go out together.
        found = await asyncio.gather(*(users.find(user.id) for user in (good, good, bad)), return_exceptions=True)

    assert found[:2] == [good, good]
    assert isinstance(found[2], ValueError)
