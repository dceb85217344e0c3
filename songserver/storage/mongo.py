"""The connection to MongoDB: how it is made, how long it may take, and what becomes of its failures."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias, TypeVar

import pymongo
import structlog
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from google.protobuf.timestamp_pb2 import Timestamp
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import ConfigurationError, ConnectionFailure, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from songserver.errors import DatabaseFailure

Document: TypeAlias = dict[str, Any]
Collection: TypeAlias = AsyncCollection[Document]
T = TypeVar("T")

log = structlog.get_logger()

PING_TIME = 1.0
"""Seconds that MongoDB may take to say that it is there."""
PASSING_CODES = frozenset({6, 7, 43, 64, 89, 91, 133, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
"""MongoDB's error codes for a server or network that is away, or a replica set without a primary (the specification of
retryable reads has most of them); mongos gives them without a label."""
LONG_READS = 16
"""Lists and searches that MongoDB has at the same time, each on up to three of the 100 connections of the pool."""
RETRY_AFTER = 1.0
"""Seconds after which trying again may help: about what a restart of MongoDB takes."""
DUPLICATE_KEY = 11000
"""MongoDB's error code for a second document with the same unique key."""
DURABLE = WriteConcern(w="majority", j=True)

_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)
_time_up: ContextVar[float] = ContextVar("time_up", default=math.inf)
"""When the database's time is up, on the monotonic clock."""


class _Collection(AsyncCollection[Document]):
    @property
    def write_concern(self) -> WriteConcern:
        """Durable; but within a transaction none, for it has its own, and MongoDB refuses any other.

        (pymongo leaves it out only where the session is given to the operation, not where it is bound.)
        """
        return WriteConcern() if _in_transaction.get() else super().write_concern


class Mongo:
    """A client of MongoDB, and the database in it that is ours."""

    def __init__(self, uri: str, database: str, timeout: float) -> None:
        """
        Args:
            uri: A replica set or sharded cluster. What it says of pools, TLS and credentials holds; time-outs are ours.
            database: The name of the database.
            timeout: Seconds that one operation with all its retries may take, where nothing shorter is set.

        Raises:
            DatabaseFailure: If the URI is none.
        """
        self.timeout = timeout
        self._room = asyncio.Semaphore(LONG_READS)
        try:
            self._client: AsyncMongoClient[Document] = AsyncMongoClient(
                uri,
                appname="songserver",
                timeoutMS=round(timeout * 1000),
                # That MongoDB is away, or silent, is noticed within 1.5 s, and its return within 0.5 s.
                connectTimeoutMS=1000,
                # An election takes longer than a caller waits: there is no use in waiting for all of the time-out.
                serverSelectionTimeoutMS=750,
                heartbeatFrequencyMS=500,
            )
        except (ConfigurationError, ValueError, OSError) as error:
            raise DatabaseFailure(f"mongodb_uri cannot be used: {_without_password(error, uri)}") from error
        self._database = self._client.get_database(
            database,
            codec_options=CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS),
            write_concern=DURABLE,
            # Whatever the URI says: what was just written must be there to be read.
            read_preference=ReadPreference.PRIMARY,
        )

    def collection(self, name: str) -> Collection:
        """Gives a collection whose writes are acknowledged by a majority, and journaled."""
        return _Collection(self._database, name)

    async def watch(
        self, pipeline: Sequence[Document], wait: float, *, after: str = "", with_before: bool = False
    ) -> AsyncChangeStream[Document]:
        """Opens a change stream on the database.

        Args:
            pipeline: Picks the changes, and of these the fields.
            wait: Seconds that MongoDB waits for a change before it says that there is none.
            after: The resume token of the change after which it begins; empty: with the next one.
            with_before: Whether a change has the document as it was, of collections that keep these.
        """
        return await self._database.watch(
            pipeline,
            max_await_time_ms=round(wait * 1000),
            resume_after={"_data": after} if after else None,
            full_document_before_change="whenAvailable" if with_before else None,
        )

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Gives room for one of the reads that take long, so that these leave connections to all others.

        Raises:
            DatabaseFailure: If waiting for room and the read itself take longer than an operation may.
        """
        with database_within(self.timeout):
            async with asyncio.timeout(time_left()):
                await self._room.acquire()
            try:
                yield
            finally:
                self._room.release()

    async def in_transaction(self, work: Callable[[], Awaitable[T]], *, operations: int = 1) -> T:
        """Does all of what a piece of work changes, or nothing of it.

        All operations that it awaits one after the other take part (what is coalesced does not: it is not the work's
        own). It is done anew if another transaction was in its way, so nothing else may come of it. Within another
        transaction, it is a part of that one.

        Args:
            work: What is to be done.
            operations: How many times the time of one operation all of it may take.

        Raises:
            DatabaseFailure: If MongoDB is away, or others are in the way all the time that it may take.
            Exception: What the work raised; then nothing is changed.
        """
        if _in_transaction.get():
            return await work()
        token = _in_transaction.set(True)
        try:
            with database_within(self.timeout * operations):
                async with self._client.start_session() as session, session.bind(end_session=False):
                    return await session.with_transaction(
                        lambda _: work(),
                        read_concern=ReadConcern("snapshot"),
                        write_concern=DURABLE,
                        read_preference=ReadPreference.PRIMARY,
                    )
        finally:
            _in_transaction.reset(token)

    async def ping(self) -> None:
        """Asks whether there is a MongoDB that takes writes.

        Raises:
            DatabaseFailure: If there is none, or, without `retry_after`, if it does not let us in.
        """
        try:
            with pymongo.timeout(PING_TIME):
                hello = await self._database.command("hello")
        except PyMongoError as error:
            if _may_pass(error):
                raise DatabaseFailure(f"MongoDB is not there: {reason(error)}", retry_after=RETRY_AFTER) from error
            raise DatabaseFailure(f"MongoDB does not let us in: {reason(error)}; look at mongodb_uri") from error
        if not (hello.get("isWritablePrimary") or hello.get("msg") == "isdbgrid"):
            raise DatabaseFailure("MongoDB has no primary now", retry_after=RETRY_AFTER)

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.close()


@contextmanager
def database_within(seconds: float | None) -> Iterator[None]:
    """Bounds the operations in its block to so many seconds in all; None: each by the client's own time-out.

    MongoDB is told the time that it has, rather than cancelled when it is up: that would cost the connection.

    Raises:
        DatabaseFailure: If MongoDB is away, failing over or too slow. Its other errors are faults of ours, and pass as
            they are.
    """
    time_up = _time_up.set(_time_up.get() if seconds is None else time.monotonic() + seconds)
    try:
        if seconds is None:
            yield
        else:
            with pymongo.timeout(seconds):
                yield
    except (PyMongoError, TimeoutError) as error:
        if isinstance(error, PyMongoError) and not _may_pass(error):
            raise
        log.warning("database failure", error=str(error)[:500] or "no answer in time")
        raise DatabaseFailure(
            "the database is away, failing over or too slow: try again", retry_after=RETRY_AFTER
        ) from error
    finally:
        _time_up.reset(time_up)


def time_left() -> float:
    """Gives the seconds that the database has by the innermost `database_within`; infinite if it sets no bound."""
    return _time_up.get() - time.monotonic()


def _without_password(error: Exception, uri: str) -> str:
    """What is wrong with a URI. Of a password with a "/", pymongo tells the rest, taking it for a database's name."""
    credentials, has_any, _ = uri.partition("://")[2].rpartition("@")
    if has_any and set(credentials) & set("/?#[]@"):
        return "in the user name and the password, / ? # [ ] @ : and % must be escaped according to RFC 3986"
    return str(error)


def reason(error: PyMongoError) -> str:
    """Gives what an error says to a person, without what is added for machines."""
    if isinstance(error, OperationFailure) and error.details:
        return str(error.details.get("errmsg", error)).rstrip(".")
    return str(error).partition(", Timeout:")[0]


def _may_pass(error: PyMongoError) -> bool:
    """Whether it is for MongoDB being away, failing over or too slow."""
    if error.timeout or isinstance(error, ConnectionFailure) or error.has_error_label("RetryableWriteError"):
        return True
    details = error.details if isinstance(error, OperationFailure) and error.details else {}
    failures = [details, *details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
    return any(failure.get("code") in PASSING_CODES for failure in failures)


def now() -> DatetimeMS:
    """Gives the time, as MongoDB keeps it."""
    return DatetimeMS(time.time_ns() // 1_000_000)


def timestamp() -> Timestamp:
    """Gives the time as protobuf has it, exact to its millisecond, as a BSON date would be."""
    return to_timestamp(now())


def to_timestamp(date: DatetimeMS) -> Timestamp:
    """Gives the protobuf form of a BSON date, exact to its millisecond."""
    seconds, milliseconds = divmod(int(date), 1000)
    return Timestamp(seconds=seconds, nanos=milliseconds * 1_000_000)
