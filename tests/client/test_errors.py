"""Failed calls become exceptions that carry all that the server said."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo

import songclient
from songclient import (
    DeadlineExceeded,
    InternalError,
    InvalidSongDetails,
    Overloaded,
    ServerUnavailable,
    Song,
    SongClientError,
    SongExists,
    SongNotFound,
    StatusCode,
    Violation,
)
from songclient.errors import BY_CODE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client.conftest import Scripted

    OpenClient = Callable[..., songclient.SongClient]

IN_BAND_ONLY = {"SUCCESS", "BATCH_REFUSED"}
CODES = [value for value in StatusCode.DESCRIPTOR.values if value.name not in IN_BAND_ONLY]


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_every_code_of_the_contract_has_a_public_exception_of_its_own(code: Any) -> None:
    error = BY_CODE[code.number]

    assert error.code == code.number
    assert getattr(songclient, error.__name__) is error
    assert error.__name__ in songclient.__all__


def test_no_exception_stands_for_a_code_that_the_contract_does_not_have() -> None:
    assert sorted(code for code in BY_CODE if code is not None) == sorted(code.number for code in CODES)
    assert len(set(BY_CODE.values())) == len(BY_CODE)


def get_song_failing(scripted: Scripted, open_client: OpenClient, answer: Callable[[Any, Any], Any]) -> SongClientError:
    scripted.answers["GetSong"] = answer
    with pytest.raises(SongClientError) as caught:
        open_client(scripted.address).get_song("x")
    return caught.value


def test_an_error_carries_code_status_message_violations_and_wait(scripted: Scripted, open_client: OpenClient) -> None:
    violations = BadRequest(
        field_violations=[
            BadRequest.FieldViolation(field="song.title", description="must not be empty"),
            BadRequest.FieldViolation(field="song.bpm", description="must be at most 1000"),
        ]
    )
    wait = RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))

    error = get_song_failing(
        scripted,
        open_client,
        lambda _request, context: scripted.fail(
            context,
            StatusCode.INVALID_SONG_DETAILS,
            grpc.StatusCode.INVALID_ARGUMENT,
            violations,
            wait,
            message="song.title must not be empty",
            request_id="r-1",
        ),
    )

    assert type(error) is InvalidSongDetails
    assert error.code == StatusCode.INVALID_SONG_DETAILS
    assert error.status is grpc.StatusCode.INVALID_ARGUMENT
    assert str(error) == error.message == "song.title must not be empty"
    assert error.violations == (
        Violation("song.title", "must not be empty"),
        Violation("song.bpm", "must be at most 1000"),
    )
    assert error.retry_after == 1.5
    assert error.metadata == {"request_id": "r-1"}
    assert error.incident_id is None
    assert isinstance(error.__cause__, grpc.RpcError)


def test_song_exists_names_the_song_that_is_there(scripted: Scripted, open_client: OpenClient) -> None:
    scripted.answers["CreateSong"] = lambda _request, context: scripted.fail(
        context, StatusCode.SONG_EXISTS, grpc.StatusCode.ALREADY_EXISTS, song_id="s-7"
    )

    with pytest.raises(SongExists) as caught:
        open_client(scripted.address).create_song(Song(title="T"))

    assert caught.value.song_id == "s-7"
    assert caught.value.violations == ()
    assert caught.value.retry_after is None


def test_an_internal_error_carries_its_incident(scripted: Scripted, open_client: OpenClient) -> None:
    error = get_song_failing(
        scripted,
        open_client,
        lambda _request, context: scripted.fail(
            context, StatusCode.INTERNAL_ERROR, grpc.StatusCode.INTERNAL, incident_id="0a1b"
        ),
    )

    assert type(error) is InternalError
    assert error.incident_id == "0a1b"


@pytest.mark.parametrize("details", [None, b"\xff\xff cut off"], ids=["absent", "cut off"])
def test_without_details_the_trailer_gives_the_code(
    scripted: Scripted, open_client: OpenClient, details: bytes | None
) -> None:
    def answer(_request: Any, context: grpc.ServicerContext) -> None:
        trailers: list[tuple[str, str | bytes]] = [("song-status-code", "-3003")]
        if details is not None:
            trailers.append(("grpc-status-details-bin", details))
        context.set_trailing_metadata(tuple(trailers))
        context.abort(grpc.StatusCode.NOT_FOUND, "no song has this id")

    error = get_song_failing(scripted, open_client, answer)

    assert type(error) is SongNotFound
    assert str(error) == "no song has this id"


def test_details_of_somebody_else_are_not_taken_for_the_song_servers(
    scripted: Scripted, open_client: OpenClient
) -> None:
    error = get_song_failing(
        scripted,
        open_client,
        lambda _request, context: scripted.fail(
            context, StatusCode.SONG_NOT_FOUND, grpc.StatusCode.NOT_FOUND, domain="proxy.example"
        ),
    )

    assert type(error) is SongClientError
    assert error.code is None
    assert error.status is grpc.StatusCode.NOT_FOUND
    assert error.metadata == {}


def test_a_code_from_a_newer_contract_is_kept_as_a_number(scripted: Scripted, open_client: OpenClient) -> None:
    def answer(_request: Any, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("song-status-code", "-9001"),))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not on Sundays")

    error = get_song_failing(scripted, open_client, answer)

    assert type(error) is SongClientError
    assert error.code == -9001


def test_a_trailer_that_is_no_number_is_no_code(scripted: Scripted, open_client: OpenClient) -> None:
    def answer(_request: Any, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("song-status-code", "minus one"),))
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "")

    error = get_song_failing(scripted, open_client, answer)

    assert type(error) is SongClientError
    assert error.code is None
    assert str(error) == "UNIMPLEMENTED"


def test_unavailable_from_the_server_itself_is_told_by_its_code(scripted: Scripted, open_client: OpenClient) -> None:
    error = get_song_failing(
        scripted,
        open_client,
        lambda _request, context: scripted.fail(context, StatusCode.OVERLOADED, grpc.StatusCode.RESOURCE_EXHAUSTED),
    )

    assert type(error) is Overloaded


def test_where_no_server_listens_the_error_names_the_address(open_client: OpenClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        client = open_client(address)

        with pytest.raises(ServerUnavailable, match=address) as caught:
            client.get_song("x")

    assert caught.value.status is grpc.StatusCode.UNAVAILABLE
    assert caught.value.code is None


@pytest.mark.parametrize("of", ["client", "call"])
def test_a_call_without_an_answer_ends_by_its_deadline(scripted: Scripted, open_client: OpenClient, of: str) -> None:
    over = threading.Event()
    scripted.answers["GetSong"] = lambda _request, _context: over.wait(10)
    client = open_client(scripted.address, timeout=0.2 if of == "client" else 5)

    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=scripted.address) as caught:
        client.get_song("x", timeout=None if of == "client" else 0.2)

    assert time.monotonic() - begun < 4
    over.set()
    assert caught.value.status is grpc.StatusCode.DEADLINE_EXCEEDED


def test_every_call_has_a_deadline_of_ten_seconds_by_default(scripted: Scripted, open_client: OpenClient) -> None:
    left: list[float] = []

    def answer(_request: Any, context: grpc.ServicerContext) -> None:
        left.append(context.time_remaining())
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "")

    get_song_failing(scripted, open_client, answer)

    assert left == [pytest.approx(10, abs=2)]
