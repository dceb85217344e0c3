"""Songs are found, listed and counted, and beside it what MongoDB has for that: `$text` and skip."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TypeAlias, TypeVar

from pymongo import ASCENDING, TEXT
from pymongo.collection import Collection

from songs.v1.song_overview_pb2 import (
    SONG_FACET_ARTIST,
    SONG_FACET_DECADE,
    SONG_FACET_GENRE,
    CountSongsRequest,
    SuggestSongsRequest,
)
from songs.v1.song_pb2 import SONG_ORDER_TITLE, SongFilter
from songs.v1.song_service_pb2 import ListSongsRequest, SearchSongsRequest
from songs.v1.song_service_pb2_grpc import SongServiceStub
from tests.bench.contestants import OURS
from tests.bench.scale.measures import CALLS, WARM_UP, Timing, timed
from tests.bench.served import Document

T = TypeVar("T")

TEXT_SEARCH = "$text"
SKIP = "skip"
BESIDE = (TEXT_SEARCH, SKIP)
"""What is measured beside ours."""
SEARCH = "search: "
COUNT_EXACT = "count: all, exact"
PAGE = 50
LARGE_PAGE = 1000
DEPTHS = {"page of 50: the first": 0.0, "page of 50: at 1 %": 0.01, "page of 50: at 90 %": 0.9}
"""Where pages are, as a part of all songs: of a million the 10,000th and the 900,000th."""
PAGES = 10
"""Different pages at a depth."""
RESULTS = 20
PATIENCE = 120.0
"""Seconds for a call: all is measured, also what is slow."""
TEXT_FIELDS = ("keys.title", "keys.artists", "keys.album", "keys.genres", "isrc")
Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True)
class Caller:
    """Calls a server."""

    stub: SongServiceStub
    metadata: Metadata
    songs: int
    """How many there are."""
    seconds: float
    """For the calls of a kind, at the most."""

    def search(self, asked: Mapping[str, Sequence[str]]) -> list[Timing]:
        """Searches for the words of each kind."""

        def search(words: str) -> int:
            request = SearchSongsRequest(query=words, page_size=RESULTS)
            return len(self.stub.SearchSongs(request, metadata=self.metadata, timeout=PATIENCE).results)

        return timed(self.songs, OURS, _searches(asked), search, self.seconds)

    def suggest(self, words: Sequence[str]) -> list[Timing]:
        """Asks for suggestions."""

        def suggest(typed: str) -> int:
            request = SuggestSongsRequest(query=typed)
            return len(self.stub.SuggestSongs(request, metadata=self.metadata, timeout=PATIENCE).suggestions)

        return timed(self.songs, OURS, {"suggest": words}, suggest, self.seconds)

    def count(self, genres: Sequence[str]) -> list[Timing]:
        """Counts all songs, and those of genres."""

        def count(request: CountSongsRequest) -> int:
            return self.stub.CountSongs(request, metadata=self.metadata, timeout=PATIENCE).total_size

        facets = (SONG_FACET_GENRE, SONG_FACET_ARTIST, SONG_FACET_DECADE)
        asked = {
            "count: all, estimated": [CountSongsRequest() for _ in genres],
            "count: of a genre": [CountSongsRequest(filter=SongFilter(genre=genre)) for genre in genres],
            "count: by genre, artist and decade": [CountSongsRequest(facets=facets) for _ in genres],
            COUNT_EXACT: [CountSongsRequest(exact=True) for _ in genres],
        }
        return timed(self.songs, OURS, asked, count, self.seconds)

    def list_pages(self) -> list[Timing]:
        """Lists pages by title at several depths."""

        def fetch(token: str) -> int:
            request = ListSongsRequest(page_size=PAGE, page_token=token, order_by=SONG_ORDER_TITLE)
            return len(self.stub.ListSongs(request, metadata=self.metadata, timeout=PATIENCE).songs)

        tokens = self._tokens_at([int(part * self.songs) for part in DEPTHS.values()])
        asked = {kind: _over_and_over(at) for kind, at in zip(DEPTHS, tokens, strict=True)}
        return timed(self.songs, OURS, asked, fetch, self.seconds)

    def _tokens_at(self, depths: Sequence[int]) -> Iterator[list[str]]:
        """Gives the tokens of some pages after each of so many songs, by walking there once on large pages."""
        token, at = "", 0
        for depth in depths:
            while at < depth:
                size = min(LARGE_PAGE, depth - at)
                token, at = self._next(token, size), at + size
            tokens = [token]
            # Before the first page there is no token.
            while depth and len(tokens) < PAGES and depth + PAGE * (len(tokens) + 1) < self.songs:
                tokens.append(self._next(tokens[-1], PAGE))
            yield tokens

    def _next(self, token: str, size: int) -> str:
        request = ListSongsRequest(page_size=size, page_token=token, order_by=SONG_ORDER_TITLE)
        response = self.stub.ListSongs(request, metadata=self.metadata, timeout=PATIENCE)
        assert len(response.songs) == size
        assert response.next_page_token
        return response.next_page_token


def skip_pages(collection: Collection[Document], songs: int, seconds: float) -> list[Timing]:
    """Lists the same pages by skipping what is before them."""

    def fetch(depth: int) -> int:
        found = collection.find({}, {"message": True}).sort([("keys.title", ASCENDING), ("_id", ASCENDING)])
        return len(list(found.skip(depth).limit(PAGE)))

    asked = {}
    for kind, part in DEPTHS.items():
        depth = int(part * songs)
        asked[kind] = _over_and_over([depth + PAGE * number for number in range(PAGES)] if depth else [0])
    return timed(songs, SKIP, asked, fetch, seconds)


def search_text(
    collection: Collection[Document], songs: int, asked: Mapping[str, Sequence[str]], seconds: float
) -> list[Timing]:
    """Searches with `$text`, as MongoDB's manual has it, on an index that is removed after it."""

    def search(words: str) -> int:
        score = {"$meta": "textScore"}
        found = collection.find({"$text": {"$search": words}}, {"message": True, "score": score})
        return len(list(found.sort([("score", score)]).limit(RESULTS)))

    name = collection.create_index(
        [(field, TEXT) for field in TEXT_FIELDS], default_language="none", language_override="text_language"
    )
    try:
        return timed(songs, TEXT_SEARCH, _searches(asked), search, seconds)
    finally:
        collection.drop_index(name)


def _searches(asked: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return {f"{SEARCH}{kind}": queries for kind, queries in asked.items()}


def _over_and_over(few: Sequence[T]) -> list[T]:
    return list(islice(cycle(few), WARM_UP + CALLS))
