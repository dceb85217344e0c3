"""Pages of ListSongs: by token, and by number."""

import secrets

import pytest

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_pb2 import SONG_ORDER_RELEASE_DATE, SONG_ORDER_TITLE, Song, SongFilter, SongOrder
from songs.v1.song_service_pb2 import (
    DeleteSongRequest,
    ImportItem,
    ImportSongsRequest,
    ListSongsRequest,
    ListSongsResponse,
    SearchSongsRequest,
)
from songserver.testing import SongServer
from tests.conftest import Caller, failure

SONGS = 23


@pytest.fixture(scope="module")
def creator(server: SongServer) -> str:
    """The id of an editor who has made 23 songs, with many ties."""
    return fill(Caller.new(server, PRIVILEGE_EDITOR), SONGS)


def fill(editor: Caller, count: int) -> str:
    """Makes songs with few different titles, artists and dates; gives the id of who made them."""
    by = secrets.token_hex(6)
    items = []
    for number in range(count):
        song = Song(title=f"T {number % 3}", artists=[f"A {number % 2} {by}"], album=str(number))
        if number % 5:
            song.release_date.year = 2000 + number % 4
        items.append(ImportItem(song=song))
    for start in range(0, count, 1000):
        list(editor.songs.ImportSongs(iter([ImportSongsRequest(items=items[start : start + 1000])])))
    return editor.me().id


def pages(caller: Caller, request: ListSongsRequest) -> list[ListSongsResponse]:
    """All pages, by token."""
    answers = [caller.songs.ListSongs(request)]
    while answers[-1].next_page_token:
        request.page_token = answers[-1].next_page_token
        answers.append(caller.songs.ListSongs(request))
    return answers


def of(creator: str, **fields: object) -> ListSongsRequest:
    return ListSongsRequest(filter=SongFilter(created_by=creator), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", SongOrder.values(), ids=SongOrder.keys())
def test_pages_have_every_song_once_in_order_by_token_and_by_number(
    listener: Caller, creator: str, order: SongOrder.ValueType, *, descending: bool
) -> None:
    order_of = {"order_by": order, "descending": descending}
    (whole,) = pages(listener, of(creator, **order_of))
    ids = [song.id for song in whole.songs]
    assert len(set(ids)) == SONGS

    for size in (1, 7, 22, 23):
        by_token = pages(listener, of(creator, page_size=size, **order_of))
        assert [song.id for page in by_token for song in page.songs] == ids
        assert all(len(page.songs) == size for page in by_token[:-1])
        by_number = [
            listener.songs.ListSongs(of(creator, page_size=size, page_number=number, **order_of))
            for number in range(1, -(-SONGS // size) + 1)
        ]
        assert [song.id for page in by_number for song in page.songs] == ids


def test_a_page_by_number_can_be_continued_by_token(listener: Caller, creator: str) -> None:
    first = listener.songs.ListSongs(of(creator, page_size=5, page_number=2))

    second = listener.songs.ListSongs(of(creator, page_size=5, page_token=first.next_page_token))

    assert second.songs == listener.songs.ListSongs(of(creator, page_size=5, page_number=3)).songs


def test_the_page_size_may_change_from_page_to_page(listener: Caller, creator: str) -> None:
    first = listener.songs.ListSongs(of(creator, page_size=5))

    rest = listener.songs.ListSongs(of(creator, page_size=100, page_token=first.next_page_token, exact_total=True))

    assert (len(first.songs), len(rest.songs), rest.next_page_token) == (5, SONGS - 5, "")


def test_no_songs_are_one_empty_page(listener: Caller) -> None:
    for request in (of(listener.me().id), of(listener.me().id, page_number=1)):
        answer = listener.songs.ListSongs(request)

        assert (list(answer.songs), answer.next_page_token, answer.total_size) == ([], "", 0)


def test_page_size_0_is_50_and_1000_the_most(editor: Caller) -> None:
    creator = fill(editor, 1001)

    for size, length in ((0, 50), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)):
        answer = editor.songs.ListSongs(of(creator, page_size=size))
        assert (len(answer.songs), bool(answer.next_page_token)) == (length, True)
    refused = failure(editor.songs.ListSongs, of(creator, page_size=-1))
    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["page_size"])


@pytest.mark.parametrize(
    ("number", "size"),
    [(0, 10), (-1, 10), (-(2**31), 10), (4, 10), (1001, 10), (11, 1000), (11, 5000), (201, 0), (2**31 - 1, 1000)],
)
def test_a_page_that_is_not_there_is_refused(listener: Caller, creator: str, number: int, size: int) -> None:
    refused = failure(listener.songs.ListSongs, of(creator, page_number=number, page_size=size))

    assert (refused.code, refused.fields) == ("INVALID_PAGE_NUMBER", ["page_number"])


def test_pages_by_number_reach_10000_rows(editor: Caller) -> None:
    creator = fill(editor, 10_001)

    assert len(editor.songs.ListSongs(of(creator, page_number=10, page_size=1000)).songs) == 1000
    assert len(editor.songs.ListSongs(of(creator, page_number=10_000, page_size=1)).songs) == 1
    last = editor.songs.ListSongs(of(creator, page_number=200))
    assert (len(last.songs), bool(last.next_page_token)) == (50, True)
    for number, size in ((10_001, 1), (11, 1000), (201, 50)):
        refused = failure(editor.songs.ListSongs, of(creator, page_number=number, page_size=size))
        assert refused.code == "INVALID_PAGE_NUMBER"
        assert "page_token" in refused.message


def test_a_token_of_another_query_is_refused(listener: Caller, creator: str) -> None:
    token = listener.songs.ListSongs(of(creator, page_size=5)).next_page_token
    others = [
        of(creator, order_by=SONG_ORDER_TITLE),
        of(creator, descending=True),
        ListSongsRequest(),
        ListSongsRequest(filter=SongFilter(created_by=creator, genre="pop")),
        ListSongsRequest(filter=SongFilter(created_by=listener.me().id)),
    ]
    for request in others:
        request.page_token = token
        refused = failure(listener.songs.ListSongs, request)

        assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["page_token"])
    search = SearchSongsRequest(query="t", page_token=token)
    assert failure(listener.songs.SearchSongs, search).code == "INVALID_DATA_FORMAT"


def test_a_token_that_was_tampered_with_is_refused(listener: Caller, creator: str) -> None:
    token = listener.songs.ListSongs(of(creator, page_size=5)).next_page_token
    payload, _, signature = token.rpartition(".")
    changed = ("A" if payload[8] != "A" else "B").join((payload[:8], payload[9:]))

    for made in (
        "x",
        ".",
        f"{changed}.{signature}",
        payload,
        f"{payload}.",
        f"{payload}.{signature[::-1]}",
        "ü\x00",
        "x" * 4097,
    ):
        refused = failure(listener.songs.ListSongs, of(creator, page_size=5, page_token=made))

        assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["page_token"])


def test_a_token_means_the_same_query_however_it_is_spelled(listener: Caller, editor: Caller) -> None:
    artist = secrets.token_hex(8)
    for number in range(3):
        editor.create(str(number), artists=[artist])
    token = listener.songs.ListSongs(ListSongsRequest(filter=SongFilter(artist=artist), page_size=2)).next_page_token

    request = ListSongsRequest(filter=SongFilter(artist=f" {artist} "), page_token=token)

    assert [song.title for song in listener.songs.ListSongs(request).songs] == ["2"]


def test_token_and_number_exclude_each_other(listener: Caller, creator: str) -> None:
    token = listener.songs.ListSongs(of(creator, page_size=5)).next_page_token

    refused = failure(listener.songs.ListSongs, of(creator, page_size=5, page_token=token, page_number=2))

    assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", ["page_token"])


def test_a_list_goes_on_although_songs_are_removed_and_added(editor: Caller) -> None:
    creator = fill(editor, 9)
    order = SONG_ORDER_RELEASE_DATE
    whole = [song.id for song in editor.songs.ListSongs(of(creator, order_by=order)).songs]
    first = editor.songs.ListSongs(of(creator, order_by=order, page_size=4))

    # The last of the first page, from which the list goes on, and the first of the next.
    for song_id in whole[3:5]:
        editor.songs.DeleteSong(DeleteSongRequest(id=song_id))
    editor.create("before what was read", release_date={"year": 1000})
    (rest,) = pages(editor, of(creator, order_by=order, page_size=10, page_token=first.next_page_token))

    assert [song.id for song in rest.songs] == whole[5:]


def test_a_page_of_the_largest_songs_fits_into_one_message(editor: Caller) -> None:
    """gRPC's clients take 4 MiB by default: a page over that was a list that nobody could go on with."""
    word, wide = f"q{secrets.token_hex(4)}", "\U0001f3b5"
    for number in range(14):
        editor.create(
            f"{word} {number}",
            album_artists=[wide * 512] * 50,
            external_ids={f"a{n}": wide * 512 for n in range(50)},
            tags=[wide * 128] * 50,
        )

    found = pages(editor, of(editor.me().id, page_size=100))
    assert [song.title for page in found for song in page.songs] == [f"{word} {number}" for number in range(14)]
    assert len(found) > 1
    assert max(page.ByteSize() for page in found) < 4_000_000

    request, titles = SearchSongsRequest(query=word, page_size=100), []
    while True:
        answer = editor.songs.SearchSongs(request)
        titles += [result.song.title for result in answer.results]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert sorted(titles) == sorted(f"{word} {number}" for number in range(14))
