"""ExportSongs: the whole catalogue, or a part of it, in bounded memory."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from songs.v1.song_streams_pb2 import ExportSongsRequest, ExportSongsResponse
from songserver.paging import PageTokens
from songserver.storage.song_export import SongExport


class SongExporting:
    """Reads songs as fast as the client takes them: the next page is read once the one before is on its way."""

    def __init__(self, export: SongExport, page_tokens: PageTokens) -> None:
        self._export = export
        self._page_tokens = page_tokens

    async def run(self, request: ExportSongsRequest) -> AsyncGenerator[ExportSongsResponse]:
        """Gives page after page, each with the token to go on after it.

        Raises:
            InvalidDataFormat: If the request's token is none of ours, or one of another filter.
        """
        (after,) = self._page_tokens.read(request, "resume_token") if request.resume_token else ("",)
        token = self._page_tokens.writer(request)
        async with aclosing(self._export.pages(request.filter, after)) as pages:
            async for songs in pages:
                yield ExportSongsResponse(songs=songs, resume_token=token([songs[-1].id]))
