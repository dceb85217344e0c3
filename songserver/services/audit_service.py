"""AuditService: shows admins what was done with privileges. Its rules: `protos/songs/v1/audit_service.proto`."""

from songs.v1 import audit_service_pb2 as pb
from songs.v1.audit_service_pb2_grpc import AuditServiceServicer
from songserver.paging import PageTokens, page_size_of
from songserver.rpc import Call
from songserver.storage.audit import Audit


class AuditService(AuditServiceServicer):
    """Reads the audit log."""

    def __init__(self, audit: Audit, page_tokens: PageTokens) -> None:
        self._audit = audit
        self._page_tokens = page_tokens

    async def ListAuditEvents(self, request: pb.ListAuditEventsRequest, call: Call) -> pb.ListAuditEventsResponse:
        size = page_size_of(request.page_size, default=50, most=1000)
        (before,) = self._page_tokens.read(request) if request.page_token else (0,)
        events, last = await self._audit.page(request.filter, size, before)
        token = self._page_tokens.write(request, [last]) if last else ""
        return pb.ListAuditEventsResponse(events=events, next_page_token=token)
