"""Sessions: they begin with a password, go on by refresh tokens that are good once, and end at once."""

import queue
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from songs.v1.access_pb2 import PRIVILEGE_LISTENER
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import ImportItem, ImportSongsRequest
from songs.v1.user_pb2 import Session
from songs.v1.user_service_pb2 import (
    ChangePasswordRequest,
    GetMeRequest,
    RefreshSessionRequest,
    SetPrivilegeRequest,
    SignInRequest,
    SignOutRequest,
)
from songserver.config import Settings
from songserver.testing import PASSWORD, SongServer, running_server
from tests.conftest import Caller, failure, read_failure

NEW_PASSWORD = "battery staple horse"


def is_over(caller: Caller) -> bool:
    """Whether a caller's session has ended, for its access token and for its refresh token."""
    codes = {
        failure(caller.users.GetMe, GetMeRequest()).code,
        failure(caller.users.RefreshSession, RefreshSessionRequest(refresh_token=caller.session.refresh_token)).code,
    }
    return codes == {"SIGN_IN_FAILURE"}


def refresh(caller: Caller) -> Caller:
    request = RefreshSessionRequest(refresh_token=caller.session.refresh_token)
    return Caller(caller.channel, caller.users.RefreshSession(request).session)


def test_a_session_tells_when_its_tokens_end(listener: Caller, server: SongServer) -> None:
    session, now = listener.session, time.time()

    assert abs(session.access_token_expire_time.seconds - now - server.settings.access_token_lifetime) < 10
    assert abs(session.refresh_token_expire_time.seconds - now - server.settings.session_lifetime) < 10


@pytest.mark.parametrize("username", ["{name}", "{NAME}", " {name} "])
def test_the_case_of_a_name_does_not_matter(server: SongServer, username: str) -> None:
    name, password = server.sign_up(f"u{secrets.token_hex(6)}")

    caller = Caller.sign_in(server, username.format(name=name, NAME=name.upper()), password)

    assert caller.me().username == name


def test_unknown_users_and_wrong_passwords_are_the_same(server: SongServer, anyone: Caller) -> None:
    name, _ = server.sign_up(f"u{secrets.token_hex(6)}")

    wrong = failure(anyone.users.SignIn, SignInRequest(username=name, password="wrong"))
    unknown = failure(anyone.users.SignIn, SignInRequest(username="nobody-at-all", password=PASSWORD))

    assert wrong.code == unknown.code == "SIGN_IN_FAILURE"
    assert wrong.message == unknown.message


def test_a_sign_in_needs_a_name_and_a_password(anyone: Caller) -> None:
    refused = failure(anyone.users.SignIn, SignInRequest(password=PASSWORD))
    assert (refused.code, refused.fields) == ("USER_PARSE_ERROR", ["username"])

    refused = failure(anyone.users.SignIn, SignInRequest(username="somebody"))
    assert (refused.code, refused.fields) == ("INVALID_USER_DETAILS", ["password"])


def test_a_refresh_gives_new_tokens_for_the_same_session(listener: Caller) -> None:
    renewed = refresh(listener)

    assert renewed.session.refresh_token != listener.session.refresh_token
    assert renewed.me() == listener.me()
    assert refresh(renewed).me() == listener.me()


def test_a_refresh_token_that_was_used_ends_the_session_at_once(listener: Caller) -> None:
    latest = refresh(refresh(listener))
    latest.me()

    refused = failure(
        listener.users.RefreshSession, RefreshSessionRequest(refresh_token=listener.session.refresh_token)
    )

    assert refused.code == "SIGN_IN_FAILURE"
    assert "used before" in refused.message
    assert is_over(latest)


def test_a_refresh_token_that_is_made_up_ends_no_session(listener: Caller) -> None:
    session_id, _, secret = listener.session.refresh_token.partition(".")

    for token in (f"{session_id}.{secret[::-1]}", f"{session_id}.", session_id, "x", f".{secret}", "$where", "a.b\x00"):
        request = RefreshSessionRequest(refresh_token=token)
        assert failure(listener.users.RefreshSession, request).code == "SIGN_IN_FAILURE"

    assert refresh(listener).me() == listener.me()


@pytest.mark.parametrize("token", ["", "x" * 257])
def test_what_is_no_refresh_token_cannot_be_read(anyone: Caller, token: str) -> None:
    refused = failure(anyone.users.RefreshSession, RefreshSessionRequest(refresh_token=token))

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["refresh_token"])


def test_of_those_who_use_the_same_refresh_token_at_once_none_goes_on(listener: Caller) -> None:
    def attempt(_: int) -> Session | None:
        try:
            return refresh(listener).session
        except Exception:  # noqa: BLE001 - counted
            return None

    with ThreadPoolExecutor(5) as pool:
        sessions = [session for session in pool.map(attempt, range(5)) if session]

    # One, and one more by the grace for answers that were lost; the third ends the session for all.
    assert len(sessions) <= 2
    assert all(is_over(Caller(listener.channel, session)) for session in sessions)


def test_a_sign_out_takes_effect_at_once_and_only_there(server: SongServer, listener: Caller) -> None:
    other = Caller.sign_in(server, listener.me().username, PASSWORD)
    listener.me()

    listener.users.SignOut(SignOutRequest())

    assert is_over(listener)
    assert other.me().username


def test_a_new_password_ends_the_other_sessions(server: SongServer, listener: Caller, anyone: Caller) -> None:
    name = listener.me().username
    other = Caller.sign_in(server, name, PASSWORD)
    other.me()

    listener.users.ChangePassword(ChangePasswordRequest(current_password=PASSWORD, new_password=NEW_PASSWORD))

    assert is_over(other)
    assert refresh(listener).me().username == name
    assert failure(anyone.users.SignIn, SignInRequest(username=name, password=PASSWORD)).code == "SIGN_IN_FAILURE"
    assert Caller.sign_in(server, name, NEW_PASSWORD).me().username == name


def test_a_new_password_takes_the_current_one_and_keeps_the_rules(server: SongServer, listener: Caller) -> None:
    wrong = ChangePasswordRequest(current_password="wrong", new_password=NEW_PASSWORD)
    assert failure(listener.users.ChangePassword, wrong).code == "SIGN_IN_FAILURE"

    for new in ("1234567", "x" * 257):
        request = ChangePasswordRequest(current_password=PASSWORD, new_password=new)
        refused = failure(listener.users.ChangePassword, request)
        assert (refused.code, refused.fields) == ("INVALID_USER_DETAILS", ["new_password"])

    assert Caller.sign_in(server, listener.me().username, PASSWORD).me()


def test_a_session_ends_by_itself(song_server_settings: Settings) -> None:
    settings = song_server_settings.model_copy(update={"session_lifetime": 2, "session_memory": 0.0})
    with running_server(settings) as server:
        caller = Caller.new(server, PRIVILEGE_LISTENER)
        assert caller.me()
        time.sleep(2.1)

        assert is_over(caller)


def test_what_another_server_changes_holds_here_after_the_memory_of_sessions(song_server_settings: Settings) -> None:
    settings = song_server_settings.model_copy(update={"session_memory": 0.2})
    with running_server(settings) as one, running_server(settings) as another:
        here = Caller.new(one, PRIVILEGE_LISTENER)
        there = Caller(another.channel(), here.session)
        assert here.me() == there.me()

        here.users.SignOut(SignOutRequest())

        time.sleep(0.25)
        assert is_over(there)


def test_a_session_goes_on_after_a_restart(song_server_settings: Settings) -> None:
    with running_server(song_server_settings) as server:
        caller = Caller.new(server, PRIVILEGE_LISTENER)
    with running_server(song_server_settings) as server:
        again = Caller(server.channel(), caller.session)
        assert again.me().username
        assert refresh(again).me() == again.me()


def test_a_stream_ends_with_its_session(editor: Caller) -> None:
    outbox: queue.Queue[ImportSongsRequest | None] = queue.Queue()
    answers: Any = editor.songs.ImportSongs(iter(outbox.get, None), timeout=20)
    outbox.put(ImportSongsRequest(items=[ImportItem(song=Song(title="Before", artists=["A"]))]))
    next(answers)

    editor.users.SignOut(SignOutRequest())
    outbox.put(ImportSongsRequest(items=[ImportItem(song=Song(title="After", artists=["A"]))]))

    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    outbox.put(None)
    assert read_failure(caught.value).code == "SIGN_IN_FAILURE"


def test_a_stream_ends_with_the_privilege_that_it_needs(admin: Caller, editor: Caller) -> None:
    outbox: queue.Queue[ImportSongsRequest | None] = queue.Queue()
    answers: Any = editor.songs.ImportSongs(iter(outbox.get, None), timeout=20)
    outbox.put(ImportSongsRequest())
    next(answers)

    admin.users.SetPrivilege(SetPrivilegeRequest(user_id=editor.me().id, privilege=PRIVILEGE_LISTENER))
    outbox.put(ImportSongsRequest())

    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    outbox.put(None)
    assert read_failure(caught.value).code == "PRIVILEGE_ERROR"


def test_a_sign_in_with_the_old_password_does_not_outlive_its_change(song_server_settings: Settings) -> None:
    # Slow enough that the change comes while the old password is checked.
    slow = song_server_settings.model_copy(update={"argon2_memory_cost": 32_768, "argon2_threads": 4})
    with running_server(slow) as server, ThreadPoolExecutor() as threads:
        for _ in range(3):
            name, password = server.sign_up(f"u{secrets.token_hex(6)}")
            owner = Caller.sign_in(server, name, password)
            change = ChangePasswordRequest(current_password=password, new_password=NEW_PASSWORD)
            changed = threads.submit(owner.users.ChangePassword, change)
            sign_ins = [threads.submit(Caller.sign_in, server, name, password) for _ in range(12)]
            changed.result()
            for sign_in in sign_ins:
                assert sign_in.exception() or is_over(sign_in.result())
