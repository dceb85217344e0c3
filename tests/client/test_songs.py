"""Both clients, call by call, against the song server: songs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from songclient import (
    InvalidDataFormat,
    InvalidPageNumber,
    InvalidSongDetails,
    Privilege,
    PrivilegeError,
    Song,
    SongClient,
    SongExists,
    SongFilter,
    SongNotFound,
    SongOrder,
    StaleEtag,
    StatusCode,
)
from tests.client.conftest import NOBODY, open_as, song

if TYPE_CHECKING:
    from collections.abc import Callable

    from songserver.testing import SongServer

    OpenClient = Callable[..., SongClient]


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


def test_who_may_not_import_is_told_so(open_client: OpenClient, empty_server: SongServer) -> None:
    listener = open_as(open_client, empty_server, Privilege.PRIVILEGE_LISTENER)

    for _ in range(5):
        with pytest.raises(PrivilegeError):
            list(listener.import_songs(song(number) for number in range(5000)))
