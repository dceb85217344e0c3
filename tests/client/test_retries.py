"""What is sent again: by gRPC what the contract calls idempotent, by the client what the server had no room for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import RetryInfo

from songclient import Overloaded, ServerUnavailable, Song, SongClientError, StatusCode, TooManyAttempts, TooManyCalls
from songclient.channel import SERVICES, open_channel
from songs.v1.song_service_pb2 import CreateSongResponse
from songs.v1.user_service_pb2 import ListSessionsResponse, RevokeSessionResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from songclient import SongClient
    from tests.client.conftest import Scripted

ONE_REQUEST = [method for service in SERVICES for method in service.methods if not method.client_streaming]


def fail_first(times: int, answer: Any) -> Callable[[Any, grpc.ServicerContext], Any]:
    """Answer, but only after so many calls that find the server unavailable."""
    left = times

    def answered(_request: Any, context: grpc.ServicerContext) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            context.abort(grpc.StatusCode.UNAVAILABLE, "moving house")
        return answer

    return answered


@pytest.mark.parametrize("method", ONE_REQUEST, ids=lambda method: method.name)
def test_just_what_the_contract_calls_idempotent_is_sent_again(scripted: Scripted, method: Any) -> None:
    response = GetMessageClass(method.output_type)
    scripted.answers[method.name] = fail_first(2, iter([response()]) if method.server_streaming else response())
    call = open_channel(scripted.address, None).unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=response.FromString,
    )

    if method.GetOptions().idempotency_level == MethodOptions.IDEMPOTENCY_UNKNOWN:
        with pytest.raises(grpc.RpcError) as caught:
            call(GetMessageClass(method.input_type)(), timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert scripted.calls[method.name] == 1
    else:
        assert call(GetMessageClass(method.input_type)(), timeout=5) == response()
        assert scripted.calls[method.name] == 3


def test_a_server_that_stays_away_is_not_asked_for_ever(
    scripted: Scripted, open_client: Callable[..., SongClient]
) -> None:
    scripted.answers["GetSong"] = fail_first(100, None)

    with pytest.raises(ServerUnavailable, match="moving house"):
        open_client(scripted.address).get_song("x")

    assert scripted.calls["GetSong"] == 3


def test_a_song_is_sent_again_under_the_same_request_id(
    scripted: Scripted, open_client: Callable[..., SongClient]
) -> None:
    scripted.answers["CreateSong"] = fail_first(1, CreateSongResponse(song=Song(id="s-1")))
    client = open_client(scripted.address)

    assert client.create_song(Song(title="T")).id == "s-1"
    assert client.create_song(Song(title="T")).id == "s-1"
    assert client.create_song(Song(title="T"), request_id="mine").id == "s-1"

    ids = [request.request_id for _, request, _ in scripted.requests]
    assert ids[0] == ids[1] != ""
    assert ids[2] not in (ids[0], "mine", "")
    assert ids[3] == "mine"


def turn_away(scripted: Scripted, code: StatusCode.ValueType, wait_ms: int | None, times: int, answer: Any) -> Any:
    """Answer, but only after so many calls that are told to wait."""
    left = times
    details = () if wait_ms is None else (RetryInfo(retry_delay=Duration(nanos=wait_ms * 1_000_000)),)

    def answered(_request: Any, context: grpc.ServicerContext) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            scripted.fail(context, code, grpc.StatusCode.RESOURCE_EXHAUSTED, *details)
        return answer

    return answered


@pytest.mark.parametrize("code", [StatusCode.OVERLOADED, StatusCode.TOO_MANY_CALLS])
def test_what_the_server_had_no_room_for_is_sent_again_when_it_says(
    scripted: Scripted, open_client: Callable[..., SongClient], code: StatusCode.ValueType
) -> None:
    # Also what is not idempotent: it has not begun.
    scripted.answers["RevokeSession"] = turn_away(scripted, code, 150, 2, RevokeSessionResponse())
    begin = time.monotonic()

    open_client(scripted.address).revoke_session("x")

    assert scripted.calls["RevokeSession"] == 3
    assert time.monotonic() - begin >= 0.3


@pytest.mark.parametrize(
    ("code", "wait_ms", "timeout", "error", "calls"),
    [
        (StatusCode.OVERLOADED, 1, 10, Overloaded, 3),
        (StatusCode.OVERLOADED, None, 10, Overloaded, 1),
        (StatusCode.TOO_MANY_CALLS, 900, 0.5, TooManyCalls, 1),
        (StatusCode.TOO_MANY_ATTEMPTS, 1, 10, TooManyAttempts, 1),
    ],
    ids=["for ever", "without a time", "past the timeout", "guessing"],
)
def test_who_is_turned_away_is_told_in_the_end(
    scripted: Scripted,
    open_client: Callable[..., SongClient],
    code: StatusCode.ValueType,
    wait_ms: int | None,
    timeout: float,
    error: type[SongClientError],
    calls: int,
) -> None:
    scripted.answers["ListSessions"] = turn_away(scripted, code, wait_ms, 100, ListSessionsResponse())

    with pytest.raises(error) as caught:
        open_client(scripted.address, timeout=timeout).list_sessions()

    assert caught.value.retry_after == (None if wait_ms is None else wait_ms / 1000)
    assert scripted.calls["ListSessions"] == calls
