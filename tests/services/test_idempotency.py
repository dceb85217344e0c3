"""The same request_id makes one song, whatever happens in between."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import (
    CreateSongRequest,
    DeleteSongRequest,
    ImportItem,
    ImportSongsRequest,
    ListSongsRequest,
    UpdateSongRequest,
)
from songs.v1.status_pb2 import SUCCESS
from songserver.config import Settings
from songserver.testing import running_server
from tests.conftest import Caller, failure


@pytest.fixture
def request_id() -> str:
    return secrets.token_hex(16)


def songs_of(caller: Caller) -> list[Song]:
    request = ListSongsRequest(filter=SongFilter(created_by=caller.me().id))
    return list(caller.songs.ListSongs(request).songs)


def test_the_same_request_again_gives_the_same_song(editor: Caller, request_id: str) -> None:
    request = CreateSongRequest(song=Song(title="A", artists=[request_id], lyrics="la"), request_id=request_id)
    first = editor.songs.CreateSong(request).song

    assert editor.songs.CreateSong(request).song == first
    assert len(songs_of(editor)) == 1


def test_the_id_names_the_request_whatever_is_in_it(editor: Caller, request_id: str) -> None:
    first = editor.create("A", request_id=request_id)

    assert editor.create("Another", request_id=request_id) == first
    assert len(songs_of(editor)) == 1


def test_another_id_is_another_request(editor: Caller, request_id: str) -> None:
    song = Song(title="A", artists=[request_id])
    editor.songs.CreateSong(CreateSongRequest(song=song, request_id=request_id))

    for other in ("", request_id + "x", request_id.upper()):
        assert failure(editor.songs.CreateSong, CreateSongRequest(song=song, request_id=other)).code == "SONG_EXISTS"


def test_a_song_that_was_changed_is_given_as_it_is_now(editor: Caller, request_id: str) -> None:
    first = editor.create("A", request_id=request_id)
    changed = editor.songs.UpdateSong(UpdateSongRequest(song=Song(id=first.id, title="B", label="L"))).song

    assert editor.create("A", request_id=request_id, artists=list(first.artists)) == changed


def test_a_song_that_was_removed_is_made_anew(editor: Caller, request_id: str) -> None:
    first = editor.create("A", request_id=request_id)
    editor.songs.DeleteSong(DeleteSongRequest(id=first.id))

    second = editor.create("A", request_id=request_id)

    assert second.id != first.id
    assert editor.create("A", request_id=request_id) == second


def test_a_request_that_was_refused_is_not_remembered(editor: Caller, request_id: str) -> None:
    refused = CreateSongRequest(song=Song(title="", artists=["A"]), request_id=request_id)
    assert failure(editor.songs.CreateSong, refused).code == "INVALID_SONG_DETAILS"
    there = editor.create("There")
    same = CreateSongRequest(song=Song(title="There", artists=there.artists), request_id=request_id)
    assert failure(editor.songs.CreateSong, same).code == "SONG_EXISTS"

    assert editor.create("A", request_id=request_id).title == "A"


def test_the_same_id_of_another_user_is_another_request(editor: Caller, admin: Caller, request_id: str) -> None:
    first, second = editor.create(request_id=request_id), admin.create(request_id=request_id)

    assert first.id != second.id
    assert (first.created_by, second.created_by) == (editor.me().id, admin.me().id)


def test_20_of_the_same_request_at_once_make_one_song(editor: Caller, request_id: str) -> None:
    request = CreateSongRequest(song=Song(title="A", artists=[request_id]), request_id=request_id)

    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda _: editor.songs.CreateSong(request).song, range(20)))

    assert all(song == made[0] for song in made)
    assert len(songs_of(editor)) == 1


def test_the_same_request_after_a_restart_gives_the_same_song(song_server_settings: Settings, request_id: str) -> None:
    request = CreateSongRequest(song=Song(title="A", artists=["A"]), request_id=request_id)
    with running_server(song_server_settings) as server:
        caller = Caller.new(server, PRIVILEGE_EDITOR)
        first = caller.songs.CreateSong(request).song
    with running_server(song_server_settings) as server:
        again = Caller(server.channel(), caller.session)

        assert again.songs.CreateSong(request).song == first
        assert len(songs_of(again)) == 1


def test_two_servers_on_one_database_make_one_song(song_server_settings: Settings, request_id: str) -> None:
    with running_server(song_server_settings) as one, running_server(song_server_settings) as other:
        here = Caller.new(one, PRIVILEGE_EDITOR)
        there = Caller(other.channel(), here.session)
        request = CreateSongRequest(song=Song(title="A", artists=["A"]), request_id=request_id)

        with ThreadPoolExecutor(10) as pool:
            made = list(pool.map(lambda caller: caller.songs.CreateSong(request).song.id, [here, there] * 5))

    assert len(set(made)) == 1


def test_create_and_import_know_each_others_requests(editor: Caller, request_id: str) -> None:
    first = editor.create("A", request_id=request_id)
    item = ImportItem(song=Song(title="A", artists=first.artists), request_id=request_id)

    (answer,) = editor.songs.ImportSongs(iter([ImportSongsRequest(items=[item])]))

    assert (answer.results[0].status_code, answer.results[0].song_id) == (SUCCESS, first.id)


@pytest.mark.parametrize("wrong", ["a b", "x" * 65, "ä", "a\n", "\x00", "$where()", "a/b"])
def test_an_id_that_cannot_be_read_is_refused(editor: Caller, wrong: str) -> None:
    refused = failure(editor.songs.CreateSong, CreateSongRequest(song=Song(title="A", artists=["A"]), request_id=wrong))

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["request_id"])


@pytest.mark.parametrize("right", ["x", "a.b", "A_b:c-9", "0" * 64])
def test_ids_of_these_letters_are_taken(editor: Caller, right: str) -> None:
    assert editor.create(request_id=right) == editor.create(request_id=right)
