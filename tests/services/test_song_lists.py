"""ListSongs: filters, orders, totals. Pages have a file of their own."""

import secrets
import time
from itertools import combinations

import pytest

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_pb2 import (
    SONG_ORDER_ARTIST,
    SONG_ORDER_CREATE_TIME,
    SONG_ORDER_RELEASE_DATE,
    SONG_ORDER_TITLE,
    SONG_ORDER_UNSPECIFIED,
    Song,
    SongFilter,
    SongOrder,
)
from songs.v1.song_service_pb2 import DeleteSongRequest, ImportItem, ImportSongsRequest, ListSongsRequest
from songserver.testing import SongServer
from tests.conftest import Caller, failure


@pytest.fixture
def songs(editor: Caller) -> list[Song]:
    """Six songs of one editor, in the order of their creation."""
    by = secrets.token_hex(6)
    return [
        editor.create("Éclair", artists=[f"Zoë {by}"], album="Rains", genres=["Pop"], release_date={"year": 1999}),
        editor.create("apple", artists=[f"Ann {by}", f"Bob {by}"], genres=["Rock", "Pop"], isrc="USRC17607839"),
        editor.create("Éclair", artists=[f"Bob {by}"], album="Rains", release_date={"year": 1999, "month": 2}),
        editor.create("Banana", artists=[f"bob {by}"], release_date={"year": 2000, "month": 12, "day": 31}),
        editor.create("banana split", artists=[f"ann {by}"], album="RAINS", release_date={"year": 2001}),
        editor.create("Dub", artists=[f"Carl {by}"], genres=["Rock"], release_date={"year": 1998, "month": 12}),
    ]


def listed(caller: Caller, songs: list[Song], request: ListSongsRequest) -> list[int]:
    """Lists what the songs' creator made; gives the places of the answered songs among them."""
    request.filter.created_by = songs[0].created_by
    ids = [song.id for song in songs]
    return [ids.index(song.id) for song in caller.songs.ListSongs(request).songs]


def artist(songs: list[Song], name: str) -> str:
    return f"{name} {songs[0].artists[0].split()[-1]}"


ORDERS = {
    SONG_ORDER_UNSPECIFIED: [0, 1, 2, 3, 4, 5],
    SONG_ORDER_CREATE_TIME: [0, 1, 2, 3, 4, 5],
    SONG_ORDER_TITLE: [1, 3, 4, 5, 0, 2],
    SONG_ORDER_ARTIST: [4, 1, 2, 3, 5, 0],
    SONG_ORDER_RELEASE_DATE: [1, 5, 0, 2, 3, 4],
}


def test_there_is_a_case_for_each_order() -> None:
    assert set(ORDERS) == set(SongOrder.values())


@pytest.mark.parametrize("descending", [False, True])
def test_songs_stand_in_the_order_that_was_asked_for(listener: Caller, songs: list[Song], *, descending: bool) -> None:
    for order, expected in ORDERS.items():
        answer = listed(listener, songs, ListSongsRequest(order_by=order, descending=descending))

        assert answer == (expected[::-1] if descending else expected), SongOrder.Name(order)


def test_songs_made_in_one_go_stand_in_the_order_of_their_creation(editor: Caller) -> None:
    by = secrets.token_hex(8)
    items = [ImportItem(song=Song(title=f"Same {by}", artists=[str(number)])) for number in range(300)]
    list(editor.songs.ImportSongs(iter([ImportSongsRequest(items=items)])))

    for order in (SONG_ORDER_CREATE_TIME, SONG_ORDER_TITLE, SONG_ORDER_RELEASE_DATE):
        request = ListSongsRequest(filter=SongFilter(created_by=editor.me().id), order_by=order, page_size=300)
        assert [song.artists[0] for song in editor.songs.ListSongs(request).songs] == [str(n) for n in range(300)]


def test_an_order_that_is_none_is_refused(listener: Caller) -> None:
    refused = failure(listener.songs.ListSongs, ListSongsRequest(order_by=9))  # type: ignore[arg-type]

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["order_by"])


def filters(songs: list[Song]) -> dict[str, tuple[SongFilter, set[int]]]:
    """Filters, each with the places of the songs that it selects."""
    return {
        "artist": (SongFilter(artist=artist(songs, " BOB") + " "), {1, 2, 3}),
        "artist with an accent": (SongFilter(artist=artist(songs, "ZOE\u0308")), {0}),
        "artist with wide letters": (SongFilter(artist=artist(songs, "Ａｎｎ")), {1, 4}),
        "album": (SongFilter(album="rains"), {0, 2, 4}),
        "genre": (SongFilter(genre="POP"), {0, 1}),
        "year_from": (SongFilter(year_from=2000), {3, 4}),
        "year_to": (SongFilter(year_to=1999), {0, 2, 5}),
        "years": (SongFilter(year_from=1999, year_to=2000), {0, 2, 3}),
        "all years": (SongFilter(year_from=1000, year_to=2100), {0, 2, 3, 4, 5}),
        "isrc": (SongFilter(isrc="us-rc1 7607839"), {1}),
        "nothing": (SongFilter(), {0, 1, 2, 3, 4, 5}),
        "blanks": (SongFilter(artist=" ", album="\t"), {0, 1, 2, 3, 4, 5}),
        "part of a name": (SongFilter(album="rain"), set()),
    }


def test_a_filter_selects_and_all_of_them_together_select_what_each_selects(
    listener: Caller, songs: list[Song]
) -> None:
    single = filters(songs)
    for name, (selected, expected) in single.items():
        assert set(listed(listener, songs, ListSongsRequest(filter=selected))) == expected, name
    del single["years"], single["all years"]
    for (one, (first, in_first)), (two, (second, in_second)) in combinations(single.items(), 2):
        names = [field.name.partition("_")[0] for one_of in (first, second) for field, _ in one_of.ListFields()]
        if len(set(names)) < len(names):  # the same twice
            continue
        both = SongFilter()
        both.MergeFrom(first)
        both.MergeFrom(second)
        for order in SongOrder.values():
            answer = listed(listener, songs, ListSongsRequest(filter=both, order_by=order, descending=True))
            assert set(answer) == in_first & in_second, f"{one} and {two}"


def test_all_filters_at_once(listener: Caller, songs: list[Song]) -> None:
    everything = SongFilter(
        artist=artist(songs, "Bob"), genre="rock", isrc="USRC17607839", created_by=songs[0].created_by
    )
    assert listed(listener, songs, ListSongsRequest(filter=everything)) == [1]
    everything.album = "Rains"
    assert listed(listener, songs, ListSongsRequest(filter=everything)) == []


def test_the_creator_in_a_filter_may_be_in_upper_case(listener: Caller, songs: list[Song]) -> None:
    request = ListSongsRequest(filter=SongFilter(created_by=songs[0].created_by.upper()))

    assert len(listener.songs.ListSongs(request).songs) == 6


def test_lists_leave_lyrics_out(editor: Caller) -> None:
    song = editor.create(lyrics="la")
    request = ListSongsRequest(filter=SongFilter(created_by=song.created_by))

    song.ClearField("lyrics")
    assert list(editor.songs.ListSongs(request).songs) == [song]


@pytest.mark.parametrize(
    ("selected", "field"),
    [
        (SongFilter(year_from=999), "filter.year_from"),
        (SongFilter(year_to=2101), "filter.year_to"),
        (SongFilter(year_to=-1), "filter.year_to"),
        (SongFilter(year_from=2001, year_to=2000), "filter.year_to"),
        (SongFilter(isrc="no"), "filter.isrc"),
        (SongFilter(created_by="me"), "filter.created_by"),
        (SongFilter(artist="x" * 513), "filter.artist"),
        (SongFilter(album="x" * 513), "filter.album"),
        (SongFilter(genre="x" * 129), "filter.genre"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(listener: Caller, selected: SongFilter, field: str) -> None:
    refused = failure(listener.songs.ListSongs, ListSongsRequest(filter=selected))

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", [field])


def test_the_total_of_a_filter_counts_all_pages(listener: Caller, songs: list[Song]) -> None:
    for exact in (False, True):
        request = ListSongsRequest(filter=SongFilter(created_by=songs[0].created_by), page_size=2, exact_total=exact)
        answer = listener.songs.ListSongs(request)

        assert (answer.total_size, answer.total_size_estimated) == (6, False)


def test_the_total_of_a_filter_is_an_estimate_from_1000_on(editor: Caller) -> None:
    by = secrets.token_hex(8)
    for start in (0, 1000):
        items = [ImportItem(song=Song(title=str(number), artists=[by])) for number in range(start, start + 1000)]
        list(editor.songs.ImportSongs(iter([ImportSongsRequest(items=items)])))
    request = ListSongsRequest(filter=SongFilter(artist=by), page_size=1)

    answer = editor.songs.ListSongs(request)
    assert (answer.total_size, answer.total_size_estimated) == (1000, True)

    request.exact_total = True
    answer = editor.songs.ListSongs(request)
    assert (answer.total_size, answer.total_size_estimated) == (2000, False)


def test_the_total_of_the_catalogue_is_an_estimate_that_is_near(song_server: SongServer) -> None:
    editor = Caller.new(song_server, PRIVILEGE_EDITOR)
    songs = [editor.create() for _ in range(5)]
    editor.songs.DeleteSong(DeleteSongRequest(id=songs[0].id))

    exact = editor.songs.ListSongs(ListSongsRequest(exact_total=True))
    assert (exact.total_size, exact.total_size_estimated) == (4, False)

    give_up = time.monotonic() + 5
    while (answer := editor.songs.ListSongs(ListSongsRequest())).total_size != 4:
        assert time.monotonic() < give_up, "the estimate is remembered for a second"
        time.sleep(0.1)
    assert answer.total_size_estimated
