"""How many calls are in flight, and how long the database may take."""

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pymongo
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from songs.v1.access_pb2 import PRIVILEGE_EDITOR, PRIVILEGE_LISTENER
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import CreateSongRequest, ImportItem, ImportSongsRequest, ListSongsRequest
from songs.v1.user_service_pb2 import GetMeRequest
from songserver.config import Settings
from songserver.rpc import DEADLINE_MARGIN, Call
from songserver.testing import SongServer, running_server
from tests.conftest import Caller, failure, in_process, read_failure
from tests.interceptors.conftest import METHODS

MAX_CALLS = 3


@pytest.fixture
def busy(song_server_settings: Settings) -> Iterator[SongServer]:
    """A server that takes few calls at once."""
    with running_server(song_server_settings.model_copy(update={"max_calls": MAX_CALLS})) as server:
        yield server


@contextmanager
def imports_in_flight(caller: Caller, count: int) -> Iterator[None]:
    """Keeps so many imports open."""
    outboxes: list[queue.Queue[ImportSongsRequest | None]] = [queue.Queue() for _ in range(count)]
    calls: list[Any] = [caller.songs.ImportSongs(iter(outbox.get, None)) for outbox in outboxes]
    for outbox, call in zip(outboxes, calls, strict=True):
        outbox.put(ImportSongsRequest())
        next(call)
    yield
    for outbox, call in zip(outboxes, calls, strict=True):
        outbox.put(None)
        assert list(call) == []


def test_calls_over_the_limit_are_told_to_come_again(busy: SongServer) -> None:
    editor, listener = Caller.new(busy, PRIVILEGE_EDITOR), Caller.new(busy, PRIVILEGE_LISTENER)

    with imports_in_flight(editor, MAX_CALLS - 1):
        assert listener.me()
    with imports_in_flight(editor, MAX_CALLS):
        refused = failure(listener.users.GetMe, GetMeRequest())

        assert (refused.code, refused.status) == ("OVERLOADED", grpc.StatusCode.RESOURCE_EXHAUSTED)
        assert refused.retry.retry_delay.ToMilliseconds() > 0
        assert str(MAX_CALLS) in refused.message
        for _ in range(MAX_CALLS + 1):
            assert failure(listener.users.GetMe, GetMeRequest()).code == "OVERLOADED"
    assert listener.me()


def test_health_is_answered_by_a_server_that_is_full(busy: SongServer) -> None:
    health = health_pb2_grpc.HealthStub(busy.channel())

    with imports_in_flight(Caller.new(busy, PRIVILEGE_EDITOR), MAX_CALLS):
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=5)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_cancelled_call_is_in_flight_no_more(busy: SongServer) -> None:
    editor = Caller.new(busy, PRIVILEGE_EDITOR)
    for _ in range(3 * MAX_CALLS):
        outbox: queue.Queue[ImportSongsRequest | None] = queue.Queue()
        call: Any = editor.songs.ImportSongs(iter(outbox.get, None))
        outbox.put(ImportSongsRequest())
        next(call)
        call.cancel()
        outbox.put(None)
        time.sleep(0.02)

    assert editor.me()


@contextmanager
def writes_blocked(server: SongServer) -> Iterator[None]:
    """MongoDB takes no writes for a while, as under a backup."""
    assert server.settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](server.settings.mongodb_uri.get_secret_value()) as client:
        client.admin.command("fsync", lock=True)
        try:
            yield
        finally:
            client.admin.command("fsyncUnlock")


def new_song() -> CreateSongRequest:
    return CreateSongRequest(song=Song(title="A", artists=["A"]))


@pytest.mark.alone
def test_the_database_has_the_callers_deadline(empty_server: SongServer) -> None:
    """The server answers itself, with its own code, before the caller's deadline ends the call."""
    editor = Caller.new(empty_server, PRIVILEGE_EDITOR)

    with writes_blocked(empty_server):
        started = time.monotonic()
        refused = failure(editor.songs.CreateSong, new_song(), timeout=1.0)

    assert 0.5 < time.monotonic() - started <= 1.1
    assert (refused.code, refused.status) == ("DB_OPERATION_FAILURE", grpc.StatusCode.DEADLINE_EXCEEDED)
    assert editor.create()


def test_the_database_has_its_own_time_at_the_most(song_server_settings: Settings) -> None:
    settings = song_server_settings.model_copy(update={"mongodb_timeout": 1.5})
    with running_server(settings) as server:
        editor = Caller.new(server, PRIVILEGE_EDITOR)
        with writes_blocked(server):
            started = time.monotonic()
            refused = failure(editor.songs.CreateSong, new_song(), timeout=20)

        assert time.monotonic() - started < 10
        assert (refused.code, refused.status) == ("DB_OPERATION_FAILURE", grpc.StatusCode.UNAVAILABLE)
        assert refused.retry.retry_delay.ToMilliseconds() > 0


def test_reads_go_on_while_writes_wait(empty_server: SongServer) -> None:
    editor = Caller.new(empty_server, PRIVILEGE_EDITOR)
    song = editor.create()

    with writes_blocked(empty_server):
        assert list(editor.songs.ListSongs(ListSongsRequest()).songs) == [song]


def test_an_import_fails_by_its_deadline_and_can_be_sent_again(empty_server: SongServer) -> None:
    editor = Caller.new(empty_server, PRIVILEGE_EDITOR)
    item = ImportItem(song=Song(title="A", artists=["A"]), request_id="one")

    with writes_blocked(empty_server):
        with pytest.raises(grpc.RpcError) as caught:
            list(editor.songs.ImportSongs(iter([ImportSongsRequest(items=[item])]), timeout=1.0))
        assert read_failure(caught.value).status == grpc.StatusCode.DEADLINE_EXCEEDED
    (answer,) = editor.songs.ImportSongs(iter([ImportSongsRequest(items=[item])]), timeout=20)

    assert editor.get(answer.results[0].song_id).title == "A"
    assert len(editor.songs.ListSongs(ListSongsRequest()).songs) == 1


def call_with(timeout: float | None) -> Call:
    async def nothing(*_: object) -> None: ...

    return Call(METHODS[0], metadata=[], peer="test", timeout=timeout, receive=nothing, send=nothing)


def test_a_call_knows_what_is_left_of_its_time() -> None:
    assert call_with(None).remaining is None
    assert not call_with(None).is_late
    assert 9 < (call_with(10).remaining or 0) <= 10
    assert not call_with(10).is_late
    assert call_with(DEADLINE_MARGIN).is_late
    assert call_with(-1).is_late


@in_process
def test_a_call_in_flight_ends_with_its_caller(empty_server: SongServer) -> None:
    """At once, or, since pymongo swallows a cancellation now and then, when the database's time is up."""
    editor = Caller.new(empty_server, PRIVILEGE_EDITOR)

    with writes_blocked(empty_server), capture_logs() as log:
        future = editor.songs.CreateSong.future(new_song())
        time.sleep(0.1)
        future.cancel()
        give_up = time.monotonic() + empty_server.settings.mongodb_timeout + 2
        while not (ended := [entry for entry in log if entry["event"] == "call"]):
            assert time.monotonic() < give_up
            time.sleep(0.01)

    assert ended[0]["status"] in {"CANCELLED", "DB_OPERATION_FAILURE"}
