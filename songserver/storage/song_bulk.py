"""The collection `songs`, changed and emptied many songs at a time.

Which songs these are is read first: so it is known how many, and each comes once, whatever becomes of it. They are
changed in batches, each song with the safeguards that it has by itself: only if it still is the version that was read,
and only if it does not become the same as another one.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from songs.v1.song_pb2 import Song, SongFilter
from songserver.breath import Breath
from songserver.errors import InvalidRequest, SongExists, SongServerError, StaleEtag, TooManySongs
from songserver.storage.mongo import DUPLICATE_KEY, Document, Mongo, timestamp
from songserver.storage.redirects import Redirects
from songserver.storage.song_documents import FULL, LISTED, replacement, to_song
from songserver.storage.song_lists import to_query
from songserver.storage.songs import ATTEMPTS, TOGETHER
from songserver.storage.vocabulary import Vocabulary

Edit: TypeAlias = Callable[[Song], Song]
"""Gives a song as it is to be, or raises InvalidRequest; leaves the one that it is given as it is."""


class Edited(NamedTuple):
    """What became of some songs."""

    looked_at: int
    """How many these are."""
    changed: int
    """How many were changed, or would be."""
    failures: Mapping[str, SongServerError]
    """Why others could not be changed, by their ids."""


class SongBulk:
    """Changes many songs in the same way."""

    def __init__(self, mongo: Mongo, vocabulary: Vocabulary, redirects: Redirects) -> None:
        self._mongo = mongo
        self._songs = mongo.collection("songs")
        self._vocabulary = vocabulary
        self._redirects = redirects

    async def select(self, selected: SongFilter, most: int) -> list[str]:
        """Gives the ids of the songs that are selected.

        Raises:
            TooManySongs: If there are more than `most`.
        """
        cursor = self._songs.find(to_query(selected), {"_id": True}).limit(most + 1)
        song_ids = [document["_id"] async for document in cursor]
        if len(song_ids) > most:
            raise TooManySongs(most)
        return song_ids

    async def edit(
        self, song_ids: Sequence[str], selected: SongFilter, edit: Edit, *, dry_run: bool
    ) -> AsyncIterator[Edited]:
        """Changes songs, a batch after the other, and tells what became of each batch.

        Args:
            song_ids: The songs.
            selected: One that does not match any more is left as it is.
            edit: The change.
            dry_run: Only tell what would become of them.
        """
        taken: dict[bytes, str] = {}
        for batch in _batches(song_ids):
            yield await self._edit_batch(batch, to_query(selected), edit, taken, dry_run=dry_run)

    async def delete(self, song_ids: Sequence[str], selected: SongFilter) -> AsyncIterator[Edited]:
        """Removes songs, and what leads to them, a batch after the other, and tells what became of each batch."""
        for batch in _batches(song_ids):
            yield Edited(len(batch), await self._delete_batch(batch, to_query(selected)), {})

    async def _edit_batch(
        self, song_ids: Sequence[str], query: Document, edit: Edit, taken: dict[bytes, str], *, dry_run: bool
    ) -> Edited:
        changed = 0
        failures: dict[str, SongServerError] = {}
        pending = list(song_ids)
        for _ in range(ATTEMPTS):
            # Each attempt tells anew of those that are left.
            planned, failed = await self._plan({"_id": {"$in": pending}, **query}, edit, taken)
            failures |= failed
            pending = [] if dry_run else await self._write(planned)
            changed += len(planned) - len(pending)
            if not pending:
                break
        failures |= {song_id: StaleEtag(song_id) for song_id in pending}
        return Edited(len(song_ids), changed, failures)

    async def _plan(
        self, query: Document, edit: Edit, taken: dict[bytes, str]
    ) -> tuple[dict[str, Document], dict[str, SongServerError]]:
        """Gives the changes that songs need, and why others can have none, both by the songs' ids."""
        changes: dict[str, Document] = {}
        failures: dict[str, SongServerError] = {}
        renamed: dict[str, bytes] = {}
        breath = Breath()
        for document in await self._songs.find(query, {**FULL, "identity": True}).sort("_id").to_list():
            song = to_song(document)
            try:
                better = edit(song)
            except InvalidRequest as error:
                failures[song.id] = error
                continue
            if better != song:
                better.etag = str(int(song.etag) + 1)
                better.update_time.CopyFrom(timestamp())
                change = changes[song.id] = replacement(better)
                if change["$set"]["identity"] != document["identity"]:
                    renamed[song.id] = change["$set"]["identity"]
            await breath.take()
        for song_id, other_id in (await self._in_the_way(renamed, taken)).items():
            del changes[song_id]
            failures[song_id] = SongExists(other_id)
        return changes, failures

    async def _in_the_way(self, renamed: Mapping[str, bytes], taken: dict[bytes, str]) -> dict[str, str]:
        """Gives which songs would become the same as another one, and which that is.

        Args:
            renamed: The identities that songs are to have, by their ids.
            taken: Those that songs have got before; these are added.
        """
        if not renamed:
            return {}
        query = {"identity": {"$in": list(set(renamed.values()))}}
        there = {found["identity"]: found["_id"] async for found in self._songs.find(query, {"identity": True})}
        others: dict[str, str] = {}
        for song_id, identity in renamed.items():
            other_id = there.get(identity) or taken.setdefault(identity, song_id)
            if other_id != song_id:
                others[song_id] = other_id
        return others

    async def _write(self, changes: Mapping[str, Document]) -> list[str]:
        """Makes changes; gives the songs that had to be left, since others have changed them, or one in their way."""
        if not changes:
            return []
        updates = [
            UpdateOne({"_id": song_id, "revision": change["$set"]["revision"] - 1}, change)
            for song_id, change in changes.items()
        ]
        await self._vocabulary.learn(change["$set"] for change in changes.values())
        try:
            result = await self._songs.bulk_write(updates, ordered=False)
            if result.matched_count == len(updates):
                return []
        except BulkWriteError as error:
            failures = error.details["writeErrors"]
            if error.details["writeConcernErrors"] or any(failure["code"] != DUPLICATE_KEY for failure in failures):
                raise
        there = await self._songs.find({"_id": {"$in": list(changes)}}, LISTED).to_list()
        messages = {document["_id"]: document["message"] for document in there}
        return [song_id for song_id, change in changes.items() if messages.get(song_id) != change["$set"]["message"]]

    async def _delete_batch(self, song_ids: Sequence[str], query: Document) -> int:
        async def delete() -> int:
            there = await self._songs.find({"_id": {"$in": song_ids}, **query}, {"_id": True}).to_list()
            gone = [document["_id"] for document in there]
            await self._songs.delete_many({"_id": {"$in": gone}})
            await self._redirects.end(gone)
            return len(gone)

        return await self._mongo.in_transaction(delete)


def _batches(song_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(song_ids), TOGETHER):
        yield song_ids[start : start + TOGETHER]
