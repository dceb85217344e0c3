"""`make bench-accounts`: what accounts cost: auth on GetSong, sign-ins, and how soon a revocation holds. A minute.

    python -m tests.bench.accounts            measures, prints, and keeps it in tests/bench/out/accounts.json
    python -m tests.bench.accounts --table    measures nothing, puts what is kept into README.md
    python -m tests.bench.accounts --short    looks in seconds whether all of it runs; keeps nothing

What auth costs is measured in the server, call by call, in CPU time of its thread (variants/auth_timed), beside the CPU
time that a call takes all processes of the server. What slows the machine down slows both down, so that the part that
auth has is hardly other on a busy machine. (With and without auth in turns, it scattered by 10 % of a call there.)
"""

import argparse
import functools
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median, quantiles

import grpc

from songs.v1.user_service_pb2 import (
    GetMeRequest,
    ListSessionsRequest,
    RevokeSessionRequest,
    SignInRequest,
)
from songs.v1.user_service_pb2_grpc import UserServiceStub
from tests.bench.contestants import OUT, ROOT, of_engine, variant
from tests.bench.load import measure
from tests.bench.run import Ground, ground, machine, say
from tests.bench.served import PASSWORD, USERNAME
from tests.bench.servers import Server, cpu_seconds, family, running
from tests.bench.tables import table, write_into

WARM_UP = 0.25
"""Seconds before each slice."""
IN_FLIGHT = 64
SIGN_INS_AT_ONCE = 4
"""Below what locks an account, as each counts as wrong until its password has been found right."""
CONNECTIONS = 16
"""The kernel spreads them over the workers: that one of two has none of them happens once in 32,768 times."""
GIVE_UP = 10.0
SAVED = OUT / "accounts.json"


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    songs: int
    slices: int
    """Of calls of GetSong."""
    slice: float
    """Seconds of each."""
    revocations: int
    sign_ins: float
    """Seconds of them."""


FULL = Extent(songs=10_000, slices=15, slice=1.0, revocations=20, sign_ins=10.0)
SHORT = Extent(songs=200, slices=2, slice=0.3, revocations=1, sign_ins=0.1)


@dataclass(frozen=True)
class Costs:
    """What was measured."""

    machine: dict[str, str | int]
    call_us: float
    """CPU time of the server for a GetSong with a known token."""
    auth_shares: list[float]
    """Which part of it auth has, in each slice."""
    sign_ins: float
    """Sign-ins a second of CPU time of the server."""
    revocations_ms: list[float]
    """From the answer to RevokeSession until every connection is refused."""

    def markdown(self) -> str:
        """Gives the table."""
        facts = ", ".join(f"{name}: {value}" for name, value in self.machine.items())
        low, share, high = (100 * part for part in quantiles(self.auth_shares, n=4, method="inclusive"))
        slices = f"half of {len(self.auth_shares)} slices {low:.1f} to {high:.1f} %"
        slowest = f"{max(self.revocations_ms):.0f} ms the longest of {len(self.revocations_ms)}"
        rows = [
            (
                "auth of a GetSong with a known token, of the server's CPU time",
                "at most 5 %",
                f"{share:.1f} % of {self.call_us:.0f} µs ({slices})",
            ),
            ("sign-ins a second a core", "at most 10, against guessing", f"{self.sign_ins:.1f}"),
            (
                "from the answer to RevokeSession until all workers refuse",
                "at most 5 s",
                f"{median(self.revocations_ms):.0f} ms ({slowest})",
            ),
        ]
        return f"{facts}\n\n{table(('what', 'wanted', 'measured'), rows)}"


def measure_auth(place: Ground, extent: Extent) -> tuple[float, list[float]]:
    """Gives the CPU time of a GetSong in µs, and which part of it auth has, in each slice."""
    times = place.catalogue.directory / "times"
    times.mkdir()
    (timed,) = (replace(one, environment={**one.environment, "TIMES": str(times)}) for one in place.contestants)
    call_us, shares = [], []
    with running(timed, place.catalogue) as server:
        for _ in range(extent.slices):
            calls, spent = _times(times)
            sample = measure(
                server, place.catalogue, "GetSong", IN_FLIGHT, seconds=extent.slice, warm_up=WARM_UP, token=place.token
            )
            if sample.errors:
                sys.exit(f"{sample.contestant}: {sample.errors} calls failed: {sample.first_error}")
            later_calls, later_spent = _times(times)
            if later_calls == calls:
                continue  # too few, on a busy machine, for a worker to have told of them
            call_us.append(sample.server_cpu_us)
            shares.append((later_spent - spent) / 1000 / (later_calls - calls) / sample.server_cpu_us)
    if len(shares) < 2:
        sys.exit("the machine is too busy to measure auth: try again")
    return median(call_us), shares


def _times(directory: Path) -> tuple[int, int]:
    """What the workers have written: calls, and ns of auth."""
    written = [file.read_text().split() for file in directory.iterdir()]
    return sum(int(calls) for calls, _ in written), sum(int(ns) for _, ns in written)


def measure_revocations(server: Server, times: int) -> list[float]:
    """Gives for each of some revocations the ms from its answer until it holds on all connections."""
    with ExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        stubs = [
            UserServiceStub(stack.enter_context(grpc.insecure_channel(server.address, options)))
            for _ in range(CONNECTIONS)
        ]
        return [_revoke(stubs) for _ in range(times)]


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


def measure_sign_ins(server: Server, seconds: float) -> float:
    """Gives the sign-ins a second of CPU time."""
    counts = [0] * SIGN_INS_AT_ONCE

    def keep_signing_in(index: int) -> None:
        with grpc.insecure_channel(server.address) as channel:
            while time.monotonic() < end:
                _sign_in(UserServiceStub(channel))
                counts[index] += 1

    processes = family(server.process)
    before, end = cpu_seconds(processes), time.monotonic() + seconds
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
    parser.add_argument("--short", action="store_true", help="look in seconds whether all of it runs; keep nothing")
    options = parser.parse_args()
    if options.table:
        write_into(ROOT / "README.md", Costs(**json.loads(SAVED.read_text())).markdown(), "accounts")
        return 0
    served, *_ = of_engine("grpcio")
    extent = SHORT if options.short else FULL
    with ground([variant(served, "auth timed", "auth_timed")], extent.songs) as place:
        say("auth")
        call_us, auth_shares = measure_auth(place, extent)
        with running(served, place.catalogue) as server:
            say("revocations")
            revocations = measure_revocations(server, extent.revocations)
            say("sign-ins")
            sign_ins = measure_sign_ins(server, extent.sign_ins)
    costs = Costs(machine(), call_us, auth_shares, sign_ins, revocations)
    if not options.short:
        SAVED.write_text(json.dumps(asdict(costs), indent=1))
    say(costs.markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
