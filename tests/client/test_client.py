"""Both clients, call by call, against the song server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from songclient import (
    InvalidDataFormat,
    InvalidPageNumber,
    InvalidSongDetails,
    InvalidUserDetails,
    Privilege,
    PrivilegeError,
    ServerUnavailable,
    Session,
    SignInFailed,
    Song,
    SongClient,
    SongExists,
    SongFilter,
    SongNotFound,
    SongOrder,
    StaleEtag,
    StatusCode,
    UsernameExists,
    UserNotFound,
    UserParseError,
)
from songserver.testing import running_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from songserver.config import Settings
    from songserver.testing import SongServer

    OpenClient = Callable[..., SongClient]

PASSWORD = "battery staple horse"
NOBODY = "00000000-0000-4000-8000-000000000000"


def open_as(open_client: OpenClient, server: SongServer, privilege: Privilege.ValueType, **options: Any) -> SongClient:
    """Opens a client that signs in as a new user."""
    name = f"user-{privilege}"
    username, password = server.sign_up(name, privilege)
    return open_client(server.address, username=username, password=password, **options)


@pytest.fixture
def editor(open_client: OpenClient, song_server: SongServer) -> SongClient:
    return open_as(open_client, song_server, Privilege.PRIVILEGE_EDITOR)


@pytest.fixture
def admin(open_client: OpenClient, song_server: SongServer) -> SongClient:
    return open_as(open_client, song_server, Privilege.PRIVILEGE_ADMIN)


def song(number: int = 1) -> Song:
    return Song(title=f"Orange Horizon {number:03}", artists=["The Harbour Lights"], lyrics="la la")


# Songs


def test_a_song_from_its_creation_to_its_end(editor: SongClient) -> None:
    created = editor.create_song(song())
    assert created.id
    assert editor.get_song(created.id) == created

    changed = editor.update_song(Song(id=created.id, title="Violet Horizon", album="Dusk"), ["title"])
    assert (changed.title, changed.album, list(changed.artists)) == ("Violet Horizon", "", list(created.artists))

    changed = editor.update_song(Song(id=created.id, album="Dusk"))
    assert (changed.title, changed.album) == ("Violet Horizon", "Dusk")

    with pytest.raises(StaleEtag):
        editor.update_song(Song(id=created.id, bpm=90, etag=created.etag))
    with pytest.raises(StaleEtag):
        editor.delete_song(created.id, etag=created.etag)

    editor.delete_song(created.id, etag=changed.etag)
    with pytest.raises(SongNotFound):
        editor.get_song(created.id)


def test_the_same_request_id_gives_the_same_song(editor: SongClient) -> None:
    first = editor.create_song(song(), request_id="row-1")

    assert editor.create_song(song(), request_id="row-1").id == first.id
    with pytest.raises(SongExists) as caught:
        editor.create_song(song())
    assert caught.value.song_id == first.id


def test_all_broken_rules_of_a_song_come_back(editor: SongClient) -> None:
    with pytest.raises(InvalidSongDetails) as caught:
        editor.create_song(Song(artists=["A"], bpm=2000))

    assert sorted(violation.field for violation in caught.value.violations) == ["song.bpm", "song.title"]
    assert all(violation.description for violation in caught.value.violations)


def test_songs_of_a_batch_come_in_the_order_of_their_ids(editor: SongClient) -> None:
    one, two = editor.create_song(song(1)), editor.create_song(song(2))

    results = editor.batch_get_songs([two.id, NOBODY, one.id])

    assert [result.status_code for result in results] == [
        StatusCode.SUCCESS,
        StatusCode.SONG_NOT_FOUND,
        StatusCode.SUCCESS,
    ]
    assert [result.song.title for result in results] == [two.title, "", one.title]


def test_a_list_goes_over_all_pages(editor: SongClient) -> None:
    titles = [song(number).title for number in range(7)]
    for number in range(7):
        editor.create_song(song(number))

    by_title = editor.list_songs(order_by=SongOrder.SONG_ORDER_TITLE, descending=True, page_size=3)

    assert [each.title for each in by_title] == titles[::-1]
    assert [each.title for each in editor.list_songs()] == titles
    assert list(editor.list_songs(filter=SongFilter(artist="nobody"))) == []
    assert len(list(editor.list_songs(filter=SongFilter(artist="the harbour lights"), page_size=2))) == 7


def test_a_page_by_its_number_and_by_its_token(editor: SongClient) -> None:
    for number in range(5):
        editor.create_song(song(number))

    first = editor.list_songs_page(page_size=2, exact_total=True)
    second = editor.list_songs_page(page_size=2, page_token=first.next_page_token)
    third = editor.list_songs_page(page_size=2, page_number=3)

    assert (first.total_size, first.total_size_estimated) == (5, False)
    assert [each.title[-3:] for page in (first, second, third) for each in page.songs] == [
        "000",
        "001",
        "002",
        "003",
        "004",
    ]
    with pytest.raises(InvalidPageNumber):
        editor.list_songs_page(page_number=0)
    with pytest.raises(InvalidDataFormat):
        editor.list_songs_page(page_token="nonsense")


def test_a_search_goes_over_all_pages(editor: SongClient) -> None:
    for number in range(5):
        editor.create_song(song(number))
    editor.create_song(Song(title="Something Else", artists=["Others"]))

    assert len(list(editor.search_songs("orange hor", page_size=2))) == 5
    page = editor.search_songs_page("orange hor", page_size=2)
    assert len(page.results) == 2
    rest = editor.search_songs_page("orange hor", page_token=page.next_page_token)
    assert len(rest.results) == 3
    with pytest.raises(InvalidDataFormat):
        next(editor.search_songs(""))


def test_an_import_tells_of_each_song_what_became_of_it(editor: SongClient) -> None:
    there = editor.create_song(song(0))

    results = list(editor.import_songs([song(0), song(1), (song(2), "row-3"), Song(artists=["A"])]))

    assert [result.status_code for result in results] == [
        StatusCode.SONG_EXISTS,
        StatusCode.SUCCESS,
        StatusCode.SUCCESS,
        StatusCode.INVALID_SONG_DETAILS,
    ]
    assert results[0].song_id == there.id
    assert editor.get_song(results[1].song_id).title == song(1).title
    assert [violation.field for violation in results[3].field_violations]
    (again,) = editor.import_songs([(song(2), "row-3")])
    assert (again.status_code, again.song_id) == (StatusCode.SUCCESS, results[2].song_id)


def test_an_import_of_many_messages(editor: SongClient) -> None:
    results = list(editor.import_songs(song(number) for number in range(2300)))

    assert [result.index for result in results] == list(range(2300))
    assert {result.status_code for result in results} == {StatusCode.SUCCESS}
    assert editor.list_songs_page(exact_total=True).total_size == 2300


def test_who_may_not_import_is_told_so(open_client: OpenClient, song_server: SongServer) -> None:
    listener = open_as(open_client, song_server, Privilege.PRIVILEGE_LISTENER)

    for _ in range(5):
        with pytest.raises(PrivilegeError):
            list(listener.import_songs(song(number) for number in range(5000)))


# Accounts


def test_an_account_from_sign_up_to_its_end(open_client: OpenClient, song_server: SongServer) -> None:
    told: list[Session | None] = []
    client = open_client(song_server.address, on_session=told.append)

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


def test_what_is_wrong_with_an_account_is_told(open_client: OpenClient, song_server: SongServer) -> None:
    client = open_client(song_server.address)
    client.sign_up("ada", PASSWORD)

    with pytest.raises(UsernameExists):
        client.sign_up("ADA", PASSWORD)
    with pytest.raises(InvalidUserDetails) as caught:
        client.sign_up("x", "short")
    assert sorted(violation.field for violation in caught.value.violations) == ["password", "username"]


def test_a_wrong_password_is_told_at_the_first_call(open_client: OpenClient, song_server: SongServer) -> None:
    username, _ = song_server.sign_up("ada")
    client = open_client(song_server.address, username=username, password="wrong horse")

    with pytest.raises(SignInFailed):
        client.get_me()


def test_without_a_session_only_public_calls_are_taken(open_client: OpenClient, song_server: SongServer) -> None:
    client = open_client(song_server.address)

    with pytest.raises(SignInFailed):
        client.get_song(NOBODY)
    with pytest.raises(SignInFailed):
        list(client.import_songs([song()]))


def test_a_listener_may_not_add_songs(open_client: OpenClient, song_server: SongServer) -> None:
    with pytest.raises(PrivilegeError):
        open_as(open_client, song_server, Privilege.PRIVILEGE_LISTENER).create_song(song())


def test_a_session_is_kept_and_gone_on_with(open_client: OpenClient, song_server: SongServer) -> None:
    kept: list[Any] = []
    first = open_as(open_client, song_server, Privilege.PRIVILEGE_LISTENER, on_session=kept.append)
    me = first.get_me()

    second = open_client(song_server.address, session=kept[-1])
    assert second.get_me() == me

    first.sign_out()
    with pytest.raises(SignInFailed):
        second.get_me()


def test_a_client_outlives_its_tokens(open_client: OpenClient, song_server_settings: Settings) -> None:
    told: list[Any] = []
    with running_server(song_server_settings.model_copy(update={"access_token_lifetime": 1})) as server:
        client = open_as(open_client, server, Privilege.PRIVILEGE_LISTENER, on_session=told.append)

        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            client.get_me()
            time.sleep(0.1)

        late = open_client(server.address, session=told[-1], on_session=told.append)
        time.sleep(1.5)
        late.get_me()

    assert len({session.refresh_token for session in told}) == len(told) >= 4


def test_after_a_refresh_by_somebody_else_the_session_is_over(
    open_client: OpenClient, song_server_settings: Settings
) -> None:
    told: list[Any] = []
    with running_server(song_server_settings.model_copy(update={"access_token_lifetime": 1})) as server:
        client = open_as(open_client, server, Privilege.PRIVILEGE_LISTENER, on_session=told.append)
        client.get_me()
        thief = open_client(server.address, session=told[0])
        owner = open_client(server.address, session=told[0])
        time.sleep(1.1)
        thief.get_me()

        with pytest.raises(SignInFailed):
            owner.get_me()


def test_a_server_that_stops_is_named(open_client: OpenClient, song_server_settings: Settings) -> None:
    with running_server(song_server_settings) as server:
        client = open_as(open_client, server, Privilege.PRIVILEGE_LISTENER)
        client.get_me()

    with pytest.raises(ServerUnavailable, match=server.address):
        client.get_me()


# Users, for administrators


def test_an_admin_looks_after_users(admin: SongClient, song_server: SongServer) -> None:
    for number in range(5):
        song_server.sign_up(f"user{number}")

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


@pytest.mark.parametrize(
    ("user", "given"), [({}, "neither"), ({"username": "ada", "user_id": NOBODY}, "both")], ids=["neither", "both"]
)
def test_a_user_is_named_in_one_way(open_client: OpenClient, user: dict[str, Any], given: str) -> None:
    client = open_client("127.0.0.1:1")

    with pytest.raises(ValueError, match=f"got {given}"):
        client.get_user(**user)
    with pytest.raises(ValueError, match=f"got {given}"):
        client.delete_user(**user)
    with pytest.raises(ValueError, match=f"got {given}"):
        client.set_privilege(Privilege.PRIVILEGE_EDITOR, **user)
