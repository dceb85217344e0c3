"""The servicers on grpcio's asyncio server."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias, cast

import grpc
from google.protobuf.message import Message
from grpc import aio

from songserver.config import Settings
from songserver.rpc import Call, Handler, Metadata, Method, Receive, Send

# grpc's classes are generic in their types only.
MethodHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "aio.ServicerContext[bytes, bytes]"


class ListenError(RuntimeError):
    """The address cannot be served on; the message says why."""


def make_server(settings: Settings) -> aio.Server:
    """Makes a server with our limits, without services or a port."""
    return aio.server(
        options=[
            # Else a second server on the same port would silently take half of its calls.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            # Clients may ping a connection as often as every 10 s, with calls on it or without.
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
        ]
    )


def add_methods(server: aio.Server, methods: Iterable[tuple[Method, Handler]]) -> None:
    """Gives the server our methods. Requests reach them as bytes: what is no message is ours to refuse."""
    by_path = {method.path: _to_grpc(method, handler) for method, handler in methods}

    class Methods(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> "MethodHandler | None":
            return by_path.get(details.method)

    server.add_generic_rpc_handlers([Methods()])


def add_port(server: aio.Server, settings: Settings) -> str:
    """Makes the server listen, with TLS if there is a certificate.

    Returns:
        The address that it listens on, with the port that it got.

    Raises:
        ListenError: If the address is taken, or is none of this machine.
    """
    _check_free(settings.listen)
    try:
        if settings.tls_certificate and settings.tls_key:
            port = server.add_secure_port(
                settings.listen, _credentials(settings, settings.tls_certificate, settings.tls_key)
            )
        else:
            port = server.add_insecure_port(settings.listen)
    except RuntimeError as error:
        raise _cannot_listen(settings.listen, error) from error
    if settings.listen.startswith("unix:"):
        return settings.listen
    return f"{settings.listen.rpartition(':')[0]}:{port}"


def _check_free(address: str) -> None:
    """Refuses an address that another server has.

    Of a name with several addresses grpc would take those that are left, and a Unix socket from under its server.
    """
    try:
        if address.startswith("unix:"):
            taken = _answers(address.removeprefix("unix:").removeprefix("//"))
        else:
            taken = _bound(address)
    except (OSError, OverflowError) as error:
        raise _cannot_listen(address, error) from error
    if taken:
        raise _cannot_listen(address, "another server has it")


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _bound(address: str) -> bool:
    host, _, port = address.rpartition(":")
    for family, kind, _, _, place in socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM):
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((place[0], int(port), *place[2:]))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return True
                # A name may have addresses, of IPv6 for one, that this machine has not; one is enough for grpc.
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
    return False


def _cannot_listen(address: str, why: object) -> ListenError:
    return ListenError(f"cannot listen on {address} ({why}): set `listen` to an address of this machine that is free")


def _credentials(settings: Settings, tls_certificate: Path, tls_key: Path) -> grpc.ServerCredentials:
    pair = (tls_key.read_bytes(), tls_certificate.read_bytes())
    authorities = settings.tls_client_ca.read_bytes() if settings.tls_client_ca else None
    return grpc.ssl_server_credentials([pair], authorities, require_client_auth=authorities is not None)


def _to_grpc(method: Method, handler: Handler) -> MethodHandler:
    """The method as grpc wants it: without serializers, and in its own streaming shape, so that refusals arrive."""
    shape = (method.client_streaming, method.server_streaming)
    if shape == (False, False):
        return grpc.unary_unary_rpc_method_handler(_unary_response(method, handler))
    if shape == (False, True):
        return grpc.unary_stream_rpc_method_handler(_stream_response(method, handler))
    if shape == (True, False):
        return grpc.stream_unary_rpc_method_handler(_unary_response(method, handler))
    return grpc.stream_stream_rpc_method_handler(_stream_response(method, handler))


def _unary_response(method: Method, handler: Handler) -> Callable[[Any, Context], Awaitable[bytes]]:
    async def respond(request: Any, context: Context) -> bytes:
        response = b""

        async def send(message: Message) -> None:
            nonlocal response
            response = message.SerializeToString()

        await _run(method, handler, request, context, send)
        return response

    return respond


def _stream_response(method: Method, handler: Handler) -> Callable[[Any, Context], Awaitable[None]]:
    async def respond(request: Any, context: Context) -> None:
        async def send(message: Message) -> None:
            try:
                await context.write(message.SerializeToString())
            except aio.InternalError as error:
                # The client has gone; grpc cancels the call a moment later.
                raise asyncio.CancelledError from error

        await _run(method, handler, request, context, send)

    return respond


async def _run(method: Method, handler: Handler, request: Any, context: Context, send: Send) -> None:
    """Makes the call of a request (bytes, or a stream of them), and ends it on the wire as its status says."""
    call = Call(
        method,
        metadata=cast(Metadata, context.invocation_metadata()),
        peer=context.peer(),
        timeout=context.time_remaining(),
        receive=_from_stream(context) if method.client_streaming else _once(request),
        send=send,
    )
    await handler(call)
    if call.status:
        await context.abort(call.status.code, call.status.message, tuple(call.status.trailers))


def _once(request: bytes) -> Receive:
    async def receive() -> bytes:
        return request

    return receive


def _from_stream(context: Context) -> Receive:
    async def receive() -> bytes | None:
        request: Any = await context.read()
        return None if request is aio.EOF else request

    return receive
