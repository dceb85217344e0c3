"""The calls of SongService that take or give many songs as a stream."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing

from songclient.aio.connection import AsyncConnection
from songclient.aio.exporting import export_songs
from songclient.aio.importing import AsyncImport
from songclient.entries import Entry
from songclient.patience import PATIENCE
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2 import ExistingSongs, ImportOptions, ImportResult
from songs.v1.song_service_pb2_grpc import SongServiceStub
from songs.v1.song_streams_pb2 import ExportSongsRequest, ExportSongsResponse


class AsyncStreamCalls:
    """Imports and exports the catalogue."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._songs = SongServiceStub(connection.channel)

    async def import_songs(
        self,
        songs: Iterable[Entry] | AsyncIterable[Entry],
        *,
        import_id: str = "",
        existing: ExistingSongs.ValueType = ExistingSongs.EXISTING_SONGS_UNSPECIFIED,
        dry_run: bool = False,
        timeout: float | None = None,
        patience: float = PATIENCE,
    ) -> AsyncIterator[ImportResult]:
        """Add many songs, each alone or as (song, request id), and give their results in order.

        Songs are taken as results are asked for, at the most some 2,000 ahead of them. `existing`
        says what becomes of songs that are there; with `dry_run` nothing is stored.

        An import with an `import_id` of your own goes on where it was cut: by itself, unless
        nothing is heard of the server for `patience` seconds, and when it is begun again, also by
        another program, with the same songs. Those that the server has are left out then; the
        results of the last of them come again. Without one, send the rest again: what was answered
        is stored. `timeout` is of each call, which has none by default.

        Raises SongExists where `existing` is to fail, ImportTakenOver if another one goes on with
        the import, or InvalidDataFormat for an id that is none or an import that began otherwise.
        """
        options = ImportOptions(import_id=import_id, existing=existing, dry_run=dry_run)
        running = AsyncImport(
            self._connection, self._songs.ImportSongs, songs, options, timeout=timeout, patience=patience
        )
        async with aclosing(running.results()) as results:
            async for result in results:
                yield result

    async def export_songs(
        self,
        *,
        filter: SongFilter | None = None,
        timeout: float | None = None,
        patience: float = PATIENCE,
    ) -> AsyncIterator[Song]:
        """Go over all songs that match, with their lyrics, in the order of their creation.

        They come as fast as they are taken. What breaks goes on by itself, unless nothing is heard
        of the server for `patience` seconds. `timeout` is of each call, which has none by default.
        """
        pages = self.export_songs_pages(filter=filter, timeout=timeout, patience=patience)
        async with aclosing(pages) as responses:
            async for response in responses:
                for song in response.songs:
                    yield song

    async def export_songs_pages(
        self,
        *,
        filter: SongFilter | None = None,
        resume_token: str = "",
        timeout: float | None = None,
        patience: float = PATIENCE,
    ) -> AsyncGenerator[ExportSongsResponse]:
        """Go over what export_songs gives as it comes: some songs, and the token to go on after them.

        Raises InvalidDataFormat for a token that is not of an export with this filter.
        """
        request = ExportSongsRequest(filter=filter, resume_token=resume_token)
        pages = export_songs(self._connection, self._songs.ExportSongs, request, timeout=timeout, patience=patience)
        async with aclosing(pages) as responses:
            async for response in responses:
                yield response
