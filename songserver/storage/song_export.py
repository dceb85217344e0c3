"""The collection `songs`, read from one end to the other, in the order of creation."""

from collections.abc import AsyncGenerator

from songs.v1.song_pb2 import Song, SongFilter
from songserver.storage.mongo import Document, Mongo
from songserver.storage.song_documents import FULL, to_song
from songserver.storage.song_lists import to_query

ROWS = 1000
"""Songs of a page at the most."""
PAGE_BYTES = 1_000_000
"""Size of a page at the most, if it has more than one song."""
STEP = 20_000
"""Songs that are looked at in one go where no index has those that are selected in their order: MongoDB takes 50 ms
for them, which is well within its time-out."""


class SongExport:
    """Reads all songs, a page at a time: MongoDB keeps nothing for a reader in between, who may take any time."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._songs = mongo.collection("songs")

    async def pages(self, selected: SongFilter, after: str) -> AsyncGenerator[list[Song]]:
        """Gives the songs with their lyrics, a page each time that one is asked for.

        Args:
            selected: Which songs.
            after: The id of the song after which to begin; empty: at the beginning.
        """
        query = to_query(selected)
        # Years alone: their index is in their order.
        by_steps = query.keys() == {"keys.release_date"}
        rows = ROWS // 4  # so that the first ones are there soon
        step: str | None = after
        while step is not None:
            end = await self._end_of_step(step) if by_steps else None
            places: Document = {"$gt": step} if end is None else {"$gt": step, "$lte": end}
            while page := await self._page(query | {"_id": places}, rows, hint="_id_" if by_steps else None):
                yield page
                places["$gt"] = page[-1].id
                rows = min(ROWS, max(1, PAGE_BYTES * len(page) // sum(song.ByteSize() for song in page)))
            step = end

    async def _end_of_step(self, begin: str) -> str | None:
        """Gives the last id of a step that begins after another one; None if it is the last step."""
        ids = self._songs.find({"_id": {"$gt": begin}}, {"_id": True}).sort("_id").skip(STEP).limit(1)
        async with self._mongo.room():
            found = await ids.to_list()
        return found[0]["_id"] if found else None

    async def _page(self, query: Document, rows: int, hint: str | None) -> list[Song]:
        cursor = self._songs.find(query, FULL, sort=[("_id", 1)], limit=rows, batch_size=rows, hint=hint)
        page: list[Song] = []
        room = PAGE_BYTES
        async with self._mongo.room(), cursor:
            async for document in cursor:
                song = to_song(document)
                room -= song.ByteSize()
                if room < 0 and page:
                    break
                page.append(song)
        return page
