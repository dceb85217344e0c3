"""What the audit log says of a call. Which methods it has entries of, the contract says: the option `audited`."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from songs.v1.audit_pb2 import AuditEvent
from songserver.rpc import Call
from songserver.storage.audit import Audit


def event_of(call: Call, target_id: str = "", **details: str) -> AuditEvent:
    """Gives the entry that a call is to have in the audit log.

    Args:
        call: The call; who makes it, unless it is public, is the one who acts.
        target_id: The id of what it is done to.
        details: What changes, in the words of the contract. No secrets, and no names of people: they stay for good.
    """
    return AuditEvent(
        action=call.method.name,
        actor_id=call.user.user_id if call.user else "",
        api_key_id=(call.user.api_key_id or "") if call.user else "",
        target_id=target_id,
        details=details,
        peer=call.address,
        request_id=call.request_id,
    )


@asynccontextmanager
async def noted(audit: Audit, call: Call, counts: Counter[str], **details: str) -> AsyncIterator[None]:
    """Gives a call that is too large for one transaction two entries in the audit log, before its block and at its end.

    Args:
        audit: The log.
        call: The call.
        counts: What the block counts, for the second entry.
        details: What changes, for the first one.

    Raises:
        DatabaseFailure: If it cannot be recorded.
    """

    def ended() -> AuditEvent:
        return event_of(call, phase="ended", **{name: str(count) for name, count in counts.items() if count})

    await audit.note(event_of(call, phase="begun", **details))
    try:
        yield
    except BaseException:
        # It broke off, and nobody waits for it.
        audit.note_later(ended())
        raise
    # To its end, also if the caller goes away meanwhile.
    await asyncio.shield(asyncio.create_task(audit.note(ended())))
