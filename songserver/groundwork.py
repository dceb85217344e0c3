"""What is done once before anyone serves: MongoDB is there, and has its indexes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from songserver.accounts import Accounts
from songserver.auth.account_rules import AccountRules
from songserver.auth.passwords import Passwords
from songserver.config import Settings
from songserver.errors import DatabaseFailure
from songserver.rules import Rules
from songserver.storage.audit import Audit
from songserver.storage.embedded import EmbeddedMongo, uri_of_running
from songserver.storage.indexes import make_indexes
from songserver.storage.mongo import Mongo
from songserver.storage.reindexing import reindex_if_needed
from songserver.storage.users import Users

MONGODB_WAIT = 30.0
"""Seconds that MongoDB has to be there at a start."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Groundwork:
    """What there is once it is done."""

    mongodb_uri: str
    mongo: Mongo


@asynccontextmanager
async def groundwork(settings: Settings, *, joins: bool = False) -> AsyncIterator[Groundwork]:
    """Connects to the MongoDB of the settings, or runs one of our own; makes the indexes.

    Args:
        settings: The settings.
        joins: Whether the one of our own may be that of a server which runs now.

    Raises:
        EmbeddedMongoError: If our own cannot be started.
        DatabaseFailure: If MongoDB is not there within `MONGODB_WAIT`.
    """
    async with AsyncExitStack() as stack:
        directory = settings.data_directory.absolute() / "mongodb"
        if settings.mongodb_uri:
            uri = settings.mongodb_uri.get_secret_value()
        elif joins and (running := await uri_of_running(directory)):
            uri = running
        else:
            uri = await stack.enter_async_context(EmbeddedMongo(directory))
        await _until_there(uri, settings)
        mongo = Mongo(uri, settings.mongodb_database, settings.mongodb_timeout)
        stack.push_async_callback(mongo.close)
        await make_indexes(mongo)
        await Users(mongo).add_skeletons()
        await reindex_if_needed(mongo)
        yield Groundwork(uri, mongo)


async def _until_there(uri: str, settings: Settings) -> None:
    give_up = time.monotonic() + MONGODB_WAIT
    while True:
        # On connections of their own: one from before there was a replica set goes on to know of no transactions.
        mongo = Mongo(uri, settings.mongodb_database, settings.mongodb_timeout)
        try:
            return await mongo.ping()
        except DatabaseFailure as failure:
            if failure.retry_after is None or time.monotonic() > give_up:
                raise
            log.warning("waiting for MongoDB", seconds_left=round(give_up - time.monotonic()))
        finally:
            await mongo.close()
        await asyncio.sleep(1)


def make_accounts(settings: Settings, mongo: Mongo) -> Accounts:
    """Makes what making users takes."""
    passwords = Passwords(
        time_cost=settings.argon2_time_cost,
        memory_cost=settings.argon2_memory_cost,
        threads=settings.argon2_threads,
    )
    return Accounts(Users(mongo), passwords, Rules(), AccountRules(), Audit(mongo))
