"""Our methods as an ASGI application, for a server that has HTTP/2 with trailers, as Envoy has.

This file has gRPC; `connect.py` has the Connect protocol, which is for browsers and curl.
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias
from urllib.parse import quote

from google.protobuf.message import Message
from grpc import StatusCode

from songserver.config import METADATA_ENTRY, Settings
from songserver.engines import connect
from songserver.engines.carry import Routes, Scope, carry
from songserver.engines.framing import BINARY, JSON, WINDOW_BITS, Codec, Event, Incoming, Receive, Send, frame
from songserver.rpc import Call, Handler, Method, Status

Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

CODECS: Mapping[bytes, Codec] = {
    b"application/grpc": BINARY,
    b"application/grpc+proto": BINARY,
    b"application/grpc+json": JSON,
}
ACCEPTED = (b"grpc-accept-encoding", b"identity, deflate, gzip")
TIMEOUT = re.compile(rb"(\d{1,8})([HMSmun])")
UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
OK: Event = {"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]}
PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
"""What stands for itself in a status message; all else is percent-encoded."""


def application(methods: Iterable[tuple[Method, Handler]], settings: Settings) -> Application:
    """Gives the ASGI application that carries these methods."""
    routes: Routes = {
        method.path: (method, _with_bounded_metadata(handler, settings.max_metadata_bytes))
        for method, handler in methods
    }
    limit = settings.max_message_bytes

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        fields = dict(scope["headers"])
        content_type = fields.get(b"content-type", b"")
        codec = CODECS.get(content_type)
        if codec is None or scope["method"] != "POST":
            await connect.respond(routes, limit, scope, receive, send)
            return
        encoding = fields.get(b"grpc-encoding", b"identity")
        packed = encoding if encoding in WINDOW_BITS else b""
        route = routes.get(scope["path"])
        streams = route is not None and route[0].server_streaming
        response = GrpcResponse(send, codec, content_type, packed, streams=streams)
        try:
            timeout = _timeout(fields.get(b"grpc-timeout"))
        except ValueError as error:
            await response.end(Status(StatusCode.INTERNAL, str(error), ()))
            return
        if route is None:
            await response.end(Status(StatusCode.UNIMPLEMENTED, "Method not found!", ()))
        elif encoding != b"identity" and not packed:
            await response.end(
                Status(StatusCode.UNIMPLEMENTED, f"the grpc-encoding {encoding.decode('latin-1')!r} is not known", ())
            )
        else:
            incoming = Incoming(receive, packed, limit)
            await carry(route, scope, timeout, incoming, incoming.message, codec, response)

    return respond


def _with_bounded_metadata(handler: Handler, limit: int) -> Handler:
    """Refuses calls with more metadata than the limit in bytes, as gRPC does: Envoy would tell nobody why."""

    async def bounded(call: Call) -> None:
        if sum(len(name) + len(value) + METADATA_ENTRY for name, value in call.metadata) > limit:
            message = f"the metadata has more than {limit} bytes, with {METADATA_ENTRY} for each entry: send less"
            call.status = Status(StatusCode.RESOURCE_EXHAUSTED, message, ())
        else:
            await handler(call)

    return bounded


class GrpcResponse:
    """A response as gRPC has it: each message after its length, and how the call ended in the trailers."""

    __slots__ = ("_codec", "_encoding", "_frame", "_head", "_send", "_started", "_streams")

    def __init__(self, send: Send, codec: Codec, content_type: bytes, encoding: bytes, *, streams: bool) -> None:
        """
        Args:
            send: ASGI's.
            codec: The form of its messages.
            content_type: The request's.
            encoding: How messages are compressed: as those of the request are, if at all.
            streams: Whether there may be more than one message.
        """
        self._send = send
        self._codec = codec
        self._encoding = encoding
        self._head = [(b"content-type", content_type), ACCEPTED]
        self._streams = streams
        self._started = False
        self._frame = b""

    async def send(self, message: Message) -> None:
        """Takes a response message; of a stream once there is room for it on its way to the client.

        Raises:
            CancelledError: If the client has gone.
        """
        data = frame(self._codec.encode(message), self._encoding)
        if not self._streams:
            self._frame = data
            return
        try:
            if not self._started:
                await self._start()
            # Shielded: the server that fulfils it must not find it cancelled.
            await asyncio.shield(self._send({"type": "http.response.body", "body": data, "more_body": True}))
        except OSError as error:
            raise asyncio.CancelledError from error

    async def end(self, status: Status | None) -> None:
        """Ends the response, with the status of a call that failed.

        Raises:
            OSError: If the client has gone.
        """
        if status is not None and not self._started:
            # Without a message there is one block of headers only.
            headers = self._head + _trailers(status)
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._send({"type": "http.response.body"})
            return
        if not self._started:
            await self._start()
        await self._send({"type": "http.response.body", "body": self._frame})
        await self._send(OK if status is None else {"type": "http.response.trailers", "headers": _trailers(status)})

    async def _start(self) -> None:
        self._started = True
        headers = [*self._head, (b"grpc-encoding", self._encoding)] if self._encoding else self._head
        await self._send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})


def _timeout(value: bytes | None) -> float | None:
    """Seconds that a grpc-timeout says."""
    if value is None:
        return None
    parts = TIMEOUT.fullmatch(value)
    if parts is None:
        raise ValueError("Error parsing 'grpc-timeout' metadata")
    return int(parts[1]) * UNITS[parts[2]]


def _trailers(status: Status) -> list[tuple[bytes, bytes]]:
    trailers = [(b"grpc-status", b"%d" % status.code.value[0])]
    if status.message:
        trailers.append((b"grpc-message", quote(status.message, safe=PRINTABLE).encode()))
    for name, value in status.trailers:
        trailers.append((name.encode(), b64encode(value).rstrip(b"=") if isinstance(value, bytes) else value.encode()))
    return trailers
