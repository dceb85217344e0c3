"""What clients may ask of the server itself: its contract (as grpcurl does), and the state of its connections."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from songserver.app import SERVICES
from songserver.config import Settings
from songserver.testing import SongServer, running_server
from tests.conftest import grpcio_only


@contextmanager
def server_with(settings: Settings, **changes: bool) -> Iterator[SongServer]:
    with running_server(settings.model_copy(update=changes)) as server:
        yield server


def status_of(call: Callable[[], object]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code: grpc.StatusCode = caught.value.code()
    return code


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_all_services(server: SongServer, version: str) -> None:
    info: grpc.StreamStreamMultiCallable[Any, Any] = server.channel().stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    (answer,) = info(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5)

    assert sorted(service.name for service in answer.list_services_response.service) == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "songs.v1.ApiKeyService",
        "songs.v1.AuditService",
        "songs.v1.SongService",
        "songs.v1.UserService",
    ]


def test_reflection_gives_the_whole_contract_with_its_options(server: SongServer) -> None:
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(server.channel()))

    for service in SERVICES:
        found = pool.FindServiceByName(service.full_name)
        assert [method.name for method in found.methods] == [method.name for method in service.methods]
        for method in service.methods:
            options = found.FindMethodByName(method.name).GetOptions()
            assert options.SerializeToString(deterministic=True) == method.GetOptions().SerializeToString(
                deterministic=True
            )


@pytest.mark.skipif(not shutil.which("grpcurl"), reason="grpcurl is not there")
def test_grpcurl_needs_no_proto_files(server: SongServer) -> None:
    def grpcurl(*arguments: str) -> str:
        command = ["grpcurl", "-plaintext", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    assert "songs.v1.SongService" in grpcurl(server.address, "list").splitlines()
    assert "rpc SearchSongs" in grpcurl(server.address, "describe", "songs.v1.SongService")
    signed_up = grpcurl(
        "-d", '{"username": "grpc-url", "password": "correct horse"}', server.address, "songs.v1.UserService/SignUp"
    )
    assert '"username": "grpc-url"' in signed_up


def test_channelz_is_off_unless_asked_for(server: SongServer) -> None:
    stub = channelz_pb2_grpc.ChannelzStub(server.channel())

    code = status_of(lambda: stub.GetServers(channelz_pb2.GetServersRequest(), timeout=5))

    assert code is grpc.StatusCode.UNIMPLEMENTED


def test_reflection_can_be_switched_off(song_server_settings: Settings) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")

    with server_with(song_server_settings, reflection=False) as server:
        reflection = reflection_pb2_grpc.ServerReflectionStub(server.channel())
        code = status_of(lambda: list(reflection.ServerReflectionInfo(iter([request]), timeout=5)))

    assert code is grpc.StatusCode.UNIMPLEMENTED


@grpcio_only
def test_channelz_can_be_switched_on(song_server_settings: Settings) -> None:
    with server_with(song_server_settings, channelz=True) as server:
        channelz = channelz_pb2_grpc.ChannelzStub(server.channel())

        assert channelz.GetServers(channelz_pb2.GetServersRequest(), timeout=5).server


def test_an_unknown_method_is_unimplemented(server: SongServer) -> None:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = server.channel().unary_unary("/songs.v1.SongService/PlaySong")

    assert status_of(lambda: call(b"", timeout=5)) is grpc.StatusCode.UNIMPLEMENTED
