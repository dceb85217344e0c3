"""Refresh tokens rotate; one that comes again is a theft, unless it is the client who has lost the answer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
import pytest

from songs.v1.access_pb2 import PRIVILEGE_LISTENER
from songs.v1.user_service_pb2 import DisableUserRequest, EnableUserRequest, GetMeRequest, RefreshSessionRequest
from songserver.services import session_methods
from songserver.testing import SongServer
from tests.conftest import Caller, failure, in_process
from tests.services.test_sessions import is_over, refresh


def change_last_use(server: SongServer, caller: Caller, **changes: Any) -> None:
    """Changes what the database has of the last use of a session's refresh token."""
    assert server.settings.mongodb_uri
    with pymongo.MongoClient[dict[str, Any]](server.settings.mongodb_uri.get_secret_value()) as client:
        sessions = client[server.settings.mongodb_database]["sessions"]
        session_id = caller.session.refresh_token.partition(".")[0]
        changed = {f"last_used.{name}": value for name, value in changes.items()}
        assert sessions.update_one({"_id": session_id}, {"$set": changed}).modified_count == 1


def use_again(caller: Caller) -> str:
    return failure(
        caller.users.RefreshSession, RefreshSessionRequest(refresh_token=caller.session.refresh_token)
    ).message


def test_a_client_that_has_lost_the_answer_asks_again(listener: Caller) -> None:
    refresh(listener)

    again = refresh(listener)

    assert again.me() == listener.me()
    assert refresh(again).me() == listener.me()


def test_it_asks_again_once_only(listener: Caller) -> None:
    refresh(listener)
    again = refresh(listener)

    assert "used before" in use_again(listener)
    assert is_over(again)


def test_the_answer_that_was_lost_is_good_for_nobody(listener: Caller) -> None:
    """A thief who was first has what the client lost; when the thief goes on with it, the session ends for both."""
    lost = refresh(listener)
    again = refresh(listener)

    assert "used before" in use_again(lost)
    assert is_over(again)


def test_a_token_before_the_last_has_no_grace(listener: Caller) -> None:
    latest = refresh(refresh(listener))

    assert "used before" in use_again(listener)
    assert is_over(latest)


def test_the_grace_ends_after_30_seconds(server: SongServer, listener: Caller) -> None:
    latest = refresh(listener)
    change_last_use(server, listener, at=datetime.now(UTC) - timedelta(seconds=31))

    assert "used before" in use_again(listener)
    assert is_over(latest)


def test_the_grace_is_for_the_same_network_only(server: SongServer, listener: Caller) -> None:
    latest = refresh(listener)
    change_last_use(server, listener, network="192.0.2.1")

    assert "used before" in use_again(listener)
    assert is_over(latest)


@in_process
def test_a_theft_is_logged_as_a_security_event_without_the_token(
    song_server: SongServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[tuple[str, dict[str, Any]]] = []

    class Log:
        def warning(self, event: str, **values: Any) -> None:
            events.append((event, values))

    monkeypatch.setattr(session_methods, "log", Log())
    caller = Caller.new(song_server, PRIVILEGE_LISTENER)
    user_id = caller.me().id
    refresh(refresh(caller))

    use_again(caller)

    ((event, values),) = events
    session_id, _, secret = caller.session.refresh_token.partition(".")
    assert event == "security"
    assert (values["user_id"], values["session_id"], values["peer"]) == (user_id, session_id, "127.0.0.1")
    assert secret not in str(values)


def test_a_disabled_users_session_does_not_go_on(admin: Caller, listener: Caller) -> None:
    user_id = listener.me().id

    admin.users.DisableUser(DisableUserRequest(user_id=user_id))
    assert is_over(listener)
    admin.users.EnableUser(EnableUserRequest(user_id=user_id))

    assert is_over(listener)
    assert failure(listener.users.GetMe, GetMeRequest()).code == "SIGN_IN_FAILURE"
