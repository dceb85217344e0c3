"""The standard health service, as clients see it while all is well; for when it is not, see test_mongodb_away.py."""

import time
from contextlib import ExitStack

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from songserver.config import Settings
from songserver.testing import SongServer, running_server

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
EACH = pytest.mark.parametrize("service", ["", "songs.v1.SongService", "songs.v1.UserService"])


@pytest.fixture
def health(server: SongServer) -> health_pb2_grpc.HealthStub:
    return health_pb2_grpc.HealthStub(server.channel())


@EACH
def test_check_tells_of_the_server_and_of_each_service(health: health_pb2_grpc.HealthStub, service: str) -> None:
    assert health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status == SERVING


def test_check_of_an_unknown_service_is_not_found(health: health_pb2_grpc.HealthStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(health_pb2.HealthCheckRequest(service="songs.v1.Radio"), timeout=5)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "there is no service 'songs.v1.Radio' here"


def test_list_tells_of_all_at_once(health: health_pb2_grpc.HealthStub) -> None:
    statuses = health.List(health_pb2.HealthListRequest(), timeout=5).statuses

    assert {name: health.status for name, health in statuses.items()} == {
        "": SERVING,
        "songs.v1.ApiKeyService": SERVING,
        "songs.v1.AuditService": SERVING,
        "songs.v1.SongService": SERVING,
        "songs.v1.UserService": SERVING,
    }


@EACH
def test_watch_begins_with_what_is_now(health: health_pb2_grpc.HealthStub, service: str) -> None:
    watch = health.Watch(health_pb2.HealthCheckRequest(service=service), timeout=5)

    assert next(watch).status == SERVING
    watch.cancel()


def test_watchers_hear_of_the_stop_and_do_not_hold_it_up(song_server_settings: Settings) -> None:
    patient = song_server_settings.model_copy(update={"shutdown_grace": 15.0})
    with ExitStack() as stack:
        with running_server(patient) as server:
            stub = health_pb2_grpc.HealthStub(stack.enter_context(grpc.insecure_channel(server.address)))
            watches = [
                stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=30)
                for service in ("", "songs.v1.UserService", "songs.v1.Radio")
            ]
            assert [next(watch).status for watch in watches] == [SERVING, SERVING, SERVICE_UNKNOWN]
            stop = time.monotonic()

        assert time.monotonic() - stop < 5
        assert [[change.status for change in watch] for watch in watches] == [[NOT_SERVING], [NOT_SERVING], []]
