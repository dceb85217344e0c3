"""Both clients, call by call, against the song server: accounts, sessions, users."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from songclient import (
    InvalidDataFormat,
    InvalidUserDetails,
    LastAdmin,
    Privilege,
    PrivilegeError,
    ServerUnavailable,
    Session,
    SessionNotFound,
    SignInFailed,
    SongClient,
    TooManyAttempts,
    UsernameExists,
    UserNotFound,
    UserParseError,
)
from songserver.testing import running_server
from tests.client.conftest import NOBODY, open_as, song

if TYPE_CHECKING:
    from collections.abc import Callable

    from songserver.config import Settings
    from songserver.testing import SongServer

    OpenClient = Callable[..., SongClient]

PASSWORD = "battery staple horse"


def over(session: Session) -> Session:
    """A session whose access token has had its time."""
    ended = Session()
    ended.CopyFrom(session)
    ended.access_token = "over"
    ended.access_token_expire_time.GetCurrentTime()
    return ended


def test_an_account_from_sign_up_to_its_end(open_client: OpenClient, empty_server: SongServer) -> None:
    told: list[Session | None] = []
    client = open_client(empty_server.address, on_session=told.append)

    made = client.sign_up("ada", PASSWORD, "Ada")
    assert (made.username, made.display_name, made.privilege) == ("ada", "Ada", Privilege.PRIVILEGE_LISTENER)
    assert client.sign_in("ada", PASSWORD) == client.get_me() == made

    assert client.update_me(display_name="Countess").display_name == "Countess"
    assert client.update_me(display_name="").display_name == ""
    assert client.update_me(username="lovelace").username == "lovelace"

    client.change_password(PASSWORD, PASSWORD[::-1])
    with pytest.raises(SignInFailed):
        client.change_password(PASSWORD, PASSWORD)
    with pytest.raises(SignInFailed):
        client.delete_me(PASSWORD)
    client.delete_me(PASSWORD[::-1])

    assert told[-1] is None
    with pytest.raises(SignInFailed):
        client.get_me()
    with pytest.raises(SignInFailed):
        client.sign_in("lovelace", PASSWORD[::-1])


def test_what_is_wrong_with_an_account_is_told(open_client: OpenClient, empty_server: SongServer) -> None:
    client = open_client(empty_server.address)
    client.sign_up("ada", PASSWORD)

    with pytest.raises(UsernameExists):
        client.sign_up("ADA", PASSWORD)
    with pytest.raises(InvalidUserDetails) as caught:
        client.sign_up("x", "short")
    assert sorted(violation.field for violation in caught.value.violations) == ["password", "username"]


def test_a_wrong_password_is_told_at_the_first_call(open_client: OpenClient, empty_server: SongServer) -> None:
    username, _ = empty_server.sign_up("ada")
    client = open_client(empty_server.address, username=username, password="wrong horse")

    with pytest.raises(SignInFailed):
        client.get_me()


def test_without_a_session_only_public_calls_are_taken(open_client: OpenClient, empty_server: SongServer) -> None:
    client = open_client(empty_server.address)

    with pytest.raises(SignInFailed):
        client.get_song(NOBODY)
    with pytest.raises(SignInFailed):
        list(client.import_songs([song()]))


def test_a_listener_may_not_add_songs(open_client: OpenClient, empty_server: SongServer) -> None:
    with pytest.raises(PrivilegeError):
        open_as(open_client, empty_server, Privilege.PRIVILEGE_LISTENER).create_song(song())


def test_a_session_is_kept_and_gone_on_with(open_client: OpenClient, empty_server: SongServer) -> None:
    kept: list[Any] = []
    first = open_as(open_client, empty_server, Privilege.PRIVILEGE_LISTENER, on_session=kept.append)
    me = first.get_me()

    second = open_client(empty_server.address, session=kept[-1])
    assert second.get_me() == me

    first.sign_out()
    with pytest.raises(SignInFailed):
        second.get_me()


def test_sessions_are_listed_and_ended(open_client: OpenClient, empty_server: SongServer) -> None:
    username, password = empty_server.sign_up("ada")
    here, there = (open_client(empty_server.address, username=username, password=password) for _ in range(2))
    here.get_me()
    there.refresh_session()

    listed = here.list_sessions()
    assert [session.current for session in listed] == [False, True]
    here.revoke_session(listed[0].id)

    assert [session.current for session in here.list_sessions()] == [True]
    with pytest.raises(SessionNotFound):
        here.revoke_session(listed[0].id)
    with pytest.raises(InvalidDataFormat):
        here.revoke_session("nonsense")


def test_signing_out_everywhere_ends_all_sessions(open_client: OpenClient, empty_server: SongServer) -> None:
    username, password = empty_server.sign_up("ada")
    kept: list[Any] = []
    open_client(empty_server.address, username=username, password=password, on_session=kept.append).get_me()
    there = open_client(empty_server.address, session=kept[-1])
    there.get_me()

    here = open_client(empty_server.address, username=username, password=password)
    here.sign_out(everywhere=True)

    for client in (here, there):
        with pytest.raises(SignInFailed):
            client.get_me()
    with pytest.raises(SignInFailed):
        there.sign_out(everywhere=True)


def test_the_keys_that_sign_tokens_are_public(open_client: OpenClient, empty_server: SongServer) -> None:
    (key,) = open_client(empty_server.address).get_signing_keys()
    assert (key.kty, key.crv, key.alg, key.use) == ("OKP", "Ed25519", "EdDSA", "sig")


def test_all_that_is_kept_is_exported(open_client: OpenClient, empty_server: SongServer) -> None:
    client = open_as(open_client, empty_server, Privilege.PRIVILEGE_EDITOR)
    made = client.create_song(song())

    items = list(client.export_me())

    assert items[0].user == client.get_me()
    assert [item.WhichOneof("item") for item in items[1:]].count("session") == 1
    assert items[-1].song.id == made.id
    # Whoever stops after the first one leaves a client that goes on.
    next(iter(client.export_me()))
    with pytest.raises(SignInFailed):
        list(open_client(empty_server.address).export_me())


def test_guessing_is_told_to_wait(open_client: OpenClient, empty_server: SongServer) -> None:
    username, password = empty_server.sign_up("ada")
    client = open_client(empty_server.address)
    for _ in range(5):
        with pytest.raises(SignInFailed):
            client.sign_in(username, "wrong horse")

    with pytest.raises(TooManyAttempts) as caught:
        client.sign_in(username, password)

    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 15 * 60


def test_a_client_outlives_its_tokens(open_client: OpenClient, song_server_settings: Settings) -> None:
    told: list[Any] = []
    # Tokens end at whole seconds: one of less might be over, by the client's clock, before it has come.
    with running_server(song_server_settings.model_copy(update={"access_token_lifetime": 3})) as server:
        client = open_as(open_client, server, Privilege.PRIVILEGE_LISTENER, on_session=told.append)

        give_up = time.monotonic() + 30
        while len(told) < 3:
            assert time.monotonic() < give_up
            client.get_me()
            time.sleep(0.1)

        late = open_client(server.address, session=over(told[-1]), on_session=told.append)
        late.get_me()

    assert len({session.refresh_token for session in told}) == len(told) == 4


def test_after_a_refresh_by_somebody_else_the_session_is_over(
    open_client: OpenClient, empty_server: SongServer
) -> None:
    told: list[Any] = []
    open_as(open_client, empty_server, Privilege.PRIVILEGE_LISTENER, on_session=told.append).get_me()
    thief = open_client(empty_server.address, session=over(told[0]), on_session=told.append)
    owner = open_client(empty_server.address, session=over(told[0]))
    thief.get_me()
    # Once would be taken for a retry of the same client's.
    open_client(empty_server.address, session=over(told[-1])).get_me()

    with pytest.raises(SignInFailed):
        owner.get_me()


def test_a_server_that_stops_is_named(open_client: OpenClient, song_server_settings: Settings) -> None:
    with running_server(song_server_settings) as server:
        client = open_as(open_client, server, Privilege.PRIVILEGE_LISTENER)
        client.get_me()

    with pytest.raises(ServerUnavailable, match=server.address):
        client.get_me()


def test_an_admin_looks_after_users(admin: SongClient, empty_server: SongServer) -> None:
    for number in range(5):
        empty_server.sign_up(f"user{number}")

    users = list(admin.list_users(page_size=2))
    assert len(users) == 6
    user = admin.get_user(username="user3")
    assert admin.get_user(user_id=user.id) == user in users

    raised = admin.set_privilege(Privilege.PRIVILEGE_EDITOR, username="user3")
    assert (raised.id, raised.privilege) == (user.id, Privilege.PRIVILEGE_EDITOR)
    assert admin.set_privilege(Privilege.PRIVILEGE_ADMIN, user_id=user.id).privilege == Privilege.PRIVILEGE_ADMIN

    admin.delete_user(user_id=user.id)
    admin.delete_user(username="user4")
    with pytest.raises(UserNotFound):
        admin.get_user(username="user3")
    with pytest.raises(UserNotFound):
        admin.delete_user(username="user4")
    with pytest.raises(UserParseError):
        admin.get_user(user_id="nonsense")


def test_a_disabled_user_is_kept_out_until_enabled(
    admin: SongClient, open_client: OpenClient, empty_server: SongServer
) -> None:
    username, password = empty_server.sign_up("ada")
    ada = open_client(empty_server.address)
    ada.sign_in(username, password)

    assert admin.disable_user(username=username).disabled
    with pytest.raises(SignInFailed):
        ada.sign_in(username, password)

    assert not admin.enable_user(username=username).disabled
    ada.sign_in(username, password)


def test_the_last_admin_stays(admin: SongClient) -> None:
    me = admin.get_me()
    with pytest.raises(LastAdmin):
        admin.disable_user(user_id=me.id)
    with pytest.raises(LastAdmin):
        admin.set_privilege(Privilege.PRIVILEGE_EDITOR, user_id=me.id)
    assert admin.get_me() == me


@pytest.mark.parametrize(
    ("user", "given"), [({}, "neither"), ({"username": "ada", "user_id": NOBODY}, "both")], ids=["neither", "both"]
)
def test_a_user_is_named_in_one_way(open_client: OpenClient, user: dict[str, Any], given: str) -> None:
    client = open_client("127.0.0.1:1")

    with pytest.raises(ValueError, match=f"got {given}"):
        client.get_user(**user)
    for call in (client.delete_user, client.disable_user, client.enable_user):
        with pytest.raises(ValueError, match=f"got {given}"):
            call(**user)
    with pytest.raises(ValueError, match=f"got {given}"):
        client.set_privilege(Privilege.PRIVILEGE_EDITOR, **user)
