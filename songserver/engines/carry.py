"""What all protocols over ASGI have in common: how a call is made of a request, watched, and ended."""

import asyncio
import functools
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias
from urllib.parse import unquote_to_bytes

import structlog
from google.protobuf.message import Message
from grpc import StatusCode

from songserver.engines.clients import client_name
from songserver.engines.framing import Codec, Incoming
from songserver.rpc import Call, Handler, Metadata, Method, Status

Scope: TypeAlias = Mapping[str, Any]
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
Routes: TypeAlias = Mapping[str, tuple[Method, Handler]]
"""The methods by their path."""
Read: TypeAlias = Callable[[], Awaitable[bytes | None]]
"""Gives the next message of a request, None after the last."""

LOOK = 0.5
"""Seconds between two looks whether the client is still there."""
RESERVED = frozenset(
    {
        b"accept-encoding",
        b"connect-accept-encoding",
        b"connect-content-encoding",
        b"connect-protocol-version",
        b"connect-timeout-ms",
        b"content-encoding",
        b"content-type",
        b"grpc-accept-encoding",
        b"grpc-encoding",
        b"grpc-timeout",
        b"host",
        b"te",
        b"x-envoy-external-address",
        b"x-envoy-internal",
        b"x-forwarded-client-cert",
    }
)
"""Headers that belong to a protocol, or that Envoy adds, and are no metadata."""
DEADLINE_EXCEEDED = Status(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", ())
CANCELLED = Status(StatusCode.CANCELLED, "Cancelled", ())
BROKEN = Status(StatusCode.INTERNAL, "something went wrong in the server", ())

log = structlog.get_logger()


class Response(Protocol):
    """How a protocol writes what a call answers."""

    async def send(self, message: Message) -> None:
        """Takes a response message; raises CancelledError if the client has gone."""

    async def end(self, status: Status | None) -> None:
        """Ends the response, with the status of a call that failed; raises OSError if the client has gone."""


async def carry(
    route: tuple[Method, Handler],
    scope: Scope,
    seconds: float | None,
    incoming: Incoming,
    read: Read,
    codec: Codec,
    response: Response,
) -> None:
    """Makes the call of a request, and sees it to its end.

    Args:
        route: What is called.
        scope: ASGI's.
        seconds: Until the caller's deadline; None if it set none.
        incoming: The request's body.
        read: Gives the messages in it.
        codec: Their form.
        response: Takes what the call answers.
    """
    method, handler = route
    watch = _Watch(incoming, seconds)
    call = Call(
        method,
        metadata=_metadata(scope["headers"]),
        peer=_peer(scope["client"]),
        client_name=functools.partial(_client_name, scope["headers"]),
        timeout=seconds,
        receive=_decoding(read, codec, method) if codec.to_binary else read,
        send=response.send,
    )
    try:
        if not method.client_streaming:
            # As with grpcio, a call begins when its request is there.
            call.receive = _once(await _only(read, incoming), codec, method)
        await handler(call)
        status = call.status
    except asyncio.CancelledError:
        # Our own task is nobody's to cancel but the watch's. If it is the client that has gone, this is told to nobody.
        status = DEADLINE_EXCEEDED if watch.late else incoming.refused or CANCELLED
    except Exception:
        # The errors interceptor leaves none; but Envoy would tell the client that all went well.
        log.exception("a call broke off", method=method.path)
        status = BROKEN
    finally:
        watch.end()
    try:
        await response.end(status)
    except OSError:
        return  # the client has gone


class _Watch:
    """Cancels the task of a call when its time is up or its client has gone."""

    __slots__ = ("_incoming", "_loop", "_looking", "_task", "_time_up", "late")

    def __init__(self, incoming: Incoming, seconds: float | None) -> None:
        task = asyncio.current_task()
        assert task
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._incoming = incoming
        self._looking = self._loop.call_later(LOOK, self._look)
        self._time_up = None if seconds is None else self._loop.call_later(seconds, self._be_late)
        self.late = False

    def end(self) -> None:
        """Ends it: the call has ended."""
        self._looking.cancel()
        if self._time_up:
            self._time_up.cancel()

    def _be_late(self) -> None:
        self.late = True
        self._task.cancel()

    def _look(self) -> None:
        if self._incoming.is_gone():
            self._task.cancel()
        else:
            self._looking = self._loop.call_later(LOOK, self._look)


async def _only(read: Read, incoming: Incoming) -> bytes:
    """Gives the message of a request that has one."""
    request = await read()
    if request is None:
        raise incoming.refuse(StatusCode.INVALID_ARGUMENT, "the request has no message")
    return request


def _once(request: bytes, codec: Codec, method: Method) -> Read:
    async def receive() -> bytes:
        return codec.to_binary(request, method.request_type) if codec.to_binary else request

    return receive


def _decoding(read: Read, codec: Codec, method: Method) -> Read:
    async def receive() -> bytes | None:
        message = await read()
        return codec.to_binary(message, method.request_type) if message is not None and codec.to_binary else message

    return receive


def _metadata(headers: Headers) -> Metadata:
    return list(_pairs(headers))


def _pairs(headers: Headers) -> Iterator[tuple[str, str | bytes]]:
    for name, value in headers:
        if name in RESERVED:
            continue
        if not name.endswith(b"-bin"):
            yield name.decode("ascii"), value.decode("latin-1")
            continue
        for part in value.split(b","):
            try:
                yield name.decode("ascii"), b64decode(part.strip() + b"=" * (-len(part.strip()) % 4))
            except Base64Error:
                continue


def _client_name(headers: Headers) -> str:
    """The name in the client's certificate, which Envoy gives us in a header: `Hash=...;Cert="..."`."""
    _, _, quoted = dict(headers).get(b"x-forwarded-client-cert", b"").partition(b';Cert="')
    return client_name(unquote_to_bytes(quoted.rstrip(b'"'))) if quoted else ""


def _peer(client: tuple[str, int] | None) -> str:
    """The client's address in grpc's form."""
    if client is None:
        return "unix:"
    host, port = client
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
