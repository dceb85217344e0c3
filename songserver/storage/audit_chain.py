"""The chain of the audit log: the form of an entry that is hashed, and the walk that finds what was tampered with.

The hash of an entry is the SHA-256 of its canonical JSON (RFC 8785): all its fields but the hash itself, among them the
hash of the entry before, in hexadecimal, and the time in milliseconds since the epoch.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

import orjson
from bson.datetime_ms import DatetimeMS

from songs.v1.audit_pb2 import AuditEvent
from songserver.storage.mongo import Document, Mongo, to_timestamp

TEXTS = ("action", "actor_id", "api_key_id", "target_id", "peer", "request_id")
BATCH = 1000
"""Entries that are held at a time while the log is walked."""


class Link(NamedTuple):
    """An entry, as far as the next one knows it."""

    sequence: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> "Link":
        """Reads what `str` gives.

        Raises:
            ValueError: If it is none.
        """
        sequence, _, digest = text.partition(":")
        link = cls(int(sequence), bytes.fromhex(digest))
        if link.sequence < 0 or len(link.hash) != len(START.hash):
            raise ValueError("it is a number, a colon, and 64 hexadecimal digits")
        return link


START = Link(0, bytes(32))
"""What the first entry follows."""


def digest(event: AuditEvent) -> bytes:
    """Gives the hash of an entry, from all its other fields."""
    content = {name: getattr(event, name) for name in TEXTS} | {
        "sequence": event.sequence,
        "time": event.time.ToMilliseconds(),
        "details": dict(event.details),
        "previous_hash": event.previous_hash.hex(),
    }
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


def to_document(event: AuditEvent) -> Document:
    """Gives the document of an entry."""
    return {
        "_id": event.sequence,
        "time": DatetimeMS(event.time.ToMilliseconds()),
        **{name: getattr(event, name) for name in TEXTS},
        "details": dict(event.details),
        "hash": event.hash,
        "previous_hash": event.previous_hash,
    }


def to_event(document: Document) -> AuditEvent:
    """Gives the entry of a document.

    Raises:
        KeyError, TypeError, ValueError: If it is none.
    """
    return AuditEvent(
        sequence=document["_id"],
        time=to_timestamp(document["time"]),
        **{name: document[name] for name in TEXTS},
        details=document["details"],
        hash=document["hash"],
        previous_hash=document["previous_hash"],
    )


async def verify(mongo: Mongo, kept: Link | None, report: Callable[[str], object]) -> Link:
    """Walks the log from its first entry to its end, while the server may go on to write it.

    What this cannot find by itself is a log whose end was cut off, or which was written anew from some entry on, by
    somebody who has set its head to match: for that, an entry has to be kept elsewhere.

    Args:
        mongo: Where the log is.
        kept: An entry that was seen before, and has to be there still.
        report: Is told of each thing that is wrong, in words that name the entry.

    Returns:
        The last entry.
    """
    head = await read_head(mongo)
    found: dict[int, bytes] = {}
    wanted = {link.sequence for link in (head, kept) if link}
    last = START
    async for document in mongo.collection("audit").find(batch_size=BATCH).sort("_id"):
        if type(document["_id"]) is not int or document["_id"] <= last.sequence:
            report(f"entry {document['_id']!r} was put in: the server numbers entries 1, 2, 3, ...")
            continue
        last = _check(document, last, report)
        if last.sequence in wanted:
            found[last.sequence] = last.hash
    if kept and kept != START and found.get(kept.sequence) != kept.hash:
        report(f"entry {kept.sequence} is not the one that was kept: the log was cut off or written anew")
    if head != START and found.get(head.sequence) != head.hash:
        report(f"entry {head.sequence}, the last one by the log's head, is missing or another one: the end was cut off")
    if last.sequence > (await read_head(mongo)).sequence:
        report(f"entry {last.sequence} is past the log's head: it was put in, or the head was set back")
    return last


async def read_head(mongo: Mongo) -> Link:
    """Gives the last entry, as the log's head has it."""
    head = await mongo.collection("audit_head").find_one({"_id": "head"})
    return Link(head["sequence"], head["hash"]) if head and "sequence" in head else START


def _check(document: Document, last: Link, report: Callable[[str], object]) -> Link:
    """Checks an entry, and that it follows the last one; gives it as the next one should know it."""
    sequence = document["_id"]
    if sequence == last.sequence + 2:
        report(f"entry {last.sequence + 1} is missing")
    elif sequence > last.sequence + 2:
        report(f"entries {last.sequence + 1} to {sequence - 1} are missing")
    try:
        event = to_event(document)
        is_whole = to_document(event) == document and digest(event) == event.hash
    except (KeyError, TypeError, ValueError):
        is_whole = False
    if not is_whole:
        report(f"entry {sequence} was changed: its hash is not that of its content")
    if sequence == last.sequence + 1 and document.get("previous_hash") != last.hash:
        report(f"entry {sequence} does not follow entry {last.sequence}: one of them was changed or is another one")
    stored = document.get("hash")
    return Link(sequence, stored if isinstance(stored, bytes) else b"")
