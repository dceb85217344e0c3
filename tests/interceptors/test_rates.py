"""How many calls a second one peer may make, and how it is told that there are no more."""

import asyncio
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from songs.v1.access_pb2 import PRIVILEGE_LISTENER
from songs.v1.user_service_pb2 import GetMeRequest
from songserver.config import Settings
from songserver.errors import TooManyCalls
from songserver.interceptors.rates import PEERS, Rates
from songserver.rpc import Call
from songserver.testing import SongServer, running_server
from tests.conftest import Caller, failure
from tests.interceptors.conftest import METHODS

BURST = 20


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> Rates:
    return Rates(8.0, BURST, clock)


def let_through(rates: Rates, peer: str, count: int) -> int:
    """Makes so many calls; gives how many of them got through."""

    async def nothing(*_: object) -> None: ...

    async def calls() -> int:
        through = 0
        for _ in range(count):
            call = Call(METHODS[0], metadata=[], peer=peer, timeout=None, receive=nothing, send=nothing)
            try:
                await rates(call, nothing)
            except TooManyCalls:
                continue
            through += 1
        return through

    return asyncio.run(calls())


def test_a_peer_has_its_burst_and_then_its_rate(rates: Rates, clock: Clock) -> None:
    assert let_through(rates, "ipv4:192.0.2.1:1000", BURST + 5) == BURST
    clock.seconds += 0.4375
    assert let_through(rates, "ipv4:192.0.2.1:1000", 10) == 3
    clock.seconds += 0.0625
    assert let_through(rates, "ipv4:192.0.2.1:1000", 10) == 1
    clock.seconds += 3600
    assert let_through(rates, "ipv4:192.0.2.1:1000", BURST + 5) == BURST


@pytest.mark.parametrize(
    ("peer", "same", "other"),
    [
        ("ipv4:192.0.2.1:1000", "ipv4:192.0.2.1:2000", "ipv4:192.0.2.2:1000"),
        ("ipv6:[2001:db8::1]:1000", "ipv6:[2001:db8:0:0:ffff::2]:1000", "ipv6:[2001:db8:0:1::1]:1000"),
        ("ipv6:%5B2001:db8::1%5D:1000", "ipv6:[2001:db8::1]:1000", "ipv4:192.0.2.1:1000"),
        ("ipv6:[::ffff:192.0.2.1]:1000", "ipv4:192.0.2.1:1000", "ipv6:[::ffff:192.0.2.2]:1000"),
    ],
)
def test_a_peer_is_an_address_or_a_network_of_ipv6(rates: Rates, peer: str, same: str, other: str) -> None:
    assert let_through(rates, peer, BURST) == BURST

    assert let_through(rates, same, 1) == 0
    assert let_through(rates, other, BURST + 5) == BURST


def test_who_comes_by_a_unix_socket_is_no_peer(rates: Rates) -> None:
    assert let_through(rates, "unix:", 2 * BURST) == 2 * BURST


def test_what_is_remembered_of_peers_is_bounded_and_those_that_call_are_not_forgotten(rates: Rates) -> None:
    busy = "ipv4:192.0.2.1:1000"
    let_through(rates, busy, BURST)
    for number in range(3 * PEERS):
        if number % 1000 == 0:
            assert let_through(rates, busy, 1) == 0
            assert rates.peers <= PEERS
        rates.take(f"peer {number}")

    assert rates.peers == PEERS


def test_without_a_bound_there_is_none(song_server_settings: Settings) -> None:
    changes = {"peer_calls": 0, "peer_calls_burst": 1}
    with running_server(song_server_settings.model_copy(update=changes)) as server:
        listener = Caller.new(server, PRIVILEGE_LISTENER)
        for _ in range(BURST):
            assert listener.me()


@pytest.fixture
def strict(song_server_settings: Settings) -> Iterator[SongServer]:
    """A server that gives each address few calls, and those slowly."""
    changes = {"peer_calls": 0.01, "peer_calls_burst": BURST}
    with running_server(song_server_settings.model_copy(update=changes)) as server:
        yield server


def test_a_peer_with_too_many_calls_is_told_to_wait_but_not_by_health(strict: SongServer) -> None:
    listener = Caller.new(strict, PRIVILEGE_LISTENER)  # which takes a call
    for _ in range(BURST - 1):
        assert listener.me()

    refused = failure(listener.users.GetMe, GetMeRequest())
    health = health_pb2_grpc.HealthStub(strict.channel()).Check(health_pb2.HealthCheckRequest(), timeout=20)

    assert (refused.code, refused.status) == ("TOO_MANY_CALLS", grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert 0 < refused.retry.retry_delay.seconds <= 100
    assert "this address makes more than 0.01 calls a second" in refused.message
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    # Before anything else is looked at: who has no token hears the same.
    assert failure(Caller(strict.channel()).users.GetMe, GetMeRequest()).code == "TOO_MANY_CALLS"
