"""Whatever stands in a request: it is answered as the contract says, and what is refused changes nothing.

Messages are made from the descriptors of every request type (`messages.py`), and sent by an admin, who may call all.
"""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_EDITOR
from songs.v1.song_bulk_pb2 import BatchCreateSongsResponse
from songs.v1.song_service_pb2 import ImportSongsResponse, ListSongsRequest
from songs.v1.status_pb2 import INTERNAL_ERROR, SUCCESS
from songserver.rpc import Method
from songserver.testing import PASSWORD, SongServer
from tests.conftest import Caller, lasting_server, read_failure
from tests.interceptors.conftest import METHODS, answers_of, by_name, raw
from tests.security.conftest import Database
from tests.security.messages import messages, text_fields, to_wire

EXPECTED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""How a request may be refused: not INTERNAL or UNKNOWN, and neither is it too much for the database."""
MAX_DETAILS = 4096
"""Bytes: with more, proxies and clients begin to drop errors."""
EXAMPLES = settings().max_examples // 5
"""Each of them is a call: so a fifth of what others try."""


class World:
    """A server, and what it knows."""

    def __init__(self, server: SongServer) -> None:
        self.server = server
        self.admin = Caller.new(server, PRIVILEGE_ADMIN)
        editor = Caller.new(server, PRIVILEGE_EDITOR)
        songs = [editor.create() for _ in range(3)]
        page = editor.songs.ListSongs(ListSongsRequest(page_size=1))
        me = editor.me()
        self.known = [songs[0].id, songs[0].etag, songs[0].isrc, page.next_page_token, me.id, me.username, PASSWORD]

    def call(self, method: Method, body: bytes) -> tuple[list[Any], grpc.RpcError | None]:
        """Calls as an admin; gives the answers, or how it failed."""
        metadata = [("authorization", f"Bearer {self.admin.session.access_token}")]
        try:
            answer = raw(self.server.channel(), method)(body, metadata=metadata, timeout=20)
            return answers_of(answer, method), None
        except grpc.RpcError as error:
            return [], error


@pytest.fixture(scope="module")
def world(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    # Guesses are not what is tested here.
    with lasting_server(song_server_mongodb, tmp_path_factory.mktemp("hostile"), sign_in_failures=100) as server:
        yield World(server)


GUESSES = "sign_in_attempts"
"""Where it is counted that somebody has guessed at a password, which is also done if it is refused."""


def check_refusal(error: grpc.RpcError) -> str:
    told = read_failure(error)
    assert told.status in EXPECTED, (told.status, told.code, told.message)
    assert told.code, told.message
    assert len(told.rich) < MAX_DETAILS
    assert "Traceback" not in told.message
    return told.code


@by_name(METHODS)
@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(data=st.data())
def test_whatever_is_sent_is_answered_and_changes_nothing_if_refused(
    world: World, database: Database, method: Method, data: st.DataObject
) -> None:
    body = to_wire(data.draw(messages(method.request_type, world.known)))
    before = database.stored(world.server, but=GUESSES)

    answers, error = world.call(method, body)

    if error is not None and len(body) > world.server.settings.max_message_bytes:
        assert read_failure(error).status == grpc.StatusCode.RESOURCE_EXHAUSTED
    elif error is not None:
        event(check_refusal(error))
    if error is not None or method.no_side_effects:
        assert database.stored(world.server, but=GUESSES) == before
    elif method.name == "ImportSongs":
        results = [result for answer in answers for result in ImportSongsResponse.FromString(answer).results]
        assert INTERNAL_ERROR not in {result.status_code for result in results}
        made = [key for key in database.stored(world.server).keys() - before.keys() if key[0] == "songs"]
        assert len(made) <= sum(result.status_code == SUCCESS for result in results)
        database.remove(world.server, made)
    elif method.name == "BatchCreateSongs":
        created = BatchCreateSongsResponse.FromString(answers[0]).results
        assert INTERNAL_ERROR not in {result.status_code for result in created}
        made = [key for key in database.stored(world.server).keys() - before.keys() if key[0] == "songs"]
        assert len(made) == sum(result.status_code == SUCCESS for result in created)
        database.remove(world.server, made)
    elif "User" in method.path:
        # It may have been the admin that was signed out, disabled or demoted.
        world.admin = Caller.new(world.server, PRIVILEGE_ADMIN)


HALVES = [
    pytest.param(method, to_wire(message), id=f"{method.name} {path}")
    for method in METHODS
    for path, message in text_fields(method.request_type)
]


@pytest.mark.parametrize(("method", "body"), HALVES)
def test_half_of_a_surrogate_pair_is_no_text(world: World, method: Method, body: bytes) -> None:
    """UTF-8 has none (RFC 3629), and BSON would not take it."""
    _, error = world.call(method, body)

    assert error is not None
    assert check_refusal(error) == "REQUEST_PARSE_ERROR"


@by_name([method for method in METHODS if method.request_type.DESCRIPTOR.fields])
def test_a_message_within_messages_without_end_is_refused_or_passed_over(
    world: World, database: Database, method: Method
) -> None:
    """Groups, which nest without a length, of a field that nobody knows: as deep as 100 kB allow."""
    depth = 50_000
    before = database.stored(world.server, but=GUESSES)

    _, error = world.call(method, b"\xfb\x3f" * depth + b"\xfc\x3f" * depth)

    assert error is not None
    check_refusal(error)
    assert database.stored(world.server, but=GUESSES) == before
