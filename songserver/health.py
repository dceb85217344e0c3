"""The standard health service (grpc.health.v1): SERVING while MongoDB takes writes."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from songserver.errors import DatabaseFailure
from songserver.storage.mongo import Mongo

INTERVAL = 0.5
"""Seconds between two looks at MongoDB."""

log = structlog.get_logger()


class Health:
    """Watches MongoDB, and tells who asks for the health of the server or of one of its services."""

    def __init__(self, mongo: Mongo, services: Sequence[str]) -> None:
        """
        Args:
            mongo: What must be there for the server to serve.
            services: Full names of the services.
        """
        self._mongo = mongo
        self._services = ["", *services]
        self._servicer = health.aio.HealthServicer()
        self._watch: asyncio.Task[None] | None = None

    async def start(self, server: aio.Server) -> None:
        """Adds the health service to a server that has not started, and begins to watch."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        await self._tell(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._watch = asyncio.create_task(self._watch_mongo())

    async def stop(self) -> None:
        """Says NOT_SERVING from now on, so that no more calls are sent here."""
        if self._watch:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await self._servicer.enter_graceful_shutdown()

    async def _watch_mongo(self) -> None:
        serving: bool | None = None
        while True:
            before = serving
            try:
                await self._mongo.ping()
                serving = True
            except DatabaseFailure:
                serving = False
            if serving != before:
                log.log(20 if serving else 30, "serving" if serving else "not serving: MongoDB is away")
                await self._tell(
                    health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
                )
            await asyncio.sleep(INTERVAL)

    async def _tell(self, status: health_pb2.HealthCheckResponse.ServingStatus.ValueType) -> None:
        for service in self._services:
            await self._servicer.set(service, status)
