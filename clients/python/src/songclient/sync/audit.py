# Generated from songclient/aio by unasync.py: change it there.
"""The calls of AuditService."""

from collections.abc import Iterator

from songclient.sync.connection import Connection
from songclient.sync.paging import pages
from songs.v1.audit_pb2 import AuditEvent
from songs.v1.audit_service_pb2 import AuditFilter, ListAuditEventsRequest, ListAuditEventsResponse
from songs.v1.audit_service_pb2_grpc import AuditServiceStub


class AuditCalls:
    """Reads the audit log, for administrators."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._audit = AuditServiceStub(connection.channel)

    def list_audit_events(
        self, *, filter: AuditFilter | None = None, page_size: int = 0, timeout: float | None = None
    ) -> Iterator[AuditEvent]:
        """Go over the recorded events that match, the latest first, page by page as they are asked for."""

        def fetch(page_token: str) -> ListAuditEventsResponse:
            request = ListAuditEventsRequest(filter=filter, page_size=page_size, page_token=page_token)
            return self._connection.call(self._audit.ListAuditEvents, request, timeout)

        for page in pages(fetch):
            for event in page.events:
                yield event
