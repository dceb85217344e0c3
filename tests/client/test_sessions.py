"""A client signs in once, renews its session by itself, and tells when it is over."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from songclient import ServerUnavailable, Session, SignInFailed
from songs.v1.song_service_pb2 import GetSongResponse
from songs.v1.user_service_pb2 import (
    ChangePasswordResponse,
    GetMeResponse,
    SignOutResponse,
    UpdateMeResponse,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc
    from google.protobuf.message import Message

    from songclient import SongClient
    from tests.client.conftest import Answer, Scripted, Sessions

    OpenClient = Callable[..., SongClient]

ADA = {"username": "ada", "password": "correct horse"}


def answering(response: Message) -> Answer:
    return lambda _request, _context: response


@pytest.fixture
def guarded(scripted: Scripted, sessions: Sessions) -> Scripted:
    """A scripted server of which some methods take a good access token only."""
    for name, response in (
        ("GetSong", GetSongResponse()),
        ("GetMe", GetMeResponse()),
        ("SignOut", SignOutResponse()),
        ("UpdateMe", UpdateMeResponse()),
        ("ChangePassword", ChangePasswordResponse()),
    ):
        scripted.answers[name] = sessions.guard(answering(response))
    return scripted


def call_together(client: SongClient, times: int = 8) -> None:
    with ThreadPoolExecutor(times) as pool:
        list(pool.map(client.get_song, ["x"] * times))


def test_many_calls_that_come_together_sign_in_once(guarded: Scripted, open_client: OpenClient) -> None:
    client = open_client(guarded.address, **ADA)
    assert not guarded.calls

    call_together(client)

    assert guarded.calls == {"SignIn": 1, "GetSong": 8}
    assert guarded.requests[0][1].username == "ada"
    assert guarded.requests[0][1].password == "correct horse"


def test_a_session_that_ends_is_renewed_before(guarded: Scripted, sessions: Sessions, open_client: OpenClient) -> None:
    sessions.life = 1
    client = open_client(guarded.address, **ADA)
    client.get_song("x")
    sessions.life = 600
    time.sleep(1)

    call_together(client)

    # No call was refused: they would be more.
    assert guarded.calls == {"SignIn": 1, "RefreshSession": 1, "GetSong": 9}


def test_a_session_is_renewed_when_it_is_asked_for(guarded: Scripted, open_client: OpenClient) -> None:
    told: list[Any] = []
    client = open_client(guarded.address, **ADA, on_session=told.append)

    client.refresh_session()
    client.refresh_session()
    client.get_song("x")

    assert guarded.calls == {"SignIn": 1, "RefreshSession": 1, "GetSong": 1}
    assert [session.access_token for session in told] == ["access-1", "access-2"]


def test_a_session_that_cannot_be_renewed_is_over(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    told: list[Any] = []
    client = open_client(guarded.address, session=sessions.next(), on_session=told.append)
    sessions.refuses_refresh = True

    with pytest.raises(SignInFailed):
        client.refresh_session()

    assert told == [None]
    client.refresh_session()
    assert guarded.calls == {"RefreshSession": 1}


def test_calls_refused_together_renew_the_session_once(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    client = open_client(guarded.address, **ADA)
    client.get_song("x")
    sessions.good = set()

    call_together(client)

    assert guarded.calls["RefreshSession"] == 1
    assert guarded.calls["SignIn"] == 1


def test_a_call_refused_twice_is_not_sent_a_third_time(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    guarded.answers["GetSong"] = lambda request, context: sessions.guard(lambda *_: None)(
        request, _refuse(sessions, context)
    )

    with pytest.raises(SignInFailed):
        open_client(guarded.address, **ADA).get_song("x")

    assert guarded.calls == {"SignIn": 1, "RefreshSession": 1, "GetSong": 2}


def _refuse(sessions: Sessions, context: grpc.ServicerContext) -> grpc.ServicerContext:
    sessions.good = set()
    return context


def test_a_kept_session_goes_on_and_each_new_one_is_told(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    told: list[Session | None] = []
    client = open_client(guarded.address, session=sessions.next(), on_session=told.append)

    client.get_song("x")
    assert told == []

    sessions.good = set()
    client.get_song("x")
    client.sign_out()

    assert [session and session.access_token for session in told] == ["access-2", None]
    assert guarded.calls["SignIn"] == 0


def test_a_session_whose_refresh_is_refused_is_over(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    told: list[Session | None] = []
    client = open_client(guarded.address, session=sessions.next(), on_session=told.append)
    sessions.good = set()
    sessions.refuses_refresh = True

    for _ in range(2):
        with pytest.raises(SignInFailed):
            client.get_song("x")

    assert told == [None]
    assert guarded.calls == {"GetSong": 2, "RefreshSession": 1}


def test_with_a_password_a_session_that_is_over_is_begun_anew(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    told: list[Any] = []
    client = open_client(guarded.address, session=sessions.next(), on_session=told.append, **ADA)
    sessions.good = set()
    sessions.refuses_refresh = True

    client.get_song("x")

    assert [session.access_token for session in told] == ["access-2"]
    assert guarded.calls == {"GetSong": 2, "RefreshSession": 1, "SignIn": 1}


def test_one_of_the_calls_that_find_the_session_over_together_learns_why_and_all_fail(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    client = open_client(guarded.address, session=sessions.next())
    sessions.good = set()
    sessions.refuses_refresh = True

    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(client.get_song, "x") for _ in range(8)]

    assert all(isinstance(call.exception(), SignInFailed) for call in calls)
    assert guarded.calls["RefreshSession"] == 1


def test_where_the_clocks_differ_the_servers_word_counts(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    sessions.life = -3600
    client = open_client(guarded.address, **ADA)

    for _ in range(3):
        client.get_song("x")

    assert guarded.calls == {"SignIn": 1, "GetSong": 3}


def test_after_sign_out_nothing_is_left_to_sign_in_with(guarded: Scripted, open_client: OpenClient) -> None:
    client = open_client(guarded.address, **ADA)
    client.get_song("x")

    client.sign_out()

    with pytest.raises(SignInFailed):
        client.get_song("x")
    assert guarded.calls["SignIn"] == 1
    assert "authorization" not in guarded.requests[-1][2]


def test_sign_out_of_a_session_that_is_over_is_no_error(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    told: list[Session | None] = []
    client = open_client(guarded.address, session=sessions.next(), on_session=told.append)
    sessions.good = set()
    sessions.refuses_refresh = True

    client.sign_out()

    assert told[-1] is None


def test_sign_out_without_a_session_asks_the_server_nothing(guarded: Scripted, open_client: OpenClient) -> None:
    open_client(guarded.address, **ADA).sign_out()

    assert not guarded.calls


def test_who_signs_in_by_hand_is_signed_in_again_too(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    client = open_client(guarded.address, **ADA)
    client.sign_in("bob", "battery staple")
    sessions.good = set()
    sessions.refuses_refresh = True

    client.get_song("x")

    names = [request.username for name, request, _ in guarded.requests if name == "SignIn"]
    assert names == ["bob", "bob"]


def test_changed_credentials_are_those_of_the_next_sign_in(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    client = open_client(guarded.address, **ADA)
    client.update_me(display_name="Ada")
    client.update_me(username="countess")
    client.change_password("correct horse", "battery staple")
    sessions.good = set()
    sessions.refuses_refresh = True

    client.get_song("x")

    again = [request for name, request, _ in guarded.requests if name == "SignIn"][-1]
    assert (again.username, again.password) == ("countess", "battery staple")


def test_who_brought_a_session_only_has_no_credentials_to_change(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    client = open_client(guarded.address, session=sessions.next())
    client.update_me(username="countess")
    sessions.good = set()
    sessions.refuses_refresh = True

    with pytest.raises(SignInFailed):
        client.get_song("x")
    assert guarded.calls["SignIn"] == 0


def test_a_wrong_password_is_sent_once_though_the_session_had_to_be_renewed(
    guarded: Scripted, sessions: Sessions, open_client: OpenClient
) -> None:
    client = open_client(guarded.address, session=sessions.next())
    sessions.good = set()
    guarded.answers["ChangePassword"] = lambda request, context: sessions.guard(lambda *_: None)(
        request, _refuse(sessions, context)
    )

    with pytest.raises(SignInFailed):
        client.change_password("wrong", "battery staple")

    assert guarded.calls == {
        "GetMe": 2,
        "RefreshSession": 1,
        "ChangePassword": 1,
    }


def test_a_server_that_is_away_ends_no_session(sessions: Sessions, open_client: OpenClient) -> None:
    told: list[Session | None] = []
    client = open_client("127.0.0.1:1", session=sessions.next(), on_session=told.append)

    with pytest.raises(ServerUnavailable):
        client.get_song("x")
    with pytest.raises(ServerUnavailable):
        client.sign_out()

    assert told == []


@pytest.mark.parametrize("given", ["username", "password"])
def test_a_user_name_needs_a_password_and_the_other_way_round(open_client: OpenClient, given: str) -> None:
    missing = "password" if given == "username" else "username"

    with pytest.raises(ValueError, match=f"{missing} is missing"):
        open_client(**{given: "ada"})
