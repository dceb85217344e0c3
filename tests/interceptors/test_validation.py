"""Bytes that are no message, and messages that break rules."""

import grpc
import pytest

from songs.v1.access_pb2 import PRIVILEGE_ADMIN
from songserver.rpc import Method
from songserver.testing import SongServer
from tests.interceptors.conftest import METHODS, by_name, refused


@pytest.fixture(scope="module")
def token(server: SongServer) -> str:
    """The access token of somebody who may call everything."""
    return server.token(PRIVILEGE_ADMIN)


@by_name(METHODS)
def test_bytes_that_are_no_message_cannot_be_parsed(server: SongServer, token: str, method: Method) -> None:
    for body in (b"\xff\xff\xff", b"\x0a\x05abc", b"\x0b", b"\x00", b'{"title": "JSON"}'):
        told = refused(server.channel(), method, body, token)

        assert (told.code, told.status) == ("REQUEST_PARSE_ERROR", grpc.StatusCode.INVALID_ARGUMENT)
        assert f"{len(body)} bytes" in told.message
        assert method.request_type.DESCRIPTOR.full_name in told.message


def test_text_that_is_no_utf8_is_no_message(server: SongServer, token: str) -> None:
    (get_song,) = [method for method in METHODS if method.name == "GetSong"]

    assert refused(server.channel(), get_song, b"\x0a\x01\xff", token).code == "REQUEST_PARSE_ERROR"


def test_a_message_over_the_limit_is_refused_before_it_is_read(server: SongServer, token: str) -> None:
    (create,) = [method for method in METHODS if method.name == "CreateSong"]

    told = refused(server.channel(), create, b"x" * (server.settings.max_message_bytes + 1), token)

    assert told.status == grpc.StatusCode.RESOURCE_EXHAUSTED
