"""The collection `songs`: several songs become one."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from pymongo.errors import DuplicateKeyError

from songs.v1.song_pb2 import Song
from songserver.errors import DatabaseFailure, SongExists, SongNotFound, StaleEtag
from songserver.storage.mongo import RETRY_AFTER, Mongo, timestamp
from songserver.storage.redirects import Redirects
from songserver.storage.song_documents import FULL, replacement, to_song

Unite: TypeAlias = Callable[[Song, Sequence[Song]], Song]
"""Gives what becomes of the song to keep and the others; leaves these as they are."""


class SongMerges:
    """Makes songs one."""

    def __init__(self, mongo: Mongo, redirects: Redirects) -> None:
        self._songs = mongo.collection("songs")
        self._redirects = redirects

    async def find(self, song_ids: Sequence[str], etag: str) -> list[Song]:
        """Gives the songs to be made one, in the order of their ids.

        Args:
            song_ids: Their ids.
            etag: If given, the first one must still be this version.

        Raises:
            SongNotFound: If one of them is not there.
            StaleEtag: If the first one has another version.
        """
        documents = await self._songs.find({"_id": {"$in": song_ids}}, FULL).to_list()
        there = {document["_id"]: to_song(document) for document in documents}
        for wanted in song_ids:
            if wanted not in there:
                raise SongNotFound(wanted)
        songs = [there[song_id] for song_id in song_ids]
        if etag and etag != songs[0].etag:
            raise StaleEtag(song_ids[0])
        return songs

    async def merge(self, song_id: str, merged_ids: Sequence[str], etag: str, unite: Unite) -> Song:
        """Makes songs one. To be part of a transaction.

        Args:
            song_id: The song to keep.
            merged_ids: Those that become part of it, and are removed.
            etag: If given, the song to keep must still be this version.
            unite: Makes the song. (All that it takes from others was noted in the vocabulary when these were stored.)

        Raises:
            SongNotFound: If one of them is not there.
            StaleEtag: If the song to keep has another version.
            SongExists: If it would become the same as yet another song.
            DatabaseFailure: If somebody makes that song just now.
        """
        song_ids = [song_id, *merged_ids]
        kept, *merged = await self.find(song_ids, etag)
        whole = unite(kept, merged)
        whole.etag = str(int(kept.etag) + 1)
        whole.update_time.CopyFrom(timestamp())
        change = replacement(whole)
        same = {"identity": change["$set"]["identity"], "_id": {"$nin": song_ids}}
        if other := await self._songs.find_one(same, {"_id": True}):
            raise SongExists(other["_id"])
        await self._songs.delete_many({"_id": {"$in": merged_ids}})
        try:
            await self._songs.update_one({"_id": song_id}, change)
        except DuplicateKeyError as error:
            raise DatabaseFailure("the same song is made by others now: try again", retry_after=RETRY_AFTER) from error
        await self._redirects.add(merged_ids, song_id)
        return whole
