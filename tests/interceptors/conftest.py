"""A throw-away service with a method of each streaming shape, and calls of any method with any bytes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.wrappers_pb2 import StringValue

from songs.v1 import access_pb2
from songserver.app import SERVICES
from songserver.config import Settings
from songserver.engines import grpcio
from songserver.rpc import Call, Interceptor, Method, handlers
from tests.conftest import Failure, failure

METHODS = [Method.of(descriptor) for service in SERVICES for descriptor in service.methods]
"""Every RPC of the contract."""
SHAPES = {"Unary": (False, False), "Expand": (False, True), "Collect": (True, False), "Converse": (True, True)}
Behaviour = Callable[[str, Call], Awaitable[str]]


def describe(name: str, access: access_pb2.Privilege.ValueType) -> ServiceDescriptor:
    """Gives a service of this name with a method of each shape, from and to StringValue."""
    pool = descriptor_pool.Default()
    file = FileDescriptorProto(name=f"throwaway/{name}.proto", package="throwaway", syntax="proto3")
    file.dependency.extend(["google/protobuf/wrappers.proto", "songs/v1/access.proto"])
    service = file.service.add(name=name)
    for method, (client_streaming, server_streaming) in SHAPES.items():
        described = service.method.add(
            name=method, client_streaming=client_streaming, server_streaming=server_streaming
        )
        described.input_type = described.output_type = ".google.protobuf.StringValue"
        if access:
            described.options.Extensions[access_pb2.access] = access
    pool.Add(file)
    return pool.FindServiceByName(f"throwaway.{name}")


PUBLIC = describe("Public", access_pb2.PRIVILEGE_PUBLIC)
EDITORS = describe("Editors", access_pb2.PRIVILEGE_EDITOR)


class Servicer:
    """Answers every message by what the test says; the methods with a stream of answers first give the message back."""

    def __init__(self, behave: Behaviour) -> None:
        self._behave = behave

    async def Unary(self, request: StringValue, call: Call) -> StringValue:  # noqa: N802
        return StringValue(value=await self._behave(request.value, call))

    async def Expand(self, request: StringValue, call: Call) -> AsyncIterator[StringValue]:  # noqa: N802
        yield request
        yield StringValue(value=await self._behave(request.value, call))

    async def Collect(self, requests: AsyncIterator[StringValue], call: Call) -> StringValue:  # noqa: N802
        values = [request.value async for request in requests]
        return StringValue(value=await self._behave("".join(values), call))

    async def Converse(self, requests: AsyncIterator[StringValue], call: Call) -> AsyncIterator[StringValue]:  # noqa: N802
        async for request in requests:
            yield request
            yield StringValue(value=await self._behave(request.value, call))


@contextmanager
def throwaway(
    service: ServiceDescriptor, behave: Behaviour, make_interceptors: Callable[[], Sequence[Interceptor]]
) -> Iterator[grpc.Channel]:
    """Serves a throw-away service behind interceptors (made in the server's own loop); gives a channel to it."""
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        settings = Settings(listen="127.0.0.1:0")
        server = grpcio.make_server(settings)
        grpcio.add_methods(server, handlers(Servicer(behave), service, make_interceptors()))
        address = grpcio.add_port(server, settings)
        await server.start()
        stop = asyncio.Event()
        started.set_result((address, asyncio.get_running_loop(), stop))
        await stop.wait()
        await server.stop(1)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    address, loop, stop = started.result(10)
    with grpc.insecure_channel(address) as channel:
        yield channel
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)


def raw(channel: grpc.Channel, method: Method) -> Callable[..., Any]:
    """Gives the call of a method with one request, in bytes, in the method's own streaming shape."""
    if method.client_streaming:
        multi: Any = channel.stream_stream if method.server_streaming else channel.stream_unary
        return lambda body, **options: multi(method.path)(iter([body]), **options)
    multi = channel.unary_stream if method.server_streaming else channel.unary_unary
    call: Callable[..., Any] = multi(method.path)
    return call


def answers_of(call: Any, method: Method) -> list[bytes]:
    """Gives the answers to a raw call; of a watch, which has no end, the first one."""
    if isinstance(call, bytes):
        return [call]
    if method.name != "WatchSongs":
        return list(call)
    first = next(call)
    call.cancel()
    return [first]


def refused(channel: grpc.Channel, method: Method, body: bytes = b"", *tokens: str) -> Failure:
    """Calls a method, which must fail, with so many authorization headers."""
    metadata = [("authorization", f"Bearer {token}") for token in tokens]
    return failure(raw(channel, method), body, metadata=metadata)


def by_name(methods: Sequence[Method]) -> pytest.MarkDecorator:
    """A test for each method."""
    return pytest.mark.parametrize("method", methods, ids=lambda method: method.name)
