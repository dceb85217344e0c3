"""SearchSongs forgives wrong letters where it finds little."""

from collections.abc import Iterator

import pytest

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_service_pb2 import SearchSongsRequest, SearchSongsResponse
from songserver.testing import SongServer
from tests.conftest import Caller, lasting_server


@pytest.fixture(scope="module")
def server(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SongServer]:
    """A server with no other words than those of this module."""
    with lasting_server(song_server_mongodb, tmp_path_factory.mktemp("forgives")) as server:
        yield server


@pytest.fixture(scope="module")
def reader(server: SongServer) -> Caller:
    """Somebody who searches the songs of this module."""
    editor = Caller.new(server, PRIVILEGE_EDITOR)
    for title, artist in (
        ("Orange Horizon", "Chlöe Wîld"),
        ("Blue", "Chlöe Wîld"),
        ("Bluebird", "Nobody"),
        ("Blue Sky", "Nobody"),
        ("Glue", "Somebody"),
        ("Summer of 1969", "Nobody"),
        ("Symphony", "Karajan"),
        ("Beatles Forever", "The Beatles"),
        ("A Single Beatels", "Typist"),
        ("夜に駆ける", "ヨアソビ"),
    ):
        editor.create(title, artists=[artist])
    return editor


def search(caller: Caller, query: str) -> SearchSongsResponse:
    """Searches all songs."""
    return caller.songs.SearchSongs(SearchSongsRequest(query=query))


@pytest.mark.parametrize(
    "query",
    [
        "horizn",  # one is missing
        "horixon",  # wrong
        "horiizon",  # too much
        "hroizon",  # changed its place
        "orizon",  # the first one
        "jorizon",
        "ohrizon",
        "orange hroizn",  # two of a longer word
        "hroizn oragne",
        "orage horizon",
        "oran horizzo",  # of a word that is still typed
        "orange horizons",
        "chole horizon",
        "HÖRIZN",
    ],
)
def test_a_wrong_letter_is_forgiven(reader: Caller, query: str) -> None:
    answer = search(reader, query)

    assert answer.results[0].song.title == "Orange Horizon"
    assert answer.forgiving


@pytest.mark.parametrize(
    "query",
    [
        "1968",  # a number is another one
        "bx",  # of two letters none is wrong
        "horxxxn",
        "karajan horizon",  # no song has both
        "夜を駆ける",
    ],
)
def test_what_is_too_far_off_is_not_found(reader: Caller, query: str) -> None:
    answer = search(reader, query)

    assert list(answer.results) == []
    assert not answer.forgiving


@pytest.mark.parametrize("query", ["blue", "nobody", "b", "bl"])
def test_nothing_is_forgiven_where_enough_is_found(reader: Caller, query: str) -> None:
    answer = search(reader, query)

    assert len(answer.results) >= 3
    assert not answer.forgiving
    assert "Glue" not in [result.song.title for result in answer.results]


def test_what_is_as_typed_comes_first(reader: Caller) -> None:
    """One song has the word, as somebody has misspelt it; others have what was meant."""
    answer = search(reader, "beatels")

    assert [result.song.title for result in answer.results] == ["A Single Beatels", "Beatles Forever"]
    assert answer.forgiving


def test_a_word_that_songs_have_is_forgiven_where_no_song_has_all_words(reader: Caller) -> None:
    answer = search(reader, "blue somebody")

    assert [result.song.title for result in answer.results] == ["Glue"]
    assert answer.forgiving


def test_the_whole_word_is_told_where_a_letter_was_forgiven(reader: Caller) -> None:
    (result,) = search(reader, "oran hroizn").results

    (match,) = result.matches
    assert (match.field, match.index) == ("title", 0)
    assert [(part.start, part.end) for part in match.ranges] == [(0, 4), (7, 14)]


def test_pages_go_on_with_what_was_forgiven(reader: Caller) -> None:
    request = SearchSongsRequest(query="beatels", page_size=1)
    found = []
    while True:
        answer = reader.songs.SearchSongs(request)
        found += [result.song.title for result in answer.results]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token

    assert found == ["A Single Beatels", "Beatles Forever"]
