# Generated from songclient/aio by unasync.py: change it there.
"""The calls of SongService."""

from collections.abc import Iterable, Iterator, Sequence
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from songclient.sync.connection import Connection
from songclient.sync.paging import pages
from songs.v1.song_pb2 import Song, SongFilter, SongOrder
from songs.v1.song_service_pb2 import (
    BatchGetSongsRequest,
    CreateSongRequest,
    DeleteSongRequest,
    GetSongRequest,
    ListSongsRequest,
    ListSongsResponse,
    SongResult,
    UpdateSongRequest,
)
from songs.v1.song_service_pb2_grpc import SongServiceStub


class SongCalls:
    """Reads and changes the catalogue."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._songs = SongServiceStub(connection.channel)

    def create_song(self, song: Song, *, request_id: str | None = None, timeout: float | None = None) -> Song:
        """Add a song, and give it as it is stored.

        The same `request_id` again gives the song of the first time; without one a fresh UUID is
        sent. Raises InvalidSongDetails or SongExists.
        """
        request = CreateSongRequest(song=song, request_id=request_id or str(uuid4()))
        return (self._connection.call(self._songs.CreateSong, request, timeout)).song

    def get_song(self, id: str, *, timeout: float | None = None) -> Song:
        """Get a song with its lyrics. Raises SongNotFound, or InvalidDataFormat for no id."""
        return (self._connection.call(self._songs.GetSong, GetSongRequest(id=id), timeout)).song

    def batch_get_songs(self, ids: Iterable[str], *, timeout: float | None = None) -> list[SongResult]:
        """Get up to 1,000 songs, without lyrics.

        Gives one result an id, in the order of the ids, each with its own status code. Raises
        InvalidDataFormat for no ids, or too many.
        """
        request = BatchGetSongsRequest(ids=ids)
        return list((self._connection.call(self._songs.BatchGetSongs, request, timeout)).results)

    def update_song(self, song: Song, mask: Sequence[str] | None = None, *, timeout: float | None = None) -> Song:
        """Change a song's fields that the mask names ("*": all), or without one those that are set.

        With an etag, only if the song still is that version. Raises SongNotFound, StaleEtag,
        InvalidSongDetails, SongExists, or InvalidDataFormat for a mask that names no such field.
        """
        update_mask = None if mask is None else FieldMask(paths=mask)
        request = UpdateSongRequest(song=song, update_mask=update_mask)
        return (self._connection.call(self._songs.UpdateSong, request, timeout)).song

    def delete_song(self, id: str, *, etag: str = "", timeout: float | None = None) -> None:
        """Remove a song; with an etag, only if it still is that version.

        Raises SongNotFound, StaleEtag, or InvalidDataFormat for no id.
        """
        self._connection.call(self._songs.DeleteSong, DeleteSongRequest(id=id, etag=etag), timeout)

    def list_songs(
        self,
        *,
        filter: SongFilter | None = None,
        order_by: SongOrder.ValueType = SongOrder.SONG_ORDER_UNSPECIFIED,
        descending: bool = False,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Iterator[Song]:
        """Go over all songs that match, without lyrics, page by page as they are asked for."""

        def fetch(page_token: str) -> ListSongsResponse:
            return self.list_songs_page(
                filter=filter,
                order_by=order_by,
                descending=descending,
                page_size=page_size,
                page_token=page_token,
                timeout=timeout,
            )

        for page in pages(fetch):
            for song in page.songs:
                yield song

    def list_songs_page(
        self,
        *,
        filter: SongFilter | None = None,
        order_by: SongOrder.ValueType = SongOrder.SONG_ORDER_UNSPECIFIED,
        descending: bool = False,
        page_size: int = 0,
        page_token: str = "",
        page_number: int | None = None,
        exact_total: bool = False,
        timeout: float | None = None,
    ) -> ListSongsResponse:
        """Get one page of songs: the first, the one after `page_token`, or a numbered one from 1.

        Raises InvalidPageNumber, or InvalidDataFormat for a filter, page size or page token that
        cannot be read.
        """
        request = ListSongsRequest(
            filter=filter,
            order_by=order_by,
            descending=descending,
            page_size=page_size,
            page_token=page_token,
            page_number=page_number,
            exact_total=exact_total,
        )
        return self._connection.call(self._songs.ListSongs, request, timeout)
