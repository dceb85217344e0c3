"""What is taken from somebody is gone in every process within 5 s; where MongoDB tells of changes, at once."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from songs.v1.access_pb2 import PRIVILEGE_ADMIN, PRIVILEGE_EDITOR, PRIVILEGE_LISTENER
from songs.v1.api_key_service_pb2 import RevokeApiKeyRequest
from songs.v1.song_service_pb2 import CreateSongRequest
from songs.v1.user_pb2 import Session
from songs.v1.user_service_pb2 import (
    ChangePasswordRequest,
    DeleteUserRequest,
    DisableUserRequest,
    GetMeRequest,
    RevokeSessionRequest,
    SetPrivilegeRequest,
    SignOutRequest,
)
from songserver.config import Settings
from songserver.storage.changes import Changes
from songserver.testing import PASSWORD, SongServer, running_server
from tests.conftest import Caller, in_process, on_envoy
from tests.services.test_api_keys import make
from tests.services.test_session_lists import sessions_of

PROMISE = 5.0
"""Seconds."""


def refused_after(caller: Caller, method: str, request: Any, code: str) -> float:
    """Gives the seconds until a caller who calls again and again is refused."""
    began = time.monotonic()
    while time.monotonic() - began < PROMISE + 3:
        try:
            getattr(caller.songs if method == "CreateSong" else caller.users, method)(request, timeout=10)
        except Exception as error:  # noqa: BLE001
            if code in str(dict(error.trailing_metadata())["grpc-status-details-bin"]):  # type: ignore[attr-defined]
                return time.monotonic() - began
        time.sleep(0.005)
    pytest.fail(f"not refused within {PROMISE + 3} s")


class Pair:
    """Two servers on the same database; an admin and an editor of the one, who calls the other."""

    def __init__(self, one: SongServer, another: SongServer) -> None:
        self.one = one
        self.admin = Caller.new(one, PRIVILEGE_ADMIN)
        self.editor = Caller.new(one, PRIVILEGE_EDITOR)
        self.there = Caller(another.channel(), self.editor.session)
        self.user_id = self.there.me().id

    def elsewhere(self) -> Caller:
        """The editor, signed in once more."""
        return Caller.sign_in(self.one, self.editor.me().username, PASSWORD)


@pytest.fixture
def pair(song_server_settings: Settings) -> Iterator[Pair]:
    # A memory that would break the promise: it is the change stream that keeps it here. (A process of Envoy's reads its
    # settings anew, and refuses that.)
    settings = song_server_settings.model_copy(update={} if on_envoy else {"session_memory": 60.0})
    with running_server(settings) as one, running_server(settings) as another:
        time.sleep(1)  # The streams are open.
        yield Pair(one, another)


def revoke(pair: Pair) -> None:
    (session,) = (session for session in sessions_of(pair.editor) if session.current)
    pair.elsewhere().users.RevokeSession(RevokeSessionRequest(session_id=session.id))


ENDS: dict[str, Callable[[Pair], object]] = {
    "signed out": lambda pair: pair.editor.users.SignOut(SignOutRequest()),
    "signed out everywhere": lambda pair: pair.elsewhere().users.SignOut(SignOutRequest(everywhere=True)),
    "revoked": revoke,
    "password changed": lambda pair: pair.elsewhere().users.ChangePassword(
        ChangePasswordRequest(current_password=PASSWORD, new_password="battery staple horse")
    ),
    "disabled": lambda pair: pair.admin.users.DisableUser(DisableUserRequest(user_id=pair.user_id)),
    "deleted": lambda pair: pair.admin.users.DeleteUser(DeleteUserRequest(user_id=pair.user_id)),
}


@pytest.mark.alone
@pytest.mark.parametrize("end", ENDS)
def test_a_session_that_is_ended_here_is_over_there(pair: Pair, end: str) -> None:
    ENDS[end](pair)

    seconds = refused_after(pair.there, "GetMe", GetMeRequest(), "SIGN_IN_FAILURE")

    print(f"{end}: holds in another process after {seconds * 1000:.0f} ms")  # noqa: T201
    assert seconds < PROMISE


@pytest.mark.alone
@pytest.mark.parametrize("end", ["revoked", "its maker disabled"])
def test_an_api_key_that_is_ended_here_is_over_there(pair: Pair, end: str) -> None:
    made = make(pair.editor)
    robot = Caller(pair.there.channel, Session(access_token=made.key))
    robot.me()
    if end == "revoked":
        pair.editor.api_keys.RevokeApiKey(RevokeApiKeyRequest(api_key_id=made.api_key.id))
    else:
        pair.admin.users.DisableUser(DisableUserRequest(user_id=pair.user_id))

    seconds = refused_after(robot, "GetMe", GetMeRequest(), "SIGN_IN_FAILURE")

    print(f"API key, {end}: holds in another process after {seconds * 1000:.0f} ms")  # noqa: T201
    assert seconds < PROMISE


@pytest.mark.alone
def test_a_privilege_that_is_taken_here_is_gone_there(pair: Pair) -> None:
    pair.there.create()
    pair.admin.users.SetPrivilege(SetPrivilegeRequest(user_id=pair.user_id, privilege=PRIVILEGE_LISTENER))

    seconds = refused_after(pair.there, "CreateSong", CreateSongRequest(), "PRIVILEGE_ERROR")

    print(f"privilege: holds in another process after {seconds * 1000:.0f} ms")  # noqa: T201
    assert seconds < PROMISE
    assert pair.there.me().privilege == PRIVILEGE_LISTENER, "the token is still good, for what is left"


@in_process
@pytest.mark.alone
def test_without_change_streams_it_takes_no_longer_than_promised(
    song_server_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_: Changes) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Changes, "_follow", nothing)
    with running_server(song_server_settings) as one, running_server(song_server_settings) as another:
        pair = Pair(one, another)
        pair.there.me()
        pair.editor.users.SignOut(SignOutRequest())

        seconds = refused_after(pair.there, "GetMe", GetMeRequest(), "SIGN_IN_FAILURE")

    print(f"without change streams: holds in another process after {seconds:.1f} s")  # noqa: T201
    assert 0.5 < seconds < PROMISE, "it is remembered, but not for too long"
