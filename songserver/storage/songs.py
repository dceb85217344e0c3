"""The collection `songs`: what is changed in it, and read by id."""

import re
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import uuid_utils
from pymongo.errors import BulkWriteError, DuplicateKeyError

from songs.v1.song_pb2 import Song
from songserver.errors import DatabaseFailure, SongExists, SongNotFound, StaleEtag
from songserver.storage.coalescing import Coalescer
from songserver.storage.mongo import DUPLICATE_KEY, RETRY_AFTER, Document, Mongo, timestamp
from songserver.storage.redirects import Redirects
from songserver.storage.song_documents import FULL, LISTED, replacement, to_document, to_song
from songserver.storage.vocabulary import Vocabulary

ETAG = re.compile(r"[1-9][0-9]{0,17}")
TOGETHER = 250
"""Songs that are inserted at once: so many that it pays, and so few that it takes but a part of MongoDB's time-out."""
COALESCED = 64
"""Songs, perhaps with long lyrics, that go out together."""
ATTEMPTS = 5
"""How often songs are tried to be made that others have made, and removed again, in between."""


@dataclass(frozen=True, slots=True)
class NewSong:
    """A song to be made, ready to be stored."""

    song: Song
    document: Document

    @classmethod
    def of(cls, song: Song, created_by: str, request_id: str = "") -> "NewSong":
        """Makes one of a song that is in canonical form and keeps all rules.

        Args:
            song: The song.
            created_by: The id of the user.
            request_id: The client's name for the request; empty if it gave none.
        """
        new = Song()
        new.CopyFrom(song)
        # Of a contract that is newer than ours, and unchecked.
        new.DiscardUnknownFields()
        # Version 7: in the order of creation, so that new ones go to the end of the index, which is in memory.
        new.id = str(uuid_utils.uuid7())
        new.etag = "1"
        new.created_by = created_by
        new.create_time.CopyFrom(timestamp())
        new.update_time.CopyFrom(new.create_time)
        document = to_document(new)
        if request_id:
            document["request"] = f"{created_by}:{request_id}"
        return cls(new, document)


class Made(NamedTuple):
    """What became of a `NewSong`."""

    song_id: str
    """Of the new song, or of the one that is there already."""
    is_new: bool
    """Whether this request made it, now or when it was sent before."""


class Songs:
    """Keeps songs. A song is there once: a unique index on its identity sees to it."""

    def __init__(self, mongo: Mongo, vocabulary: Vocabulary, redirects: Redirects) -> None:
        self._songs = mongo.collection("songs")
        self._vocabulary = vocabulary
        self._redirects = redirects
        self._find_coalesced = Coalescer(self._find, most=COALESCED, timeout=mongo.timeout)
        self._create_coalesced = Coalescer(self.create_many, most=COALESCED, timeout=mongo.timeout)

    async def create(self, new: NewSong) -> Song:
        """Makes a song, or gives the one that the same request has made before.

        Raises:
            SongExists: If the same song is there.
        """
        made = await self._create_coalesced(new)
        if not made.is_new:
            raise SongExists(made.song_id)
        return new.song if made.song_id == new.song.id else await self.get(made.song_id)

    async def create_many(self, news: Sequence[NewSong]) -> list[Made]:
        """Makes many songs at once, each on its own account.

        Returns:
            What became of each, in their order.

        Raises:
            DatabaseFailure: If songs that are in the way come and go, over and over.
        """
        made: dict[str, Made] = {}
        pending = [new.document for new in news]
        for _ in range(ATTEMPTS):
            in_the_way: list[Document] = []
            for start in range(0, len(pending), TOGETHER):
                in_the_way += await self._insert(pending[start : start + TOGETHER])
            made |= {document["_id"]: Made(document["_id"], is_new=True) for document in pending}
            # One that was in the way and is gone again is in the way no more.
            there = await self._already(in_the_way)
            made |= there
            pending = [document for document in in_the_way if document["_id"] not in there]
            if not pending:
                return [made[new.document["_id"]] for new in news]
        raise DatabaseFailure("the same songs are made and removed by others: try again", retry_after=RETRY_AFTER)

    async def get(self, song_id: str) -> Song:
        """Gives a song with its lyrics.

        Raises:
            SongNotFound: If there is none with this id.
        """
        document = await self._find_coalesced(song_id)
        if document is None:
            raise SongNotFound(song_id)
        return to_song(document)

    async def get_or_kept(self, song_id: str) -> Song:
        """Gives a song with its lyrics; of one that was merged into another, that one.

        Raises:
            SongNotFound: If there is neither.
        """
        there = song_id
        # Between two looks, the one that was kept may itself be merged.
        for _ in range(ATTEMPTS):
            if document := await self._find_coalesced(there):
                return to_song(document)
            kept_id = await self._redirects.kept(song_id)
            if kept_id is None:
                break
            there = kept_id
        raise SongNotFound(song_id)

    async def get_many(self, song_ids: Collection[str]) -> dict[str, Song]:
        """Gives those of these songs that there are, by their ids, without lyrics."""
        documents = await self._songs.find({"_id": {"$in": list(set(song_ids))}}, LISTED).to_list()
        return {document["_id"]: to_song(document) for document in documents}

    async def get_many_or_kept(self, song_ids: Sequence[str]) -> dict[str, Song]:
        """Does the same; a song that was merged into another stands for that one."""
        songs = await self.get_many(song_ids)
        for _ in range(ATTEMPTS):
            missing = set(song_ids) - songs.keys()
            kept_ids = await self._redirects.kept_of_many(missing) if missing else {}
            if not kept_ids:
                break
            there = await self.get_many(kept_ids.values())
            songs |= {song_id: there[kept_id] for song_id, kept_id in kept_ids.items() if kept_id in there}
        return songs

    async def of_creator(self, user_id: str) -> AsyncIterator[Song]:
        """Gives the songs that a user has created, with their lyrics, the earliest first."""
        last = ""
        while True:
            query = {"created_by": user_id, "_id": {"$gt": last}}
            documents = await self._songs.find(query, FULL).sort("_id").limit(COALESCED).to_list()
            for document in documents:
                yield to_song(document)
            if len(documents) < COALESCED:
                return
            last = documents[-1]["_id"]

    async def replace(self, song: Song) -> Song | None:
        """Puts a song in the place of the version that its etag names.

        Returns:
            The song as it is now stored; None if something came between: it is that version no more, or another song
            was in the way and is gone again.

        Raises:
            SongExists: If it would become the same as another song.
        """
        revision = _revision(song.etag)
        new = Song()
        new.CopyFrom(song)
        new.etag = str(revision + 1)
        new.update_time.CopyFrom(timestamp())
        change = replacement(new)
        await self._vocabulary.learn([change["$set"]])
        try:
            result = await self._songs.update_one({"_id": song.id, "revision": revision}, change)
        except DuplicateKeyError as error:
            other = await self._songs.find_one({"identity": change["$set"]["identity"]}, {"_id": True})
            if other:
                raise SongExists(other["_id"]) from error
            return None
        return new if result.matched_count else None

    async def delete(self, song_id: str, etag: str) -> None:
        """Removes a song, and what leads to it; if an etag is given, only if it still is this version.

        Raises:
            SongNotFound: If there is none with this id.
            StaleEtag: If it has another version.
        """
        query: Document = {"_id": song_id}
        if etag:
            query["revision"] = _revision(etag)
        if (await self._songs.delete_one(query)).deleted_count == 0:
            if etag and await self._songs.find_one({"_id": song_id}, {"_id": True}):
                raise StaleEtag(song_id)
            raise SongNotFound(song_id)
        await self._redirects.end([song_id])

    async def _find(self, song_ids: Sequence[str]) -> list[Document | None]:
        """Gives the documents with these ids, in their order."""
        documents = await self._songs.find({"_id": {"$in": song_ids}}, FULL).to_list()
        found = {document["_id"]: document for document in documents}
        return [found.get(song_id) for song_id in song_ids]

    async def _insert(self, documents: list[Document]) -> list[Document]:
        """Inserts what can be inserted; gives those documents that have a unique key which is there already."""
        await self._vocabulary.learn(documents)
        try:
            await self._songs.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            failures = error.details["writeErrors"]
            if error.details["writeConcernErrors"] or any(failure["code"] != DUPLICATE_KEY for failure in failures):
                raise
            return [documents[failure["index"]] for failure in failures]
        return []

    async def _already(self, documents: list[Document]) -> dict[str, Made]:
        """Gives, by the documents' ids, the songs that are there with their identity or their request."""
        if not documents:
            return {}
        identities = [document["identity"] for document in documents]
        requests = [document["request"] for document in documents if "request" in document]
        query = {"$or": [{"identity": {"$in": identities}}, {"request": {"$in": requests}}]}
        there = await self._songs.find(query, {"identity": True, "request": True}).to_list()
        by_request = {document["request"]: document["_id"] for document in there if "request" in document}
        by_identity = {document["identity"]: document["_id"] for document in there}
        made: dict[str, Made] = {}
        for document in documents:
            if same_request := by_request.get(document.get("request")):
                made[document["_id"]] = Made(same_request, is_new=True)
            elif same_song := by_identity.get(document["identity"]):
                # With our own id it is ours: the insert was sent twice.
                made[document["_id"]] = Made(same_song, is_new=same_song == document["_id"])
        return made


def _revision(etag: str) -> int:
    """The revision that an etag names; one that no song has if it is not of ours."""
    return int(etag) if ETAG.fullmatch(etag) else -1
