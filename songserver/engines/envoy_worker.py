"""What runs in an Envoy worker: an ASGI application that begins with a task from the supervisor."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from songserver.app import wired
from songserver.config import Settings
from songserver.engines.addresses import bound_address, take_place
from songserver.engines.admin import Admin
from songserver.engines.asgi import application
from songserver.engines.carry import Scope
from songserver.engines.envoy import ADMIN
from songserver.engines.framing import Receive, Send
from songserver.engines.sockets import turn_away
from songserver.foreseen import Foreseen
from songserver.groundwork import make_accounts
from songserver.health import Health
from songserver.logs import configure_logs
from songserver.storage.mongo import Mongo
from songserver.worker import Control, Task, settle

LOOK = 0.05
"""Seconds between two looks at Envoy."""
GOING = 0.3
"""Seconds in which a client that calls has heard that it is to go."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The application. What it is made of in its lifespan it finds in the state of each request."""
    if scope["type"] == "lifespan":
        await live(scope["state"], receive, send)
    else:
        await scope["state"]["respond"](scope, receive, send)


async def live(state: dict[str, Any], receive: Receive, send: Send) -> None:
    """The application's life: gets its task, serves, and does what the supervisor says."""
    await receive()
    control = await Control.open()
    # Where it must end before it has begun, it does so at once: Envoy would print all of its configuration.
    try:
        task = await control.task()
        async with serving(task, state) as health:
            settle()
            await send({"type": "lifespan.startup.complete"})
            following = asyncio.create_task(follow(control, task, health))
            await receive()
            following.cancel()
    except EOFError:
        os._exit(0)
    except Foreseen as error:
        control.failed(error)
        os._exit(1)
    await send({"type": "lifespan.shutdown.complete"})


@asynccontextmanager
async def serving(task: Task, state: dict[str, Any]) -> AsyncIterator[Health]:
    """Wires a server, whose answers are then in `state["respond"]`.

    Raises:
        SongServerError: If MongoDB's URI is none.
        KeysError: If the keys cannot be used.
    """
    settings = task.settings
    configure_logs(settings, worker=task.number)
    mongo = Mongo(task.mongodb_uri, settings.mongodb_database, settings.mongodb_timeout)
    accounts = make_accounts(settings, mongo)
    try:
        async with wired(settings, mongo, accounts) as (methods, health):
            state["respond"] = application(methods, settings)
            yield health
    finally:
        accounts.passwords.close()
        await mongo.close()


async def follow(control: Control, task: Task, health: Health) -> None:
    """Does what the supervisor says, and ends the process when it says no more."""
    envoy = Admin(Path(ADMIN))
    starting = asyncio.create_task(tell_ready(control, envoy, task.settings.listen))
    await control.follow(health.tell, lambda seconds: drain(control, envoy, health, task.settings, seconds))
    starting.cancel()
    os.kill(os.getpid(), signal.SIGTERM)


async def tell_ready(control: Control, envoy: Admin, listen: str) -> None:
    """Tells the supervisor when Envoy listens."""
    while not await envoy.is_live():  # noqa: ASYNC110 - it is another program whose state is asked for
        await asyncio.sleep(LOOK)
    take_place(listen, Path.cwd().name)
    control.ready()


async def drain(control: Control, envoy: Admin, health: Health, settings: Settings, seconds: float) -> None:
    """Takes no more connections, and waits for the calls in flight.

    What time there is beyond `shutdown_grace`, the connections have to grow old: their calls go on, and new ones come,
    until each client has been told to connect anew. Then, or if there is no such time, they are told to go with what
    they are answered next.
    """
    end = time.monotonic() + seconds
    grace = settings.shutdown_grace
    if seconds > grace:
        await turn_away(bound_address(settings.listen, Path.cwd().name))
    await envoy.post("/drain_listeners")
    control.turned_away()
    await _until_none(envoy, "cx", end - grace)
    await health.close()
    await envoy.post("/healthcheck/fail")
    # A call that was sent before its client heard is still on its way.
    await asyncio.sleep(min(GOING, seconds))
    await _until_none(envoy, "rq", min(end, time.monotonic() + grace))


async def _until_none(envoy: Admin, what: Literal["cx", "rq"], end: float) -> None:
    """Waits until there are no connections, or requests, any more, or for a time on the monotonic clock."""
    while time.monotonic() < end and await envoy.active(what):  # noqa: ASYNC110 - as above
        await asyncio.sleep(LOOK)
