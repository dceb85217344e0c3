"""What can go wrong with a call: an exception for each code of the contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from songs.v1.status_pb2 import StatusCode

DOMAIN: Final = "songs.v1"
DETAILS_TRAILER: Final = "grpc-status-details-bin"
CODE_TRAILER: Final = "song-status-code"

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a field of the request breaks."""

    field: str
    """The field's path in the request, such as "song.title"."""
    description: str
    """What the field must be."""


class SongClientError(Exception):
    """A call that failed. Each code of the contract has a class of its own below this one."""

    code: int | None = None
    """The contract's StatusCode; None where it was not the song server that failed the call."""

    def __init__(
        self,
        message: str,
        *,
        status: grpc.StatusCode,
        violations: tuple[Violation, ...] = (),
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        """What went wrong, for a person to read."""
        self.status = status
        """The gRPC status."""
        self.violations = violations
        """Every rule that the request breaks, by field."""
        self.retry_after = retry_after
        """Seconds to wait before the call is worth another try; None if waiting does not help."""
        self.metadata = dict(metadata or {})
        """What else the server said in its `google.rpc.ErrorInfo`, by name."""

    @property
    def incident_id(self) -> str | None:
        """Under which the server's log tells the story of an error that nobody foresaw."""
        return self.metadata.get("incident_id")


class ServerUnavailable(SongClientError):
    """No song server answers at the address."""


class DeadlineExceeded(SongClientError):
    """No answer came within the timeout; what was to be changed may have been changed."""


class InvalidDataFormat(SongClientError):
    """A page token, field mask, filter or id cannot be read."""

    code = StatusCode.INVALID_DATA_FORMAT


class DbOperationFailed(SongClientError):
    """The server's database is away or too slow."""

    code = StatusCode.DB_OPERATION_FAILURE


class RequestParseError(SongClientError):
    """The bytes were not the method's request message."""

    code = StatusCode.REQUEST_PARSE_ERROR


class InvalidPageNumber(SongClientError):
    """The page number is 0 or below, past the bound of 10,000 rows, or past the last page."""

    code = StatusCode.INVALID_PAGE_NUMBER


class Overloaded(SongClientError):
    """The server has as many calls in flight as it takes."""

    code = StatusCode.OVERLOADED


class InternalError(SongClientError):
    """Something that nobody foresaw; `incident_id` finds it in the server's log."""

    code = StatusCode.INTERNAL_ERROR


class TooManyCalls(SongClientError):
    """The server takes no more calls from this address for now; `retry_after` says when."""

    code = StatusCode.TOO_MANY_CALLS


class ServerStopping(SongClientError):
    """The server stops, or makes room for another one: call again, at once."""

    code = StatusCode.SERVER_STOPPING


class SignInFailed(SongClientError):
    """Wrong user name or password, or a session that is missing or over."""

    code = StatusCode.SIGN_IN_FAILURE


class UsernameExists(SongClientError):
    """Another user has this user name."""

    code = StatusCode.USERNAME_EXISTS


class UserParseError(SongClientError):
    """The request names no user, or the token's claims are not a user's."""

    code = StatusCode.USER_PARSE_ERROR


class PrivilegeError(SongClientError):
    """Signed in, but without the privilege that the call needs."""

    code = StatusCode.PRIVILEGE_ERROR


class InvalidUserDetails(SongClientError):
    """A field of a user breaks one of its rules."""

    code = StatusCode.INVALID_USER_DETAILS


class UserNotFound(SongClientError):
    """No user has this id or name."""

    code = StatusCode.USER_NOT_FOUND


class TooManyAttempts(SongClientError):
    """Too many wrong passwords for this user name, or from this address; `retry_after` says for how long."""

    code = StatusCode.TOO_MANY_ATTEMPTS


class LastAdmin(SongClientError):
    """It would leave the server without an admin who can sign in."""

    code = StatusCode.LAST_ADMIN


class SessionNotFound(SongClientError):
    """The caller has no open session with this id."""

    code = StatusCode.SESSION_NOT_FOUND


class ApiKeyNotFound(SongClientError):
    """The caller has no API key with this id."""

    code = StatusCode.API_KEY_NOT_FOUND


class SongExists(SongClientError):
    """The same song is in the catalogue already."""

    code = StatusCode.SONG_EXISTS

    @property
    def song_id(self) -> str:
        """The id of the song that is there; empty if the server did not name it."""
        return self.metadata.get("song_id", "")


class InvalidSongDetails(SongClientError):
    """A field of a song breaks one of its rules."""

    code = StatusCode.INVALID_SONG_DETAILS


class SongNotFound(SongClientError):
    """No song has this id."""

    code = StatusCode.SONG_NOT_FOUND


class StaleEtag(SongClientError):
    """The song has changed since its etag was read."""

    code = StatusCode.STALE_ETAG


class ResumeTokenExpired(SongClientError):
    """What has changed since the resume token is not known any more: list again, then watch anew."""

    code = StatusCode.RESUME_TOKEN_EXPIRED


class TooManySongs(SongClientError):
    """More songs match than may be changed at once; none is changed."""

    code = StatusCode.TOO_MANY_SONGS


class ImportTakenOver(SongClientError):
    """Another stream has gone on with this import."""

    code = StatusCode.IMPORT_TAKEN_OVER


BY_CODE: Final[Mapping[int | None, type[SongClientError]]] = {
    error.code: error
    for error in (
        InvalidDataFormat,
        DbOperationFailed,
        RequestParseError,
        InvalidPageNumber,
        Overloaded,
        InternalError,
        TooManyCalls,
        ServerStopping,
        SignInFailed,
        UsernameExists,
        UserParseError,
        PrivilegeError,
        InvalidUserDetails,
        UserNotFound,
        TooManyAttempts,
        LastAdmin,
        SessionNotFound,
        ApiKeyNotFound,
        SongExists,
        InvalidSongDetails,
        SongNotFound,
        StaleEtag,
        ResumeTokenExpired,
        TooManySongs,
        ImportTakenOver,
    )
}
"""Which exception stands for which code."""


def read_error(error: grpc.RpcError, address: str) -> SongClientError:
    """Make of a failed call to `address` the exception that the contract gives it.

    The code is read from the `google.rpc.ErrorInfo` in the status details, and where there is none
    from the trailer "song-status-code".
    """
    trailers: dict[str, str | bytes] = dict(
        error.trailing_metadata() or ()  # type: ignore[arg-type]  # They are pairs.
    )
    details = _read_details(trailers.get(DETAILS_TRAILER))
    info = _find(details, ErrorInfo)
    of_server = info is not None and info.domain == DOMAIN
    metadata = dict(info.metadata) if info is not None and of_server else {}
    code = _to_int(metadata.pop("status_code", None) or trailers.get(CODE_TRAILER))
    status = error.code()
    message = error.details() or status.name
    if code is None and status is grpc.StatusCode.UNAVAILABLE:
        return ServerUnavailable(
            f"no song server answers at {address}: is it running there? ({message})",
            status=status,
        )
    if code is None and status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(f"no answer in time from {address} ({message})", status=status)
    bad_request = _find(details, BadRequest)
    retry = _find(details, RetryInfo)
    read = BY_CODE.get(code, SongClientError)(
        message,
        status=status,
        violations=tuple(
            Violation(violation.field, violation.description)
            for violation in (bad_request.field_violations if bad_request is not None else ())
        ),
        retry_after=retry.retry_delay.ToTimedelta().total_seconds() if retry is not None else None,
        metadata=metadata,
    )
    read.code = code
    return read


def _read_details(packed: str | bytes | None) -> Status:
    """Read the details of a status; a proxy may have cut them, and then there are none."""
    try:
        return Status.FromString(packed) if isinstance(packed, bytes) else Status()
    except DecodeError:
        return Status()


def _find(details: Status, kind: type[M]) -> M | None:
    """Find the detail of one kind of message."""
    message = kind()
    return message if any(detail.Unpack(message) for detail in details.details) else None


def _to_int(text: str | bytes | None) -> int | None:
    """Read a whole number, or None where it is none."""
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
