"""grpcio as the engine: the addresses it listens on, and the shapes of the methods it carries."""

import asyncio
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import Int32Value

from songs.v1.access_pb2 import PRIVILEGE_PUBLIC
from songserver.config import Settings
from songserver.engines.addresses import ListenError
from songserver.engines.grpcio import add_methods, add_port, make_server
from songserver.rpc import Call, Method, Status

FREE = "set `listen` to an address of this machine that is free"


def listen(address: str) -> str:
    """Makes a server listen for a moment; gives the address that it got."""

    async def serve() -> str:
        settings = Settings(listen=address)
        server = make_server(settings)
        got = add_port(server, settings)
        await server.start()
        await server.stop(None)
        return got

    return asyncio.run(serve())


@pytest.fixture
def other(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """Another server, which would share its port; gives the port of 127.0.0.1 and the Unix socket that it has."""
    server = grpc.server(ThreadPoolExecutor(1))
    path = f"{tmp_path}/server.sock"
    port = server.add_insecure_port("127.0.0.1:0")
    server.add_insecure_port(f"unix:{path}")
    server.start()
    yield port, path
    server.stop(None).wait()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::]", "0.0.0.0"])
def test_port_zero_takes_a_free_one(host: str) -> None:
    got, _, port = listen(f"{host}:0").rpartition(":")

    assert got == host
    assert int(port) > 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::]", "0.0.0.0"])
def test_a_taken_port_is_refused(other: tuple[int, str], host: str) -> None:
    """Of "localhost" too, which may have a second address on which the port is free."""
    port, _ = other

    with pytest.raises(ListenError) as caught:
        listen(f"{host}:{port}")

    assert str(caught.value) == f"cannot listen on {host}:{port} (another server has it): {FREE}"


def test_a_port_of_a_server_that_has_stopped_is_free() -> None:
    address = listen("127.0.0.1:0")

    assert listen(address) == address


@pytest.mark.parametrize("slashes", ["", "//"])
def test_a_taken_unix_socket_is_refused(other: tuple[int, str], slashes: str) -> None:
    _, path = other

    with pytest.raises(ListenError, match=f"unix:{slashes}{path} .another server has it"):
        listen(f"unix:{slashes}{path}")

    with socket.socket(socket.AF_UNIX) as client:
        assert client.connect_ex(path) == 0


def test_a_unix_socket_that_a_killed_server_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    assert listen(f"unix:{path}") == f"unix:{path}"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.1:50051", "Failed to bind to address 192.0.2.1:50051"),  # RFC 5737: of nobody
        ("nowhere.invalid:50051", "Name or service not known"),
        ("127.0.0.1:99999", "port must be 0-65535"),
        ("unix:" + "x" * 200, "path too long"),
    ],
)
def test_what_is_no_address_of_this_machine_is_refused(address: str, why: str) -> None:
    with pytest.raises(ListenError) as caught:
        listen(address)

    assert str(caught.value).startswith(f"cannot listen on {address} (")
    assert why in str(caught.value)
    assert str(caught.value).endswith(f"): {FREE}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use every port")
def test_a_port_that_is_not_for_us_is_refused() -> None:
    with pytest.raises(ListenError, match=r"127\.0\.0\.1:1 .*Permission denied"):
        listen("127.0.0.1:1")


@pytest.mark.parametrize("client_streaming", [False, True])
@pytest.mark.parametrize("server_streaming", [False, True])
def test_each_shape_of_method_is_carried_and_refused_in_its_shape(
    client_streaming: bool,  # noqa: FBT001
    server_streaming: bool,  # noqa: FBT001
) -> None:
    """The method answers as many requests as it got; without any, it is refused."""
    method = Method("/test.Service/Count", "Count", Int32Value, client_streaming, server_streaming, PRIVILEGE_PUBLIC)

    async def count(call: Call) -> None:
        number = 0
        while (request := await call.receive()) is not None:
            number += Int32Value.FromString(request).value
            if server_streaming:
                await call.send(Int32Value(value=number))
            if not client_streaming:
                break
        if not number:
            call.status = Status(grpc.StatusCode.NOT_FOUND, "nothing to count", [("song-status-code", "1")])
        elif not server_streaming:
            await call.send(Int32Value(value=number))

    async def serve() -> tuple[list[int], Any]:
        settings = Settings(listen="127.0.0.1:0")
        server = make_server(settings)
        add_methods(server, [(method, count)])
        address = add_port(server, settings)
        await server.start()
        async with grpc.aio.insecure_channel(address) as channel:
            shape = f"{'stream' if client_streaming else 'unary'}_{'stream' if server_streaming else 'unary'}"
            stub = getattr(channel, shape)(method.path, Int32Value.SerializeToString, Int32Value.FromString)

            async def call(*numbers: int) -> list[int]:
                requests = [Int32Value(value=number) for number in numbers]
                answer = stub(iter(requests) if client_streaming else requests[0])
                if server_streaming:
                    return [response.value async for response in answer]
                return [(await answer).value]

            numbers = await call(2, 3)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(0)
            await server.stop(None)
            return numbers, caught.value

    numbers, error = asyncio.run(serve())

    sums = [2, 5] if client_streaming else [2]
    assert numbers == (sums if server_streaming else sums[-1:])
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert error.details() == "nothing to count"
    assert dict(error.trailing_metadata()) == {"song-status-code": "1"}
