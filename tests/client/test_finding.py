"""Both clients, call by call, against the song server: what finds songs and counts them."""

import pytest

from songclient import InvalidDataFormat, Song, SongClient, SongFacet, SongFilter, SuggestionKind


@pytest.fixture
def shelf(editor: SongClient) -> SongClient:
    """A catalogue of three songs."""
    for title, artist, year in (("Orange Horizon", "Ann", 1991), ("Orange Sky", "Bob", 1992), ("Blue", "ann", 2001)):
        editor.create_song(Song(title=title, artists=[artist], genres=["Pop"], release_date={"year": year}))
    return editor


def test_a_search_tells_what_matches(shelf: SongClient) -> None:
    answer = shelf.search_songs_page("hor ora")

    (result,) = answer.results
    (match,) = result.matches
    assert (match.field, [(part.start, part.end) for part in match.ranges]) == ("title", [(0, 3), (7, 10)])
    assert not answer.forgiving
    assert shelf.search_songs_page("ornage").forgiving


def test_a_search_has_a_filter(shelf: SongClient) -> None:
    found = shelf.search_songs("pop", filter=SongFilter(artist="Ann", year_to=2000))

    assert [song.title for song in found] == ["Orange Horizon"]


def test_names_are_suggested(shelf: SongClient) -> None:
    suggestions = shelf.suggest_songs("orange")

    kinds = {suggestion.kind for suggestion in suggestions}
    assert (kinds, [suggestion.text for suggestion in suggestions]) == (
        {SuggestionKind.SUGGESTION_KIND_TITLE},
        ["Orange Horizon", "Orange Sky"],
    )
    assert len(shelf.suggest_songs("orange", size=1)) == 1
    with pytest.raises(InvalidDataFormat):
        shelf.suggest_songs("?")


def test_songs_are_counted(shelf: SongClient) -> None:
    facets = [SongFacet.SONG_FACET_DECADE, SongFacet.SONG_FACET_ARTIST]

    answer = shelf.count_songs(filter=SongFilter(genre="pop"), exact=True, facets=facets, facet_size=5)

    assert (answer.total_size, answer.total_size_estimated) == (3, False)
    decades, artists = answer.facets
    assert {count.value: count.size for count in decades.counts} == {"1990": 2, "2000": 1}
    assert [count.size for count in artists.counts] == [2, 1]
