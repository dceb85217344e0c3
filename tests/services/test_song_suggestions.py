"""SuggestSongs: what may have been meant, for a drop-down."""

from collections.abc import Iterator

import pytest

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_overview_pb2 import SuggestionKind, SuggestSongsRequest
from songserver.testing import SongServer
from tests.conftest import Caller, failure, lasting_server


@pytest.fixture(scope="module")
def server(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SongServer]:
    """A server in which only songs of this module are."""
    with lasting_server(song_server_mongodb, tmp_path_factory.mktemp("suggestions")) as server:
        yield server


@pytest.fixture(scope="module")
def reader(server: SongServer) -> Caller:
    """Somebody who types."""
    editor = Caller.new(server, PRIVILEGE_EDITOR)
    for title, artists, album, popularity in (
        ("Orange", ["Nobody"], "", 10),
        ("Orange Sky", ["Chlöe Wîld"], "Orange Sky", 900),
        ("ORANGE SKY", ["Nobody"], "", 20),
        ("Blue", ["The Oranges"], "Blue", 500),
        ("Green", ["The Oranges", "Somebody"], "Blue", 400),
        ("An Orange", ["Nobody"], "", 5000),
        ("Straße", ["夜ふかし"], "", 0),
    ):
        editor.create(title, artists=artists, album=album, popularity=popularity)
    return editor


def suggested(caller: Caller, query: str, size: int = 0) -> list[tuple[str, str]]:
    """The kinds and texts that are suggested."""
    answer = caller.songs.SuggestSongs(SuggestSongsRequest(query=query, size=size))
    prefix = "SUGGESTION_KIND_"
    return [(SuggestionKind.Name(each.kind).removeprefix(prefix), each.text) for each in answer.suggestions]


def test_titles_artists_and_albums_are_suggested_once_each_the_best_first(reader: Caller) -> None:
    assert suggested(reader, "orange") == [
        ("TITLE", "Orange"),
        ("TITLE", "Orange Sky"),  # as it is written in the most popular song
        ("ALBUM", "Orange Sky"),
        ("TITLE", "An Orange"),
        ("ARTIST", "The Oranges"),
    ]


def test_only_what_has_all_words_itself_is_suggested(reader: Caller) -> None:
    assert suggested(reader, "ora sk") == [("TITLE", "Orange Sky"), ("ALBUM", "Orange Sky")]
    assert suggested(reader, "orange chloe") == []
    assert suggested(reader, "ornage") == []


def test_a_suggestion_tells_where_the_words_are(reader: Caller) -> None:
    for query, text, part in (("oran", "Orange Sky", "Oran"), ("stras", "Straße", "Straß"), ("か", "夜ふかし", "か")):
        first = reader.songs.SuggestSongs(SuggestSongsRequest(query=query)).suggestions[0]
        assert first.text == text
        (place,) = first.ranges
        assert text[place.start : place.end] == part


def test_there_are_as_many_as_were_asked_for(reader: Caller) -> None:
    assert len(suggested(reader, "orange", 2)) == 2
    assert suggested(reader, "orange", 1000) == suggested(reader, "orange")


def test_what_cannot_be_asked_is_refused(reader: Caller) -> None:
    for request, field in (
        (SuggestSongsRequest(query="!"), "query"),
        (SuggestSongsRequest(), "query"),
        (SuggestSongsRequest(query="a", size=-1), "size"),
    ):
        refused = failure(reader.songs.SuggestSongs, request)
        assert (refused.code, set(refused.fields)) == ("INVALID_DATA_FORMAT", {field})
