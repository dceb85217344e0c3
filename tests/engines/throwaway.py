"""Methods that tests of an engine call, and the application that carries them in Envoy."""

import asyncio
import json
from collections.abc import Sequence

import grpc
from google.protobuf.wrappers_pb2 import BytesValue, Int32Value, StringValue

from songs.v1.access_pb2 import PRIVILEGE_PUBLIC
from songserver.engines.asgi import application
from songserver.engines.carry import Scope
from songserver.engines.framing import Receive, Send
from songserver.rpc import Call, Handler, Method, Status
from songserver.sources import load_settings
from tests.covered import covered

PIECE = 10_000
"""Bytes of each message that Pour sends."""
FAILURE = Status(
    grpc.StatusCode.NOT_FOUND,
    "100 % of it is „gone“\n",
    (("song-status-code", "-3003"), ("grpc-status-details-bin", b"\0\xff,="), ("more-bin", b"")),
)


class Behaviour:
    """What the methods do, and what came of their calls."""

    def __init__(self) -> None:
        self.poured = 0
        self.cancelled = 0

    async def echo(self, call: Call) -> None:
        """Gives back what it gets."""
        while (request := await call.receive()) is not None:
            await call.send(BytesValue.FromString(request))
            if not call.method.client_streaming:
                return

    async def collect(self, call: Call) -> None:
        """Waits as many seconds as the first message has bytes, then counts the bytes of all others."""
        await asyncio.sleep(len(BytesValue.FromString(await call.receive() or b"").value))
        size = 0
        while (request := await call.receive()) is not None:
            size += len(request)
        await call.send(Int32Value(value=size))

    async def fail(self, call: Call) -> None:
        """Gives back as many messages as the first one has bytes, then fails."""
        for _ in range(len(BytesValue.FromString(await call.receive() or b"").value)):
            await call.send(BytesValue())
        call.status = FAILURE

    async def tell(self, call: Call) -> None:
        """Tells what it knows of the call."""
        await call.receive()
        known = {
            "metadata": [(key, value if isinstance(value, str) else list(value)) for key, value in call.metadata],
            "peer": call.peer,
            "remaining": call.remaining,
        }
        await call.send(StringValue(value=json.dumps(known)))

    async def wait(self, call: Call) -> None:
        """Goes on until it is cancelled."""
        await call.receive()
        try:
            if call.method.server_streaming:
                await call.send(BytesValue())
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def pour(self, call: Call) -> None:
        """Sends as fast as it may, until it is cancelled."""
        await call.receive()
        self.poured = 0
        try:
            while True:
                await call.send(BytesValue(value=b"x" * PIECE))
                self.poured += 1
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def ask(self, call: Call) -> None:
        """Tells how many calls were cancelled, and how many messages the last Pour has sent."""
        await call.receive()
        await call.send(StringValue(value=json.dumps([self.cancelled, self.poured])))


def make_methods() -> Sequence[tuple[Method, Handler]]:
    """Gives the methods, `/throwaway.Service/...`."""
    behaviour = Behaviour()

    def method(
        name: str, handler: Handler, *, takes_stream: bool = False, gives_stream: bool = False
    ) -> tuple[Method, Handler]:
        path = f"/throwaway.Service/{name}"
        no_side_effects = not gives_stream
        described = Method(
            path, name, BytesValue, takes_stream, gives_stream, PRIVILEGE_PUBLIC, no_side_effects=no_side_effects
        )
        return described, handler

    return [
        method("Echo", behaviour.echo),
        method("EchoAll", behaviour.echo, takes_stream=True, gives_stream=True),
        method("Collect", behaviour.collect, takes_stream=True),
        method("Fail", behaviour.fail),
        method("FailAfter", behaviour.fail, gives_stream=True),
        method("FailAll", behaviour.fail, takes_stream=True, gives_stream=True),
        method("Tell", behaviour.tell),
        method("Wait", behaviour.wait),
        method("WaitOn", behaviour.wait, gives_stream=True),
        method("WaitAll", behaviour.wait, takes_stream=True, gives_stream=True),
        method("Pour", behaviour.pour, gives_stream=True),
        method("Ask", behaviour.ask),
    ]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The methods, in Envoy."""
    if scope["type"] != "lifespan":
        await scope["state"]["respond"](scope, receive, send)
        return
    with covered():
        await receive()
        scope["state"]["respond"] = application(make_methods(), load_settings())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
