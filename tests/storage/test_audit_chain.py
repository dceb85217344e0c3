"""`verify` finds whatever is done to the audit log behind the server's back, and says to which entry."""

import hashlib
import json
import tracemalloc
from typing import Any

import pytest
import pytest_asyncio

from songs.v1.audit_pb2 import AuditEvent
from songs.v1.audit_service_pb2 import AuditFilter
from songserver.storage.audit import Audit
from songserver.storage.audit_chain import START, Link, digest, read_head, to_document, to_event, verify
from songserver.storage.mongo import Collection, Mongo

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def log(mongo: Mongo) -> Collection:
    """An audit log of five entries."""
    audit = Audit(mongo)
    for number in range(1, 6):
        await audit.note(AuditEvent(action="SetPrivilege", actor_id=f"user-{number}", details={"privilege": "EDITOR"}))
    return mongo.collection("audit")


async def problems(mongo: Mongo, kept: Link | None = None) -> list[str]:
    found: list[str] = []
    await verify(mongo, kept, found.append)
    return found


async def rewrite(mongo: Mongo, sequence: int, **changes: Any) -> None:
    """Writes a log anew from an entry on, as somebody does who knows how it is made."""
    log = mongo.collection("audit")
    previous = await log.find_one({"_id": sequence - 1})
    link = Link(sequence - 1, previous["hash"]) if previous else START
    async for document in log.find({"_id": {"$gte": sequence}}).sort("_id"):
        event = to_event(document | changes | {"previous_hash": link.hash})
        event.hash = digest(event)
        link = Link(event.sequence, event.hash)
        await log.replace_one({"_id": event.sequence}, to_document(event))
    await mongo.collection("audit_head").update_one({}, {"$set": {"sequence": link.sequence, "hash": link.hash}})


async def test_a_log_as_the_server_wrote_it_is_whole(mongo: Mongo, log: Collection) -> None:
    kept = await read_head(mongo)
    assert kept.sequence == 5
    assert await problems(mongo) == []
    assert await problems(mongo, kept) == []
    assert await problems(mongo, START) == []
    await Audit(mongo).note(AuditEvent(action="another"))
    assert await problems(mongo, kept) == []


async def test_an_empty_log_is_whole(mongo: Mongo) -> None:
    assert await verify(mongo, None, pytest.fail) == START


@pytest.mark.parametrize(
    "change",
    [
        {"actor_id": "somebody else"},
        {"details": {"privilege": "ADMIN"}},
        {"details.more": "x"},
        {"details": None},
        {"time": None},
        {"request_id": 7},
        {"unknown": "field"},
        {"hash": bytes(32)},
        {"hash": "text"},
        {"previous_hash": bytes(32)},
    ],
)
async def test_a_changed_entry_is_found(mongo: Mongo, log: Collection, change: dict[str, Any]) -> None:
    await log.update_one({"_id": 3}, {"$set": change})

    assert "entry 3 was changed: its hash is not that of its content" in await problems(mongo)


async def test_a_field_that_is_gone_is_found(mongo: Mongo, log: Collection) -> None:
    await log.update_one({"_id": 3}, {"$unset": {"actor_id": ""}})

    assert await problems(mongo) == ["entry 3 was changed: its hash is not that of its content"]


async def test_a_changed_entry_with_a_hash_to_match_is_found(mongo: Mongo, log: Collection) -> None:
    event = to_event((await log.find_one({"_id": 3})) or {})
    event.actor_id = "somebody else"
    event.hash = digest(event)
    await log.replace_one({"_id": 3}, to_document(event))

    (problem,) = await problems(mongo)
    assert problem == "entry 4 does not follow entry 3: one of them was changed or is another one"


@pytest.mark.parametrize(
    ("removed", "told"),
    [
        ([1], "entry 1 is missing"),
        ([3], "entry 3 is missing"),
        ([2, 3], "entries 2 to 3 are missing"),
        ([5], "entry 5, the last one by the log's head, is missing or another one: the end was cut off"),
        ([4, 5], "entry 5, the last one by the log's head, is missing or another one: the end was cut off"),
        ([1, 2, 3, 4, 5], "entry 5, the last one by the log's head, is missing or another one: the end was cut off"),
    ],
)
async def test_a_removed_entry_is_found(mongo: Mongo, log: Collection, removed: list[int], told: str) -> None:
    await log.delete_many({"_id": {"$in": removed}})

    assert await problems(mongo) == [told]


async def test_entries_in_each_others_places_are_found(mongo: Mongo, log: Collection) -> None:
    second, third = [document async for document in log.find({"_id": {"$in": [2, 3]}}).sort("_id")]
    await log.replace_one({"_id": 2}, third | {"_id": 2})
    await log.replace_one({"_id": 3}, second | {"_id": 3})

    found = await problems(mongo)

    assert "entry 2 was changed: its hash is not that of its content" in found
    assert "entry 3 was changed: its hash is not that of its content" in found


@pytest.mark.parametrize("place", [2.5, 0, -1, "6", None])
async def test_an_entry_that_was_put_in_is_found(mongo: Mongo, log: Collection, place: Any) -> None:
    third = await log.find_one({"_id": 3})
    await log.insert_one((third or {}) | {"_id": place})

    assert await problems(mongo) == [f"entry {place!r} was put in: the server numbers entries 1, 2, 3, ..."]


async def test_an_entry_that_was_put_at_the_end_is_found(mongo: Mongo, log: Collection) -> None:
    last = await read_head(mongo)
    event = AuditEvent(sequence=6, action="SetPrivilege", previous_hash=last.hash)
    event.hash = digest(event)
    await log.insert_one(to_document(event))

    assert await problems(mongo) == ["entry 6 is past the log's head: it was put in, or the head was set back"]


async def test_a_log_that_was_cut_off_with_its_head_is_found_by_an_entry_that_was_kept(
    mongo: Mongo, log: Collection
) -> None:
    kept = await read_head(mongo)
    await log.delete_one({"_id": 5})
    fourth = await log.find_one({"_id": 4}) or {}
    await mongo.collection("audit_head").update_one({}, {"$set": {"sequence": 4, "hash": fourth["hash"]}})

    assert await problems(mongo) == []  # which nobody can find without it
    assert await problems(mongo, kept) == ["entry 5 is not the one that was kept: the log was cut off or written anew"]


async def test_a_log_that_was_written_anew_is_found_by_an_entry_that_was_kept(mongo: Mongo, log: Collection) -> None:
    kept = await read_head(mongo)
    await rewrite(mongo, 3, actor_id="somebody else")

    assert await problems(mongo) == []
    assert await problems(mongo, kept) == ["entry 5 is not the one that was kept: the log was cut off or written anew"]


async def test_a_log_without_its_head_is_found(mongo: Mongo, log: Collection) -> None:
    await mongo.collection("audit_head").delete_one({})

    assert await problems(mongo) == ["entry 5 is past the log's head: it was put in, or the head was set back"]


async def test_others_can_compute_the_hash(mongo: Mongo, log: Collection) -> None:
    """As the contract describes it, with nothing of ours."""
    text = 'Zoë "🎵" \\ \n\x1f/\u2028'
    await Audit(mongo).note(AuditEvent(action="x", details={"b": text, "a": "1", "B": ""}, peer="::1"))
    (event,), _ = await Audit(mongo).page(AuditFilter(), 1)
    content = {
        name: getattr(event, name)
        for name in ("sequence", "action", "actor_id", "api_key_id", "target_id", "peer", "request_id")
    }
    content |= {
        "details": dict(event.details),
        "previous_hash": event.previous_hash.hex(),
        "time": event.time.seconds * 1000 + event.time.nanos // 1_000_000,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert event.hash == hashlib.sha256(canonical.encode()).digest()


async def test_the_walk_takes_no_more_memory_for_a_longer_log(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("songserver.storage.audit_chain.BATCH", 100)

    async def peak(entries: range) -> int:
        example = to_document(AuditEvent(action="x" * 1000))
        await mongo.collection("audit").insert_many([example | {"_id": number} for number in entries])
        tracemalloc.start()
        assert (await verify(mongo, None, lambda _: None)).sequence == entries[-1]
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    short = await peak(range(1, 401))
    # One that held all of it would take five times as much.
    assert await peak(range(401, 2001)) < short * 1.5


@pytest.mark.parametrize("text", ["", "5", "5:", "x:" + "0" * 64, "5:" + "0" * 63, "5:" + "0" * 66, "-1:" + "0" * 64])
async def test_what_is_no_link_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Link.parse(text)


async def test_a_link_is_read_as_it_is_written() -> None:
    link = Link(12, bytes(range(32)))

    assert Link.parse(str(link)) == link
