"""The collection `songs`, counted: all in all, and by genre, artist and decade."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from songs.v1 import song_overview_pb2
from songs.v1.song_overview_pb2 import FacetCount, FacetCounts, SongFacet
from songs.v1.song_pb2 import Song, SongFilter
from songserver.storage.mongo import Document, Mongo, database_within, time_left
from songserver.storage.song_documents import LISTED, to_song
from songserver.storage.song_lists import to_query
from songserver.text import folded

COUNTING_TIME = 0.2
"""Seconds that counting takes where nobody asks for more."""
FIRST_COUNTED = 1000
"""Songs that are counted first, to see how long it takes."""
EXACT_TIME = 30.0
"""Seconds that an exact count may take if the caller has no deadline."""
EXACT_COUNTS = 4
"""Exact counts that MongoDB has at the same time: each may take long, and has one of the connections of all."""
FACETED = 20_000
"""Songs whose values are counted: all, if there are no more, else so many taken at random."""
SAMPLED = 25
"""One in so many songs is taken at the most: of more than one in 20, MongoDB reads all."""

_KEYS: Mapping[SongFacet.ValueType, str] = {
    song_overview_pb2.SONG_FACET_GENRE: "keys.genres",
    song_overview_pb2.SONG_FACET_ARTIST: "keys.artists",
    song_overview_pb2.SONG_FACET_DECADE: "keys.release_date",
}
_YEARS_OF_DECADE = 10 * 10_000
"""A decade in the numbers that stand for dates."""


class Total(NamedTuple):
    """How many songs there are."""

    songs: int
    is_estimate: bool


class SongCounts:
    """Counts songs."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._songs = mongo.collection("songs")
        self._room = asyncio.Semaphore(EXACT_COUNTS)

    async def total(self, selected: SongFilter, *, exact: bool, within: float | None = None) -> Total:
        """Counts the songs that are selected.

        Args:
            selected: Which songs.
            exact: Count all of them; else what MongoDB has noted or, of a filter, what is counted in `COUNTING_TIME`.
            within: Seconds that an exact count may take; None: `EXACT_TIME`.

        Raises:
            DatabaseFailure: If an exact count takes longer.
        """
        query = to_query(selected)
        if exact:
            with database_within(within or EXACT_TIME):
                async with asyncio.timeout(time_left()):
                    await self._room.acquire()
                try:
                    return Total(await self._songs.count_documents(query), is_estimate=False)
                finally:
                    self._room.release()
        if not query:
            return Total(await self._songs.estimated_document_count(), is_estimate=True)
        async with self._mongo.room():
            return await self._counted_in_time(query)

    async def _counted_in_time(self, query: Document) -> Total:
        """Counts more and more songs, as many each time as should be counted in the time that is left."""
        ends = time.monotonic() + COUNTING_TIME
        most = FIRST_COUNTED
        while True:
            started = time.monotonic()
            counted: int = await self._songs.count_documents(query, limit=most)
            if counted < most:
                return Total(counted, is_estimate=False)
            now = time.monotonic()
            # Half of it, since counting from memory is quicker than counting what is to be read first.
            following = int(most * (ends - now) / max(now - started, 0.0001) / 2)
            if following < 2 * most:
                return Total(counted, is_estimate=True)
            most = following

    async def facets(
        self, selected: SongFilter, facets: Sequence[SongFacet.ValueType], size: int, total: Total
    ) -> list[FacetCounts]:
        """Counts the songs that are selected by their values.

        Args:
            selected: Which songs.
            facets: By what.
            size: How many values of each at the most, those with the most songs.
            total: How many songs are selected.
        """
        if not facets:
            return []
        query = to_query(selected)
        sampled = total.songs > FACETED
        first: list[Document] = [{"$match": query}]
        if sampled:
            there = await self._songs.estimated_document_count()
            first.insert(0, {"$sample": {"size": min(FACETED, there // SAMPLED)}})
        counts: Document = {"all": [{"$count": "songs"}]}
        counts |= {_name(facet): _counting(facet, size) for facet in facets}
        stages = [*first, {"$facet": counts}]
        async with self._mongo.room():
            (counted,) = await (await self._songs.aggregate(stages)).to_list()
            names = await self._names(counted, facets)
        scale = total.songs / counted["all"][0]["songs"] if sampled and counted["all"] else 1
        return [
            FacetCounts(
                facet=facet,
                counts=[
                    FacetCount(value=names[facet].get(value["_id"], ""), size=round(value["songs"] * scale))
                    for value in counted[_name(facet)]
                ],
                estimated=sampled,
            )
            for facet in facets
        ]

    async def _names(
        self, counted: Document, facets: Sequence[SongFacet.ValueType]
    ) -> dict[SongFacet.ValueType, dict[str | int, str]]:
        """Gives values as they are written in one of their songs."""
        examples = [value["example"] for facet in facets for value in counted[_name(facet)]]
        found = await self._songs.find({"_id": {"$in": list(set(examples))}}, LISTED).to_list()
        songs = {document["_id"]: to_song(document) for document in found}
        return {
            facet: {
                value["_id"]: _written(facet, value["_id"], songs.get(value["example"]))
                for value in counted[_name(facet)]
            }
            for facet in facets
        }


def _name(facet: SongFacet.ValueType) -> str:
    return SongFacet.Name(facet)


def _counting(facet: SongFacet.ValueType, size: int) -> list[Document]:
    """The stages that count by a facet."""
    key = _KEYS[facet]
    first: Document
    value: Document | str
    if facet == song_overview_pb2.SONG_FACET_DECADE:
        first = {"$match": {key: {"$gt": 0}}}
        value = {"$subtract": [f"${key}", {"$mod": [f"${key}", _YEARS_OF_DECADE]}]}
    else:
        first = {"$unwind": f"${key}"}
        value = f"${key}"
    group = {"_id": value, "songs": {"$sum": 1}, "example": {"$first": "$$ROOT._id"}}
    return [first, {"$group": group}, {"$sort": {"songs": -1, "_id": 1}}, {"$limit": size}]


def _written(facet: SongFacet.ValueType, value: str | int, song: Song | None) -> str:
    """A value as it is written in a song; as it is compared, if the song is gone or has another value by now."""
    if isinstance(value, int):
        return str(value // 10_000)
    names = [] if song is None else song.genres if facet == song_overview_pb2.SONG_FACET_GENRE else song.artists
    return next((name for name in names if folded(name) == value), value)
