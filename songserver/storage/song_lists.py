"""The collection `songs`, read as lists: filtered, ordered, paged, counted."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from cachetools import TTLCache

from songs.v1 import song_pb2
from songs.v1.song_pb2 import Song, SongFilter, SongOrder
from songs.v1.song_service_pb2 import ListSongsResponse
from songserver.paging import PAGE_BYTES
from songserver.storage.mongo import Document, Mongo
from songserver.storage.song_documents import LISTED, date_number
from songserver.text import folded

COUNT_BOUND = 1000
"""Up to how many songs a filter's estimated total is counted."""
TOTAL_MEMORY = 1.0
"""Seconds for which the estimated size of the whole catalogue is remembered."""

_ORDER_KEYS: Mapping[SongOrder.ValueType, str] = {
    song_pb2.SONG_ORDER_TITLE: "keys.title",
    song_pb2.SONG_ORDER_ARTIST: "keys.artist",
    song_pb2.SONG_ORDER_RELEASE_DATE: "keys.release_date",
}
"""What each order sorts by, before `_id`. Ids are in the order of creation, so that order needs nothing else."""


class Order(NamedTuple):
    """The order of a list."""

    by: SongOrder.ValueType
    descending: bool


class SongPage(NamedTuple):
    """Some songs of a list."""

    response: ListSongsResponse
    """The songs. (Parsed where they are to be, which takes a third of the time of putting them there.)"""
    next_position: list[str | int]
    """Where the list goes on, for `after`; empty at its end."""


class SongLists:
    """Reads lists of songs."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._songs = mongo.collection("songs")
        self._total: TTLCache[str, int] = TTLCache(1, TOTAL_MEMORY)

    async def page(
        self, selected: SongFilter, order: Order, size: int, *, after: list[str | int] | None = None, skip: int = 0
    ) -> SongPage:
        """Reads one page, without lyrics.

        Args:
            selected: Which songs.
            order: In which order.
            size: How many at the most.
            after: Where to go on; costs the same at any depth.
            skip: How many to leave out first; costs more the more it is.
        """
        key = _ORDER_KEYS.get(order.by)
        direction = -1 if order.descending else 1
        conditions = [to_query(selected)]
        if after:
            conditions.append(_beyond(key, "$lt" if order.descending else "$gt", after))
        sort = [(name, direction) for name in (key, "_id") if name]
        projection = {**LISTED, key: True} if key else LISTED
        cursor = self._songs.find({"$and": conditions}, projection).sort(sort).skip(skip).limit(size + 1)
        async with self._mongo.room():
            documents = await cursor.to_list()
        response = ListSongsResponse()
        room = PAGE_BYTES
        for document in documents[:size]:
            room -= len(document["message"])
            if room < 0 and response.songs:
                break
            response.songs.add().MergeFromString(document["message"])
        shown = len(response.songs)
        return SongPage(response, _position(documents[shown - 1], key) if len(documents) > shown else [])

    async def total(self, selected: SongFilter, *, exact: bool) -> tuple[int, bool]:
        """Counts the songs that are selected.

        Returns:
            How many, and whether that is an estimate: of the whole catalogue what MongoDB has noted, of a filter at the
            most `COUNT_BOUND`.
        """
        query = to_query(selected)
        if exact:
            return await self._songs.count_documents(query), False
        if query:
            counted = await self._songs.count_documents(query, limit=COUNT_BOUND)
            return counted, counted == COUNT_BOUND
        # One question: between two of them it can be forgotten.
        total = self._total.get("all")
        if total is None:
            total = self._total["all"] = await self._songs.estimated_document_count()
        return total, True


def to_query(selected: SongFilter) -> Document:
    """Gives MongoDB's form of a filter. Values stand as values only, so that none is taken for an operator."""
    query: Document = {}
    if selected.artist:
        query["keys.artists"] = folded(selected.artist)
    if selected.album:
        query["keys.album"] = folded(selected.album)
    if selected.genre:
        query["keys.genres"] = folded(selected.genre)
    if selected.isrc:
        query["isrc"] = selected.isrc
    if selected.created_by:
        query["created_by"] = selected.created_by.lower()
    if selected.year_from or selected.year_to:
        query["keys.release_date"] = {
            "$gte": date_number(selected.year_from or 1),
            "$lt": date_number((selected.year_to or 9998) + 1),
        }
    return query


def to_predicate(selected: SongFilter) -> Callable[[Song], bool]:
    """Gives a filter as a function, for songs that come otherwise than by `to_query`."""
    artist, album, genre = folded(selected.artist), folded(selected.album), folded(selected.genre)
    created_by = selected.created_by.lower()
    has_years = bool(selected.year_from or selected.year_to)
    years = range(selected.year_from or 1, (selected.year_to or 9998) + 1)

    def selects(song: Song) -> bool:
        return (
            (not artist or artist in map(folded, song.artists))
            and (not album or album == folded(song.album))
            and (not genre or genre in map(folded, song.genres))
            and (not selected.isrc or selected.isrc == song.isrc)
            and (not created_by or created_by == song.created_by)
            and (not has_years or song.release_date.year in years)
        )

    return selects


def _beyond(key: str | None, operator: str, position: list[str | int]) -> Document:
    """Selects what comes after a row in an order: two ranges of its index, so that nothing before it is read."""
    *values, song_id = position
    if key is None:
        return {"_id": {operator: song_id}}
    (value,) = values
    return {"$or": [{key: value, "_id": {operator: song_id}}, {key: {operator: value}}]}


def _position(row: Document, key: str | None) -> list[str | int]:
    if key is None:
        return [row["_id"]]
    return [row["keys"][key.removeprefix("keys.")], row["_id"]]
