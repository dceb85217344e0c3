"""What clients see of a call is the same, whichever engine carries it."""

import functools
import gzip
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue, Int32Value, StringValue

from songserver.config import Settings
from tests.engines.throwaway import FAILURE, PIECE

AHEAD = 20_000_000
"""Bytes that a sender may be ahead of its receiver: grpcio's windows grow with what it learns of the way."""
LIMIT = Settings().max_message_bytes
SOON = 5.0
"""Seconds in which a server notices that a client has gone."""


class Stub:
    """The throw-away methods."""

    def __init__(self, channel: grpc.Channel) -> None:
        def method(shape: Callable[..., Any], name: str, answer: Any = BytesValue) -> Any:
            return shape(f"/throwaway.Service/{name}", BytesValue.SerializeToString, answer.FromString)

        self.echo = method(channel.unary_unary, "Echo")
        self.echo_all = method(channel.stream_stream, "EchoAll")
        self.collect = method(channel.stream_unary, "Collect", Int32Value)
        self.fail = method(channel.unary_unary, "Fail")
        self.fail_after = method(channel.unary_stream, "FailAfter")
        self.fail_all = method(channel.stream_stream, "FailAll")
        self.tell = method(channel.unary_unary, "Tell", StringValue)
        self.wait = method(channel.unary_unary, "Wait")
        self.wait_on = method(channel.unary_stream, "WaitOn")
        self.wait_all = method(channel.stream_stream, "WaitAll")
        self.pour = method(channel.unary_stream, "Pour")
        self._ask = method(channel.unary_unary, "Ask", StringValue)

    def ask(self) -> tuple[int, int]:
        """Gives how many calls were cancelled so far, and how many messages the last Pour has sent."""
        cancelled, poured = json.loads(self._ask(BytesValue()).value)
        return cancelled, poured


@pytest.fixture
def stub(channel: grpc.Channel) -> Stub:
    return Stub(channel)


def message(size: int) -> BytesValue:
    """A message of so many bytes on the wire."""
    around = BytesValue(value=b"x" * size).ByteSize() - size
    return BytesValue(value=b"x" * (size - around))


def failure_of(call: Callable[[], Any]) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("value", [b"", b"\0", "Grüße".encode(), b"x" * 100_000], ids=["empty", "zero", "text", "more"])
def test_messages_come_and_go_as_they_are(stub: Stub, value: bytes) -> None:
    request = BytesValue(value=value)

    assert stub.echo(request, timeout=20) == request
    assert list(stub.echo_all(iter([request] * 3), timeout=20)) == [request] * 3


def test_a_stream_without_requests_has_no_answers(stub: Stub) -> None:
    assert list(stub.echo_all(iter([]), timeout=20)) == []


def test_each_request_of_a_stream_is_answered_before_the_next_is_sent(stub: Stub) -> None:
    messages: Queue[BytesValue | None] = Queue()
    answers = stub.echo_all(iter(messages.get, None), timeout=20)
    for index in range(20):
        messages.put(BytesValue(value=b"%d" % index))
        assert next(answers).value == b"%d" % index
    messages.put(None)
    assert list(answers) == []


def test_many_calls_at_once_each_have_their_answer(stub: Stub) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = pool.map(lambda number: stub.echo(BytesValue(value=b"%d" % number), timeout=20).value, range(500))

        assert list(answers) == [b"%d" % number for number in range(500)]


@pytest.mark.parametrize("compression", grpc.Compression)
def test_a_request_may_be_as_large_as_the_setting_says(stub: Stub, compression: grpc.Compression) -> None:
    request = message(LIMIT)
    assert request.ByteSize() == LIMIT

    assert len(stub.echo(request, timeout=20, compression=compression).value) == len(request.value)


@pytest.mark.parametrize("compression", grpc.Compression)
def test_a_larger_one_is_refused(stub: Stub, compression: grpc.Compression) -> None:
    """And so is a small one that is larger once it is unpacked."""
    request = message(LIMIT + 1)

    for call in (
        lambda: stub.echo(request, timeout=20, compression=compression),
        lambda: list(stub.echo_all(iter([BytesValue(), request]), timeout=20, compression=compression)),
    ):
        error = failure_of(call)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "larger than max" in error.details()


def test_a_failure_has_its_status_and_trailers(stub: Stub) -> None:
    requests = [BytesValue()]
    for call in (
        lambda: stub.fail(requests[0], timeout=20),
        lambda: list(stub.fail_after(requests[0], timeout=20)),
        lambda: list(stub.fail_all(iter(requests), timeout=20)),
        lambda: list(stub.fail_after(BytesValue(value=b"xx"), timeout=20)),
    ):
        error = failure_of(call)
        assert (error.code(), error.details()) == (FAILURE.code, FAILURE.message)
        assert dict(error.trailing_metadata()).items() >= dict(FAILURE.trailers).items()


def test_what_was_sent_before_a_failure_is_received(stub: Stub) -> None:
    answers = stub.fail_after(BytesValue(value=b"xxx"), timeout=20)

    assert [next(answers) for _ in range(3)] == [BytesValue()] * 3
    assert failure_of(lambda: next(answers)).code() is FAILURE.code


def test_metadata_comes_as_it_was_sent(stub: Stub) -> None:
    sent = [("plain", "a, b"), ("some-bin", b"\0\xff,="), ("other-bin", b""), ("twice", "1"), ("twice", "2")]
    known = json.loads(stub.tell(BytesValue(), metadata=sent, timeout=20, compression=grpc.Compression.Gzip).value)

    got = [(key, bytes(value) if isinstance(value, list) else value) for key, value in known["metadata"]]
    assert [pair for pair in got if pair[0] != "user-agent"] == sent
    assert [key for key, _ in got].count("user-agent") == 1
    assert known["peer"].startswith("ipv4:127.0.0.1:")
    assert 15 < known["remaining"] < 21


def test_a_call_without_a_deadline_has_none(stub: Stub) -> None:
    assert json.loads(stub.tell(BytesValue()).value)["remaining"] is None


def test_an_unknown_method_is_unimplemented(channel: grpc.Channel) -> None:
    for path in ("/throwaway.Service/Nothing", "/Nothing/Echo", "/x"):
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
        error = failure_of(functools.partial(call, b"", timeout=20))
        assert (error.code(), error.details()) == (grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


def all_cancelled(stub: Stub, count: int) -> bool:
    give_up = time.monotonic() + SOON
    while stub.ask()[0] < count:
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def test_a_call_ends_with_its_deadline(stub: Stub) -> None:
    before, _ = stub.ask()
    for call in (
        lambda: stub.wait(BytesValue(), timeout=0.2),
        lambda: list(stub.wait_on(BytesValue(), timeout=0.2)),
        lambda: list(stub.wait_all(iter([BytesValue()]), timeout=0.2)),
    ):
        error = failure_of(call)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "Deadline Exceeded" in error.details()

    assert all_cancelled(stub, before + 3)


@pytest.mark.parametrize("shape", ["wait", "wait_on", "wait_all"])
def test_a_call_ends_when_its_client_goes(stub: Stub, shape: str) -> None:
    before, _ = stub.ask()
    request = BytesValue()

    if shape == "wait":
        call = stub.wait.future(request)
    elif shape == "wait_on":
        call = stub.wait_on(request)
        next(call)
    else:
        call = stub.wait_all(iter([request]))
        next(call)
    time.sleep(0.2)
    call.cancel()

    assert all_cancelled(stub, before + 1)


def test_a_writer_waits_for_its_reader(stub: Stub) -> None:
    """It stops within a few MB (most of which are the client's own) and ends when the client goes."""
    before, _ = stub.ask()
    call = stub.pour(BytesValue())
    next(call)
    poured = -1
    while poured != (poured := stub.ask()[1]):
        time.sleep(0.3)

    assert 0 < poured * PIECE < AHEAD
    call.cancel()
    assert all_cancelled(stub, before + 1)


def test_a_sender_waits_for_its_receiver(stub: Stub) -> None:
    sent = 0

    def requests() -> Iterator[BytesValue]:
        nonlocal sent
        yield BytesValue(value=b"xx")
        for _ in range(3000):
            yield BytesValue(value=b"x" * PIECE)
            sent += 1

    call = stub.collect.future(requests(), timeout=60)
    time.sleep(1.5)
    assert sent * PIECE < AHEAD

    assert call.result().value > 3000 * PIECE
    assert sent == 3000


def test_a_compressed_message_that_expands_without_end_is_refused_at_once(stub: Stub) -> None:
    """100 MB in 100 kB."""
    request = BytesValue(value=bytes(100_000_000))
    assert len(gzip.compress(request.value, 1)) < LIMIT
    started = time.monotonic()

    error = failure_of(lambda: stub.echo(request, timeout=20, compression=grpc.Compression.Gzip))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert time.monotonic() - started < 10
