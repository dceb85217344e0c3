"""Follows what changes of accounts, whichever process changes it: a change stream of MongoDB's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pymongo
import structlog
from pymongo.errors import PyMongoError

from songserver.storage.mongo import Document, Mongo, reason

log = structlog.get_logger()

FOLLOWED: list[Document] = [
    # By itself, so that MongoDB passes over what is written elsewhere in its log: imports above all.
    {"$match": {"ns.coll": {"$in": ["users", "sessions", "api_keys"]}, "operationType": {"$in": ["delete", "update"]}}},
    {
        "$match": {
            "$or": [
                {"operationType": "delete", "ns.coll": {"$in": ["users", "sessions", "api_keys"]}},
                {
                    "operationType": "update",
                    "ns.coll": "users",
                    "updateDescription.updatedFields.revision": {"$exists": True},
                },
            ]
        }
    },
    {"$project": {"documentKey": True}},
]
"""What ends before its time, and users of whom another revision holds."""
AWAIT = 1.0
"""Seconds that MongoDB waits for a change before it says that there is none."""
ANSWER_TIME = 4.0
"""Seconds within which it says so, or is taken to be away."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds until the stream is opened again after it broke; twice as many each time, as on a MongoDB that has none."""


class Changes:
    """Tells of accounts, sessions and API keys that are not what they were."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._listeners: list[Callable[[str], None]] = []

    def tell(self, listener: Callable[[str], None]) -> None:
        """Has a listener called with the id of each user, session or API key that has changed or is gone.

        An empty id says that some may have been missed.
        """
        self._listeners.append(listener)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follows the changes for as long as its block lasts. While MongoDB is away, or has no change streams, none is
        told of.
        """
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            while not task.done():
                # More than once, since pymongo swallows a cancellation now and then.
                task.cancel()
                await asyncio.wait([task], timeout=0.2)

    def _tell(self, changed_id: str) -> None:
        for listener in self._listeners:
            listener(changed_id)

    async def _follow(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                with pymongo.timeout(ANSWER_TIME):
                    stream = await self._mongo.watch(FOLLOWED, AWAIT)
                async with stream:
                    # Whatever changed before is not told of by this one.
                    self._tell("")
                    # It ends if the database is dropped.
                    while stream.alive:
                        with pymongo.timeout(ANSWER_TIME):
                            change = await stream.try_next()
                        pause = FIRST_PAUSE
                        if change is not None:
                            self._tell(change["documentKey"]["_id"])
            except (PyMongoError, TimeoutError) as error:
                log.warning("changes of accounts are not followed now", error=_reason(error), again_in=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def _reason(error: Exception) -> str:
    return reason(error) if isinstance(error, PyMongoError) else "no answer in time"
