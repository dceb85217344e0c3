"""What the audit log says of a call. Which methods it has entries of, the contract says: the option `audited`."""

from songs.v1.audit_pb2 import AuditEvent
from songserver.rpc import Call


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
