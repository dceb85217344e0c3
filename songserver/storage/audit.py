"""The collection `audit`: what was done with a privilege, in a chain of entries that is only ever added to.

A change and its entry are one transaction: neither is there without the other. Every such transaction first writes to
the head of the log, the one document of `audit_head`, so that they come one after the other in all processes: the
chain has no fork and no gap, and what a change looks at first (whether there is another admin) still holds when it is
made. Changes that wait go into one transaction together.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar, cast

import structlog
from bson.datetime_ms import DatetimeMS
from google.protobuf.timestamp_pb2 import Timestamp
from pymongo.errors import PyMongoError

from songs.v1.audit_pb2 import AuditEvent
from songs.v1.audit_service_pb2 import AuditFilter
from songserver.errors import DatabaseFailure
from songserver.storage.audit_chain import START, Link, digest, to_document, to_event
from songserver.storage.coalescing import Coalescer
from songserver.storage.mongo import RETRY_AFTER, Document, Mongo, now, reason, to_timestamp

T = TypeVar("T")
Change: TypeAlias = Callable[[], Awaitable[T]]

TOGETHER = 32
"""Changes that go into one transaction at the most: many, as each is cheaper then, and few, as one that fails makes all
others start anew."""
PAGE = 500
"""Entries that are read at once where all of a user's are."""
LAST_WORDS = 0.05
"""Seconds."""
MOST = 2**63 - 1
"""No entry is past this one."""

log = structlog.get_logger()


class _RefusedError(Exception):
    """A change that could not be made: what it has done before it failed must not stay."""

    def __init__(self, index: int, error: Exception) -> None:
        super().__init__()
        self.index = index
        self.error = error


class Audit:
    """Records changes as they are made, and reads what was recorded."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._notes: set[asyncio.Task[None]] = set()
        self._settled = False
        self._entries = mongo.collection("audit")
        self._head = mongo.collection("audit_head")
        self._record_coalesced: Coalescer[tuple[AuditEvent, Change[Any]], Any] = Coalescer(
            self._record_together, most=TOGETHER, timeout=mongo.timeout
        )

    async def record(self, event: AuditEvent, change: Change[T]) -> T:
        """Makes a change and records it: both, or none.

        Args:
            event: What is done, by whom, to what; the log gives it its place, time and hashes. The change may add.
            change: Makes the change with operations of MongoDB and nothing else, or raises. It may be run more than
                once; what a run before has done is undone then.

        Returns:
            What the change gives.

        Raises:
            DatabaseFailure: If it cannot be recorded; then it is not made.
            TimeoutError: If the caller's time is up first.
            Exception: What the change raises; then nothing is recorded.
        """
        answer = await self._record_coalesced((event, change))
        if isinstance(answer, _RefusedError):
            raise answer.error
        return cast(T, answer)

    async def note(self, event: AuditEvent) -> None:
        """Records something that is no change of ours in MongoDB, or too large for a transaction.

        Raises:
            DatabaseFailure: If it cannot be recorded.
        """
        await self.record(event, _nothing)

    def note_later(self, event: AuditEvent) -> None:
        """Records something for which nobody waits. If that fails, the server's log has it."""
        if self._settled:
            _lost(event, "the server has stopped")
            return
        # The deadline of its call, which may be why there is something to record, is not its own.
        note = asyncio.create_task(self._note_or_log(event), context=contextvars.Context())
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def _note_or_log(self, event: AuditEvent) -> None:
        try:
            await self.note(event)
        except (DatabaseFailure, PyMongoError, TimeoutError) as error:
            _lost(event, str(error)[:500] or "no answer in time")

    async def settle(self) -> None:
        """Waits for what is recorded later; then, at the end of a server, there is no later."""
        # Calls that were cut off a moment ago have yet to say what became of them.
        await asyncio.sleep(LAST_WORDS)
        self._settled = True
        if self._notes:
            await asyncio.wait(self._notes, timeout=self._mongo.timeout)

    async def page(self, selected: AuditFilter, size: int, before: int = 0) -> tuple[list[AuditEvent], int]:
        """Reads entries, the latest first.

        Args:
            selected: Which.
            size: How many at the most.
            before: Only entries before this one; 0 for all.

        Returns:
            The entries, and the one to go on before; 0 if these are the last ones.
        """
        async with self._mongo.room():
            query = await self._query(selected, before)
            documents = await self._entries.find(query).sort("_id", -1).limit(size + 1).to_list()
        events = [to_event(document) for document in documents[:size]]
        return events, events[-1].sequence if len(documents) > size else 0

    async def of_user(self, user_id: str) -> AsyncIterator[AuditEvent]:
        """Reads all that a user has done, and that was done to the user, the earliest first."""
        last = 0
        while True:
            either = [{name: user_id, "_id": {"$gt": last}} for name in ("actor_id", "target_id")]
            documents = await self._entries.find({"$or": either}).sort("_id").limit(PAGE).to_list()
            for document in documents:
                yield to_event(document)
            if len(documents) < PAGE:
                return
            last = documents[-1]["_id"]

    async def _query(self, selected: AuditFilter, before: int) -> Document:
        chosen = {
            "actor_id": selected.actor_id.lower(),
            "target_id": selected.target_id.lower(),
            "action": selected.action,
        }
        places: Document = {"$lt": before} if before else {}
        # Times are in the order of the entries: looked up, so that any of the indexes serves them.
        if selected.HasField("start_time"):
            places["$gte"] = await self._first_at(selected.start_time)
        if selected.HasField("end_time"):
            places["$lt"] = min(before or MOST, await self._first_at(selected.end_time))
        query: Document = {"_id": places} if places else {}
        return query | {name: value for name, value in chosen.items() if value}

    async def _first_at(self, time: Timestamp) -> int:
        """The first entry of this time or later."""
        milliseconds = time.seconds * 1000 - (-time.nanos // 1_000_000)
        found = await self._entries.find_one(
            {"time": {"$gte": DatetimeMS(milliseconds)}}, {"_id": True}, sort=[("time", 1), ("_id", 1)]
        )
        return found["_id"] if found else MOST

    async def _record_together(self, asked: Sequence[tuple[AuditEvent, Change[Any]]]) -> list[Any]:
        answers: dict[int, Any] = {}
        while True:
            try:
                # One that failed is left out, and the others are made anew without it.
                made = await self._mongo.in_transaction(lambda: self._make(asked, leave_out=answers))
            except _RefusedError as refusal:
                answers[refusal.index] = refusal
            else:
                _log(event for index, (event, _) in enumerate(asked) if index in made)
                return [(answers | made)[index] for index in range(len(asked))]

    async def _make(self, asked: Sequence[tuple[AuditEvent, Change[Any]]], leave_out: Container[int]) -> dict[int, Any]:
        """Makes changes, and adds their entries to the log."""
        todo = {index: pair for index, pair in enumerate(asked) if index not in leave_out}
        if not todo:
            return {}
        last, earliest = await self._lock()
        made: dict[int, Any] = {}
        for index, (_, change) in todo.items():
            try:
                made[index] = await change()
            except Exception as error:
                if isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError"):
                    raise
                raise _RefusedError(index, error) from error
        await self._append([event for event, _ in todo.values()], last, earliest)
        return made

    async def _lock(self) -> tuple[Link, int]:
        """Makes other transactions wait for this one; gives the last entry, and its time in milliseconds."""
        with _unrecorded():
            head = await self._head.find_one_and_update({"_id": "head"}, {"$inc": {"turns": 1}})
        if head is None or "sequence" not in head:
            return START, 0
        return Link(head["sequence"], head["hash"]), int(head["time"])

    async def _append(self, events: Sequence[AuditEvent], last: Link, earliest: int) -> None:
        # Another server's clock may be ahead.
        time = to_timestamp(DatetimeMS(max(int(now()), earliest)))
        for event in events:
            event.sequence = last.sequence + 1
            event.time.CopyFrom(time)
            event.previous_hash = last.hash
            event.hash = digest(event)
            last = Link(event.sequence, event.hash)
        with _unrecorded():
            await self._entries.insert_many([to_document(event) for event in events])
            await self._head.update_one(
                {"_id": "head"},
                {"$set": {"sequence": last.sequence, "hash": last.hash, "time": DatetimeMS(time.ToMilliseconds())}},
            )


def _log(events: Iterable[AuditEvent]) -> None:
    """Tells the server's log of entries: whoever keeps it elsewhere can hold the audit log against it."""
    for event in events:
        log.info(
            "audit",
            action=event.action,
            entry=str(Link(event.sequence, event.hash)),
            actor_id=event.actor_id,
            target_id=event.target_id,
            request_id=event.request_id,
        )


def _lost(event: AuditEvent, why: str) -> None:
    log.error(
        "this is not in the audit log",
        action=event.action,
        actor_id=event.actor_id,
        details=dict(event.details),
        request_id=event.request_id,
        reason=why,
    )


async def _nothing() -> None:
    pass


@contextmanager
def _unrecorded() -> Iterator[None]:
    """Takes whatever keeps MongoDB from writing the log for a failure of the database: nothing is changed then."""
    try:
        yield
    except PyMongoError as error:
        if error.has_error_label("TransientTransactionError") or error.timeout:
            raise
        log.error("the audit log cannot be written", error=reason(error)[:500])  # noqa: TRY400 - that says it all
        raise DatabaseFailure(
            "this cannot be recorded in the audit log, so it is not done: ask the operator to look at the server's log",
            retry_after=RETRY_AFTER,
        ) from error
