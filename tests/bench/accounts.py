"""`make bench-accounts`: what accounts cost: auth on GetSong, sign-ins, and how soon a revocation holds. A minute.

python -m tests.bench.accounts            measures and prints
python -m tests.bench.accounts --table    puts the last run into README.md
"""

import argparse
import functools
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from statistics import median

import grpc

from songs.v1.user_service_pb2 import (
    GetMeRequest,
    ListSessionsRequest,
    RevokeSessionRequest,
    SignInRequest,
)
from songs.v1.user_service_pb2_grpc import UserServiceStub
from tests.bench.catalogue import PASSWORD, USERNAME
from tests.bench.contestants import OUT, ROOT, of_engine
from tests.bench.load import measure
from tests.bench.report import table, write_into
from tests.bench.run import Ground, ground, say
from tests.bench.servers import Server, cpu_seconds, family, running
from tests.bench.speed import machine

SONGS = 10_000
CYCLES = 12
SLICE = 0.8
"""Seconds of calls, with auth and without in turn."""
WARM_UP = 0.25
IN_FLIGHT = 64
SIGN_IN_SECONDS = 10.0
SIGN_INS_AT_ONCE = 4
"""Below what locks an account, as each counts as wrong until its password has been found right."""
REVOCATIONS = 20
CONNECTIONS = 16
"""The kernel spreads them over the workers: that one of two has none of them happens once in 32,768 times."""
GIVE_UP = 10.0
SAVED = OUT / "accounts.json"
FACTS = ("date", "processor", "cores", "Python")
"""What is told of the machine."""


@dataclass(frozen=True)
class Costs:
    """What was measured."""

    machine: dict[str, str | int | float]
    call_us: float
    """CPU time of the server for a GetSong with a known token."""
    auth_share: float
    """Which part of it auth has: what is saved where everyone may call."""
    sign_ins: float
    """Sign-ins a second of CPU time of the server."""
    revocations_ms: list[float]
    """From the answer to RevokeSession until every connection is refused."""

    def markdown(self) -> str:
        """Gives the table."""
        facts = ", ".join(f"{name}: {value}" for name, value in self.machine.items())
        slowest = f"{max(self.revocations_ms):.0f} ms the longest of {len(self.revocations_ms)}"
        rows = [
            (
                "auth of a GetSong with a known token, of the server's CPU time",
                "at most 5 %",
                f"{100 * self.auth_share:.1f} % of {self.call_us:.0f} µs",
            ),
            ("sign-ins a second a core", "at most 10, against guessing", f"{self.sign_ins:.1f}"),
            (
                "from the answer to RevokeSession until all workers refuse",
                "at most 5 s",
                f"{median(self.revocations_ms):.0f} ms ({slowest})",
            ),
        ]
        return f"{facts}\n\n{table(('what', 'wanted', 'measured'), rows)}"


def measure_auth(place: Ground) -> tuple[float, float]:
    """Gives the CPU time of a GetSong in µs, and which part of it auth has: the median of slices in turn."""
    with ExitStack() as stack:
        servers = [stack.enter_context(running(contestant, place.catalogue)) for contestant in place.contestants]
        load = functools.partial(measure, catalogue=place.catalogue, operation="GetSong", in_flight=IN_FLIGHT)
        samples = [
            [load(server, seconds=SLICE, warm_up=WARM_UP, token=place.token) for server in servers]
            for _ in range(CYCLES)
        ]
    if failed := [one for pair in samples for one in pair if one.errors]:
        sys.exit(f"{failed[0].contestant}: {failed[0].errors} calls failed: {failed[0].first_error}")
    shares = [1 - without.server_cpu_us / served.server_cpu_us for served, without in samples]
    return median(served.server_cpu_us for served, _ in samples), median(shares)


def measure_revocations(server: Server) -> list[float]:
    """Gives for each of some revocations the ms from its answer until it holds on all connections."""
    with ExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        stubs = [
            UserServiceStub(stack.enter_context(grpc.insecure_channel(server.address, options)))
            for _ in range(CONNECTIONS)
        ]
        return [_revoke(stubs) for _ in range(REVOCATIONS)]


def _revoke(stubs: Sequence[UserServiceStub]) -> float:
    metadata = _sign_in(stubs[0])
    for stub in stubs:
        stub.GetMe(GetMeRequest(), metadata=metadata, timeout=GIVE_UP)
    sessions = stubs[0].ListSessions(ListSessionsRequest(), metadata=metadata, timeout=GIVE_UP).sessions
    (mine,) = (session.id for session in sessions if session.current)
    stubs[0].RevokeSession(RevokeSessionRequest(session_id=mine), metadata=metadata, timeout=GIVE_UP)
    answered = time.monotonic()
    # Where it held once, it holds.
    for stub in stubs:
        while not _is_refused(functools.partial(stub.GetMe, GetMeRequest(), metadata=metadata, timeout=GIVE_UP)):
            if time.monotonic() > answered + GIVE_UP:
                sys.exit(f"a revoked session is good for longer than {GIVE_UP} s")
    return 1000 * (time.monotonic() - answered)


def measure_sign_ins(server: Server) -> float:
    """Gives the sign-ins a second of CPU time."""
    counts = [0] * SIGN_INS_AT_ONCE

    def keep_signing_in(index: int) -> None:
        with grpc.insecure_channel(server.address) as channel:
            while time.monotonic() < end:
                _sign_in(UserServiceStub(channel))
                counts[index] += 1

    processes = family(server.process)
    before, end = cpu_seconds(processes), time.monotonic() + SIGN_IN_SECONDS
    threads = [threading.Thread(target=keep_signing_in, args=(index,)) for index in range(SIGN_INS_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (cpu_seconds(processes) - before)


def _sign_in(stub: UserServiceStub) -> tuple[tuple[str, str], ...]:
    answer = stub.SignIn(SignInRequest(username=USERNAME, password=PASSWORD), timeout=GIVE_UP)
    return (("authorization", f"Bearer {answer.session.access_token}"),)


def _is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
            raise
        return True
    return False


def main() -> int:
    """Measures and prints; gives the exit status."""
    parser = argparse.ArgumentParser(description="What accounts cost.")
    parser.add_argument("--table", action="store_true", help="measure nothing, put the last run into README.md")
    if parser.parse_args().table:
        write_into(ROOT / "README.md", Costs(**json.loads(SAVED.read_text())).markdown(), "accounts")
        return 0
    served, without_auth, *_ = of_engine("grpcio")
    with ground([served, without_auth], SONGS) as place:
        say("auth")
        call_us, auth_share = measure_auth(place)
        with running(served, place.catalogue) as server:
            say("revocations")
            revocations = measure_revocations(server)
            say("sign-ins")
            sign_ins = measure_sign_ins(server)
    facts = {name: value for name, value in machine(CYCLES, SLICE).items() if name in FACTS}
    costs = Costs(facts, call_us, auth_share, sign_ins, revocations)
    SAVED.write_text(json.dumps(asdict(costs), indent=1))
    say(costs.markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
