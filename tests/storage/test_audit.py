"""A change and its entry in the audit log are there together or not at all, whoever else changes something."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from structlog.testing import capture_logs

from songs.v1.audit_pb2 import AuditEvent
from songs.v1.audit_service_pb2 import AuditFilter
from songserver.errors import DatabaseFailure, UserNotFound
from songserver.storage.audit import Audit
from songserver.storage.audit_chain import START, digest, read_head, verify
from songserver.storage.mongo import Mongo, database_within

pytestmark = pytest.mark.asyncio


async def refuse_entries(mongo: Mongo, *, refuse: bool = True) -> None:
    """Lets MongoDB take no more entries of the audit log, or take them again."""
    rule = {"action": "nothing has this action"} if refuse else {}
    await mongo.collection("audit").database.command("collMod", "audit", validator=rule)


def adding(mongo: Mongo, number: int) -> Callable[[], Awaitable[int]]:
    """A change: adds a thing."""

    async def add() -> int:
        await mongo.collection("things").insert_one({"_id": number})
        return number

    return add


async def things(mongo: Mongo) -> list[int]:
    return sorted([thing["_id"] async for thing in mongo.collection("things").find()])


async def entries(audit: Audit) -> list[AuditEvent]:
    events, _ = await audit.page(AuditFilter(), 1000)
    return events[::-1]


async def test_a_change_is_made_and_recorded(mongo: Mongo) -> None:
    audit = Audit(mongo)
    event = AuditEvent(
        action="SetPrivilege",
        actor_id="a",
        api_key_id="k",
        target_id="t",
        details={"privilege": "PRIVILEGE_ADMIN"},
        peer="203.0.113.7",
        request_id="r",
    )

    assert await audit.record(event, adding(mongo, 7)) == 7

    assert await things(mongo) == [7]
    (recorded,) = await entries(audit)
    assert recorded == event
    assert recorded.sequence == 1
    assert recorded.previous_hash == START.hash == bytes(32)
    assert recorded.hash == digest(recorded)
    assert await read_head(mongo) == (1, recorded.hash)


async def test_the_change_may_complete_its_event(mongo: Mongo) -> None:
    audit, event = Audit(mongo), AuditEvent(action="create-user")

    async def change() -> None:
        event.target_id = "known only now"

    await audit.record(event, change)

    assert [recorded.target_id for recorded in await entries(audit)] == ["known only now"]


async def test_a_change_that_fails_leaves_nothing_behind(mongo: Mongo) -> None:
    async def change() -> None:
        await mongo.collection("things").insert_one({"_id": 1})
        raise UserNotFound("there is none")

    with pytest.raises(UserNotFound, match="there is none"):
        await Audit(mongo).record(AuditEvent(action="DeleteUser"), change)

    assert await things(mongo) == []
    assert await entries(Audit(mongo)) == []
    assert await read_head(mongo) == START


async def test_what_cannot_be_recorded_is_not_done(mongo: Mongo) -> None:
    audit = Audit(mongo)
    await audit.record(AuditEvent(action="first"), adding(mongo, 1))
    await refuse_entries(mongo)

    with pytest.raises(DatabaseFailure, match="cannot be recorded in the audit log, so it is not done"):
        await audit.record(AuditEvent(action="second"), adding(mongo, 2))
    with pytest.raises(DatabaseFailure):
        await audit.note(AuditEvent(action="third"))

    assert await things(mongo) == [1]
    await refuse_entries(mongo, refuse=False)
    await audit.record(AuditEvent(action="fourth"), adding(mongo, 4))
    assert [event.action for event in await entries(audit)] == ["first", "fourth"]
    assert [event.sequence for event in await entries(audit)] == [1, 2]


async def test_without_its_head_the_log_takes_nothing_rather_than_begin_anew(mongo: Mongo) -> None:
    audit = Audit(mongo)
    await audit.record(AuditEvent(action="first"), adding(mongo, 1))
    await mongo.collection("audit_head").delete_one({})

    with pytest.raises(DatabaseFailure, match="cannot be recorded"):
        await audit.record(AuditEvent(action="second"), adding(mongo, 2))

    assert await things(mongo) == [1]


async def test_changes_of_many_processes_are_one_chain(mongo: Mongo) -> None:
    # Each has a queue of its own, as the processes of a server have.
    audits = [Audit(mongo) for _ in range(3)]
    changes = [audits[number % 3].record(AuditEvent(action="add"), adding(mongo, number)) for number in range(60)]

    assert await asyncio.gather(*changes) == list(range(60))

    assert await things(mongo) == list(range(60))
    assert [event.sequence for event in await entries(audits[0])] == list(range(1, 61))
    problems: list[str] = []
    assert (await verify(mongo, None, problems.append)).sequence == 60
    assert problems == []


async def test_one_that_fails_does_not_touch_those_that_are_recorded_with_it(mongo: Mongo) -> None:
    audit = Audit(mongo)
    await mongo.collection("things").insert_one({"_id": 3})

    async def fail() -> None:
        await mongo.collection("things").insert_one({"_id": 100})
        raise UserNotFound("there is none")

    # 3 is there: MongoDB itself ends the transaction.
    changes = [audit.record(AuditEvent(action=f"add {number}"), adding(mongo, number)) for number in range(6)]
    results = await asyncio.gather(*changes, audit.record(AuditEvent(action="fail"), fail), return_exceptions=True)

    kinds = [type(result).__name__ for result in results]
    assert kinds == ["int", "int", "int", "DuplicateKeyError", "int", "int", "UserNotFound"]
    assert await things(mongo) == [0, 1, 2, 3, 4, 5]
    assert [event.action for event in await entries(audit)] == [f"add {number}" for number in (0, 1, 2, 4, 5)]


async def test_what_a_change_looks_at_first_still_holds_when_it_is_made(mongo: Mongo) -> None:
    """Two who take the other's place away: one of them must find that there would be nobody left."""
    audits = [Audit(mongo), Audit(mongo)]
    for round_ in range(10):
        await mongo.collection("admins").insert_many([{"_id": f"{round_}-{side}"} for side in range(2)])

        def removing(name: str) -> Callable[[], Awaitable[None]]:
            async def remove() -> None:
                if await mongo.collection("admins").count_documents({}) == 1:
                    raise UserNotFound("the last one")
                await mongo.collection("admins").delete_one({"_id": name})

            return remove

        results = await asyncio.gather(
            *(audits[side].record(AuditEvent(), removing(f"{round_}-{side}")) for side in range(2)),
            return_exceptions=True,
        )

        assert sorted(str(result) for result in results) == ["None", "the last one"]
        await mongo.collection("admins").delete_many({})


async def test_a_clock_that_goes_back_does_not_turn_the_log_back(mongo: Mongo) -> None:
    audit = Audit(mongo)
    await audit.note(AuditEvent(action="first"))
    (first,) = await entries(audit)
    head = mongo.collection("audit_head")
    await head.update_one({}, [{"$set": {"time": {"$add": ["$time", 3_600_000]}}}])

    await audit.note(AuditEvent(action="second"))

    _, second = await entries(audit)
    assert second.time.seconds == first.time.seconds + 3600


async def test_a_user_is_shown_what_they_did_and_what_was_done_to_them(mongo: Mongo) -> None:
    audit = Audit(mongo)
    await asyncio.gather(*(audit.note(AuditEvent(actor_id="me", target_id="me", action="x")) for _ in range(501)))
    await audit.note(AuditEvent(actor_id="me", target_id="other"))
    await audit.note(AuditEvent(actor_id="other", target_id="me"))
    await audit.note(AuditEvent(actor_id="other", target_id="other"))

    found = [event.sequence async for event in audit.of_user("me")]

    assert found == list(range(1, 504))


async def test_lists_use_an_index_whatever_they_are_narrowed_down_to(mongo: Mongo) -> None:
    audit = Audit(mongo)
    await asyncio.gather(*(audit.note(AuditEvent(actor_id=f"{n % 10}", target_id=f"{n % 7}")) for n in range(200)))
    collection = mongo.collection("audit")
    for selected in (
        AuditFilter(),
        AuditFilter(actor_id="3"),
        AuditFilter(target_id="3"),
        AuditFilter(action="x"),
        AuditFilter(actor_id="3", action="x"),
        AuditFilter(start_time=Timestamp(seconds=1), end_time=Timestamp(seconds=2)),
    ):
        query = await audit._query(selected, 150)
        plan = await collection.find(query).sort("_id", -1).limit(51).explain()
        stages = str(plan["queryPlanner"]["winningPlan"])

        assert "COLLSCAN" not in stages
        assert "'SORT'" not in stages


async def test_what_is_recorded_later_is_recorded_though_its_call_has_no_time_left(mongo: Mongo) -> None:
    audit = Audit(mongo)
    audit.note_later(AuditEvent(action="ImportSongs", request_id="in time"))
    with database_within(0.001):
        await asyncio.sleep(0.002)
        audit.note_later(AuditEvent(action="ImportSongs", request_id="late"))
    await audit.settle()

    assert [event.request_id for event in await entries(audit)] == ["in time", "late"]


@pytest.mark.parametrize("seconds", [0.001, 0.2])
async def test_what_cannot_be_recorded_later_is_in_the_log(seconds: float) -> None:
    """Also where it is not MongoDB that says so, but the time that is up."""
    mongo = Mongo("mongodb://127.0.0.1:1", "nobody", seconds)
    audit = Audit(mongo)
    with capture_logs() as logs:
        audit.note_later(AuditEvent(action="ImportSongs", request_id="lost", details={"songs": "7"}))
        await audit.settle()
        await asyncio.sleep(1)
    await mongo.close()

    (line,) = (line for line in logs if line["event"] == "this is not in the audit log")
    assert (line["action"], line["request_id"], line["details"]) == ("ImportSongs", "lost", {"songs": "7"})
    assert line["reason"]
