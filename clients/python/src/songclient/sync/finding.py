# Generated from songclient/aio by unasync.py: change it there.
"""The calls of SongService that find songs and count them, without going through all of them."""

from collections.abc import Iterator, Sequence

from songclient.sync.connection import Connection
from songclient.sync.paging import pages
from songs.v1.song_overview_pb2 import (
    CountSongsRequest,
    CountSongsResponse,
    SongFacet,
    Suggestion,
    SuggestSongsRequest,
)
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import SearchSongsRequest, SearchSongsResponse
from songs.v1.song_service_pb2_grpc import SongServiceStub


class FindingCalls:
    """Finds and counts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._songs = SongServiceStub(connection.channel)

    def search_songs(
        self, query: str, *, filter: SongFilter | None = None, page_size: int = 0, timeout: float | None = None
    ) -> Iterator[Song]:
        """Go over what matches the words as far as they are typed, the best first.

        Gives up to 250 songs, without lyrics. Raises InvalidDataFormat for a query without words.
        """

        def fetch(page_token: str) -> SearchSongsResponse:
            return self.search_songs_page(
                query, filter=filter, page_size=page_size, page_token=page_token, timeout=timeout
            )

        for page in pages(fetch):
            for result in page.results:
                yield result.song

    def search_songs_page(
        self,
        query: str,
        *,
        filter: SongFilter | None = None,
        page_size: int = 0,
        page_token: str = "",
        timeout: float | None = None,
    ) -> SearchSongsResponse:
        """Get one page of what search_songs finds, with the parts of each song that the words match.

        Its `forgiving` tells whether wrong letters were forgiven. Raises InvalidDataFormat.
        """
        request = SearchSongsRequest(query=query, filter=filter, page_size=page_size, page_token=page_token)
        return self._connection.call(self._songs.SearchSongs, request, timeout)

    def suggest_songs(self, query: str, *, size: int = 0, timeout: float | None = None) -> list[Suggestion]:
        """Get titles, artists and albums that have the words as far as they are typed, the best first.

        Gives up to `size`, 10 if it is 0. Raises InvalidDataFormat for a query without words.
        """
        request = SuggestSongsRequest(query=query, size=size)
        return list((self._connection.call(self._songs.SuggestSongs, request, timeout)).suggestions)

    def count_songs(
        self,
        *,
        filter: SongFilter | None = None,
        exact: bool = False,
        facets: Sequence[SongFacet.ValueType] = (),
        facet_size: int = 0,
        timeout: float | None = None,
    ) -> CountSongsResponse:
        """Count the songs that match, and those of each genre, artist or decade if asked for.

        Without `exact`, what would take long is an estimate, which the answer tells. Raises
        InvalidDataFormat for a filter or facets that cannot be read.
        """
        request = CountSongsRequest(filter=filter, exact=exact, facets=facets, facet_size=facet_size)
        return self._connection.call(self._songs.CountSongs, request, timeout)
