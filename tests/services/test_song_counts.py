"""CountSongs: how many songs there are, also by genre, artist and decade."""

from collections.abc import Iterator

import pytest

from songs.v1.access_pb2 import PRIVILEGE_EDITOR
from songs.v1.song_overview_pb2 import (
    SONG_FACET_ARTIST,
    SONG_FACET_DECADE,
    SONG_FACET_GENRE,
    SONG_FACET_UNSPECIFIED,
    CountSongsRequest,
    CountSongsResponse,
    SongFacet,
)
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import ImportItem, ImportSongsRequest
from songserver.storage import song_counts
from songserver.testing import SongServer
from tests.conftest import Caller, failure, in_process, lasting_server

ALL_FACETS = [SONG_FACET_GENRE, SONG_FACET_ARTIST, SONG_FACET_DECADE]


@pytest.fixture(scope="module")
def server(song_server_mongodb: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SongServer]:
    """A server in which only songs of this module are."""
    with lasting_server(song_server_mongodb, tmp_path_factory.mktemp("counts")) as server:
        yield server


@pytest.fixture(scope="module")
def reader(server: SongServer) -> Caller:
    """Somebody who counts: of 1200 songs all are pop, one in two is rock and one in three Ann's."""
    editor = Caller.new(server, PRIVILEGE_EDITOR)
    songs = [
        Song(
            title=f"Song {number}",
            artists=["Bob", "Ann"] if number % 3 == 0 else ["bob"],
            genres=["Pop", "ROCK"] if number % 2 else ["Pop"],
            release_date=None if number % 10 == 0 else {"year": 1990 + number % 20},
        )
        for number in range(1200)
    ]
    for start in (0, 600):
        items = [ImportItem(song=song) for song in songs[start : start + 600]]
        list(editor.songs.ImportSongs(iter([ImportSongsRequest(items=items)])))
    return editor


def counted(answer: CountSongsResponse, facet: SongFacet.ValueType) -> dict[str, int]:
    """The counts of a facet, in their order."""
    (counts,) = [each.counts for each in answer.facets if each.facet == facet]
    return {count.value: count.size for count in counts}


def test_all_songs_are_estimated_or_counted(reader: Caller) -> None:
    estimated = reader.songs.CountSongs(CountSongsRequest())
    exact = reader.songs.CountSongs(CountSongsRequest(exact=True))

    assert (estimated.total_size, estimated.total_size_estimated) == (1200, True)
    assert (exact.total_size, exact.total_size_estimated) == (1200, False)


@pytest.mark.parametrize("exact", [False, True])
def test_a_filter_is_counted(reader: Caller, exact: bool) -> None:  # noqa: FBT001
    for selected, size in (
        (SongFilter(genre="rock"), 600),
        (SongFilter(genre="POP"), 1200),
        (SongFilter(artist="ann"), 400),
        (SongFilter(artist="ann", genre="rock"), 200),
        (SongFilter(genre="nothing"), 0),
    ):
        answer = reader.songs.CountSongs(CountSongsRequest(filter=selected, exact=exact))
        assert (answer.total_size, answer.total_size_estimated) == (size, False)


def test_songs_are_counted_by_genre_artist_and_decade(reader: Caller) -> None:
    answer = reader.songs.CountSongs(CountSongsRequest(facets=ALL_FACETS))

    assert [each.facet for each in answer.facets] == ALL_FACETS
    assert not any(each.estimated for each in answer.facets)
    assert counted(answer, SONG_FACET_GENRE) == {"Pop": 1200, "ROCK": 600}
    assert counted(answer, SONG_FACET_ARTIST) in ({"Bob": 1200, "Ann": 400}, {"bob": 1200, "Ann": 400})
    assert counted(answer, SONG_FACET_DECADE) == {"1990": 540, "2000": 540}


def test_facets_are_of_the_filter_and_the_largest_ones(reader: Caller) -> None:
    selected = SongFilter(artist="Ann", year_from=1990, year_to=1995)

    answer = reader.songs.CountSongs(CountSongsRequest(filter=selected, facets=ALL_FACETS, facet_size=1))

    assert answer.total_size == counted(answer, SONG_FACET_DECADE)["1990"]
    assert list(counted(answer, SONG_FACET_GENRE)) == ["Pop"]
    none = reader.songs.CountSongs(CountSongsRequest(filter=SongFilter(genre="nothing"), facets=ALL_FACETS))
    assert [list(each.counts) for each in none.facets] == [[], [], []]


@in_process
def test_what_takes_too_long_is_estimated(reader: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(song_counts, "COUNTING_TIME", 0.0)
    monkeypatch.setattr(song_counts, "FACETED", 300)

    answer = reader.songs.CountSongs(CountSongsRequest(filter=SongFilter(genre="pop"), facets=ALL_FACETS))
    exact = reader.songs.CountSongs(CountSongsRequest(filter=SongFilter(genre="pop"), exact=True))

    assert (answer.total_size, answer.total_size_estimated) == (song_counts.FIRST_COUNTED, True)
    assert (exact.total_size, exact.total_size_estimated) == (1200, False)
    assert all(each.estimated for each in answer.facets)
    genres = counted(answer, SONG_FACET_GENRE)
    assert genres["Pop"] == song_counts.FIRST_COUNTED
    assert 0.3 < genres["ROCK"] / genres["Pop"] < 0.7


def test_what_cannot_be_asked_is_refused(reader: Caller) -> None:
    for request, field in (
        (CountSongsRequest(facet_size=-1), "facet_size"),
        (CountSongsRequest(facets=[SONG_FACET_GENRE, SONG_FACET_GENRE]), "facets"),
        (CountSongsRequest(facets=[SONG_FACET_UNSPECIFIED]), "facets[0]"),
        (CountSongsRequest(filter=SongFilter(year_from=3)), "filter.year_from"),
    ):
        refused = failure(reader.songs.CountSongs, request)
        assert (refused.code, refused.fields) == ("INVALID_DATA_FORMAT", [field])
