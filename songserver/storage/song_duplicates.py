"""The collection `songs`, searched for songs that are there more than once.

MongoDB groups the ids of all songs, on disk where memory does not do, and tells only of groups of more than one; their
songs are then read a few groups at a time.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from songs.v1 import song_duplicates_pb2 as pb
from songs.v1.song_duplicates_pb2 import DuplicateGroup, DuplicateKind
from songs.v1.song_pb2 import Song, SongFilter
from songserver.paging import fitting
from songserver.storage.mongo import Document, Mongo, database_within
from songserver.storage.song_documents import LISTED, to_song
from songserver.storage.song_lists import to_query

SCANS = 2
"""How often at the same time MongoDB goes over all songs for this."""
SCAN_TIME = 600.0
"""Seconds that it may take."""
READ = 1000
"""Songs that are read at once, and of one group at the most."""
TOLD = 100
"""Songs of a group that are told of."""


class Likeness(NamedTuple):
    """What songs have in common."""

    key: Mapping[str, str]
    """The fields of a document that are the same, by short names."""
    condition: Document
    """What songs must have for it to count."""


LIKENESSES = {
    pb.DUPLICATE_KIND_ISRC: Likeness({"isrc": "isrc"}, {"isrc": {"$gt": ""}}),
    pb.DUPLICATE_KIND_TITLE_AND_ARTISTS: Likeness({"title": "keys.title", "artist": "keys.artist"}, {}),
}


class SongDuplicates:
    """Finds songs that may be the same."""

    def __init__(self, mongo: Mongo) -> None:
        self._songs = mongo.collection("songs")
        self._scans = asyncio.Semaphore(SCANS)

    async def find(
        self, selected: SongFilter, kind: DuplicateKind.ValueType, difference: float
    ) -> AsyncGenerator[list[DuplicateGroup]]:
        """Finds groups of songs.

        Args:
            selected: Among which songs.
            kind: What they have in common.
            difference: Seconds that durations may differ and still be close, where these count.

        Yields:
            Some groups at a time, as many as fit into one response.

        Raises:
            DatabaseFailure: If MongoDB is away, or too slow.
        """
        likeness = LIKENESSES[kind]
        query = {"$and": [to_query(selected), likeness.condition]}
        async for song_ids in self._alike(query, likeness):
            found = []
            for songs in await self._read(query, likeness, song_ids):
                parts = _close(songs, difference) if kind == pb.DUPLICATE_KIND_TITLE_AND_ARTISTS else [songs]
                found += [_to_group(kind, part) for part in parts if len(part) > 1]
            while found:
                fit = fitting(found)
                yield fit
                found = found[len(fit) :]

    async def _alike(self, query: Document, likeness: Likeness) -> AsyncIterator[list[str]]:
        """Gives the ids of songs that have something in common, of so many groups at a time as can be read at once."""
        key = {name: f"${field}" for name, field in likeness.key.items()}
        earliest = {"$minN": {"input": "$_id", "n": READ}}
        pipeline = [
            {"$match": query},
            {"$group": {"_id": key, "song_ids": earliest}},
            {"$match": {"song_ids.1": {"$exists": True}}},
        ]
        async with self._scans:
            with database_within(SCAN_TIME):
                cursor = await self._songs.aggregate(pipeline, allowDiskUse=True)
        async with cursor:
            some: list[str] = []
            async for group in cursor:
                if some and len(some) + len(group["song_ids"]) > READ:
                    yield some
                    some = []
                some += group["song_ids"]
            if some:
                yield some

    async def _read(self, query: Document, likeness: Likeness, song_ids: Sequence[str]) -> list[list[Song]]:
        """Reads songs, and groups them anew: they may have changed since. The earliest created is first."""
        fields = dict.fromkeys(likeness.key.values(), True)
        cursor = self._songs.find({"$and": [{"_id": {"$in": song_ids}}, query]}, {**LISTED, **fields}).sort("_id")
        found: defaultdict[tuple[Any, ...], list[Song]] = defaultdict(list)
        for document in await cursor.to_list():
            found[tuple(_at(document, field) for field in fields)].append(to_song(document))
        return list(found.values())


def _at(document: Document, path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value[name]
    return value


def _close(songs: Sequence[Song], difference: float) -> Iterator[list[Song]]:
    """Parts songs so that each has a duration close to another's of its part. Without one it is in all parts."""
    unknown = [song for song in songs if not song.HasField("duration")]
    known = sorted((song for song in songs if song.HasField("duration")), key=_seconds)
    part: list[Song] = []
    for song in known:
        if part and _seconds(song) - _seconds(part[-1]) > difference:
            yield part + unknown
            part = []
        part.append(song)
    yield part + unknown


def _seconds(song: Song) -> float:
    return song.duration.ToNanoseconds() / 1e9


def _to_group(kind: DuplicateKind.ValueType, songs: Sequence[Song]) -> DuplicateGroup:
    earliest = sorted(songs, key=lambda song: song.id)[:TOLD]
    return DuplicateGroup(kind=kind, songs=fitting(earliest), size=len(songs))
