"""Metrics and health over HTTP, as Prometheus and a load balancer ask for them: real HTTP, several workers."""

import platform
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pymongo
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from songs.v1.song_service_pb2 import GetSongRequest
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.user_service_pb2 import SignUpRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from tests.operations.conftest import PATIENCE, OwnMongod, Process, serving, until

CALLS = 20
GET_SONG = {"grpc_service": "songs.v1.SongService", "grpc_method": "GetSong", "grpc_type": "unary"}
SIGN_UP = {"grpc_service": "songs.v1.UserService", "grpc_method": "SignUp", "grpc_type": "unary"}


class Observed(NamedTuple):
    """A server with two workers, and where it tells of itself."""

    process: Process
    http: str

    def get(self, path: str) -> tuple[int, str]:
        """Asks for a page; gives the HTTP status and the body."""
        try:
            with urllib.request.urlopen(self.http + path, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def value(self, name: str, **labels: str) -> float:
        """Gives the value of a sample; 0 if it is not there."""
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return 0.0

    def health(self) -> int:
        with grpc.insecure_channel(self.process.address) as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            return int(check(health_pb2.HealthCheckRequest(), timeout=PATIENCE).status)


@pytest.fixture(scope="module")
def observed(own_mongod: OwnMongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    flags = (f"--data-directory={tmp_path_factory.mktemp('observed')}", "--metrics-listen=127.0.0.1:0")
    with serving(*flags, "--workers=2", environment={"MONGODB_URI": own_mongod.uri}) as process:
        said = process.said(r"metrics on (http://\S+)/metrics")
        assert said
        yield Observed(process, said[1])


def call_on_many_connections(address: str) -> None:
    for number in range(CALLS):
        with grpc.insecure_channel(address, (("grpc.use_local_subchannel_pool", 1),)) as channel:
            with pytest.raises(grpc.RpcError):
                SongServiceStub(channel).GetSong(GetSongRequest(), timeout=PATIENCE)
            if not number:
                request = SignUpRequest(username="ada", password="correct horse battery staple")
                UserServiceStub(channel).SignUp(request, timeout=PATIENCE)


def test_calls_are_counted_over_all_workers_also_over_those_that_have_died(observed: Observed) -> None:
    call_on_many_connections(observed.process.address)
    assert {line["worker"] for line in observed.process.logged("call")} == {1, 2}

    def counted() -> bool:
        return observed.value("grpc_server_handled_total", **GET_SONG, grpc_code="Unauthenticated") == CALLS

    # A worker counts a moment after the caller has its answer.
    until(counted)
    assert observed.value("grpc_server_started_total", **GET_SONG) == CALLS
    assert observed.value("grpc_server_handling_seconds_count", **GET_SONG) == CALLS
    assert observed.value("grpc_server_handling_seconds_bucket", **GET_SONG, le="+Inf") == CALLS
    assert 0 < observed.value("grpc_server_handling_seconds_sum", **GET_SONG) < CALLS * PATIENCE
    assert observed.value("grpc_server_handled_total", **SIGN_UP, grpc_code="OK") == 1
    assert observed.value("songserver_workers") == 2
    assert observed.value("songserver_mongodb_up") == 1
    assert observed.value("songserver_build_info", version="0.1.0", python=platform.python_version()) == 1
    for number in "12":
        assert observed.value("songserver_worker_resident_memory_bytes", worker=number) > 1 << 20
        assert observed.value("songserver_worker_cpu_seconds_total", worker=number) > 0

    for worker in observed.process.workers():
        worker.kill()
    until(lambda: observed.value("songserver_worker_restarts_total") == 2 == observed.value("songserver_workers"))
    assert counted()
    assert observed.value("grpc_server_handling_seconds_count", **GET_SONG) == CALLS
    with grpc.insecure_channel(observed.process.address) as channel, pytest.raises(grpc.RpcError):
        SongServiceStub(channel).GetSong(GetSongRequest(), timeout=PATIENCE)
    until(lambda: observed.value("grpc_server_started_total", **GET_SONG) == CALLS + 1)


def test_health_over_http_is_that_over_grpc(observed: Observed, own_mongod: OwnMongod) -> None:
    assert observed.get("/healthz") == (200, "SERVING\n")
    assert observed.health() == health_pb2.HealthCheckResponse.SERVING

    own_mongod.kill()
    until(lambda: observed.get("/healthz") == (503, "NOT_SERVING\n"))
    until(lambda: observed.health() == health_pb2.HealthCheckResponse.NOT_SERVING)
    assert observed.value("songserver_mongodb_up") == 0

    own_mongod.start()
    until(lambda: observed.get("/healthz") == (200, "SERVING\n"))
    until(lambda: observed.health() == health_pb2.HealthCheckResponse.SERVING)


def test_what_is_not_there_is_not_found(observed: Observed) -> None:
    assert observed.get("/") == (404, "here are /metrics and /healthz\n")


def test_a_taken_port_is_an_error(song_server_mongodb: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        server = Process(
            f"--metrics-listen={address}",
            "--listen=127.0.0.1:0",
            f"--data-directory={tmp_path}",
            environment={"MONGODB_URI": song_server_mongodb},
        )
        assert server.ends() == 1

    assert re.fullmatch(
        rf"Error: cannot listen on {address} \(.*\): set `metrics_listen` to an address of this machine that is free",
        server.log[-1],
    )


def test_a_server_that_stops_leaves_nothing_behind(song_server_mongodb: str, tmp_path: Path) -> None:
    flags = (f"--data-directory={tmp_path}/data", "--metrics-listen=127.0.0.1:0")
    environment = {
        "MONGODB_URI": song_server_mongodb,
        "SONGSERVER_MONGODB_DATABASE": "test_leaves_nothing",
        "TMPDIR": str(tmp_path),
    }
    with serving(*flags, environment=environment):
        assert list(tmp_path.glob("songserver-*/*.db"))
    with pymongo.MongoClient[dict[str, Any]](song_server_mongodb) as client:
        client.drop_database("test_leaves_nothing")

    assert [path.name for path in tmp_path.iterdir()] == ["data"]
