"""The standard health service (grpc.health.v1): SERVING while MongoDB takes writes."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import grpc
import structlog
from grpc import aio
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from songserver.errors import DatabaseFailure
from songserver.storage.mongo import Mongo

INTERVAL = 0.25
"""Seconds between two looks at MongoDB: with the time of a look itself, health follows it within 2 s."""

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

log = structlog.get_logger()


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # its stubs have no types
    """Looks after MongoDB, and tells who asks for the health of the server or of one of its services.

    grpcio-health-checking has a servicer too, but its Watch goes on for ever: each watcher would hold up a stop for the
    whole grace.
    """

    def __init__(self, mongo: Mongo, services: Sequence[str]) -> None:
        """
        Args:
            mongo: What must be there for the server to serve.
            services: Full names of the services.
        """
        self._mongo = mongo
        self._services = {"", *services}
        self._status = HealthCheckResponse.NOT_SERVING
        self._stopping = asyncio.Event()
        self._changed = asyncio.Condition()
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Takes a first look at MongoDB, and goes on looking."""
        await self._look()
        self._looking = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        """Says NOT_SERVING from now on, so that no more calls are sent here, and ends what is watched."""
        self._stopping.set()
        await self._tell(HealthCheckResponse.NOT_SERVING)
        # Not cancelled: pymongo swallows that now and then, and the look would go on for ever.
        if self._looking:
            await self._looking

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:  # noqa: N802
        """Gives the health; NOT_FOUND for a service that is not here."""
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service!r} here")
        return HealthCheckResponse(status=self._status)

    async def Watch(self, request: HealthCheckRequest, context: Context) -> None:  # noqa: N802
        """Gives the health, and then every change of it until the server stops."""
        known = request.service in self._services
        told = None
        while True:
            seen = self._status
            status = seen if known else HealthCheckResponse.SERVICE_UNKNOWN
            if status != told:
                await context.write(HealthCheckResponse(status=status))
                told = status
            if self._stopping.is_set():
                return
            async with self._changed:
                while self._status == seen and not self._stopping.is_set():
                    await self._changed.wait()

    async def _keep_looking(self) -> None:
        while not await self._stops_within(INTERVAL):
            await self._look()

    async def _stops_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    async def _look(self) -> None:
        try:
            await self._mongo.ping()
        except DatabaseFailure as failure:
            if self._status != HealthCheckResponse.NOT_SERVING:
                log.warning("not serving", reason=failure.message)
            await self._tell(HealthCheckResponse.NOT_SERVING)
        else:
            if self._status != HealthCheckResponse.SERVING:
                log.info("serving")
            await self._tell(HealthCheckResponse.SERVING)

    async def _tell(self, status: HealthCheckResponse.ServingStatus.ValueType) -> None:
        async with self._changed:
            # A look that ends while the server stops does not count.
            self._status = HealthCheckResponse.NOT_SERVING if self._stopping.is_set() else status
            self._changed.notify_all()
