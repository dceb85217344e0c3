"""A user's sessions: listed, ended one by one or all at once, and not more than 100."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from songs.v1.user_pb2 import SessionInfo
from songs.v1.user_service_pb2 import ListSessionsRequest, RevokeSessionRequest, SignInRequest, SignOutRequest
from songs.v1.user_service_pb2_grpc import UserServiceStub
from songserver.storage.sessions import MOST_SESSIONS
from songserver.testing import PASSWORD, SongServer
from tests.conftest import Caller, failure
from tests.services.test_sessions import is_over, refresh

NOBODYS = "00000000-0000-4000-8000-000000000000"


def sessions_of(caller: Caller) -> list[SessionInfo]:
    return list(caller.users.ListSessions(ListSessionsRequest()).sessions)


def test_a_session_is_listed_with_what_tells_its_user_where_it_is(server: SongServer) -> None:
    name, password = server.sign_up(f"u{secrets.token_hex(6)}")
    before = time.time()
    with grpc.insecure_channel(server.address, [("grpc.primary_user_agent", "x" * 300)]) as channel:
        begun = UserServiceStub(channel).SignIn(SignInRequest(username=name, password=password)).session
        caller = Caller(channel, begun)

        (session,) = sessions_of(caller)

    assert session.id == begun.refresh_token.partition(".")[0]
    assert session.create_time == session.refresh_time
    assert before - 1 < session.create_time.ToNanoseconds() / 1e9 < time.time() + 1
    assert abs(session.expire_time.seconds - begun.refresh_token_expire_time.seconds) <= 1
    assert session.peer == "127.0.0.1"
    assert session.user_agent == "x" * 256
    assert session.current


def test_the_latest_session_comes_first_and_a_refresh_makes_it_the_latest(server: SongServer) -> None:
    name, password = server.sign_up(f"u{secrets.token_hex(6)}")
    first = Caller.sign_in(server, name, password)
    second = Caller.sign_in(server, name, password)
    assert [session.current for session in sessions_of(second)] == [True, False]

    first = refresh(first)

    listed = sessions_of(second)
    assert [session.current for session in listed] == [False, True]
    assert listed[0].refresh_time.ToNanoseconds() > listed[0].create_time.ToNanoseconds()
    assert sessions_of(first)[0].current


def test_a_user_sees_and_ends_no_sessions_of_others(listener: Caller, editor: Caller) -> None:
    (session,) = sessions_of(listener)
    assert session.id not in {other.id for other in sessions_of(editor)}

    for session_id in (session.id, NOBODYS):
        refused = failure(editor.users.RevokeSession, RevokeSessionRequest(session_id=session_id))
        assert (refused.code, refused.status) == ("SESSION_NOT_FOUND", grpc.StatusCode.NOT_FOUND)
    assert listener.me()


@pytest.mark.parametrize("session_id", ["", "x", "$ne"])
def test_what_is_no_session_id_cannot_be_read(listener: Caller, session_id: str) -> None:
    refused = failure(listener.users.RevokeSession, RevokeSessionRequest(session_id=session_id))

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["session_id"])


def test_a_revoked_session_is_over_at_once_and_the_others_go_on(server: SongServer, listener: Caller) -> None:
    other = Caller.sign_in(server, listener.me().username, PASSWORD)
    other.me()
    (lost,) = (session.id for session in sessions_of(listener) if not session.current)

    listener.users.RevokeSession(RevokeSessionRequest(session_id=lost.upper()))

    assert is_over(other)
    assert [session.current for session in sessions_of(listener)] == [True]
    refused = failure(listener.users.RevokeSession, RevokeSessionRequest(session_id=lost))
    assert refused.code == "SESSION_NOT_FOUND"


def test_a_sign_out_everywhere_ends_all_sessions_of_the_user_only(
    server: SongServer, listener: Caller, editor: Caller
) -> None:
    sessions = [listener, *(Caller.sign_in(server, listener.me().username, PASSWORD) for _ in range(2))]
    for caller in sessions:
        caller.me()

    sessions[1].users.SignOut(SignOutRequest(everywhere=True))

    assert all(map(is_over, sessions))
    assert editor.me()


def test_a_user_has_no_more_than_100_sessions(server: SongServer, listener: Caller) -> None:
    name = listener.me().username
    first = Caller.sign_in(server, name, PASSWORD)
    listener = refresh(listener)
    with ThreadPoolExecutor(4) as threads:
        others = list(threads.map(lambda _: Caller.sign_in(server, name, PASSWORD), range(MOST_SESSIONS - 2)))
    assert len(sessions_of(listener)) == MOST_SESSIONS

    last = Caller.sign_in(server, name, PASSWORD)

    assert len(sessions_of(last)) == MOST_SESSIONS
    time.sleep(0.5)  # Another process, or this one by its change stream, hears of those that had to go.
    assert is_over(first), "it was refreshed longest ago"
    assert all(caller.me() for caller in (listener, last, *others[-3:]))
