"""The collection `songs`, as it changes: one change stream of MongoDB's for all who listen in this process.

It is open while anybody listens. Who comes with an earlier position reads up to it by a stream of its own.
"""

import asyncio
import contextvars
import time
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple, Protocol

import structlog
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.errors import OperationFailure

from songs.v1 import song_streams_pb2
from songs.v1.song_pb2 import Song
from songs.v1.song_streams_pb2 import SongChange
from songserver.breath import Breath
from songserver.errors import DatabaseFailure, ResumeTokenExpired, ServerStopping, SongServerError
from songserver.storage.mongo import RETRY_AFTER, Document, Mongo, database_within, reason, to_timestamp

log = structlog.get_logger()

KINDS = {
    "insert": song_streams_pb2.SONG_CHANGE_CREATED,
    "update": song_streams_pb2.SONG_CHANGE_UPDATED,
    "replace": song_streams_pb2.SONG_CHANGE_UPDATED,
    "delete": song_streams_pb2.SONG_CHANGE_DELETED,
}
FOLLOWED: list[Document] = [
    {"$match": {"ns.coll": "songs", "operationType": {"$in": list(KINDS)}}},
    {
        "$project": {
            "operationType": True,
            "documentKey": True,
            "wallTime": True,
            "after": {"$ifNull": ["$fullDocument.message", "$updateDescription.updatedFields.message"]},
            "before": "$fullDocumentBeforeChange.message",
        }
    },
]
"""Each change of a song has its whole message in it, with another etag. (One without is of what stands beside it.)"""
AWAIT, OWN_AWAIT = 1.0, 0.1
"""Seconds that MongoDB waits for a change before it says that there is none; and in a stream of one's own."""
ANSWER_TIME = 4.0
"""Seconds within which it says so, or is taken to be away."""
PAUSE = 0.25
"""Seconds until the stream is opened again after it broke."""
PATIENCE = 15.0
"""Seconds that MongoDB may be away before who listens is told; an election or a restart takes a few."""
OWN_STREAMS = 8
"""Streams of their own that are read at the same time, each on a connection."""
FORGOTTEN = frozenset({136, 260, 280, 286})
"""MongoDB's error codes for a position that is not, or no more, in its log of changes: CappedPositionLost,
InvalidResumeToken, ChangeStreamFatalError, ChangeStreamHistoryLost."""


class Change(NamedTuple):
    """What has happened to a song."""

    song_id: str
    kind: SongChange.ValueType
    before: Song | None
    """As it was, without lyrics; None if it was not there, or if MongoDB does not know any more."""
    after: Song | None
    """As it is then, without lyrics; None if it is gone."""
    position: str
    """Where it stands among all changes: MongoDB's resume token, in whose alphabetical order they are."""
    time: Timestamp


class Listener(Protocol):
    """Who wants to know of changes."""

    def hear(self, change: Change) -> None:
        """Takes a change, at once."""

    async def pass_on(self) -> None:
        """Tells others of what it has heard. No further change comes before it has."""

    def end(self, error: SongServerError) -> None:
        """Hears why there will be no more."""


class SongChanges:
    """Tells of songs as they change."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._listeners: set[Listener] = set()
        self._following: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] | None = None
        self._own_streams = asyncio.Semaphore(OWN_STREAMS)
        # What the context of a caller has, its deadline for MongoDB above all, is not the stream's.
        self._context = contextvars.copy_context()
        self.position = ""
        """Up to where listeners have heard of all changes."""
        self.is_open = False
        """Whether the stream is well."""

    async def join(self, listener: Listener) -> None:
        """Has a listener hear of each change that comes after `position` as it is when this returns.

        Raises:
            DatabaseFailure: If MongoDB is away.
        """
        self._listeners.add(listener)
        if self._following is None or self._opened is None:
            self._opened = asyncio.get_running_loop().create_future()
            # Who waits for it may have gone.
            self._opened.add_done_callback(lambda opened: opened.exception())
            self._following = asyncio.create_task(self._follow(self._opened), context=self._context)
        await asyncio.shield(self._opened)

    def leave(self, listener: Listener) -> None:
        """Tells a listener no more. The stream closes soon after the last one has left."""
        self._listeners.discard(listener)

    async def since(self, position: str) -> AsyncGenerator[tuple[str, Change | None]]:
        """Reads what has changed since a position, by a stream of its own.

        Yields:
            Each change with its position; None where there is no further one yet, and up to where that is so.

        Raises:
            ResumeTokenExpired: If MongoDB does not know any more what has changed since then.
            DatabaseFailure: If MongoDB is away.
        """
        async with self._own_streams:
            stream = await self._open(position, OWN_AWAIT)
        async with stream:
            while stream.alive:
                async with self._own_streams:
                    change = await _next(stream)
                yield _position(stream), change
        raise ResumeTokenExpired

    async def close(self) -> None:
        """Ends the stream, with the server."""
        task = self._following
        while task and not task.done():
            # More than once, since pymongo swallows a cancellation now and then.
            task.cancel()
            await asyncio.wait([task], timeout=0.2)

    async def _follow(self, opened: asyncio.Future[None]) -> None:
        """Keeps the stream open while anybody listens."""
        self.position = ""
        well = time.monotonic()
        try:
            while self._listeners:
                try:
                    await self._read(opened)
                except ResumeTokenExpired as error:
                    self._end(error, opened)
                except DatabaseFailure as error:
                    well = time.monotonic() if self.is_open else well
                    self.is_open = False
                    if not opened.done() or time.monotonic() - well > PATIENCE:
                        self._end(error, opened)
                    else:
                        log.warning("changes of songs are not followed now", again_in=PAUSE)
                        await asyncio.sleep(PAUSE)
        except asyncio.CancelledError:
            self._end(ServerStopping(), opened)
            raise
        finally:
            self.is_open = False
            self._following = None

    async def _read(self, opened: asyncio.Future[None]) -> None:
        """Tells of changes from `position` on, until nobody listens any more."""
        async with await self._open(self.position, AWAIT) as stream:
            self.position = _position(stream)
            self.is_open = True
            if not opened.done():
                opened.set_result(None)
            breath = Breath()
            while self._listeners:
                if not stream.alive:
                    # The database was dropped.
                    raise ResumeTokenExpired
                change = await _next(stream)
                if change:
                    for listener in self._listeners:
                        listener.hear(change)
                self.position = _position(stream)
                if change:
                    for listener in list(self._listeners):
                        await listener.pass_on()
                await breath.take()

    def _end(self, error: SongServerError, opened: asyncio.Future[None]) -> None:
        """Tells all listeners that there is no more."""
        self.position = ""
        if not opened.done():
            opened.set_exception(error)
        for listener in list(self._listeners):
            self._listeners.discard(listener)
            listener.end(error)

    async def _open(self, position: str, wait: float) -> AsyncChangeStream[Document]:
        try:
            with database_within(ANSWER_TIME):
                return await self._mongo.watch(FOLLOWED, wait, after=position, with_before=True)
        except OperationFailure as error:
            raise _failure(error) from error


async def _next(stream: AsyncChangeStream[Document]) -> Change | None:
    """Gives the next change; None if there is none yet, or if it is none of a song's own fields."""
    try:
        with database_within(ANSWER_TIME):
            document = await stream.try_next()
    except OperationFailure as error:
        raise _failure(error) from error
    return _to_change(document) if document else None


def _failure(error: OperationFailure) -> SongServerError:
    if error.code in FORGOTTEN:
        return ResumeTokenExpired()
    log.error("MongoDB does not tell of changes of songs", error=reason(error)[:500])
    return DatabaseFailure("the database does not tell of changes now: try again", retry_after=RETRY_AFTER)


def _position(stream: AsyncChangeStream[Document]) -> str:
    token = stream.resume_token
    assert token, "MongoDB gives one with every answer"
    return str(token["_data"])


def _to_change(document: Document) -> Change | None:
    kind = KINDS[document["operationType"]]
    before, after = _song(document.get("before")), _song(document.get("after"))
    if kind != song_streams_pb2.SONG_CHANGE_DELETED and after is None:
        return None
    return Change(
        song_id=document["documentKey"]["_id"],
        kind=kind,
        before=before,
        after=after,
        position=document["_id"]["_data"],
        time=to_timestamp(document["wallTime"]),
    )


def _song(message: Any) -> Song | None:
    """The song of a message; None if there is none, or none of ours: somebody has written it by hand."""
    if not isinstance(message, bytes):
        return None
    try:
        return Song.FromString(message)
    except DecodeError:
        return None
