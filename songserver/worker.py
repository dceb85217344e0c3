"""A worker: a process that serves, and does what its supervisor says.

They talk over a Unix socket, whose descriptor stands in the variable `SONGSERVER_CONTROL`, in lines of JSON:

    supervisor: {"worker": 1, "settings": {...}, "mongodb_uri": "...", "certificates": {...}} first,
        then {"health": "SERVING" | "NOT_SERVING"}, {"certificates": {...}} and {"drain": seconds}
    worker: {"ready": true} or {"failed": "why"}; while it drains {"turned_away": true} once new connections go to
        other workers, and {"idle": true} at the end

When the supervisor has gone, the worker ends.
"""

import asyncio
import gc
import json
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple, TypeAlias

from pydantic import SecretStr

from songserver.certificates import Certificates
from songserver.config import Settings

CONTROL_VARIABLE = "SONGSERVER_CONTROL"
ServingStatus: TypeAlias = Literal["SERVING", "NOT_SERVING"]
"""Names of grpc.health.v1."""
LINE = 1 << 20
"""Bytes that a line may have."""

GARBAGE = 50_000
"""Objects made and not freed after which garbage is looked for. Python's own number is 700."""


class Task(NamedTuple):
    """What a worker is to do."""

    number: int
    """The worker's, from 1 on; another one takes it over when it has died."""
    settings: Settings
    mongodb_uri: SecretStr
    certificates: Certificates | None
    """Without them it serves without TLS."""


def settle() -> None:
    """Leaves all that is there after the start to itself, and has garbage looked for less often.

    Calls in flight make more objects than they free, so that the collector would soon walk over all modules and
    descriptors again, for tens of ms. Without that, Envoy's worker does a third more GetSongs with 64 in flight, and
    the 99th percentile falls from 50 to 12 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])


class Control:
    """The worker's end of the line, whichever engine carries the calls."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._draining: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls) -> "Control":
        """Takes up the line to the supervisor that started this process."""
        line = socket.socket(fileno=int(os.environ[CONTROL_VARIABLE]))
        return cls(*await asyncio.open_unix_connection(sock=line, limit=LINE))

    async def task(self) -> Task:
        """Waits for what is to be done. Whoever asks imports first: a worker is started before MongoDB is there.

        Raises:
            EOFError: If the supervisor has gone before.
        """
        order = await self._order()
        if order is None:
            raise EOFError
        uri, certificates = SecretStr(order["mongodb_uri"]), order["certificates"]
        return Task(
            order["worker"],
            Settings.model_validate({**order["settings"], "mongodb_uri": uri}),
            uri,
            Certificates(**certificates) if certificates else None,
        )

    def ready(self) -> None:
        """Tells that calls are taken."""
        self._tell(ready=True)

    def failed(self, why: object) -> None:
        """Tells why this worker cannot serve."""
        self._tell(failed=str(why))

    def turned_away(self) -> None:
        """Tells that all new connections are other workers' from now on."""
        self._tell(turned_away=True)

    async def follow(
        self,
        tell_health: Callable[[ServingStatus], Awaitable[None]],
        renew: Callable[[Certificates], None],
        drain: Callable[[float], Awaitable[None]],
    ) -> None:
        """Does what the supervisor says until it has gone, or has no more to say.

        Args:
            tell_health: Takes the health that clients are to be told.
            renew: Takes new certificates, which new connections get.
            drain: Takes no more connections, and returns once all calls have ended, or are cut after so many seconds.
                It may be asked a second time, with less time, before it has returned.
        """
        while (order := await self._order()) is not None:
            if "health" in order:
                await tell_health(order["health"])
            if "certificates" in order:
                renew(Certificates(**order["certificates"]))
            if "drain" in order:
                draining = asyncio.create_task(self._drain(drain, order["drain"]))
                self._draining.add(draining)
                draining.add_done_callback(self._draining.discard)

    async def _drain(self, drain: Callable[[float], Awaitable[None]], seconds: float) -> None:
        await drain(seconds)
        self._tell(idle=True)

    async def _order(self) -> dict[str, Any] | None:
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        order: dict[str, Any] | None = json.loads(line) if line else None
        return order

    def _tell(self, **what: Any) -> None:
        self._writer.write(json.dumps(what).encode() + b"\n")
