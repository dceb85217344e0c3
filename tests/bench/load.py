"""The load generator, run against a server: what it counted, and what the server and mongod used meanwhile."""

import json
import subprocess
from dataclasses import asdict, dataclass
from typing import Any

import grpc

from songs.v1.user_service_pb2 import SignInRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from tests.bench.contestants import HERE, OUT, build_go
from tests.bench.served import PASSWORD, USERNAME, Catalogue
from tests.bench.servers import Server, cpu_seconds, family

LOADGEN = OUT / "loadgen"
GRACE = 30.0
"""Seconds beyond its own time after which the load generator has hung."""


@dataclass(frozen=True)
class Sample:
    """One measurement."""

    contestant: str
    operation: str
    in_flight: int
    round: int
    per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float
    """CPU time a call, of all processes of the server."""
    mongod_cpu_us: float
    load_cpu_us: float
    memory_mb: float
    """Of the server under load."""
    errors: int
    first_error: str = ""

    @property
    def calls_per_cpu_second(self) -> float:
        """What a second of CPU time of server and mongod together is good for."""
        return 1e6 / max(self.server_cpu_us + self.mongod_cpu_us, 1.0)

    def as_json(self) -> dict[str, Any]:
        """As it stands in speed.json."""
        return asdict(self)


def build_loadgen() -> None:
    """Builds the load generator."""
    subprocess.run(build_go("loadgen"), cwd=HERE / "loadgen", check=True, timeout=600)


def sign_in(address: str) -> str:
    """Gives an access token of a user who may do everything that is measured."""
    with grpc.insecure_channel(address) as channel:
        answer = UserServiceStub(channel).SignIn(SignInRequest(username=USERNAME, password=PASSWORD), timeout=10)
        return answer.session.access_token


def measure(
    server: Server,
    catalogue: Catalogue,
    operation: str,
    in_flight: int,
    *,
    seconds: float,
    warm_up: float,
    token: str,
    round_number: int = 0,
) -> Sample:
    """Puts a load on a server and measures.

    Raises:
        subprocess.SubprocessError: If the load generator hangs or cannot run. Calls that fail are counted.
    """
    asked = "NoOp" if server.contestant.is_no_op else operation
    command = [
        str(LOADGEN),
        *("-target", server.address, "-operation", asked, *catalogue.arguments(asked)),
        *("-in-flight", str(in_flight), "-seconds", f"{seconds}s", "-warm-up", f"{warm_up}s"),
        *(["-http"] if server.contestant.is_http else []),
    ]
    processes = family(server.process)
    server_before, mongod_before = cpu_seconds(processes), cpu_seconds([catalogue.mongod])
    done = subprocess.run(
        command,
        # The token is not for others to see in the list of processes.
        env={"LOADGEN_TOKEN": token if server.contestant.is_ours else ""},
        stdout=subprocess.PIPE,
        check=True,
        timeout=seconds + warm_up + GRACE,
    )
    server_cpu = cpu_seconds(processes) - server_before
    mongod_cpu = cpu_seconds([catalogue.mongod]) - mongod_before
    counted = json.loads(done.stdout)
    return read_sample(
        counted,
        contestant=server.contestant.name,
        operation=operation,
        round_number=round_number,
        server_cpu=server_cpu,
        mongod_cpu=mongod_cpu,
        memory_mb=server.memory().total,
    )


def read_sample(
    counted: dict[str, Any],
    *,
    contestant: str,
    operation: str,
    round_number: int,
    server_cpu: float,
    mongod_cpu: float,
    memory_mb: float,
) -> Sample:
    """Reads what the load generator printed, and spreads CPU seconds over the calls."""
    calls = max(counted["all_calls"], 1)
    return Sample(
        contestant=contestant,
        operation=operation,
        in_flight=counted["in_flight"],
        round=round_number,
        per_second=round(counted["per_second"], 1),
        p50_ms=counted["p50_ms"],
        p99_ms=counted["p99_ms"],
        server_cpu_us=round(server_cpu * 1e6 / calls, 1),
        mongod_cpu_us=round(mongod_cpu * 1e6 / calls, 1),
        load_cpu_us=round(counted["own_cpu_us"], 1),
        memory_mb=round(memory_mb, 1),
        errors=counted["errors"],
        first_error=counted.get("first_error", ""),
    )
