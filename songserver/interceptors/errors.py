"""The outermost interceptor: turns exceptions into what goes over the wire, and nothing else may.

The shape of an error follows AIP-193: the gRPC status is the truth, `google.rpc.ErrorInfo` names the code, and
`BadRequest` and `RetryInfo` stand beside it where they help. The trailer `song-status-code` gives the code's number to
clients that read no details.
"""

import secrets
import traceback

import structlog
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus
from grpc import StatusCode as GrpcStatus

from songs.v1 import status_pb2
from songs.v1.status_pb2 import StatusCode
from songserver.errors import GRPC_STATUS, SongServerError, StandardError, cut
from songserver.redaction import scrubbed, secrets_of, shown
from songserver.rpc import Call, Handler, Status

DOMAIN = "songs.v1"
MAX_MESSAGE = 500
"""Bytes that the status message may take. (In the trailers it stands twice, once with three letters a byte.)"""

log = structlog.get_logger()


class UnforeseenError(SongServerError):
    """Stands for an exception that nobody foresaw. Shows nothing of it, but says where the log has it."""

    code = status_pb2.INTERNAL_ERROR

    def __init__(self, incident_id: str) -> None:
        super().__init__(
            f"something went wrong in the server; its log has it as incident {incident_id}",
            metadata={"incident_id": incident_id},
        )


async def errors(call: Call, proceed: Handler) -> None:
    """Lets the call proceed. If it fails, leaves in `call.status` how it ends on the wire."""
    try:
        await proceed(call)
    except SongServerError as error:
        call.status = to_status(error, call)
    except StandardError as error:
        call.status = Status(error.status, error.message, ())
    except Exception:  # noqa: BLE001 - told and logged, below
        incident_id = secrets.token_hex(8)
        log.error(  # noqa: TRY400 - the traceback is there, without the secrets of the call
            "incident",
            incident_id=incident_id,
            method=call.method.path,
            request_id=call.request_id,
            request=None if call.request is None else shown(call.request),
            exception=scrubbed(traceback.format_exc(), _secrets(call)),
        )
        call.status = to_status(UnforeseenError(incident_id), call)


def _secrets(call: Call) -> list[str]:
    """What of a call may stand in an exception's text, and not in a log."""
    tokens = [str(value).partition(" ")[2] for key, value in call.metadata if key == "authorization"]
    return [*tokens, *(() if call.request is None else secrets_of(call.request))]


def to_status(error: SongServerError, call: Call) -> Status:
    """Gives the wire's form of an error."""
    code = GRPC_STATUS[error.code]
    if error.code == status_pb2.DB_OPERATION_FAILURE and call.is_late:
        code = GrpcStatus.DEADLINE_EXCEEDED
    number = str(error.code)
    details: list[Message] = [
        ErrorInfo(
            reason=StatusCode.Name(error.code),
            domain=DOMAIN,
            metadata={**error.metadata, "status_code": number, "request_id": call.request_id},
        )
    ]
    if error.violations:
        violations = [
            BadRequest.FieldViolation(field=violation.field, description=violation.description)
            for violation in error.violations
        ]
        details.append(BadRequest(field_violations=violations))
    if error.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(round(error.retry_after * 1000))
        details.append(RetryInfo(retry_delay=delay))
    message = cut(error.message, MAX_MESSAGE)
    rich = RpcStatus(code=code.value[0], message=message)
    for detail in details:
        rich.details.add().Pack(detail)
    trailers = [("song-status-code", number), ("grpc-status-details-bin", rich.SerializeToString())]
    if error.code == status_pb2.DB_OPERATION_FAILURE:
        # It has been tried again for as long as it may take: the caller hears of it now, not after three times that.
        trailers.append(("grpc-retry-pushback-ms", "-1"))
    return Status(code, message, trailers)
