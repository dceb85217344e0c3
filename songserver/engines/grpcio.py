"""The servicers on grpcio's asyncio server."""

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias, cast

import grpc
from google.protobuf.message import Message
from grpc import aio

from songserver.certificates import Certificates
from songserver.config import Settings
from songserver.engines.addresses import UNIX, bound_address, cannot_listen, check_free, take_place
from songserver.engines.clients import client_name
from songserver.engines.grpcio_paths import survive_paths_that_are_no_text
from songserver.rpc import Call, Handler, Metadata, Method, Receive, Send

# grpc's classes are generic in their types only.
MethodHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "aio.ServicerContext[bytes, bytes]"


def make_server(settings: Settings, *, shares_port: bool = False) -> aio.Server:
    """Makes a server with our limits, without services or a port.

    From then on the process, and not only this server, decodes paths as `grpcio_paths.py` says.

    Args:
        settings: The settings.
        shares_port: Whether other workers serve on the same port. To anyone else that must not be possible: a second
            server would silently take half of the calls.
    """
    survive_paths_that_are_no_text()
    return aio.server(
        options=[
            ("grpc.so_reuseport", int(shares_port)),
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            # Between the two gRPC would refuse at random.
            ("grpc.max_metadata_size", settings.max_metadata_bytes),
            ("grpc.absolute_max_metadata_size", settings.max_metadata_bytes),
            ("grpc.max_concurrent_streams", settings.connection_streams),
            # Of calls that wait for Python gRPC would cancel some over 1,000 at random, and all over 3,000.
            ("grpc.server.max_pending_requests", settings.calls_at_once),
            ("grpc.server.max_pending_requests_hard_limit", settings.calls_at_once),
            # Clients may ping a connection as often as every 10 s, with calls on it or without.
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            # Calls in flight on a connection that is too old finish on it; new ones come on another.
            ("grpc.max_connection_age_ms", round(settings.max_connection_age * 1000)),
            ("grpc.max_connection_idle_ms", round(settings.max_connection_idle * 1000)),
        ]
    )


def add_methods(server: aio.Server, methods: Iterable[tuple[Method, Handler]]) -> None:
    """Gives the server our methods. Requests reach them as bytes: what is no message is ours to refuse."""
    by_path = {method.path: _to_grpc(method, handler) for method, handler in methods}

    class Methods(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> "MethodHandler | None":
            return by_path.get(details.method)

    server.add_generic_rpc_handlers([Methods()])


class Tls:
    """What new connections are shown, which may change while it runs. (TLS 1.2 is the least that gRPC takes.)"""

    def __init__(self, certificates: Certificates) -> None:
        self._next: grpc.ServerCertificateConfiguration | None = None
        self.credentials = grpc.dynamic_ssl_server_credentials(
            _configuration(certificates),
            self._take_next,  # type: ignore[arg-type] # it may give None, as gRPC's documentation says
            certificates.authorities is not None,
        )

    def renew(self, certificates: Certificates) -> None:
        """Takes new certificates, for the connections that come from now on."""
        self._next = _configuration(certificates)

    def _take_next(self) -> grpc.ServerCertificateConfiguration | None:
        # gRPC asks at each connection, in a thread of its own, one at a time. None: they stay.
        taken, self._next = self._next, None
        return taken


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    authorities = None if certificates.authorities is None else certificates.authorities.encode()
    pair = (certificates.key.encode(), certificates.chain.encode())
    return grpc.ssl_server_certificate_configuration([pair], authorities)


def add_port(server: aio.Server, settings: Settings, tls: Tls | None = None, *, shares_port: bool = False) -> str:
    """Makes the server listen.

    Args:
        server: One that was made with the same `shares_port`.
        settings: The settings.
        tls: What it shows its clients; without it there is no TLS.
        shares_port: Whether somebody has seen to it already that the port is ours.

    Returns:
        The address that it listens on, with the port that it got.

    Raises:
        ListenError: If the address is taken, or is none of this machine.
    """
    if not shares_port:
        check_free(settings.listen)
    worker = str(os.getpid())
    listen = bound_address(settings.listen, worker) if shares_port else settings.listen
    try:
        port = server.add_secure_port(listen, tls.credentials) if tls else server.add_insecure_port(listen)
    except RuntimeError as error:
        raise cannot_listen(settings.listen, error) from error
    if shares_port:
        take_place(settings.listen, worker)
    if settings.listen.startswith(UNIX):
        return settings.listen
    return f"{settings.listen.rpartition(':')[0]}:{port}"


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
        client_name=functools.partial(_client_name, context),
        timeout=context.time_remaining(),
        receive=_from_stream(context) if method.client_streaming else _once(request),
        send=send,
    )
    await handler(call)
    if call.status:
        await context.abort(call.status.code, call.status.message, tuple(call.status.trailers))


def _client_name(context: Context) -> str:
    """The name in the client's certificate."""
    (pem,) = context.auth_context().get("x509_pem_cert", (b"",))
    return client_name(pem) if pem else ""


def _once(request: bytes) -> Receive:
    async def receive() -> bytes:
        return request

    return receive


def _from_stream(context: Context) -> Receive:
    async def receive() -> bytes | None:
        request: Any = await context.read()
        return None if request is aio.EOF else request

    return receive
