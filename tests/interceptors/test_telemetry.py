"""What the log says of calls, and what it never says."""

import time
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_service_pb2 import GetSongRequest, ImportSongsRequest
from songs.v1.user_pb2 import User
from songs.v1.user_service_pb2 import (
    ChangePasswordRequest,
    DeleteMeRequest,
    GetMeRequest,
    RefreshSessionRequest,
    SignInRequest,
    SignOutRequest,
    SignUpRequest,
    UpdateMeRequest,
)
from songserver.testing import SongServer
from tests.conftest import Caller, failure, in_process

NOBODY = "00000000-0000-4000-8000-000000000000"
Entry = MutableMapping[str, Any]

pytestmark = in_process


@pytest.fixture
def log() -> Iterator[list[Entry]]:
    with capture_logs() as entries:
        yield entries


def calls(log: list[Entry], method: str, count: int = 1) -> list[Entry]:
    """The entries of a method's calls; the last may be written a moment after the caller has its answer."""
    give_up = time.monotonic() + 5
    while len(found := [entry for entry in log if str(entry.get("method", "")).endswith(f"/{method}")]) < count:
        assert time.monotonic() < give_up, log
        time.sleep(0.01)
    assert len(found) == count
    return found


def test_a_call_is_one_line(server: SongServer, log: list[Entry]) -> None:
    editor = Caller.new(server, PRIVILEGE_EDITOR)
    user = editor.me()

    (entry,) = calls(log, "GetMe")
    assert entry["event"] == "call"
    assert entry["method"] == "/songs.v1.UserService/GetMe"
    assert (entry["status"], entry["user_id"]) == ("SUCCESS", user.id)
    assert 0 < entry["ms"] < 10_000
    assert len(entry["request_id"]) == 36
    assert entry["peer"].startswith("ipv4:127.0.0.1:")


def test_a_call_that_fails_is_one_line_with_its_code(server: SongServer, listener: Caller, log: list[Entry]) -> None:
    refused = [
        failure(listener.songs.GetSong, GetSongRequest(id=NOBODY)),
        failure(listener.songs.GetSong, GetSongRequest(id="x")),
        failure(Caller(server.channel()).songs.GetSong, GetSongRequest(id=NOBODY)),
    ]

    entries = calls(log, "GetSong", 3)
    assert [entry["status"] for entry in entries] == ["SONG_NOT_FOUND", "INVALID_DATA_FORMAT", "SIGN_IN_FAILURE"]
    assert [entry["request_id"] for entry in entries] == [told.info.metadata["request_id"] for told in refused]
    assert [entry["user_id"] for entry in entries] == [listener.me().id, listener.me().id, None]


def test_a_stream_is_one_line(editor: Caller, log: list[Entry]) -> None:
    list(editor.songs.ImportSongs(iter([ImportSongsRequest()] * 5)))

    assert calls(log, "ImportSongs")[0]["status"] == "SUCCESS"


def test_neither_passwords_nor_tokens_are_ever_logged(
    server: SongServer, log: list[Entry], capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = ["first secret password", "second secret password", "wrong secret password"]
    first, second, wrong = secrets
    users = Caller(server.channel()).users
    users.SignUp(SignUpRequest(username="discreet", password=first))
    failure(users.SignUp, SignUpRequest(username="discreet", password=first))
    failure(users.SignUp, SignUpRequest(username="", password=first))
    failure(users.SignIn, SignInRequest(username="discreet", password=wrong))
    caller = Caller.sign_in(server, "discreet", first)
    renewed = users.RefreshSession(RefreshSessionRequest(refresh_token=caller.session.refresh_token)).session
    signed_in = Caller(server.channel(), renewed)
    steps: list[tuple[Callable[..., Any], Any]] = [
        (signed_in.users.ChangePassword, ChangePasswordRequest(current_password=first, new_password=second)),
        (signed_in.users.UpdateMe, UpdateMeRequest(user=User(display_name="D"))),
    ]
    for call, request in steps:
        call(request)
    failure(signed_in.users.ChangePassword, ChangePasswordRequest(current_password=wrong, new_password=second))
    failure(signed_in.users.DeleteMe, DeleteMeRequest(password=wrong))
    failure(users.GetMe, GetMeRequest(), metadata=[("authorization", f"Bearer {renewed.access_token}x")])
    again = users.RefreshSession(RefreshSessionRequest(refresh_token=caller.session.refresh_token)).session
    failure(users.RefreshSession, RefreshSessionRequest(refresh_token=caller.session.refresh_token))
    leaver = Caller.sign_in(server, "discreet", second)
    leaver.users.SignOut(SignOutRequest())
    calls(log, "SignOut")

    written = "".join(map(repr, log)) + "".join(capfd.readouterr())
    assert "DeleteMe" in written
    for session in (caller.session, renewed, again, leaver.session):
        secrets += [session.access_token, session.refresh_token, session.refresh_token.partition(".")[2]]
        secrets += session.access_token.split(".")
    assert [secret for secret in secrets if secret in written] == []
