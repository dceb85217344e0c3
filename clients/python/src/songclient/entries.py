"""What an import or a batch takes: songs, each with a request id or without."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TypeAlias

from songs.v1.song_bulk_pb2 import NewSongItem
from songs.v1.song_pb2 import Song
from songs.v1.song_service_pb2 import ImportItem

Entry: TypeAlias = Song | tuple[Song, str]
"""A song, or a song and the request id under which it may be sent again."""


def to_item(entry: Entry) -> ImportItem:
    """Make the contract's message of an entry."""
    if isinstance(entry, Song):
        return ImportItem(song=entry)
    song, request_id = entry
    return ImportItem(song=song, request_id=request_id)


def to_new_song(entry: Entry) -> NewSongItem:
    """Make the contract's message of an entry of a batch."""
    if isinstance(entry, Song):
        return NewSongItem(song=entry)
    song, request_id = entry
    return NewSongItem(song=song, request_id=request_id)


async def aio_each(entries: Iterable[Entry] | AsyncIterable[Entry]) -> AsyncIterator[Entry]:
    """Go over entries that come at once or one by one."""
    if isinstance(entries, AsyncIterable):
        async for entry in entries:
            yield entry
    else:
        for entry in entries:
            yield entry
