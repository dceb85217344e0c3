"""Watches through what happens to servers and their MongoDB."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from itertools import cycle
from typing import Any

import grpc
import pymongo
import pytest
from grpc import aio
from pydantic import SecretStr

from songs.v1.access_pb2 import PRIVILEGE_EDITOR, PRIVILEGE_LISTENER
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import CreateSongRequest
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.song_streams_pb2 import SONG_CHANGE_CREATED as CREATED
from songs.v1.song_streams_pb2 import SONG_CHANGE_HEARTBEAT as HEARTBEAT
from songs.v1.song_streams_pb2 import WatchSongsRequest
from songserver.config import Settings
from songserver.storage import song_changes
from songserver.testing import SongServer, running_server
from tests.conftest import Caller, failure, in_process
from tests.operations.conftest import OwnMongod, until
from tests.services.watches import Watch, watching

WATCHERS = 2000
CONNECTIONS = 10
LAG = 0.1
"""Seconds."""


@pytest.fixture(scope="module")
def away(own_mongod: OwnMongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SongServer]:
    """A server whose MongoDB can be taken away."""
    settings = Settings(
        listen="127.0.0.1:0",
        data_directory=tmp_path_factory.mktemp("song-server"),
        mongodb_uri=SecretStr(own_mongod.uri),
        mongodb_database="watched",
        argon2_time_cost=1,
        argon2_memory_cost=8,
        shutdown_grace=0.5,
    )
    with running_server(settings) as server:
        yield server


def create_when_it_is_back(editor: Caller, title: str, artist: str) -> Song:
    made: list[Song] = []

    def create() -> bool:
        request = CreateSongRequest(song=Song(title=title, artists=[artist]), request_id=title.replace(" ", "-"))
        try:
            made.append(editor.songs.CreateSong(request).song)
        except grpc.RpcError:
            return False
        return True

    until(create)
    return made[0]


@pytest.mark.alone
def test_a_watch_goes_on_when_mongodb_was_killed_and_is_back(own_mongod: OwnMongod, away: SongServer) -> None:
    editor = Caller.new(away, PRIVILEGE_EDITOR)
    artist = f"Artist {secrets.token_hex(6)}"
    with watching(editor, artist=artist) as watch:
        before = editor.create("Before", artists=[artist])
        assert watch.next()[:2] == ("CREATED", before)
        own_mongod.kill()
        time.sleep(1.5)
        own_mongod.start()
        after = create_when_it_is_back(editor, f"After {artist}", artist)
        told = watch.until(after.id)

    assert {change.what for change in told} == {"CREATED"}


@pytest.mark.alone
@in_process
def test_a_watch_ends_cleanly_when_mongodb_stays_away_and_goes_on_by_its_token(
    own_mongod: OwnMongod, away: SongServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(song_changes, "PATIENCE", 1.0)
    monkeypatch.setattr(song_changes, "ANSWER_TIME", 1.5)
    editor = Caller.new(away, PRIVILEGE_EDITOR)
    artist = f"Artist {secrets.token_hex(6)}"
    with watching(editor, artist=artist) as watch:
        own_mongod.kill()
        told = watch.end(30)
    assert (told.code, told.status) == ("DB_OPERATION_FAILURE", grpc.StatusCode.UNAVAILABLE)
    assert told.retry.HasField("retry_delay")
    assert failure(editor.songs.WatchSongs, WatchSongsRequest()).code == "DB_OPERATION_FAILURE"

    own_mongod.start()
    song = create_when_it_is_back(editor, f"After {artist}", artist)
    with watching(editor, watch.token, artist=artist) as watch:
        assert watch.next()[:2] == ("CREATED", song)


@pytest.mark.alone
def test_who_was_away_for_longer_than_mongodb_remembers_is_told_to_list_again(
    own_mongod: OwnMongod, away: SongServer
) -> None:
    editor = Caller.new(away, PRIVILEGE_EDITOR)
    artist = f"Artist {secrets.token_hex(6)}"
    with watching(editor, artist=artist) as watch:
        token = watch.token
        editor.create(artists=[artist])
        missed = watch.next().token
    with pymongo.MongoClient[dict[str, Any]](own_mongod.uri) as client:
        oplog = client.local["oplog.rs"]
        (last,) = oplog.find().sort("$natural", -1).limit(1)

        def is_cut() -> bool:
            client["other"]["things"].insert_many([{"filler": bytes(4_000_000)} for _ in range(4)])
            (first,) = oplog.find().sort("$natural", 1).limit(1)
            return bool(first["ts"] > last["ts"])

        until(is_cut)
        client.drop_database("other")

    for expired in (token, missed):
        request = WatchSongsRequest(resume_token=expired, filter=SongFilter(artist=artist))
        told = failure(editor.songs.WatchSongs, request)
        assert (told.code, told.status) == ("RESUME_TOKEN_EXPIRED", grpc.StatusCode.FAILED_PRECONDITION)
        assert "list again, then watch anew" in told.message
    with watching(editor, artist=artist) as watch:
        song = editor.create("Again", artists=[artist])
        assert watch.next()[:2] == ("CREATED", song)


def test_a_server_that_stops_sends_its_watches_on_and_another_one_takes_them(
    song_server_settings: Settings, song_server: SongServer
) -> None:
    editor = Caller.new(song_server, PRIVILEGE_EDITOR)
    artist = f"Artist {secrets.token_hex(6)}"
    with running_server(song_server_settings) as leaving:
        channel = grpc.insecure_channel(leaving.address)
        watch = Watch(
            Caller(channel, editor.session).songs.WatchSongs(WatchSongsRequest(filter=SongFilter(artist=artist)))
        )
        assert watch.any().what == "HEARTBEAT"
        first = editor.create("First", artists=[artist])
        assert watch.next()[:2] == ("CREATED", first)
    told = watch.end()
    channel.close()

    assert (told.code, told.status) == ("SERVER_STOPPING", grpc.StatusCode.UNAVAILABLE)
    second = editor.create("Second", artists=[artist])
    with watching(editor, watch.token, artist=artist) as watch:
        assert watch.next()[:2] == ("CREATED", second)


def test_watches_are_counted_by_themselves_and_leave_room_for_calls(
    song_server_settings: Settings,
) -> None:
    settings = song_server_settings.model_copy(update={"max_calls": 2, "max_watches": 3})
    with running_server(settings) as server, ExitStack() as stack:
        listener = Caller.new(server, PRIVILEGE_LISTENER)
        for _ in range(3):
            stack.enter_context(watching(listener))
        refused = failure(listener.songs.WatchSongs, WatchSongsRequest())
        assert (refused.code, refused.status) == ("OVERLOADED", grpc.StatusCode.RESOURCE_EXHAUSTED)
        assert listener.me()
        stack.close()
        until(lambda: _may_watch(listener))


def _may_watch(listener: Caller) -> bool:
    try:
        with watching(listener):
            return True
    except AssertionError:
        return False


def change_streams(server: SongServer) -> int:
    """How many change streams of songs MongoDB has open for a server."""
    assert server.settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](server.settings.mongodb_uri.get_secret_value()) as client:
        operations = client.admin.aggregate([{"$currentOp": {"allUsers": True, "idleCursors": True}}])
        commands = [operation.get("cursor", {}).get("originatingCommand", {}) for operation in operations]
    return sum(
        command.get("$db") == server.settings.mongodb_database
        and "fullDocumentBeforeChange" in str(command.get("pipeline"))
        for command in commands
    )


async def tell_all(editor: Caller, address: str, meanwhile: Callable[[], None]) -> float:
    """Watches with many clients that all come at once; gives the seconds until the last one is told of a song."""
    header = (("authorization", f"Bearer {editor.session.access_token}"),)
    async with AsyncExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [await stack.enter_async_context(aio.insecure_channel(address, options)) for _ in range(CONNECTIONS)]
        stubs: list[Any] = [SongServiceStub(channel) for channel in channels]
        # Half of them have a filter of their own.
        filters = (SongFilter(genre="All", year_from=(1000 + number // 2) * (number % 2)) for number in range(WATCHERS))
        requests = [WatchSongsRequest(filter=selected) for selected in filters]
        watches = [
            stub.WatchSongs(request, metadata=header) for stub, request in zip(cycle(stubs), requests, strict=False)
        ]
        assert {told.change for told in await asyncio.gather(*(watch.read() for watch in watches))} == {HEARTBEAT}
        await asyncio.to_thread(meanwhile)
        reading = [asyncio.create_task(watch.read()) for watch in watches]
        song = await asyncio.to_thread(editor.create, genres=["All"], release_date={"year": 1999})
        began = time.monotonic()
        answered = await asyncio.to_thread(editor.get, song.id)
        assert answered == song
        assert {(told.change, told.song.id) for told in await asyncio.gather(*reading)} == {(CREATED, song.id)}
        seconds = time.monotonic() - began
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*(watch.code() for watch in watches))
    return seconds


@pytest.mark.alone
def test_thousands_of_watches_share_one_change_stream_which_closes_after_the_last_one(song_server: SongServer) -> None:
    editor = Caller.new(song_server, PRIVILEGE_EDITOR)
    open_streams = []

    seconds = asyncio.run(
        tell_all(editor, song_server.address, lambda: open_streams.append(change_streams(song_server)))
    )

    assert open_streams == [1]
    print(f"{WATCHERS} watches were told within {seconds * 1000:.0f} ms")  # noqa: T201
    until(lambda: change_streams(song_server) == 0, within=20)


@pytest.mark.alone
def test_a_change_is_told_of_at_once(song_server: SongServer) -> None:
    editor = Caller.new(song_server, PRIVILEGE_EDITOR)
    lags = []
    with watching(editor) as watch:
        for number in range(200):
            began = time.monotonic()
            song = editor.create(f"Song {number}")
            while watch.next().song.id != song.id:
                pass
            lags.append(time.monotonic() - began)
            time.sleep(0.005)
    lags.sort()

    print(f"CreateSong until told: p50 {lags[100] * 1000:.1f} ms, p99 {lags[197] * 1000:.1f} ms")  # noqa: T201
    assert lags[197] < LAG
