"""The standard health service (grpc.health.v1)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse

from songserver.errors import StandardError
from songserver.rpc import Call
from songserver.worker import ServingStatus

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"]
SERVICE_UNKNOWN = "SERVICE_UNKNOWN"
"""What Watch says of a service that is not here (the service may come)."""


class Health:
    """Tells who asks for the health of the server or of one of its services what it was last told.

    grpcio-health-checking has a servicer too, but its Watch goes on for ever: each watcher would hold up a stop for the
    whole grace.
    """

    def __init__(self, services: Sequence[str], at_close: Callable[[], None] = lambda: None) -> None:
        """
        Args:
            services: Full names of the services.
            at_close: Ends what else is watched.
        """
        self._at_close = at_close
        self._services = {"", *services}
        self._status: ServingStatus = "NOT_SERVING"
        self._stopping = False
        self._changed = asyncio.Condition()

    async def tell(self, status: ServingStatus) -> None:
        """Takes a new status of the server; none after `close`."""
        async with self._changed:
            self._status = "NOT_SERVING" if self._stopping else status
            self._changed.notify_all()

    async def close(self) -> None:
        """Says NOT_SERVING from now on, so that no more calls are sent here, and ends what is watched."""
        self._at_close()
        async with self._changed:
            self._stopping = True
            self._status = "NOT_SERVING"
            self._changed.notify_all()

    async def Check(self, request: HealthCheckRequest, call: Call) -> HealthCheckResponse:  # noqa: ARG002, N802
        """Gives the health; NOT_FOUND for a service that is not here."""
        if request.service not in self._services:
            raise StandardError(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service!r} here")
        return HealthCheckResponse(status=self._status)

    async def List(self, request: HealthListRequest, call: Call) -> HealthListResponse:  # noqa: ARG002, N802
        """Gives the health of all services."""
        health = HealthCheckResponse(status=self._status)
        return HealthListResponse(statuses=dict.fromkeys(self._services, health))

    async def Watch(  # noqa: N802
        self,
        request: HealthCheckRequest,
        call: Call,  # noqa: ARG002
    ) -> AsyncIterator[HealthCheckResponse]:
        """Gives the health, and then every change of it until the server stops."""
        known = request.service in self._services
        told = None
        while True:
            seen = self._status
            status = seen if known else SERVICE_UNKNOWN
            if status != told:
                yield HealthCheckResponse(status=status)
                told = status
            async with self._changed:
                while self._status == seen and not self._stopping:
                    await self._changed.wait()
            # It may have changed while the one before was sent: the last one is told too.
            if self._status == seen:
                return
