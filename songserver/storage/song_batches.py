"""The collection `songs`, written many songs at a time, with a policy for those that are there already.

First it is planned what becomes of each song, by what is there; then all of it is written in one transaction. If that
finds something else, it is planned anew. As most imports bring songs that are new, the first plan may take it that none
is there.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from pymongo import InsertOne, UpdateOne
from pymongo.errors import BulkWriteError

from songs.v1.song_pb2 import Song
from songserver.breath import Breath
from songserver.errors import DatabaseFailure, InvalidRequest
from songserver.storage.mongo import DUPLICATE_KEY, RETRY_AFTER, Document, Mongo, timestamp
from songserver.storage.song_documents import FULL, replacement, to_document, to_song
from songserver.storage.songs import ATTEMPTS, TOGETHER, NewSong
from songserver.storage.vocabulary import Vocabulary

Combine: TypeAlias = Callable[[Song, Song], Song]
"""Gives what becomes of a song that is there and the one that is to be stored; raises InvalidRequest if nothing can, or
what is to end it all. It changes neither."""


class Fate(Enum):
    """What becomes of a song that is to be stored."""

    CREATED = auto()
    THERE = auto()
    """It is there already, and stays as it is."""
    CHANGED = auto()
    """It was there, and is now what the policy made of both."""
    UNCHANGED = auto()
    """It was there just so."""


class Outcome(NamedTuple):
    """What becomes of a song that is to be stored."""

    fate: Fate
    song_id: str
    """Of the song that is there then."""


class There(NamedTuple):
    """What is there of some songs."""

    by_identity: Mapping[bytes, Song]
    """Songs; with nothing but their ids where nobody asks for more."""
    by_request: Mapping[str, str]
    """Ids of songs, by the request that made them."""


NOTHING = There({}, {})


class _InTheWayError(Exception):
    """Something is there that is not in the plan."""


class Plan:
    """What becomes of songs, and what is to be written for it."""

    def __init__(self, there: There) -> None:
        self.outcomes: list[Outcome | InvalidRequest] = []
        """One a song, in their order."""
        self.created: dict[bytes, NewSong] = {}
        """Songs to insert, by their identities."""
        self.changed: dict[bytes, Song] = {}
        """Songs to put in the place of those that are there."""
        self._there = there
        self._songs = dict(there.by_identity)
        self.requests = dict(there.by_request)

    def add(self, new: NewSong, combine: Combine | None) -> None:
        """Plans one more song."""
        identity, request = new.document["identity"], new.document.get("request")
        current = self._songs.get(identity)
        if request in self.requests:
            self.outcomes.append(Outcome(Fate.CREATED, self.requests[request]))
        elif current is None:
            self._songs[identity] = new.song
            self.created[identity] = new
            if request:
                self.requests[request] = new.song.id
            self.outcomes.append(Outcome(Fate.CREATED, new.song.id))
        elif combine is None:
            self.outcomes.append(Outcome(Fate.THERE, current.id))
        else:
            self.outcomes.append(self._combined(identity, current, new.song, combine))

    def _combined(self, identity: bytes, current: Song, song: Song, combine: Combine) -> Outcome | InvalidRequest:
        try:
            better = combine(current, song)
        except InvalidRequest as error:
            return error
        if better == current:
            return Outcome(Fate.UNCHANGED, current.id)
        better.etag = str(int(current.etag) + 1)
        better.update_time.CopyFrom(timestamp())
        self._songs[identity] = better
        if made := self.created.get(identity):
            document = to_document(better)
            if "request" in made.document:
                document["request"] = made.document["request"]
            self.created[identity] = NewSong(better, document)
        else:
            self.changed[identity] = better
        return Outcome(Fate.CHANGED, current.id)

    def replaced(self) -> Iterator[tuple[int, Document]]:
        """Gives the version of each song that is there, and what is to be changed of it."""
        for identity, song in self.changed.items():
            yield int(self._there.by_identity[identity].etag), replacement(song)


async def make_plan(news: Sequence[NewSong], there: There, combine: Combine | None) -> Plan:
    """Plans what becomes of songs.

    Args:
        news: The songs.
        there: What is there of them.
        combine: What becomes of those that are there; None: they stay as they are.

    Raises:
        Exception: What `combine` raises to end it all.
    """
    plan = Plan(there)
    breath = Breath()
    for new in news:
        plan.add(new, combine)
        await breath.take()
    return plan


class SongBatches:
    """Stores songs."""

    def __init__(self, mongo: Mongo, vocabulary: Vocabulary) -> None:
        self._mongo = mongo
        self._vocabulary = vocabulary
        self._songs = mongo.collection("songs")

    async def prepare(self, news: Sequence[NewSong]) -> None:
        """Makes ready what songs need to be found once they are stored: done once, some time before `store`.

        (What becomes of two songs has the words of one or the other.)
        """
        await self._vocabulary.learn(new.document for new in news)

    async def store(
        self,
        news: Sequence[NewSong],
        combine: Combine | None,
        settle: Callable[[Plan], Awaitable[None]],
        *,
        look_first: bool,
    ) -> Plan:
        """Stores songs: all as planned, or none.

        Args:
            news: The songs, in canonical form, with all rules kept, and made ready by `prepare`.
            combine: What becomes of those that are there; None: they stay as they are.
            settle: Does with operations of MongoDB what is to be part of the same transaction; may run more than once.
            look_first: Whether to see what is there before anything is tried: pays if something is.

        Raises:
            DatabaseFailure: If MongoDB is away, or others change the same songs over and over.
            Exception: What `combine` and `settle` raise; then nothing is stored.
        """
        there = await self.find(news, whole=combine is not None) if look_first else NOTHING
        for _ in range(ATTEMPTS):
            plan = await make_plan(news, there, combine)
            try:
                await self._write(plan, settle)
            except _InTheWayError:
                there = await self.find(news, whole=combine is not None)
            else:
                return plan
        raise DatabaseFailure("the same songs are changed by others: try again", retry_after=RETRY_AFTER)

    async def find(self, news: Sequence[NewSong], *, whole: bool) -> There:
        """Gives what is there of songs.

        Args:
            news: The songs.
            whole: With all their fields; else with their ids only.
        """
        by_identity: dict[bytes, Song] = {}
        by_request: dict[str, str] = {}
        projection = {"identity": True, "request": True, **(FULL if whole else {})}
        for start in range(0, len(news), TOGETHER):
            documents = [new.document for new in news[start : start + TOGETHER]]
            same: list[Document] = [{"identity": {"$in": [document["identity"] for document in documents]}}]
            if requests := [document["request"] for document in documents if "request" in document]:
                same.append({"request": {"$in": requests}})
            async for there in self._songs.find({"$or": same}, projection):
                by_identity[there["identity"]] = to_song(there) if whole else Song(id=there["_id"])
                if "request" in there:
                    by_request[there["request"]] = there["_id"]
        return There(by_identity, by_request)

    async def _write(self, plan: Plan, settle: Callable[[Plan], Awaitable[None]]) -> None:
        writes: list[InsertOne[Document] | UpdateOne] = [InsertOne(new.document) for new in plan.created.values()]
        for revision, change in plan.replaced():
            writes.append(UpdateOne({"_id": change["$set"]["_id"], "revision": revision}, change))

        async def write() -> None:
            if writes and (await self._bulk(writes)) < len(plan.changed):
                raise _InTheWayError
            await settle(plan)

        await self._mongo.in_transaction(write, operations=1 + len(writes) // TOGETHER)

    async def _bulk(self, writes: Sequence[InsertOne[Document] | UpdateOne]) -> int:
        """Writes; gives how many songs were still there as they were."""
        try:
            return (await self._songs.bulk_write(writes)).matched_count
        except BulkWriteError as error:
            failures = error.details["writeErrors"]
            if failures and all(failure["code"] == DUPLICATE_KEY for failure in failures):
                raise _InTheWayError from error
            raise
