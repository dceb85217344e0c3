"""How songs are found without going through all of them: search, suggestions, counts. The rules:
`protos/songs/v1/song_service.proto` and `song_overview.proto`.
"""

from songs.v1 import song_overview_pb2 as overview_pb
from songs.v1 import song_service_pb2 as pb
from songs.v1.song_service_pb2_grpc import SongServiceServicer
from songserver.matching import Rank, matches
from songserver.paging import PageTokens, page_size_of
from songserver.rpc import DEADLINE_MARGIN, Call
from songserver.storage.song_counts import SongCounts
from songserver.storage.song_search import SongSearch
from songserver.storage.song_suggestions import SongSuggestions

POSITION = " ".join(Rank._fields)
"""What the page tokens of a search have in them: those of servers that ranked otherwise are none."""


class SearchMethods(SongServiceServicer):
    """The methods of SongService that find and count."""

    _search: SongSearch
    _suggestions: SongSuggestions
    _counts: SongCounts
    _page_tokens: PageTokens

    async def SearchSongs(self, request: pb.SearchSongsRequest, call: Call) -> pb.SearchSongsResponse:
        size = page_size_of(request.page_size, default=20, most=100)
        after = self._page_tokens.read(request, form=POSITION) if request.page_token else None
        found = await self._search.page(request.query, request.filter, size, after=after)
        goes_on = found.next_position
        return pb.SearchSongsResponse(
            results=[pb.SearchResult(song=song, matches=matches(song, found.query)) for song in found.songs],
            next_page_token=self._page_tokens.write(request, goes_on, form=POSITION) if goes_on else "",
            forgiving=found.forgiving,
        )

    async def SuggestSongs(
        self, request: overview_pb.SuggestSongsRequest, call: Call
    ) -> overview_pb.SuggestSongsResponse:
        size = page_size_of(request.size, default=10, most=50)
        return overview_pb.SuggestSongsResponse(suggestions=await self._suggestions.suggest(request.query, size))

    async def CountSongs(self, request: overview_pb.CountSongsRequest, call: Call) -> overview_pb.CountSongsResponse:
        size = page_size_of(request.facet_size, default=20, most=200)
        within = None if call.remaining is None else max(DEADLINE_MARGIN, call.remaining - DEADLINE_MARGIN)
        total = await self._counts.total(request.filter, exact=request.exact, within=within)
        facets = await self._counts.facets(request.filter, request.facets, size, total)
        return overview_pb.CountSongsResponse(
            total_size=total.songs, total_size_estimated=total.is_estimate, facets=facets
        )
