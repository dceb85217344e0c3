"""The collection `redirects`: the ids of songs that were merged into others, and the ids of these.

None leads to a redirect: where the song that one leads to is itself merged, it leads to what that one was merged into.
"""

from collections.abc import Collection, Mapping, Sequence

from pymongo import ReplaceOne

from songserver.storage.coalescing import Coalescer
from songserver.storage.mongo import Mongo

TOGETHER = 250
"""Ids that are looked up at once."""


class Redirects:
    """Leads from songs that are gone to those that were kept."""

    def __init__(self, mongo: Mongo) -> None:
        self._redirects = mongo.collection("redirects")
        self._find_coalesced = Coalescer(self._find, most=TOGETHER, timeout=mongo.timeout)

    async def kept(self, song_id: str) -> str | None:
        """Gives the id of the song that a song was merged into; None if it was not."""
        return await self._find_coalesced(song_id)

    async def kept_of_many(self, song_ids: Collection[str]) -> Mapping[str, str]:
        """Gives the ids of the songs that songs were merged into, by the ids of those that were."""
        found = self._redirects.find({"_id": {"$in": list(song_ids)}})
        return {document["_id"]: document["to"] async for document in found}

    async def add(self, merged_ids: Sequence[str], kept_id: str) -> None:
        """Leads from songs, and whatever leads to them, to the one that was kept. To be part of a transaction."""
        await self._redirects.update_many({"to": {"$in": merged_ids}}, {"$set": {"to": kept_id}})
        await self._redirects.bulk_write(
            [ReplaceOne({"_id": merged_id}, {"to": kept_id}, upsert=True) for merged_id in merged_ids]
        )

    async def end(self, song_ids: Sequence[str]) -> None:
        """Leads to songs no more, since they are gone."""
        await self._redirects.delete_many({"to": {"$in": song_ids}})

    async def _find(self, song_ids: Sequence[str]) -> list[str | None]:
        kept = await self.kept_of_many(song_ids)
        return [kept.get(song_id) for song_id in song_ids]
