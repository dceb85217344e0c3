"""What is counted of calls, in a throw-away service behind the interceptors that matter to it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from prometheus_client import CollectorRegistry

from songserver.errors import SongNotFound
from songserver.interceptors import metrics
from songserver.interceptors.errors import errors
from songserver.interceptors.metrics import CODES, Metrics
from songserver.interceptors.validation import Validation
from songserver.rpc import Call, Method
from songserver.rules import Rules
from tests.interceptors.conftest import PUBLIC, Behaviour, raw, throwaway

PUBLIC_METHODS = [Method.of(descriptor) for descriptor in PUBLIC.methods]
TYPES = {"Unary": "unary", "Expand": "server_stream", "Collect": "client_stream", "Converse": "bidi_stream"}


class Counted:
    """A service whose calls are counted."""

    def __init__(self, channel: grpc.Channel, registry: CollectorRegistry) -> None:
        self.channel = channel
        self._registry = registry

    def call(self, method: Method, text: str = "") -> grpc.StatusCode:
        """Makes a call; gives its status."""
        try:
            answer = raw(self.channel, method)(StringValue(value=text).SerializeToString(), timeout=5)
            if method.server_streaming:
                list(answer)
        except grpc.RpcError as error:
            assert isinstance(error, grpc.Call)  # noqa: PT017
            return error.code()
        return grpc.StatusCode.OK

    def value(self, name: str, method: Method, **labels: str) -> float:
        """Gives the value of a sample of a method."""
        named = {"grpc_service": "throwaway.Public", "grpc_method": method.name, "grpc_type": TYPES[method.name]}
        return self._registry.get_sample_value(name, {**named, **labels}) or 0.0

    def in_flight(self) -> float | None:
        return self._registry.get_sample_value("songserver_calls_in_flight")


@contextmanager
def counted(behave: Behaviour) -> Iterator[Counted]:
    registry = CollectorRegistry()
    counting = Metrics(PUBLIC_METHODS, registry)
    telling: list[asyncio.Task[None]] = []

    def make() -> list[object]:
        telling.append(asyncio.create_task(counting.tell_in_flight()))
        return [counting, errors, Validation(Rules())]

    with throwaway(PUBLIC, behave, make) as channel:  # type: ignore[arg-type]  # they are interceptors
        yield Counted(channel, registry)


async def behave(text: str, call: Call) -> str:
    """Gives the text back, unless it says what else to do."""
    if text == "missing":
        raise SongNotFound("no-id")
    if text == "broken":
        raise RuntimeError(text)
    return text


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


@pytest.mark.parametrize("method", PUBLIC_METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("hello", grpc.StatusCode.OK, "OK"),
        ("missing", grpc.StatusCode.NOT_FOUND, "NotFound"),
        ("broken", grpc.StatusCode.INTERNAL, "Internal"),
    ],
)
def test_a_call_is_counted_by_its_status_on_the_wire(
    method: Method, text: str, status: grpc.StatusCode, code: str
) -> None:
    with counted(behave) as service:
        assert [service.call(method, text) for _ in range(3)] == [status] * 3
        until(lambda: service.value("grpc_server_handled_total", method, grpc_code=code) == 3)

        assert service.value("grpc_server_started_total", method) == 3
        assert service.value("grpc_server_handling_seconds_count", method) == 3
        assert service.value("grpc_server_handling_seconds_bucket", method, le="10.0") == 3
        assert [service.value("grpc_server_started_total", other) for other in PUBLIC_METHODS if other != method] == [
            0.0
        ] * 3


def test_a_call_that_the_client_gives_up_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "IN_FLIGHT_INTERVAL", 0.005)
    begun = threading.Event()

    async def wait(text: str, call: Call) -> str:
        begun.set()
        await asyncio.Event().wait()
        return text

    with counted(wait) as service:
        method = PUBLIC_METHODS[0]
        unary: Any = service.channel.unary_unary
        call = unary(method.path).future(b"")
        assert begun.wait(10)
        until(lambda: service.in_flight() == 1)
        assert service.value("grpc_server_started_total", method) == 1
        assert service.value("grpc_server_handling_seconds_count", method) == 0

        call.cancel()
        until(lambda: service.value("grpc_server_handled_total", method, grpc_code="Canceled") == 1)
        until(lambda: service.in_flight() == 0)


def test_codes_are_named_as_in_go() -> None:
    assert set(CODES.values()) == set(
        "OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied "
        "ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss "
        "Unauthenticated".split()
    )
