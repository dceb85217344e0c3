"""gRPC sends again what the contract calls idempotent, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message_factory import GetMessageClass

from songclient import ServerUnavailable, Song
from songclient.channel import SERVICES, open_channel
from songs.v1.song_service_pb2 import CreateSongResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from songclient import SongClient
    from tests.client.conftest import Scripted

UNARY = [method for service in SERVICES for method in service.methods if not method.client_streaming]


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


@pytest.mark.parametrize("method", UNARY, ids=lambda method: method.name)
def test_just_what_the_contract_calls_idempotent_is_sent_again(scripted: Scripted, method: Any) -> None:
    response = GetMessageClass(method.output_type)
    scripted.answers[method.name] = fail_first(2, response())
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
