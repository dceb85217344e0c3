"""How a worker stops listening: whoever has begun a connection has it, and nobody is refused."""

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from songserver.engines.sockets import HALF_OPEN, has_connections, stop_listening, turn_away


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as listener:
        yield listener


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere those who come in the last moment are refused")
def test_those_who_have_come_are_taken_and_those_who_come_hear_nothing_yet(listener: socket.socket) -> None:
    host, port, *_ = listener.getsockname()
    heard: list[BaseException] = []

    def come_later() -> None:
        time.sleep(HALF_OPEN / 2)
        with pytest.raises(TimeoutError) as caught, socket.create_connection((host, port), timeout=HALF_OPEN / 4):
            pass
        heard.append(caught.value)
        taken.append(listener.accept()[0])

    taken: list[socket.socket] = []
    later = threading.Thread(target=come_later)
    with socket.create_connection((host, port)) as client:
        later.start()
        asyncio.run(turn_away(f"{host}:{port}"))
        later.join()
        assert len(heard) == 1
        stop_listening(f"{host}:{port}")

        (connection,) = taken
        assert has_connections(f"{host}:{port}")
        client.sendall(b"still here")
        assert connection.recv(100) == b"still here"
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_it_waits_until_those_who_have_come_are_taken(listener: socket.socket) -> None:
    host, port, *_ = listener.getsockname()
    at_last = threading.Event()

    def accept() -> None:
        at_last.set()
        listener.accept()[0].close()

    accepting = threading.Timer(HALF_OPEN + 0.2, accept)
    with socket.create_connection((host, port)):
        accepting.start()
        asyncio.run(turn_away(f"{host}:{port}"))
        assert at_last.is_set()
        accepting.join()


def test_looking_leaves_no_descriptors_behind(listener: socket.socket) -> None:
    """It once left a copy of each that is no socket, at each look."""
    before = len(list(Path("/dev/fd").iterdir()))
    assert not has_connections(f"{listener.getsockname()[0]}:{listener.getsockname()[1]}")
    assert len(list(Path("/dev/fd").iterdir())) == before
