"""The process of a worker on grpcio: `python -m songserver.engines.grpcio_worker`, started by the supervisor."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import structlog
import uvloop
from grpc import aio

from songserver.accounts import Accounts
from songserver.app import wired
from songserver.certificates import Certificates
from songserver.config import Settings
from songserver.engines import grpcio, sockets
from songserver.engines.addresses import bound_address
from songserver.foreseen import Foreseen
from songserver.groundwork import make_accounts
from songserver.health import Health
from songserver.logs import configure_logs
from songserver.storage.mongo import Mongo
from songserver.worker import Control, settle

LOOK = 0.1
"""Seconds between two looks whether all connections have gone."""
WATCH = 1.0
"""Seconds between two looks whether calls are accepted."""

log = structlog.get_logger()


class AcceptingFailed(Foreseen):
    """grpcio has stopped accepting calls by a fault of its own."""


class Carried(NamedTuple):
    """A server that takes calls."""

    server: aio.Server
    health: Health
    address: str
    """Where it listens, host:port."""
    renew: Callable[[Certificates], None]
    """Takes new certificates, for the connections that come from now on."""


async def main() -> int:
    """Serves until the supervisor has no more to say; gives the exit status."""
    control = await Control.open()
    try:
        task = await control.task()
    except EOFError:
        return 0
    settings = task.settings
    configure_logs(settings, worker=task.number)
    try:
        mongo = Mongo(task.mongodb_uri.get_secret_value(), settings.mongodb_database, settings.mongodb_timeout)
        accounts = make_accounts(settings, mongo)
        async with carrying(settings, mongo, accounts, task.certificates, shares_port=True) as carried:
            settle()
            control.ready()
            following = control.follow(
                carried.health.tell, carried.renew, lambda seconds: drain(control, carried, settings, seconds)
            )
            await while_accepting(carried.server, following)
            await carried.server.stop(None)
        accounts.passwords.close()
        await mongo.close()
    except Foreseen as error:
        control.failed(error)
        return 1
    return 0


@asynccontextmanager
async def carrying(
    settings: Settings,
    mongo: Mongo,
    accounts: Accounts,
    certificates: Certificates | None,
    *,
    shares_port: bool = False,
) -> AsyncIterator[Carried]:
    """Runs a server on grpcio. On the way out calls in flight finish within the grace.

    Args:
        settings: The settings.
        mongo: The database, on which the groundwork is done.
        accounts: What making users takes.
        certificates: What it serves with; None: without TLS.
        shares_port: Whether it is one of several workers on the same port.

    Raises:
        KeysError: If the keys cannot be used.
        ListenError: If the address cannot be served on.
    """
    async with AsyncExitStack() as stack:
        methods, health = await stack.enter_async_context(wired(settings, mongo, accounts))
        server = grpcio.make_server(settings, shares_port=shares_port)
        grpcio.add_methods(server, methods)
        if settings.channelz:
            from grpc_channelz.v1 import channelz  # noqa: PLC0415 - hardly anyone wants it

            channelz.add_channelz_servicer(server)
        tls = grpcio.Tls(certificates) if certificates else None
        address = grpcio.add_port(server, settings, tls, shares_port=shares_port)
        await server.start()
        stack.push_async_callback(server.stop, settings.shutdown_grace)
        stack.push_async_callback(health.close)
        yield Carried(server, health, address, tls.renew if tls else _without_tls)


def _without_tls(_: Certificates) -> None:
    """A worker that leaves, without TLS, hears of the certificates of those that have taken its place."""


async def while_accepting(server: aio.Server, work: Coroutine[Any, Any, None]) -> None:
    """Does some work for as long as a server accepts calls, and after it was stopped.

    Raises:
        AcceptingFailed: If it has stopped by itself: the process would live on, and take no calls.
    """
    working = asyncio.create_task(work)
    while not working.done():
        await asyncio.wait({working}, timeout=WATCH)
        try:
            await server.wait_for_termination(0)
        except Exception as error:
            log.critical("grpcio accepts no more calls: this worker ends, for another to take its place")
            raise AcceptingFailed(f"grpcio has ended: {error}") from error
    await working


async def drain(control: Control, carried: Carried, settings: Settings, seconds: float) -> None:
    """Takes no more connections, and waits for the calls in flight.

    What time there is beyond `shutdown_grace`, the connections have to grow old: their calls go on, and new ones come,
    until each client has been told to connect anew. Then, or if there is no such time, they are told to go at once.
    """
    lingers = seconds - settings.shutdown_grace
    if lingers > 0:
        closes = time.monotonic() + lingers
        address = bound_address(carried.address, str(os.getpid()))
        await sockets.turn_away(address)
        sockets.stop_listening(address)
        control.turned_away()
        while time.monotonic() < closes and sockets.has_connections(address):  # noqa: ASYNC110 - grpc's
            await asyncio.sleep(LOOK)
    await carried.health.close()
    await carried.server.stop(min(seconds, settings.shutdown_grace))


if __name__ == "__main__":
    # 7 % less of the handlers' CPU time than with asyncio's own loop.
    sys.exit(uvloop.run(main()))
