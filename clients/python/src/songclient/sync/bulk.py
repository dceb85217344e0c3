# Generated from songclient/aio by unasync.py: change it there.
"""The calls of SongService that are about many songs at once, and about songs that are there more than once."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from songclient.entries import Entry, to_new_song
from songclient.sync.connection import Connection
from songs.v1.song_bulk_pb2 import (
    BatchCreateResult,
    BatchCreateSongsRequest,
    DeleteSongsRequest,
    DeleteSongsResponse,
    UpdateSongsRequest,
    UpdateSongsResponse,
)
from songs.v1.song_duplicates_pb2 import DuplicateGroup, DuplicateKind, FindDuplicatesRequest, MergeSongsRequest
from songs.v1.song_pb2 import Song, SongFilter
from songs.v1.song_service_pb2_grpc import SongServiceStub

BULK_TIMEOUT: Final = 600.0
"""Seconds that a call for many songs may take by default."""


class BulkCalls:
    """Changes many songs, and makes several of them one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._songs = SongServiceStub(connection.channel)

    def batch_create_songs(
        self, songs: Iterable[Entry], *, atomic: bool = False, timeout: float | None = None
    ) -> list[BatchCreateResult]:
        """Add up to 1,000 songs, each alone or as (song, request id), and give their results in order.

        With `atomic`, all or none. Raises InvalidDataFormat for no songs, or too many.
        """
        request = BatchCreateSongsRequest(items=map(to_new_song, songs), atomic=atomic)
        return list((self._connection.call(self._songs.BatchCreateSongs, request, timeout)).results)

    def update_songs(
        self,
        filter: SongFilter,
        song: Song,
        mask: Sequence[str],
        *,
        dry_run: bool = False,
        max_songs: int = 0,
        timeout: float = BULK_TIMEOUT,
    ) -> UpdateSongsResponse:
        """Give all songs that match the fields of `song` that the mask names, and tell how many were changed.

        If more than `max_songs` match (0: 1,000), none is changed. Raises TooManySongs,
        InvalidSongDetails where no song could have these values, or InvalidDataFormat.
        """
        request = UpdateSongsRequest(
            filter=filter, song=song, update_mask=FieldMask(paths=mask), dry_run=dry_run, max_songs=max_songs
        )
        return self._connection.call(self._songs.UpdateSongs, request, timeout)

    def delete_songs(
        self,
        filter: SongFilter,
        *,
        dry_run: bool = False,
        max_songs: int = 0,
        timeout: float = BULK_TIMEOUT,
    ) -> DeleteSongsResponse:
        """Remove all songs that match, and tell how many these were.

        If more than `max_songs` match (0: 1,000), none is removed. Raises TooManySongs, or
        InvalidDataFormat for a filter with nothing in it.
        """
        request = DeleteSongsRequest(filter=filter, dry_run=dry_run, max_songs=max_songs)
        return self._connection.call(self._songs.DeleteSongs, request, timeout)

    def find_duplicates(
        self,
        *,
        filter: SongFilter | None = None,
        kinds: Iterable[DuplicateKind.ValueType] = (),
        duration_difference: timedelta | None = None,
        timeout: float | None = None,
    ) -> Iterator[DuplicateGroup]:
        """Go over groups of songs that may be the same, as they are found.

        `kinds` is what they have in common, all by default; `duration_difference` how much close
        durations may differ, 2 s by default. `timeout` is of the whole, which has none by default.
        Raises InvalidDataFormat.
        """
        request = FindDuplicatesRequest(filter=filter, kinds=kinds)
        if duration_difference is not None:
            difference = Duration()
            difference.FromTimedelta(duration_difference)
            request.duration_difference.CopyFrom(difference)
        for response in self._connection.stream(self._songs.FindDuplicates, request, timeout):
            for group in response.groups:
                yield group

    def merge_songs(self, id: str, merged_ids: Iterable[str], *, etag: str = "", timeout: float | None = None) -> Song:
        """Make up to 100 songs part of another one, and give that as it is then; their ids find it from then on.

        With an etag, only if the song to keep still is that version. Raises SongNotFound, StaleEtag,
        SongExists if it would become the same as yet another song, or InvalidDataFormat.
        """
        request = MergeSongsRequest(id=id, merged_ids=merged_ids, etag=etag)
        return (self._connection.call(self._songs.MergeSongs, request, timeout)).song
