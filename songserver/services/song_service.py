"""SongService: what each operation on the catalogue means. Its rules stand in `protos/songs/v1/song_service.proto`."""

from collections.abc import AsyncIterator
from uuid import UUID

from songs.v1 import song_service_pb2 as pb
from songs.v1 import status_pb2
from songs.v1.song_streams_pb2 import ExportSongsRequest, ExportSongsResponse, WatchSongsRequest, WatchSongsResponse
from songserver.errors import InvalidDataFormat, InvalidPageNumber, StaleEtag, Violation
from songserver.paging import PageTokens, page_size_of
from songserver.rpc import Call
from songserver.rules import Rules
from songserver.services.auditing import event_of
from songserver.services.batch_creation import BatchCreation
from songserver.services.bulk_methods import BulkMethods
from songserver.services.duplicate_methods import DuplicateMethods
from songserver.services.importing import Importing
from songserver.services.masks import masked
from songserver.services.search_methods import SearchMethods
from songserver.services.song_exporting import SongExporting
from songserver.services.watching import Watching
from songserver.storage.audit import Audit
from songserver.storage.song_bulk import SongBulk
from songserver.storage.song_counts import SongCounts
from songserver.storage.song_documents import EDITABLE
from songserver.storage.song_duplicates import SongDuplicates
from songserver.storage.song_lists import Order, SongLists
from songserver.storage.song_merges import SongMerges
from songserver.storage.song_search import SongSearch
from songserver.storage.song_suggestions import SongSuggestions
from songserver.storage.songs import NewSong, Songs

ATTEMPTS = 10
"""How often a change without an etag is tried, while others change the same song."""
PAGE_NUMBER_ROWS = 10_000
"""Rows that can be reached by page number."""


class SongService(SearchMethods, BulkMethods, DuplicateMethods):
    """Reads and changes the catalogue."""

    def __init__(
        self,
        songs: Songs,
        lists: SongLists,
        search: SongSearch,
        counts: SongCounts,
        importing: Importing,
        exporting: SongExporting,
        watching: Watching,
        bulk: SongBulk,
        batch_creation: BatchCreation,
        duplicates: SongDuplicates,
        merges: SongMerges,
        page_tokens: PageTokens,
        rules: Rules,
        audit: Audit,
    ) -> None:
        self._songs = songs
        self._lists = lists
        self._search = search
        self._suggestions = SongSuggestions(search)
        self._counts = counts
        self._importing = importing
        self._exporting = exporting
        self._watching = watching
        self._bulk = bulk
        self._batch_creation = batch_creation
        self._duplicates = duplicates
        self._merges = merges
        self._page_tokens = page_tokens
        self._rules = rules
        self._audit = audit

    async def CreateSong(self, request: pb.CreateSongRequest, call: Call) -> pb.CreateSongResponse:
        song = await self._songs.create(NewSong.of(request.song, call.caller.user_id, request.request_id))
        return pb.CreateSongResponse(song=song)

    async def GetSong(self, request: pb.GetSongRequest, call: Call) -> pb.GetSongResponse:
        return pb.GetSongResponse(song=await self._songs.get_or_kept(request.id.lower()))

    async def BatchGetSongs(self, request: pb.BatchGetSongsRequest, call: Call) -> pb.BatchGetSongsResponse:
        found = await self._songs.get_many_or_kept([song_id.lower() for song_id in request.ids])
        response = pb.BatchGetSongsResponse()
        for song_id in request.ids:
            if song := found.get(song_id.lower()):
                response.results.add(id=song_id, song=song)
            elif _is_id(song_id):
                response.results.add(id=song_id, status_code=status_pb2.SONG_NOT_FOUND)
            else:
                response.results.add(id=song_id, status_code=status_pb2.INVALID_DATA_FORMAT)
        return response

    async def UpdateSong(self, request: pb.UpdateSongRequest, call: Call) -> pb.UpdateSongResponse:
        song_id, etag = request.song.id.lower(), request.song.etag
        for _ in range(ATTEMPTS):
            current = await self._songs.get(song_id)
            if etag and etag != current.etag:
                raise StaleEtag(song_id)
            changed = masked(current, request.song, request.update_mask, EDITABLE)
            self._rules.check(changed, at="song")
            if stored := await self._songs.replace(changed):
                return pb.UpdateSongResponse(song=stored)
        raise StaleEtag(song_id)

    async def DeleteSong(self, request: pb.DeleteSongRequest, call: Call) -> pb.DeleteSongResponse:
        song_id = request.id.lower()
        # Looked at first, since a change that fails makes those anew that are recorded together with it.
        current = await self._songs.get(song_id)
        if request.etag and request.etag != current.etag:
            raise StaleEtag(song_id)
        await self._audit.record(event_of(call, song_id), lambda: self._songs.delete(song_id, request.etag))
        return pb.DeleteSongResponse()

    async def ListSongs(self, request: pb.ListSongsRequest, call: Call) -> pb.ListSongsResponse:
        size = page_size_of(request.page_size, default=50, most=1000)
        skip = _rows_before(request, size)
        after = self._page_tokens.read(request) if request.page_token else None
        order = Order(request.order_by, request.descending)
        page = await self._lists.page(request.filter, order, size, after=after, skip=skip)
        response = page.response
        if skip and not response.songs:
            raise _bad_page_number(f"page {request.page_number} is past the last page")
        response.total_size, response.total_size_estimated = await self._lists.total(
            request.filter, exact=request.exact_total
        )
        if page.next_position:
            response.next_page_token = self._page_tokens.write(request, page.next_position)
        return response

    def ImportSongs(
        self, requests: AsyncIterator[pb.ImportSongsRequest], call: Call
    ) -> AsyncIterator[pb.ImportSongsResponse]:
        return self._importing.run(requests, call)

    def ExportSongs(self, request: ExportSongsRequest, call: Call) -> AsyncIterator[ExportSongsResponse]:
        return self._exporting.run(request)

    def WatchSongs(self, request: WatchSongsRequest, call: Call) -> AsyncIterator[WatchSongsResponse]:
        return self._watching.run(request)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _rows_before(request: pb.ListSongsRequest, size: int) -> int:
    """The rows on the pages before `page_number`; 0 without one."""
    if not request.HasField("page_number"):
        return 0
    if request.page_token:
        raise InvalidDataFormat(
            "page_token and page_number exclude each other: give one of them",
            violations=[Violation("page_token", "must be empty where page_number is given")],
        )
    if request.page_number * size > PAGE_NUMBER_ROWS:
        raise _bad_page_number(
            f"page {request.page_number} of {size} rows is past row {PAGE_NUMBER_ROWS}: go on with page_token instead"
        )
    return (request.page_number - 1) * size


def _bad_page_number(message: str) -> InvalidPageNumber:
    return InvalidPageNumber(message, violations=[Violation("page_number", message)])
