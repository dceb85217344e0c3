"""What may have been meant: titles, artists and albums of the songs that a search finds."""

from collections.abc import Iterator
from typing import NamedTuple

from songs.v1.song_overview_pb2 import (
    SUGGESTION_KIND_ALBUM,
    SUGGESTION_KIND_ARTIST,
    SUGGESTION_KIND_TITLE,
    Suggestion,
    SuggestionKind,
)
from songs.v1.song_pb2 import Song, SongFilter
from songserver.matching import Query, Row, ranges_in, rank
from songserver.storage.song_search import SongSearch
from songserver.text import folded
from songserver.words import tokens, words

SONGS = 100
"""The best songs of a search, whose names are suggested."""
ALL = SongFilter()


class _Place(NamedTuple):
    """Where a suggestion stands: the least comes first."""

    place: int
    """0: it is what was typed; 1: it begins with it; 2: it has all words."""
    partial: int
    """Words that were typed and are only the beginning of a word."""
    unpopularity: int
    kind: SuggestionKind.ValueType
    text: str


class SongSuggestions:
    """Suggests names."""

    def __init__(self, search: SongSearch) -> None:
        self._search = search

    async def suggest(self, text: str, size: int) -> list[Suggestion]:
        """Gives titles, artists and albums that have, or begin to have, all words of what was typed, each once.

        Args:
            text: What was typed.
            size: How many at the most.
        """
        found = await self._search.ranked(text, ALL, forgiving=False)
        songs = await self._search.read([song.song_id for song in found.ranks[:SONGS]])
        places: dict[tuple[SuggestionKind.ValueType, str], _Place] = {}
        for song in songs:
            for kind, name in _names(song):
                place = _place(kind, name, song.popularity, found.query)
                key = (kind, folded(name))
                if place and (key not in places or place.unpopularity < places[key].unpopularity):
                    places[key] = place
        return [
            Suggestion(kind=place.kind, text=place.text, ranges=ranges_in(place.text, found.query))
            for place in sorted(places.values())[:size]
        ]


def _names(song: Song) -> Iterator[tuple[SuggestionKind.ValueType, str]]:
    yield SUGGESTION_KIND_TITLE, song.title
    for artist in song.artists:
        yield SUGGESTION_KIND_ARTIST, artist
    if song.album:
        yield SUGGESTION_KIND_ALBUM, song.album


def _place(kind: SuggestionKind.ValueType, name: str, popularity: int, query: Query) -> _Place | None:
    """Where a name stands, which is ranked like the title of a song that has nothing else; None: not at all."""
    found = tokens(name)
    ranked = rank(Row("", " ".join(words(name)), found, [len(found)] * 3, popularity), query)
    return _Place(ranked.place, ranked.partial, ranked.unpopularity, kind, name) if ranked else None
