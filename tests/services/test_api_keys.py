"""API keys: made by a user, shown once, for machines."""

import secrets
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pymongo
import pytest

from songs.v1.access_pb2 import (
    PRIVILEGE_ADMIN,
    PRIVILEGE_EDITOR,
    PRIVILEGE_LISTENER,
    PRIVILEGE_PUBLIC,
    PRIVILEGE_UNSPECIFIED,
    SCOPE_ACCOUNT_READ,
    SCOPE_AUDIT_READ,
    SCOPE_SONGS_READ,
    SCOPE_SONGS_WRITE,
    SCOPE_UNSPECIFIED,
    SCOPE_USERS_READ,
    SCOPE_USERS_WRITE,
    Privilege,
    Scope,
)
from songs.v1.api_key_service_pb2 import (
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    ListApiKeysRequest,
    RevokeApiKeyRequest,
)
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import CreateSongRequest, ImportItem, ImportSongsRequest, ListSongsRequest
from songs.v1.user_pb2 import Session
from songs.v1.user_service_pb2 import (
    DeleteUserRequest,
    DisableUserRequest,
    EnableUserRequest,
    GetMeRequest,
    ListUsersRequest,
    SetPrivilegeRequest,
    SignOutRequest,
)
from songserver.app import METHODS
from songserver.rpc import Method
from songserver.storage import api_keys as api_keys_module
from songserver.testing import SongServer
from tests.conftest import Caller, failure, in_process
from tests.interceptors.conftest import refused

ALL = [scope for scope in Scope.values() if scope != SCOPE_UNSPECIFIED]
NOBODYS = "00000000-0000-4000-8000-000000000000"


def request_for(
    privilege: Privilege.ValueType = PRIVILEGE_LISTENER,
    scopes: list[Scope.ValueType] | None = None,
    *,
    seconds: float = 3600,
    name: str = "a radio",
) -> CreateApiKeyRequest:
    request = CreateApiKeyRequest(name=name, privilege=privilege, scopes=ALL if scopes is None else scopes)
    request.expire_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return request


def make(caller: Caller, *arguments: Any, **options: Any) -> CreateApiKeyResponse:
    return caller.api_keys.CreateApiKey(request_for(*arguments, **options))


def machine(caller: Caller, made: CreateApiKeyResponse) -> Caller:
    """Calls with a key."""
    return Caller(caller.channel, Session(access_token=made.key))


def documents(server: SongServer, work: Callable[[Any], Any]) -> Any:
    assert server.settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](server.settings.mongodb_uri.get_secret_value()) as client:
        return work(client[server.settings.mongodb_database]["api_keys"])


def test_a_key_calls_in_its_makers_stead(editor: Caller) -> None:
    before = time.time()
    made = make(editor, PRIVILEGE_EDITOR, [SCOPE_SONGS_WRITE, SCOPE_ACCOUNT_READ, SCOPE_SONGS_READ])
    robot = machine(editor, made)

    assert robot.me() == editor.me()
    song = robot.create()
    assert editor.get(song.id).created_by == editor.me().id
    assert robot.get(song.id) == song
    assert made.key.startswith(f"song_{UUID(made.api_key.id).hex}_")
    assert made.api_key.name == "a radio"
    assert made.api_key.privilege == PRIVILEGE_EDITOR
    assert list(made.api_key.scopes) == [SCOPE_SONGS_READ, SCOPE_SONGS_WRITE, SCOPE_ACCOUNT_READ]
    assert before - 1 < made.api_key.create_time.ToNanoseconds() / 1e9 < time.time() + 1
    assert abs(made.api_key.expire_time.ToNanoseconds() / 1e9 - before - 3600) < 5


def test_a_key_is_kept_as_its_hash_only(server: SongServer, listener: Caller) -> None:
    made = make(listener)

    kept = documents(server, lambda keys: keys.find_one({"_id": made.api_key.id}))

    assert made.key not in str(kept)
    assert made.key.rpartition("_")[2][:32] not in str(kept)
    assert len(kept["digest"]) == 32


@pytest.mark.parametrize("scope", ALL, ids=Scope.Name)
def test_a_key_is_good_for_the_methods_of_its_scope_only(admin: Caller, scope: Scope.ValueType) -> None:
    made = make(admin, PRIVILEGE_ADMIN, [scope])

    for method in map(Method.of, METHODS):
        if method.access == PRIVILEGE_PUBLIC:
            continue
        told = refused(admin.channel, method, b"\xff\xff\xff", made.key)
        allowed = method.scope == scope
        assert told.code == ("REQUEST_PARSE_ERROR" if allowed else "PRIVILEGE_ERROR"), method.name
        if not allowed and method.scope:
            assert Scope.Name(method.scope) in told.message


def test_no_key_makes_or_revokes_keys_or_changes_its_makers_account(admin: Caller) -> None:
    robot = machine(admin, make(admin, PRIVILEGE_ADMIN))

    for call, request in (
        (robot.api_keys.CreateApiKey, request_for()),
        (robot.api_keys.ListApiKeys, ListApiKeysRequest()),
        (robot.api_keys.RevokeApiKey, RevokeApiKeyRequest(api_key_id=NOBODYS)),
        (robot.users.SignOut, SignOutRequest(everywhere=True)),
    ):
        told = failure(call, request)
        assert told.code == "PRIVILEGE_ERROR"
        assert "sign in" in told.message


def test_a_key_has_no_more_privilege_than_its_maker(editor: Caller) -> None:
    refusal = failure(editor.api_keys.CreateApiKey, request_for(PRIVILEGE_ADMIN))
    assert refusal.code == "PRIVILEGE_ERROR"
    assert "PRIVILEGE_EDITOR" in refusal.message

    robot = machine(editor, make(editor, PRIVILEGE_LISTENER))
    assert failure(robot.songs.CreateSong, CreateSongRequest()).code == "PRIVILEGE_ERROR"
    assert robot.songs.ListSongs(ListSongsRequest()) is not None


def test_a_key_has_less_privilege_once_its_maker_has(admin: Caller, editor: Caller) -> None:
    robot, user_id = machine(editor, make(editor, PRIVILEGE_EDITOR)), editor.me().id
    assert robot.create()

    admin.users.SetPrivilege(SetPrivilegeRequest(user_id=user_id, privilege=PRIVILEGE_LISTENER))
    assert failure(robot.songs.CreateSong, CreateSongRequest()).code == "PRIVILEGE_ERROR"

    admin.users.SetPrivilege(SetPrivilegeRequest(user_id=user_id, privilege=PRIVILEGE_ADMIN))
    assert robot.create(), "what it was given, it has again"
    assert failure(robot.users.ListUsers, ListUsersRequest()).code == "PRIVILEGE_ERROR", "and no more"


def test_a_key_is_refused_from_its_revocation_on(listener: Caller) -> None:
    made, other = make(listener), make(listener)
    robot = machine(listener, made)
    assert robot.me()

    listener.api_keys.RevokeApiKey(RevokeApiKeyRequest(api_key_id=made.api_key.id.upper()))

    assert failure(robot.users.GetMe, GetMeRequest()).code == "SIGN_IN_FAILURE"
    assert machine(listener, other).me()
    again = failure(listener.api_keys.RevokeApiKey, RevokeApiKeyRequest(api_key_id=made.api_key.id))
    assert again.code == "API_KEY_NOT_FOUND"


def test_a_stream_ends_with_its_key(editor: Caller) -> None:
    made = make(editor, PRIVILEGE_EDITOR)
    item = ImportItem(song=Song(title="A Song", artists=[secrets.token_hex(6)]))

    def requests() -> Any:
        yield ImportSongsRequest(items=[item])
        editor.api_keys.RevokeApiKey(RevokeApiKeyRequest(api_key_id=made.api_key.id))
        yield ImportSongsRequest(items=[item])

    assert failure(machine(editor, made).songs.ImportSongs, requests()).code == "SIGN_IN_FAILURE"


def test_a_user_sees_and_revokes_no_keys_of_others(listener: Caller, editor: Caller) -> None:
    made = make(listener)

    assert not editor.api_keys.ListApiKeys(ListApiKeysRequest()).api_keys
    refusal = failure(editor.api_keys.RevokeApiKey, RevokeApiKeyRequest(api_key_id=made.api_key.id))
    assert refusal.code == "API_KEY_NOT_FOUND"
    assert machine(listener, made).me()


def test_keys_are_listed_the_latest_first_without_what_lets_anybody_in(listener: Caller) -> None:
    first, second = make(listener, name="first"), make(listener, name="second")

    listed = listener.api_keys.ListApiKeys(ListApiKeysRequest()).api_keys

    assert list(listed) == [second.api_key, first.api_key]
    assert first.key.rpartition("_")[2] not in str(listed)


def test_a_key_that_has_expired_is_refused_even_where_it_is_known(listener: Caller) -> None:
    made = make(listener, seconds=1.5)
    robot = machine(listener, made)
    assert robot.me()
    time.sleep(1.6)

    assert failure(robot.users.GetMe, GetMeRequest()).code == "SIGN_IN_FAILURE"
    assert not listener.api_keys.ListApiKeys(ListApiKeysRequest()).api_keys


def test_a_key_is_refused_while_its_maker_is_disabled_and_for_good_once_deleted(
    admin: Caller, listener: Caller
) -> None:
    made, user_id = make(listener), listener.me().id
    robot = machine(listener, made)
    assert robot.me()

    admin.users.DisableUser(DisableUserRequest(user_id=user_id))
    assert failure(robot.users.GetMe, GetMeRequest()).code == "SIGN_IN_FAILURE"

    admin.users.EnableUser(EnableUserRequest(user_id=user_id))
    assert robot.me().id == user_id

    admin.users.DeleteUser(DeleteUserRequest(user_id=user_id))
    assert failure(robot.users.GetMe, GetMeRequest()).code == "SIGN_IN_FAILURE"


def test_a_deleted_users_keys_are_deleted(server: SongServer, admin: Caller, listener: Caller) -> None:
    made = make(listener)

    admin.users.DeleteUser(DeleteUserRequest(user_id=listener.me().id))

    assert documents(server, lambda keys: keys.find_one({"_id": made.api_key.id})) is None


def test_a_key_of_the_right_id_and_another_secret_is_refused(listener: Caller) -> None:
    """Also where the right one is known."""
    made = make(listener)
    assert machine(listener, made).me()
    begin = f"song_{UUID(made.api_key.id).hex}_{secrets.token_hex(32)}"
    forged = CreateApiKeyResponse(key=f"{begin}{zlib.crc32(begin.encode()):08x}")

    assert failure(machine(listener, forged).users.GetMe, GetMeRequest()).code == "SIGN_IN_FAILURE"
    assert machine(listener, made).me()


def test_the_last_use_is_written_down_once_a_minute(
    server: SongServer, listener: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(listener)
    assert not made.api_key.HasField("last_use_time")
    robot = machine(listener, made)

    def last_use() -> float:
        (api_key,) = listener.api_keys.ListApiKeys(ListApiKeysRequest()).api_keys
        return api_key.last_use_time.ToNanoseconds() / 1e9

    before = time.time()
    robot.me()
    give_up = time.monotonic() + 10
    while not (noted := last_use()):
        assert time.monotonic() < give_up
        time.sleep(0.02)
    assert before - 1 < noted < time.time() + 1
    for _ in range(20):
        robot.me()
    time.sleep(0.3)
    assert last_use() == noted

    # Another process, which has not noted it, leaves it as well.
    api_key_id = made.api_key.id
    long_ago = noted - api_keys_module.USE_NOTED_EVERY - 1
    at = datetime.fromtimestamp(long_ago, UTC)
    documents(server, lambda keys: keys.update_one({"_id": api_key_id}, {"$set": {"last_use": at}}))
    robot.me()
    time.sleep(0.3)
    assert last_use() < noted, "this one has noted it less than a minute ago"


@in_process
def test_a_user_has_a_hundred_keys_at_the_most(listener: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api_keys_module.MOST == 100
    monkeypatch.setattr(api_keys_module, "MOST", 3)
    made = [make(listener) for _ in range(3)]

    refusal = failure(listener.api_keys.CreateApiKey, request_for())
    assert refusal.code == "INVALID_USER_DETAILS"
    assert "revoke one" in refusal.message

    listener.api_keys.RevokeApiKey(RevokeApiKeyRequest(api_key_id=made[0].api_key.id))
    assert make(listener)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"privilege": PRIVILEGE_UNSPECIFIED}, "privilege"),
        ({"privilege": PRIVILEGE_PUBLIC}, "privilege"),
        ({"privilege": 5}, "privilege"),
        ({"scopes": []}, "scopes"),
        ({"scopes": [SCOPE_UNSPECIFIED]}, "scopes[0]"),
        ({"scopes": [99]}, "scopes[0]"),
        ({"scopes": [SCOPE_SONGS_READ] * 2}, "scopes"),
        ({"seconds": -1}, "expire_time"),
        ({"seconds": 367 * 86400}, "expire_time"),
    ],
)
def test_a_key_that_breaks_a_rule_is_not_made(listener: Caller, change: dict[str, Any], field: str) -> None:
    arguments = {"privilege": PRIVILEGE_LISTENER, "scopes": [SCOPE_USERS_READ, SCOPE_USERS_WRITE, SCOPE_AUDIT_READ]}

    refusal = failure(listener.api_keys.CreateApiKey, request_for(**{**arguments, **change}))

    assert (refusal.code, refusal.fields) == ("INVALID_USER_DETAILS", [field])
    assert not listener.api_keys.ListApiKeys(ListApiKeysRequest()).api_keys


def test_a_key_that_never_ends_is_not_made(listener: Caller) -> None:
    request = request_for()
    request.ClearField("expire_time")

    assert failure(listener.api_keys.CreateApiKey, request).fields == ["expire_time"]


@pytest.mark.parametrize("api_key_id", ["", "me", NOBODYS + "0"])
def test_an_id_that_is_none_cannot_be_read(listener: Caller, api_key_id: str) -> None:
    refusal = failure(listener.api_keys.RevokeApiKey, RevokeApiKeyRequest(api_key_id=api_key_id))

    assert (refusal.code, refusal.fields) == ("INVALID_DATA_FORMAT", ["api_key_id"])
