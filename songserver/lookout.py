"""Looks after MongoDB: the server is SERVING while it takes writes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from songserver.errors import DatabaseFailure
from songserver.storage.mongo import Mongo
from songserver.worker import ServingStatus

INTERVAL = 0.25
"""Seconds between two looks at MongoDB: with the time of a look itself, health follows it within 2 s."""

log = structlog.get_logger()


class Lookout:
    """Looks at MongoDB again and again, and tells when it has come or gone."""

    def __init__(self, mongo: Mongo, tell: Callable[[ServingStatus], Awaitable[None]]) -> None:
        """
        Args:
            mongo: What must be there for the server to serve.
            tell: Hears of the status at the start and of each change of it.
        """
        self._mongo = mongo
        self._tell = tell
        self._stopping = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self.status: ServingStatus = "NOT_SERVING"

    async def start(self) -> None:
        """Takes a first look at MongoDB, and goes on looking."""
        await self._look()
        self._looking = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        """Tells NOT_SERVING, so that no more calls are sent here, and looks no more."""
        self._stopping.set()
        self.status = "NOT_SERVING"
        await self._tell(self.status)
        # Not cancelled: pymongo swallows that now and then, and the look would go on for ever.
        if self._looking:
            await self._looking

    async def _keep_looking(self) -> None:
        while not await self._stops_within(INTERVAL):
            await self._look()

    async def _stops_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    async def _look(self) -> None:
        reason = ""
        try:
            await self._mongo.ping()
        except DatabaseFailure as failure:
            reason = failure.message
        status: ServingStatus = "NOT_SERVING" if reason else "SERVING"
        # A look that ends while the server stops does not count.
        if status == self.status or self._stopping.is_set():
            return
        self.status = status
        if reason:
            log.warning("not serving", reason=reason)
        else:
            log.info("serving")
        await self._tell(status)
