"""Both clients with API keys: making them, and calling with one."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from songclient import (
    ApiKeyNotFound,
    InvalidDataFormat,
    InvalidUserDetails,
    Privilege,
    PrivilegeError,
    Scope,
    Session,
    SignInFailed,
    SongClient,
    StatusCode,
)
from tests.client.conftest import NOBODY, song

if TYPE_CHECKING:
    from collections.abc import Callable

    from songserver.testing import SongServer

    OpenClient = Callable[..., SongClient]

WRITE = [Scope.SCOPE_SONGS_WRITE]


def test_a_key_from_its_making_to_its_end(
    editor: SongClient, open_client: OpenClient, empty_server: SongServer
) -> None:
    made = editor.create_api_key("nightly", WRITE, privilege=Privilege.PRIVILEGE_EDITOR, lifetime=timedelta(days=7))
    assert (made.api_key.name, list(made.api_key.scopes)) == ("nightly", WRITE)
    assert made.api_key.expire_time.ToSeconds() == pytest.approx(time.time() + 7 * 86400, abs=60)
    assert editor.list_api_keys() == [made.api_key]

    machine = open_client(empty_server.address, api_key=made.key)
    assert machine.create_song(song(1)).created_by == editor.get_me().id
    with pytest.raises(PrivilegeError, match="SCOPE_SONGS_READ"):
        machine.get_song(NOBODY)
    with pytest.raises(PrivilegeError, match="takes a session"):
        machine.list_api_keys()

    editor.revoke_api_key(made.api_key.id)
    assert editor.list_api_keys() == []
    with pytest.raises(SignInFailed, match="API key"):
        machine.create_song(song(2))
    with pytest.raises(ApiKeyNotFound):
        editor.revoke_api_key(made.api_key.id)


def test_a_key_that_is_for_songs_alone_imports_them(
    editor: SongClient, open_client: OpenClient, empty_server: SongServer
) -> None:
    key = editor.create_api_key("import", WRITE, privilege=Privilege.PRIVILEGE_EDITOR).key
    machine = open_client(empty_server.address, api_key=key)

    assert [result.status_code for result in machine.import_songs([song(1), song(2)])] == [StatusCode.SUCCESS] * 2


def test_a_client_without_its_key_is_nobody(
    editor: SongClient, open_client: OpenClient, empty_server: SongServer
) -> None:
    told: list[Any] = []
    key = editor.create_api_key("mine", [Scope.SCOPE_ACCOUNT_READ]).key
    machine = open_client(empty_server.address, api_key=key, on_session=told.append)
    assert machine.get_me().id == editor.get_me().id

    machine.sign_out()

    with pytest.raises(SignInFailed):
        machine.get_me()
    # It was no session that ended: the key is as good as before.
    assert open_client(empty_server.address, api_key=key).get_me().id == editor.get_me().id


def test_what_is_wrong_with_a_key_is_told(editor: SongClient) -> None:
    with pytest.raises(PrivilegeError, match="ask for less"):
        editor.create_api_key("more", WRITE, privilege=Privilege.PRIVILEGE_ADMIN)
    with pytest.raises(InvalidUserDetails) as caught:
        editor.create_api_key("", [], lifetime=timedelta(days=400))
    assert sorted(each.field for each in caught.value.violations) == ["expire_time", "name", "scopes"]
    with pytest.raises(InvalidDataFormat):
        editor.revoke_api_key("nonsense")


@pytest.mark.parametrize("beside", [{"username": "ada", "password": "correct horse"}, {"session": Session()}])
def test_a_key_stands_alone(open_client: OpenClient, beside: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="API key stands alone"):
        open_client("127.0.0.1:1", api_key="song_key", **beside)
