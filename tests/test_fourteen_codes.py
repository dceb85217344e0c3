"""Every code of the contract, provoked by its real cause. A code without a case here fails."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import jwt
import pymongo
import pytest

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_EDITOR, PRIVILEGE_LISTENER
from songs.v1.api_key_service_pb2 import RevokeApiKeyRequest
from songs.v1.song_bulk_pb2 import BatchCreateSongsRequest, DeleteSongsRequest, NewSongItem
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import (
    BatchGetSongsRequest,
    CreateSongRequest,
    GetSongRequest,
    ImportItem,
    ImportOptions,
    ImportSongsRequest,
    ListSongsRequest,
    UpdateSongRequest,
)
from songs.v1.song_streams_pb2 import WatchSongsRequest
from songs.v1.status_pb2 import BATCH_REFUSED, INVALID_SONG_DETAILS, SUCCESS, StatusCode
from songs.v1.user_service_pb2 import (
    DisableUserRequest,
    GetMeRequest,
    GetUserRequest,
    RevokeSessionRequest,
    SignInRequest,
    SignUpRequest,
)
from songserver.auth.key_ring import KeyRing
from songserver.errors import GRPC_STATUS
from songserver.paging import PageTokens
from songserver.testing import SongServer, running_server
from tests.conftest import Caller, Failure, failure, lasting_server, read_failure

NOBODY = "00000000-0000-4000-8000-000000000000"
COLLECTION = "5A1004"
"""In MongoDB's resume tokens, before the UUID of a collection."""
CASES: dict[str, Callable[["World"], Failure]] = {}


class World:
    """A server with a song, and a caller of each privilege."""

    def __init__(self, server: SongServer) -> None:
        self.server = server
        self.anyone = Caller(server.channel())
        self.listener = Caller.new(server, PRIVILEGE_LISTENER)
        self.editor = Caller.new(server, PRIVILEGE_EDITOR)
        self.admin = Caller.new(server, PRIVILEGE_ADMIN)
        self.song = self.editor.create()


@pytest.fixture(scope="module")
def world(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("codes")
    with lasting_server(song_server_mongodb, directory, mongodb_timeout=1.5, max_calls=2) as server:
        yield World(server)


def case(function: Callable[[World], Failure]) -> Callable[[World], Failure]:
    """A function, named for a code, that provokes it."""
    CASES[function.__name__.upper()] = function
    return function


@case
def invalid_data_format(world: World) -> Failure:
    return failure(world.listener.songs.ListSongs, ListSongsRequest(page_token="made up"))


@case
def db_operation_failure(world: World) -> Failure:
    with mongodb_locked(world.server):
        return failure(world.editor.songs.CreateSong, CreateSongRequest(song=Song(title="A", artists=["A"])))


@contextmanager
def mongodb_locked(server: SongServer) -> Iterator[None]:
    """MongoDB takes no writes, as under a backup."""
    assert server.settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](server.settings.mongodb_uri.get_secret_value()) as client:
        client.admin.command("fsync", lock=True)
        try:
            yield
        finally:
            client.admin.command("fsyncUnlock")


@case
def request_parse_error(world: World) -> Failure:
    call: Any = world.anyone.channel.unary_unary("/songs.v1.UserService/SignUp")
    return failure(call, b"\xff\xff\xff")


@case
def invalid_page_number(world: World) -> Failure:
    return failure(world.listener.songs.ListSongs, ListSongsRequest(page_number=2))


@case
def overloaded(world: World) -> Failure:
    outboxes: list[queue.Queue[ImportSongsRequest | None]] = [queue.Queue() for _ in range(2)]
    calls: list[Any] = [world.editor.songs.ImportSongs(iter(outbox.get, None)) for outbox in outboxes]
    for outbox, call in zip(outboxes, calls, strict=True):
        outbox.put(ImportSongsRequest())
        next(call)
    told = failure(world.listener.users.GetMe, GetMeRequest())
    for outbox, call in zip(outboxes, calls, strict=True):
        outbox.put(None)
        list(call)
    return told


@case
def internal_error(world: World) -> Failure:
    """A document that is none of ours: somebody has written into the database by hand."""
    settings = world.server.settings
    assert settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](settings.mongodb_uri.get_secret_value()) as client:
        songs = client[settings.mongodb_database]["songs"]
        songs.insert_one({"_id": NOBODY, "title": {"$secret": 1}})
        try:
            return failure(world.listener.songs.GetSong, GetSongRequest(id=NOBODY))
        finally:
            songs.delete_one({"_id": NOBODY})


@case
def sign_in_failure(world: World) -> Failure:
    return failure(world.anyone.users.SignIn, SignInRequest(username="nobody", password="wrong"))


@case
def username_exists(world: World) -> Failure:
    name = world.listener.me().username.upper()
    return failure(world.anyone.users.SignUp, SignUpRequest(username=name, password="correct horse"))


@case
def user_parse_error(world: World) -> Failure:
    key = KeyRing(world.server.settings.keys_kept_in, 600).signing()
    claims = jwt.decode(world.listener.session.access_token, options={"verify_signature": False})
    token = jwt.encode({**claims, "sub": "me"}, key.private, "EdDSA", headers={"kid": key.kid})
    by_token = failure(world.anyone.users.GetMe, GetMeRequest(), metadata=[("authorization", f"Bearer {token}")])
    by_request = failure(world.admin.users.GetUser, GetUserRequest())
    assert by_token.code == by_request.code
    return by_request


@case
def privilege_error(world: World) -> Failure:
    return failure(world.listener.songs.CreateSong, CreateSongRequest())


@case
def too_many_attempts(world: World) -> Failure:
    request = SignInRequest(username="somebody-else", password="wrong")
    for _ in range(5):
        assert failure(world.anyone.users.SignIn, request).code == "SIGN_IN_FAILURE"
    return failure(world.anyone.users.SignIn, request)


@case
def too_many_calls(world: World) -> Failure:
    """On a server that gives each address one call in 100 s; all the others need more of them."""
    settings = world.server.settings.model_copy(update={"peer_calls": 0.01, "peer_calls_burst": 1})
    with running_server(settings) as server:
        anyone = Caller(server.channel())
        assert failure(anyone.users.GetMe, GetMeRequest()).code == "SIGN_IN_FAILURE"
        return failure(anyone.users.GetMe, GetMeRequest())


@case
def session_not_found(world: World) -> Failure:
    return failure(world.listener.users.RevokeSession, RevokeSessionRequest(session_id=NOBODY))


@case
def invalid_user_details(world: World) -> Failure:
    return failure(world.anyone.users.SignUp, SignUpRequest(username="somebody", password="short"))


@case
def user_not_found(world: World) -> Failure:
    return failure(world.admin.users.GetUser, GetUserRequest(user_id=NOBODY))


@case
def song_exists(world: World) -> Failure:
    return failure(world.editor.songs.CreateSong, CreateSongRequest(song=world.song))


@case
def invalid_song_details(world: World) -> Failure:
    return failure(world.editor.songs.CreateSong, CreateSongRequest(song=Song(title="A")))


@case
def last_admin(world: World) -> Failure:
    return failure(world.admin.users.DisableUser, DisableUserRequest(user_id=world.admin.me().id))


@case
def api_key_not_found(world: World) -> Failure:
    return failure(world.listener.api_keys.RevokeApiKey, RevokeApiKeyRequest(api_key_id=NOBODY))


@case
def song_not_found(world: World) -> Failure:
    return failure(world.listener.songs.GetSong, GetSongRequest(id=NOBODY))


@case
def stale_etag(world: World) -> Failure:
    request = UpdateSongRequest(song=Song(id=world.song.id, label="B", etag="0"))
    return failure(world.editor.songs.UpdateSong, request)


@case
def server_stopping(world: World) -> Failure:
    with running_server(world.server.settings) as server:
        channel = grpc.insecure_channel(server.address)
        call: Any = Caller(channel, world.listener.session).songs.WatchSongs(WatchSongsRequest())
        next(call)
    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    channel.close()
    return read_failure(caught.value)


@case
def resume_token_expired(world: World) -> Failure:
    """A token of a change that this MongoDB's log has not: another collection's."""
    call: Any = world.listener.songs.WatchSongs(WatchSongsRequest())
    next(call)
    world.editor.create()
    tokens = PageTokens(KeyRing(world.server.settings.keys_kept_in, 600).page_token_secret)
    (position,) = tokens.read(WatchSongsRequest(resume_token=next(call).resume_token), "resume_token")
    call.cancel()
    at = position.index(COLLECTION) + len(COLLECTION)
    lost = position[:at] + ("0" if position[at] != "0" else "1") + position[at + 1 :]
    token = tokens.write(WatchSongsRequest(), [lost])
    return failure(world.listener.songs.WatchSongs, WatchSongsRequest(resume_token=token))


@case
def import_taken_over(world: World) -> Failure:
    requests: queue.Queue[ImportSongsRequest | None] = queue.Queue()
    options = ImportSongsRequest(options=ImportOptions(import_id="both"))
    first: Any = world.editor.songs.ImportSongs(iter(requests.get, None))
    requests.put(options)
    next(first)
    list(world.editor.songs.ImportSongs(iter([options])))
    requests.put(ImportSongsRequest(items=[ImportItem(song=Song(title="E", artists=["E"]))]))
    with pytest.raises(grpc.RpcError) as caught:
        next(first)
    requests.put(None)
    return read_failure(caught.value)


@case
def too_many_songs(world: World) -> Failure:
    by = SongFilter(created_by=world.editor.me().id)
    world.editor.create()
    return failure(world.editor.songs.DeleteSongs, DeleteSongsRequest(filter=by, max_songs=1))


IN_BAND_ONLY = {"SUCCESS", "BATCH_REFUSED"}


@pytest.mark.parametrize("name", sorted(set(StatusCode.keys()) - IN_BAND_ONLY))
def test_every_code_is_answered_to_its_real_cause(world: World, name: str) -> None:
    told = CASES[name](world)

    assert told.code == name
    assert told.status == GRPC_STATUS[StatusCode.Value(name)]
    assert told.trailers["song-status-code"] == str(StatusCode.Value(name))
    assert told.info.metadata["status_code"] == str(StatusCode.Value(name))
    assert told.message
    assert world.listener.get(world.song.id), "the server goes on"


def test_success_appears_in_band_only(world: World) -> None:
    (batch,) = world.listener.songs.BatchGetSongs(BatchGetSongsRequest(ids=[world.song.id])).results
    items = [ImportItem(song=Song(title="B", artists=["B"]))]
    (imported,) = next(world.editor.songs.ImportSongs(iter([ImportSongsRequest(items=items)]))).results
    _, call = world.listener.users.GetMe.with_call(GetMeRequest())

    assert batch.status_code == imported.status_code == SUCCESS
    assert "song-status-code" not in dict(call.trailing_metadata())


def test_a_song_of_a_batch_is_refused_in_band_only(world: World) -> None:
    items = [NewSongItem(song=Song(title="C", artists=["C"])), NewSongItem(song=Song(title="D"))]
    refused = world.editor.songs.BatchCreateSongs(BatchCreateSongsRequest(items=items, atomic=True))

    assert [result.status_code for result in refused.results] == [BATCH_REFUSED, INVALID_SONG_DETAILS]
