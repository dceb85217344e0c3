"""The collection `songs`: what is changed in it, and read by id."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import uuid_utils
from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from songs.v1.song_pb2 import Song
from songserver.errors import SongExists, SongNotFound, StaleEtag
from songserver.storage.mongo import Document, Mongo, now
from songserver.storage.song_documents import EDITABLE, FULL, LISTED, to_document, to_song

ETAG = re.compile(r"[0-9]{1,18}")
DUPLICATE_KEY = 11000
"""MongoDB's error code for a second document with the same unique key."""


@dataclass(frozen=True, slots=True)
class NewSong:
    """A song to be made, ready to be stored."""

    document: Document

    @classmethod
    def of(cls, song: Song, created_by: str, request_id: str = "") -> "NewSong":
        """Makes one of a song that is in canonical form and keeps all rules.

        Args:
            song: The song.
            created_by: The id of the user.
            request_id: The client's name for the request; empty if it gave none.
        """
        created = now()
        document = {
            # Version 7: in the order of creation, so that new ones go to the end of the index, which is in memory.
            "_id": str(uuid_utils.uuid7()),
            **to_document(song),
            "revision": 1,
            "created": created,
            "updated": created,
            "created_by": created_by,
        }
        if request_id:
            document["request"] = f"{created_by}:{request_id}"
        return cls(document)


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a `NewSong`."""

    document: Document
    """The song as it is stored: the new one, or the one that is there already."""
    is_new: bool
    """Whether this request made it, now or when it was sent before."""

    @property
    def song_id(self) -> str:
        """The song's id."""
        song_id: str = self.document["_id"]
        return song_id


class Songs:
    """Keeps songs. A song is there once: a unique index on its identity sees to it."""

    def __init__(self, mongo: Mongo) -> None:
        self._songs = mongo.collection("songs")

    async def create(self, new: NewSong) -> Song:
        """Makes a song, or gives the one that the same request has made before.

        Raises:
            SongExists: If the same song is there.
        """
        (made,) = await self.create_many([new])
        if not made.is_new:
            raise SongExists(made.song_id)
        return to_song(made.document)

    async def create_many(self, news: Sequence[NewSong]) -> list[Made]:
        """Makes many songs at once, each on its own account.

        Returns:
            What became of each, in their order.
        """
        documents = [new.document for new in news]
        made: list[Made | None] = [None] * len(news)
        pending = list(range(len(news)))
        while pending:
            repeated = await self._insert([documents[index] for index in pending])
            duplicates = [pending[position] for position in repeated]
            for index in set(pending) - set(duplicates):
                made[index] = Made(documents[index], is_new=True)
            for index, there in zip(duplicates, await self._already([documents[i] for i in duplicates]), strict=True):
                made[index] = there
            # One that was in the way and is gone again is in the way no more.
            pending = [index for index in duplicates if made[index] is None]
        return [outcome for outcome in made if outcome is not None]

    async def get(self, song_id: str) -> Song:
        """Gives a song with its lyrics.

        Raises:
            SongNotFound: If there is none with this id.
        """
        document = await self._songs.find_one({"_id": song_id}, FULL)
        if document is None:
            raise SongNotFound(song_id)
        return to_song(document)

    async def get_many(self, song_ids: Sequence[str]) -> dict[str, Song]:
        """Gives those of these songs that there are, by their ids, without lyrics."""
        documents = await self._songs.find({"_id": {"$in": list(set(song_ids))}}, LISTED).to_list()
        return {document["_id"]: to_song(document) for document in documents}

    async def replace(self, song: Song) -> Song | None:
        """Puts a song in the place of the version that its etag names.

        Returns:
            The song as it is now stored; None if it is that version no more.

        Raises:
            SongExists: If it would become the same as another song.
        """
        document = to_document(song)
        change = {
            "$set": {**document, "updated": now()},
            "$unset": dict.fromkeys(EDITABLE - document.keys(), ""),
            "$inc": {"revision": 1},
        }
        try:
            stored = await self._songs.find_one_and_update(
                {"_id": song.id, "revision": _revision(song.etag)},
                change,
                projection=FULL,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError as error:
            other = await self._songs.find_one({"identity": document["identity"]}, {"_id": True})
            raise SongExists(other["_id"] if other else "") from error
        return to_song(stored) if stored else None

    async def delete(self, song_id: str, etag: str) -> None:
        """Removes a song; if an etag is given, only if it still is this version.

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

    async def _insert(self, documents: list[Document]) -> list[int]:
        """Inserts what can be inserted; gives the places of those that have a unique key which is there already."""
        try:
            await self._songs.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            failures = error.details["writeErrors"]
            if error.details["writeConcernErrors"] or any(failure["code"] != DUPLICATE_KEY for failure in failures):
                raise
            return [failure["index"] for failure in failures]
        return []

    async def _already(self, documents: list[Document]) -> list[Made | None]:
        """Gives for each document the song that is there with its identity or request."""
        if not documents:
            return []
        identities = [document["identity"] for document in documents]
        requests = [document["request"] for document in documents if "request" in document]
        query = {"$or": [{"identity": {"$in": identities}}, {"request": {"$in": requests}}]}
        there = await self._songs.find(query, FULL).to_list()
        by_request = {document["request"]: document for document in there if "request" in document}
        by_identity = {document["identity"]: document for document in there}
        outcomes: list[Made | None] = []
        for document in documents:
            if same_request := by_request.get(document.get("request")):
                outcomes.append(Made(same_request, is_new=True))
            elif same_song := by_identity.get(document["identity"]):
                outcomes.append(Made(same_song, is_new=False))
            else:
                outcomes.append(None)
        return outcomes


def _revision(etag: str) -> int:
    """The revision that an etag names; one that no song has if it is not of ours."""
    return int(etag) if ETAG.fullmatch(etag) else -1
